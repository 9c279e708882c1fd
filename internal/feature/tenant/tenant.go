// Package tenant owns the section "tenants": the organisations that share the
// installation, and the sub-tenants below them.
package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Tenants", "The organisations that share the installation, and the sub-tenants below them.")
	httpapi.List(sec, httpapi.Route{
		Path: "/tenants", Summary: "List tenants", Access: httpapi.Requires("tenants", "read"),
		Description: "The tenant in which the call acts and, for its tenant_admin, those below it; for operators in the platform tenant, all.",
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/tenants", Summary: "Create a root tenant", Access: httpapi.Requires("tenants", "create"), Granting: true,
		Description: "For operators. Its first administrator is made with X-Tenant-ID.",
	}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/tenants/{id}", Summary: "Read a tenant", Access: httpapi.Requires("tenants", "read")}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Path: "/tenants/{id}", Summary: "Change a tenant", Access: httpapi.Requires("tenants", "update"), Granting: true,
		Description: "is_active, features and settings.inherit_permissions are written from above: by an operator or the parent's tenant_admin.",
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/tenants/{id}", Summary: "Delete a tenant with all that is in it", Access: httpapi.Requires("tenants", "delete"), Granting: true,
		Description: "From above only. A tenant with sub-tenants is not deleted (409).",
	}, s.delete)
	httpapi.Create(sec, httpapi.Route{
		Path: "/tenants/{id}/sub-tenants", Summary: "Create a sub-tenant", Access: httpapi.Requires("tenants", "create"), Granting: true,
	}, s.createBelow)
	s.registerMore(sec)
}

func (s *Service) registerMore(sec *httpapi.Section) {
	httpapi.Get(sec, httpapi.Route{
		Path: "/tenants/code/{code}", Summary: "Read a tenant by its code", Access: httpapi.Requires("tenants", "read"),
		Description: "In any case of letters.",
	}, s.byCode)
	httpapi.Get(sec, httpapi.Route{
		Path: "/tenants/{id}/hierarchy", Summary: "Read what is above and below a tenant", Access: httpapi.Requires("tenants", "read"),
		Description: "Of those above only name and code. Below at most 1,000 tenants, the nearest ones; truncated says that there are more.",
	}, s.hierarchy)
	httpapi.Call(sec, httpapi.Route{
		Path: "/tenants/{id}/activate", Summary: "Activate a tenant", Access: httpapi.Requires("tenants", "update"), Granting: true,
		Description: "From above only. Tokens that a deactivation ended stay dead: everybody logs in again.",
	}, s.activate)
	httpapi.Call(sec, httpapi.Route{
		Path: "/tenants/{id}/deactivate", Summary: "Deactivate a tenant", Access: httpapi.Requires("tenants", "update"), Granting: true,
		Description: "From above only. Ends every token of the tenant and of those below it at once.",
	}, s.deactivate)
	httpapi.Get(sec, httpapi.Route{
		Path: "/tenants/{id}/terminology", Summary: "Read what a tenant calls things",
		Access: httpapi.Authenticated("the labels of the own tenant, which every screen shows, or of one administered from above"),
	}, s.terminology)
	httpapi.Put(sec, httpapi.Route{
		Path: "/tenants/{id}/terminology", Summary: "Change what a tenant calls things", Access: httpapi.Requires("tenants", "update"),
		Description: "Overrides the words given; null takes an override away. Words that are absent stay as they are.",
	}, s.setTerminology)
}

// Tenant is a tenant as the API shows it.
type Tenant struct {
	ID             uuid.UUID       `json:"id"`
	Name           string          `json:"name"`
	Code           string          `json:"code" doc:"Upper case, unique in the installation."`
	Type           string          `json:"type" enum:"root,sub_tenant"`
	ParentTenantID *uuid.UUID      `json:"parent_tenant_id" nullable:"true"`
	IsolationMode  string          `json:"isolation_mode" enum:"shared,dedicated"`
	Settings       json.RawMessage `json:"settings"`
	Features       []string        `json:"features" doc:"Empty for all. No tenant has more than its parent, whatever its list says."`
	Metadata       json.RawMessage `json:"metadata"`
	TimeZone       string          `json:"time_zone" doc:"An IANA name; clock conditions are judged in it."`
	IsActive       bool            `json:"is_active"`
	CreatedAt      time.Time       `json:"created_at"`
	UpdatedAt      time.Time       `json:"updated_at"`
}

// ETag changes with every write to the tenant.
func (t *Tenant) ETag() string { return httpapi.ETag(t.ID, t.UpdatedAt.UnixNano()) }

func view(m *models.Tenant) *Tenant {
	features := []string(m.Features)
	if features == nil {
		features = []string{}
	}
	return &Tenant{
		ID: m.ID, Name: m.Name, Code: m.Code, Type: m.Type, ParentTenantID: m.ParentTenantID, IsolationMode: m.IsolationMode,
		Settings: json.RawMessage(m.Settings), Features: features, Metadata: json.RawMessage(m.Metadata),
		TimeZone: m.TimeZone, IsActive: m.IsActive, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"tenants_code_key":  {Path: "code", Message: "A tenant with this code exists already."},
	"tenants_parent_fk": {Path: "", Message: "The tenant has sub-tenants. Delete those first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort     string                 `query:"sort" enum:"name,code,created_at" default:"created_at"`
	Search   string                 `query:"search" maxLength:"100" doc:"Part of the name or code."`
	IsActive httpapi.Opt[bool]      `query:"is_active"`
	Type     string                 `query:"type" enum:"root,sub_tenant"`
	Parent   httpapi.Opt[uuid.UUID] `query:"parent" doc:"Only those directly below this tenant."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Tenant], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	operator, err := s.Write.Engine.IsOperator(ctx, caller)
	if err != nil {
		return page, err
	}
	administers, err := s.Write.Engine.Administers(ctx, caller, tenant, false)
	if err != nil {
		return page, err
	}
	read := func(tx *db.Tx) error {
		q := tx.DB
		switch {
		case operator && tenant == identity.PlatformTenant:
		case administers:
			q = q.Where("(id = ? OR id IN (SELECT tenant_id FROM sentinel.tenant_ancestors WHERE ancestor_id = ?))", tenant, tenant)
		default:
			q = q.Where("id = ?", tenant)
		}
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		if in.Type != "" {
			q = q.Where("type = ?", in.Type)
		}
		if in.Parent.Set {
			q = q.Where("parent_tenant_id = ?", in.Parent.Value)
		}
		q = crud.Contains(q, in.Search, "name", "code")
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	}
	if operator && tenant == identity.PlatformTenant {
		return page, s.Write.DB.InSystemReadTx(ctx, db.OperatorListing, read)
	}
	err = s.Write.DB.InReadTx(ctx, read)
	return page, err
}

// IDIn names one tenant.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The tenant's id."`
}

// enter returns a context that acts in the named tenant: the one in which the
// call acts anyway, or one that the caller administers from above. Any other
// does not exist for the caller.
func (s *Service) enter(ctx context.Context, id uuid.UUID) (context.Context, error) {
	if acting, _ := identity.TenantFrom(ctx); acting == id {
		return ctx, nil
	}
	caller, _ := identity.PrincipalFrom(ctx)
	return s.Write.Engine.EnterTenant(ctx, caller, id)
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Tenant, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := find(tx, in.ID)
		if err != nil {
			return err
		}
		out = view(m)
		return nil
	})
	return out, err
}

func find(tx *db.Tx, id uuid.UUID) (*models.Tenant, error) { return take(tx.DB, id) }

// locked is find, held against other writers until the transaction ends.
func locked(tx *db.Tx, id uuid.UUID) (*models.Tenant, error) {
	return take(tx.Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

func take(q *gorm.DB, id uuid.UUID) (*models.Tenant, error) {
	var m models.Tenant
	err := q.Where("id = ?", id).Take(&m).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, fault.NotFound("tenant")
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	return &m, nil
}

// Input is a new tenant.
type Input struct {
	Name          string         `json:"name" minLength:"1" maxLength:"255"`
	Code          string         `json:"code" minLength:"1" maxLength:"50" pattern:"^[A-Za-z0-9][A-Za-z0-9-]*$" doc:"Kept in upper case."`
	IsolationMode string         `json:"isolation_mode,omitempty" enum:"shared,dedicated" default:"shared" doc:"dedicated is not offered yet."`
	Settings      httpapi.Object `json:"settings,omitempty" doc:"Known ones only. What is free-form belongs in metadata."`
	Features      []string       `json:"features,omitempty" maxItems:"100" uniqueItems:"true" doc:"Empty for all that the parent has."`
	Metadata      httpapi.Object `json:"metadata,omitempty"`
	TimeZone      string         `json:"time_zone,omitempty" maxLength:"64" default:"UTC"`
}

func (in *Input) model(parent *uuid.UUID) *models.Tenant {
	m := &models.Tenant{
		ID: uuid.Must(uuid.NewV7()), Name: in.Name, Code: strings.ToUpper(in.Code), Type: "root", ParentTenantID: parent, IsolationMode: in.IsolationMode,
		Settings: models.Object(in.Settings), Features: models.Strings(in.Features), Metadata: models.Object(in.Metadata),
		Terminology: models.Object(nil), TimeZone: in.TimeZone, IsActive: true,
	}
	if parent != nil {
		m.Type = "sub_tenant"
	}
	if m.IsolationMode == "" {
		m.IsolationMode = "shared"
	}
	if m.Features == nil {
		m.Features = models.Strings{}
	}
	if m.TimeZone == "" {
		m.TimeZone = "UTC"
	}
	return m
}
