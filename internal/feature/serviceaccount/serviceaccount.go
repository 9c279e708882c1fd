// Package serviceaccount owns the section "service accounts": accounts of
// programs, which have a key and no password. How a key becomes a token is the
// session's.
package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/models"
)

// what is the name of the kind of object in faults.
const what = "service account"

// Service answers the section's calls. Make it with [New].
type Service struct {
	write *change.Writer
	// normaliseEmail tells an e-mail address from another text.
	normaliseEmail func(string) (string, bool)
	attempts       *limit.Attempts
}

// New makes the section. normaliseEmail is how addresses of people are stored;
// false means that a text is none.
func New(write *change.Writer, normaliseEmail func(string) (string, bool)) *Service {
	return &Service{write: write, normaliseEmail: normaliseEmail, attempts: newAttempts(write.Engine.Now)}
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Service accounts", "Accounts of programs: they have a key and no password.")
	once := []string{"api_key"}
	httpapi.List(sec, httpapi.Route{Path: "/service-accounts", Summary: "List service accounts", Access: httpapi.Requires("service-accounts", "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/service-accounts", Summary: "Create a service account", Access: httpapi.Requires("service-accounts", "create"), Granting: true, ShownOnce: once,
		Description: "Its key is shown this once; only a hash is kept.",
	}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/service-accounts/{id}", Summary: "Read a service account", Access: httpapi.Requires("service-accounts", "read")}, s.read)
	httpapi.Update(sec, httpapi.Route{Path: "/service-accounts/{id}", Summary: "Change a service account", Access: httpapi.Requires("service-accounts", "update"), Granting: true}, s.update)
	httpapi.Delete(sec, httpapi.Route{Path: "/service-accounts/{id}", Summary: "Delete a service account", Access: httpapi.Requires("service-accounts", "delete"), Granting: true}, s.delete)
	httpapi.Call(sec, httpapi.Route{
		Path: "/service-accounts/{id}/rotate-credentials", Summary: "Give a service account a new key", Access: httpapi.Requires("service-accounts", "update"), Granting: true, ShownOnce: once,
		OperationID: "rotateServiceAccountCredentials",
		Description: "The old key lives on for the grace period, a key older than that not at all. Without a grace period every token of the account ends at once. The account itself uses /service-accounts/me/rotate-credentials.",
	}, s.rotate)
	httpapi.Call(sec, httpapi.Route{
		Path: "/service-accounts/me/rotate-credentials", Summary: "Replace the own key", ShownOnce: once,
		OperationID: "rotateOwnServiceAccountCredentials",
		Access:      httpapi.Authenticated("a service account's own key, which it proves to have"),
		Description: "Takes the current key: one that was rotated away already, and lives on, cannot rotate.",
	}, s.rotateOwn)
	httpapi.Call(sec, httpapi.Route{
		Path: "/service-accounts/{id}/validate", Summary: "Ask whether a key is the account's", Access: httpapi.Requires("service-accounts", "read"),
		Description: "At most 20 times a minute for one account.",
	}, s.validate)
}

// Account is a service account as the API shows it.
type Account struct {
	ID                   uuid.UUID       `json:"id"`
	ClientID             uuid.UUID       `json:"client_id" doc:"The id, as OAuth 2.0 calls it."`
	TenantID             uuid.UUID       `json:"tenant_id"`
	Name                 string          `json:"name" doc:"Unique among the tenant's service accounts, whatever the case of letters."`
	Description          string          `json:"description"`
	ExternalID           *string         `json:"external_id" nullable:"true"`
	OwnerID              *uuid.UUID      `json:"owner_id" nullable:"true" doc:"The person behind it: in approvals the two count as one."`
	KeyID                string          `json:"key_id" doc:"The part of the key that names it."`
	PreviousKeyExpiresAt *time.Time      `json:"previous_key_expires_at" nullable:"true" doc:"Until when the key before the last rotation counts."`
	AllowedIPs           []string        `json:"allowed_ips" doc:"Addresses and ranges from which it may call; empty for any."`
	Attributes           json.RawMessage `json:"attributes" doc:"What conditions read as subject.attributes."`
	Roles                []uuid.UUID     `json:"roles" doc:"Its own, whatever their validity."`
	Groups               []uuid.UUID     `json:"groups"`
	IsActive             bool            `json:"is_active"`
	LastLogin            *time.Time      `json:"last_login" nullable:"true"`
	CreatedAt            time.Time       `json:"created_at"`
	UpdatedAt            time.Time       `json:"updated_at"`
}

// ETag changes with every write to the account itself.
func (a *Account) ETag() string { return httpapi.ETag(a.ID, a.UpdatedAt.UnixNano()) }

// view leaves roles and groups to [shown].
func view(m *models.User) *Account {
	a := &Account{
		ID: m.ID, ClientID: m.ID, TenantID: m.TenantID, Name: m.DisplayName, Description: m.Description, ExternalID: m.ExternalID, OwnerID: m.OwnerID,
		PreviousKeyExpiresAt: m.PreviousKeyExpiresAt, AllowedIPs: append([]string{}, m.AllowedIPs...), Attributes: json.RawMessage(m.Attributes),
		Roles: []uuid.UUID{}, Groups: []uuid.UUID{}, IsActive: m.IsActive, LastLogin: m.LastLogin, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	if m.Username != nil {
		a.Name = *m.Username
	}
	if m.ServiceAccountKeyID != nil {
		a.KeyID = *m.ServiceAccountKeyID
	}
	return a
}

// shown is the account as it is stored now, with what it has.
func shown(tx *db.Tx, tenant, id uuid.UUID) (*Account, []string, error) {
	m, err := one(tx, tenant, id)
	if err != nil {
		return nil, nil, err
	}
	held, err := directory.HeldBy(tx, tenant, []uuid.UUID{id})
	if err != nil {
		return nil, nil, err
	}
	a := view(m)
	a.Roles, a.Groups = held[id].Roles, held[id].Groups
	return a, held[id].Nodes(), nil
}

// one finds a service account of the tenant. A person is none.
func one(tx *db.Tx, tenant, id uuid.UUID) (*models.User, error) {
	return program(crud.One[models.User](tx, tenant, id, what))
}

// locked is one, held against other writers until the transaction ends.
func locked(tx *db.Tx, tenant, id uuid.UUID) (*models.User, error) {
	return program(crud.Locked[models.User](tx, tenant, id, what))
}

func program(m *models.User, err error) (*models.User, error) {
	if err == nil && !m.IsServiceAccount {
		return nil, fault.NotFound(what)
	}
	return m, err
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort     string                 `query:"sort" enum:"name,created_at,last_login" default:"created_at"`
	IsActive httpapi.Opt[bool]      `query:"is_active"`
	Owner    httpapi.Opt[uuid.UUID] `query:"owner" doc:"Only accounts of this person."`
	Search   string                 `query:"search" maxLength:"100" doc:"Part of the name, the description or the external id."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Account], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	order := crud.Order{Column: in.Sort, Descending: in.Descending()}
	if in.Sort == "name" {
		order.Column = "username"
	}
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ? AND is_service_account", tenant)
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		if in.Owner.Set {
			q = q.Where("owner_id = ?", in.Owner.Value)
		}
		if page, err = crud.Search(q, "users", in.Search, in.PageIn, order, view); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(page.Items))
		for i := range page.Items {
			ids[i] = page.Items[i].ID
		}
		held, err := directory.HeldBy(tx, tenant, ids)
		if err != nil {
			return err
		}
		for i := range page.Items {
			a := &page.Items[i]
			a.Roles, a.Groups = held[a.ID].Roles, held[a.ID].Groups
		}
		return nil
	})
	return page, err
}

// IDIn names one service account.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The service account's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Account, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		out, _, err = shown(tx, tenant, in.ID)
		return err
	})
	return out, err
}

var refusals = crud.Refusals{
	"users_external_id_key": {Path: "external_id", Message: "An account with this external id exists already in this tenant."},
	"users_external_id_retired": {
		Path: "external_id", Message: "This external id was another account's, if one that is deleted. It is not given out again: what still names it would mean the wrong account.",
	},
	"users_service_account_key_id_key": {Path: "", Message: "The new key has the name of another by chance. Repeat the call."},
}

// unused refuses a name that another service account of the tenant has. The
// tenant's lock, which every granting write holds, keeps it free until then.
func unused(tx *db.Tx, tenant, id uuid.UUID, name string) error {
	var taken bool
	err := tx.Raw(`
SELECT EXISTS (
  SELECT 1
  FROM sentinel.users
  WHERE tenant_id = ?
  AND is_service_account
  AND lower(username) = lower(?)
  AND id <> ?
)`, tenant, name, id).Scan(&taken).Error
	if err != nil {
		return fmt.Errorf("look for the name: %w", err)
	}
	if taken {
		return fault.Conflict("name", "A service account with this name exists already in this tenant.")
	}
	return nil
}

// person refuses an owner that is no person of the tenant.
func person(tx *db.Tx, tenant, id uuid.UUID) error {
	owner, err := crud.One[models.User](tx, tenant, id, "person")
	if err == nil && owner.IsServiceAccount {
		err = fault.NotFound("person")
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.NotFoundKind {
		f.Fields = []fault.Field{{Path: "owner_id", Message: "there is no such person in this tenant"}}
	}
	return err
}
