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

	"github.com/sentinel-access/sentinel/internal/engine"
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
		Description: "The tenant in which the call acts and those below it; for operators in the platform tenant, all.",
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
	Features       []string        `json:"features"`
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
	Sort   string `query:"sort" enum:"name,code,created_at" default:"created_at"`
	Search string `query:"search" maxLength:"100" doc:"Part of the name or code."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Tenant], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	operator, err := s.Write.Engine.IsOperator(ctx, caller)
	if err != nil {
		return page, err
	}
	read := func(tx *db.Tx) error {
		q := tx.DB
		if !operator || tenant != identity.PlatformTenant {
			q = q.Where("(id = ? OR id IN (SELECT tenant_id FROM sentinel.tenant_ancestors WHERE ancestor_id = ?))", tenant, tenant)
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

func find(tx *db.Tx, id uuid.UUID) (*models.Tenant, error) {
	var m models.Tenant
	err := tx.Where("id = ?", id).Take(&m).Error
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
	IsolationMode string         `json:"isolation_mode,omitempty" enum:"shared" default:"shared" doc:"dedicated is not offered yet."`
	Settings      httpapi.Object `json:"settings,omitempty"`
	Features      []string       `json:"features,omitempty" maxItems:"100"`
	Metadata      httpapi.Object `json:"metadata,omitempty"`
	TimeZone      string         `json:"time_zone,omitempty" maxLength:"64" default:"UTC"`
}

func (in *Input) model(parent *uuid.UUID) *models.Tenant {
	m := &models.Tenant{
		ID: uuid.Must(uuid.NewV7()), Name: in.Name, Code: strings.ToUpper(in.Code), Type: "root", ParentTenantID: parent, IsolationMode: "shared",
		Settings: models.Object(in.Settings), Features: models.Strings(in.Features), Metadata: models.Object(in.Metadata),
		Terminology: models.Object(nil), TimeZone: in.TimeZone, IsActive: true,
	}
	if parent != nil {
		m.Type = "sub_tenant"
	}
	if m.Features == nil {
		m.Features = models.Strings{}
	}
	if m.TimeZone == "" {
		m.TimeZone = "UTC"
	}
	return m
}

// valid checks the settings and the time zone, so that no stored tenant can
// fail to load.
func valid(settings map[string]any, zone string) error {
	var fields []fault.Field
	if c, ok := settings["conflict_resolution"]; ok && c != engine.DenyOverrides {
		fields = append(fields, fault.Field{Path: "settings.conflict_resolution", Message: "must be " + engine.DenyOverrides})
	}
	if i, ok := settings["inherit_permissions"]; ok {
		if _, isBool := i.(bool); !isBool {
			fields = append(fields, fault.Field{Path: "settings.inherit_permissions", Message: "must be true or false"})
		}
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		fields = append(fields, fault.Field{Path: "time_zone", Message: "must be an IANA time zone, such as Europe/Athens"})
	}
	if fields == nil {
		return nil
	}
	return fault.Invalid(fields...)
}
