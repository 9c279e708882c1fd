// Package user owns the section "users": accounts of people, and what roles
// they have. How they prove who they are is the session's.
package user

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write     *change.Writer
	Passwords *crypto.Passwords
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Users", "Accounts, and the roles they have.")
	httpapi.List(sec, httpapi.Route{Path: "/users", Summary: "List users", Access: httpapi.Requires("users", "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{Path: "/users", Summary: "Create a user", Access: httpapi.Requires("users", "create"), Granting: true}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: "/users/me", Summary: "Read the own account", Access: httpapi.Authenticated("the caller's own account")}, s.me)
	httpapi.Get(sec, httpapi.Route{Path: "/users/{id}", Summary: "Read a user", Access: httpapi.Requires("users", "read")}, s.read)
	httpapi.Update(sec, httpapi.Route{Path: "/users/{id}", Summary: "Change a user", Access: httpapi.Requires("users", "update"), Granting: true}, s.update)
	httpapi.Delete(sec, httpapi.Route{Path: "/users/{id}", Summary: "Delete a user", Access: httpapi.Requires("users", "delete"), Granting: true}, s.delete)
	httpapi.List(sec, httpapi.Route{Path: "/users/{id}/roles", Summary: "List a user's own roles", Access: httpapi.Requires("users", "read")}, s.roles)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/{id}/roles", Summary: "Assign a role to a user", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "Assigned again, its validity is replaced.",
	}, s.assign)
	httpapi.Delete(sec, httpapi.Route{Path: "/users/{id}/roles/{role_id}", Summary: "Take a role from a user", Access: httpapi.Requires("users", "update"), Granting: true}, s.unassign)
}

// User is an account as the API shows it.
type User struct {
	ID               uuid.UUID       `json:"id"`
	TenantID         uuid.UUID       `json:"tenant_id"`
	Email            string          `json:"email"`
	EmailVerified    bool            `json:"email_verified" doc:"Conditions see a verified address only."`
	Username         *string         `json:"username" nullable:"true"`
	DisplayName      string          `json:"display_name"`
	ExternalID       *string         `json:"external_id" nullable:"true" doc:"The account's id in the application or directory that it comes from."`
	IsServiceAccount bool            `json:"is_service_account"`
	Attributes       json.RawMessage `json:"attributes" doc:"What conditions read as subject.attributes."`
	Preferences      json.RawMessage `json:"preferences"`
	IsActive         bool            `json:"is_active"`
	LockedUntil      *time.Time      `json:"locked_until" nullable:"true"`
	LastLogin        *time.Time      `json:"last_login" nullable:"true"`
	CreatedAt        time.Time       `json:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at"`
}

// ETag changes with every write to the user.
func (u *User) ETag() string { return httpapi.ETag(u.ID, u.UpdatedAt.UnixNano()) }

func view(m *models.User) *User {
	return &User{
		ID: m.ID, TenantID: m.TenantID, Email: m.Email, EmailVerified: m.EmailVerifiedAt != nil, Username: m.Username,
		DisplayName: m.DisplayName, ExternalID: m.ExternalID, IsServiceAccount: m.IsServiceAccount,
		Attributes: json.RawMessage(m.Attributes), Preferences: json.RawMessage(m.Preferences), IsActive: m.IsActive,
		LockedUntil: m.LockedUntil, LastLogin: m.LastLogin, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"users_email_key":       {Path: "email", Message: "An account with this e-mail address exists already in this tenant."},
	"users_external_id_key": {Path: "external_id", Message: "An account with this external id exists already in this tenant."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort             string                 `query:"sort" enum:"email,created_at,last_login" default:"created_at"`
	Role             httpapi.Opt[uuid.UUID] `query:"role" doc:"Only accounts with this role of their own."`
	Group            httpapi.Opt[uuid.UUID] `query:"group" doc:"Only members of this group."`
	IsActive         httpapi.Opt[bool]      `query:"is_active"`
	IsServiceAccount httpapi.Opt[bool]      `query:"is_service_account"`
	Search           string                 `query:"search" maxLength:"100" doc:"Part of the e-mail address, user name or display name."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[User], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		if in.IsServiceAccount.Set {
			q = q.Where("is_service_account = ?", in.IsServiceAccount.Value)
		}
		if in.Role.Set {
			q = q.Where("id IN (SELECT user_id FROM sentinel.user_roles WHERE tenant_id = ? AND role_id = ?)", tenant, in.Role.Value)
		}
		if in.Group.Set {
			q = q.Where("id IN (SELECT user_id FROM sentinel.user_groups WHERE tenant_id = ? AND group_id = ?)", tenant, in.Group.Value)
		}
		q = crud.Search(q, "users", in.Search)
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one user.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The user's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*User, error) {
	return crud.Read(ctx, s.Write.DB, in.ID, "user", view)
}

func (s *Service) me(ctx context.Context, _ *struct{}) (*User, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	return s.read(identity.WithTenant(ctx, caller.HomeTenantID), &IDIn{ID: caller.UserID})
}

// CreateIn is a new user.
type CreateIn struct {
	Body struct {
		Email       string         `json:"email" format:"email" maxLength:"320"`
		Username    *string        `json:"username,omitempty" minLength:"1" maxLength:"255"`
		DisplayName string         `json:"display_name,omitempty" maxLength:"255"`
		ExternalID  *string        `json:"external_id,omitempty" minLength:"1" maxLength:"255"`
		Password    string         `json:"password,omitempty" maxLength:"1000" doc:"At least 12 characters. Without one the account cannot log in."`
		Attributes  httpapi.Object `json:"attributes,omitempty"`
		Preferences httpapi.Object `json:"preferences,omitempty"`
		Roles       []uuid.UUID    `json:"roles,omitempty" maxItems:"100" doc:"Ids of roles to assign."`
		Groups      []uuid.UUID    `json:"groups,omitempty" maxItems:"100" doc:"Ids of groups to join."`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[User], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	email, err := checkIdentity(b.Email, b.ExternalID, b.Password, false)
	if err != nil {
		return created, err
	}
	var hash *string
	if b.Password != "" {
		text, err := s.Passwords.Hash(ctx, b.Password)
		if err != nil {
			return created, err
		}
		hash = &text
	}
	err = s.Write.Granting(ctx, "user.create", func(w *change.Write) (granting.Change, error) {
		verified := w.Now
		m := &models.User{
			ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Email: email, EmailVerifiedAt: &verified, Username: b.Username,
			DisplayName: b.DisplayName, ExternalID: b.ExternalID, PasswordHash: hash, IsActive: true,
			Attributes: models.Object(b.Attributes), Preferences: models.Object(b.Preferences),
			AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("create user: %w", err))
		}
		handed, err := give(ctx, w, m.ID, b.Roles, b.Groups)
		if err != nil {
			return granting.Change{}, err
		}
		if m, err = crud.One[models.User](w.Tx, tenant, m.ID, "user"); err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[User]{Location: "/users/" + m.ID.String(), Data: *view(m)}
		return granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: handed},
			w.Record(audit.Event{
				Action: "user.create", ResourceType: "user", ResourceID: m.ID, Person: m.ID, After: created.Data,
				Detail: map[string]any{"roles": b.Roles, "groups": b.Groups},
			})
	})
	return created, err
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Email       *string                     `json:"email,omitempty" format:"email" maxLength:"320"`
		Username    httpapi.Opt[string]         `json:"username,omitempty" minLength:"1" maxLength:"255"`
		DisplayName httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		ExternalID  httpapi.Opt[string]         `json:"external_id,omitempty" minLength:"1" maxLength:"255"`
		Password    *string                     `json:"password,omitempty" maxLength:"1000" doc:"Ends every session of the account."`
		Attributes  httpapi.Opt[httpapi.Object] `json:"attributes,omitempty" doc:"Replaces them all."`
		Preferences httpapi.Opt[httpapi.Object] `json:"preferences,omitempty" doc:"Replaces them all."`
		IsActive    *bool                       `json:"is_active,omitempty" doc:"false ends every session and token at once."`
	}
}

// touches reports whether the change is of what the account is or may do:
// identity, attributes, credentials or state. A name to show and preferences
// are neither.
func (in *UpdateIn) touches() bool {
	b := &in.Body
	return b.Email != nil || b.Username.Set || b.ExternalID.Set || b.Password != nil || b.Attributes.Set || b.IsActive != nil
}

// fits refuses for a service account what only people have.
func (in *UpdateIn) fits(m *models.User) error {
	if !m.IsServiceAccount {
		return nil
	}
	var fields []fault.Field
	if in.Body.Email != nil {
		fields = append(fields, fault.Field{Path: "email", Message: "a service account has no e-mail address"})
	}
	if in.Body.Password != nil {
		fields = append(fields, fault.Field{Path: "password", Message: "a service account has a key and no password"})
	}
	if in.Body.Username.Set {
		fields = append(fields, fault.Field{Path: "username", Message: "is the name of a service account, which is unique: change it at /service-accounts/{id}"})
	}
	if fields == nil {
		return nil
	}
	return fault.Invalid(fields...)
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *User, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	hash, err := s.newPassword(ctx, b.Password)
	if err != nil {
		return nil, err
	}
	err = s.Write.Granting(ctx, "user.update", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user")
		if err != nil {
			return granting.Change{}, err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return granting.Change{}, err
		}
		if err := in.fits(m); err != nil {
			return granting.Change{}, err
		}
		httpapi.Set(&m.Email, b.Email)
		b.Username.ToPointer(&m.Username)
		b.DisplayName.To(&m.DisplayName)
		b.ExternalID.ToPointer(&m.ExternalID)
		if b.Attributes.Set {
			m.Attributes = models.Object(b.Attributes.Value)
		}
		if b.Preferences.Set {
			m.Preferences = models.Object(b.Preferences.Value)
		}
		if m.Email, err = checkIdentity(m.Email, m.ExternalID, "", m.IsServiceAccount); err != nil {
			return granting.Change{}, err
		}
		if m.Email != before.Email {
			m.EmailVerifiedAt = &w.Now // an administrator's word is proof enough
		}
		if b.IsActive != nil && *b.IsActive != m.IsActive || hash != nil {
			m.TokenEpoch++
		}
		httpapi.Set(&m.IsActive, b.IsActive)
		if hash != nil {
			m.PasswordHash = hash
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update user: %w", err))
		}
		if m, err = crud.One[models.User](w.Tx, tenant, m.ID, "user"); err != nil {
			return granting.Change{}, err
		}
		out = view(m)
		var c granting.Change
		if in.touches() {
			c.Accounts = []uuid.UUID{m.ID}
			if c.Handed, err = has(w, m.ID); err != nil {
				return c, err
			}
		}
		return c, w.Record(audit.Event{Action: "user.update", ResourceType: "user", ResourceID: m.ID, Person: m.ID, Before: before, After: out})
	})
	return out, err
}

// DeleteIn names the user to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
	Erase bool `query:"erase" doc:"Erases what is known of the person as well, in the audit log too, for ever. Works for an account that is deleted already."`
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	if in.Erase {
		return s.erase(ctx, in)
	}
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "user.delete", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user")
		if err != nil {
			return granting.Change{}, err
		}
		if err := in.Check(view(m).ETag()); err != nil {
			return granting.Change{}, err
		}
		handed, err := has(w, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, fmt.Errorf("delete user: %w", err)
		}
		return granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: handed, Removal: true},
			w.Record(audit.Event{Action: "user.delete", ResourceType: "user", ResourceID: m.ID, Person: m.ID, Before: view(m)})
	})
}
