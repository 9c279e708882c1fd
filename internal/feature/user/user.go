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
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write     *change.Writer
	Passwords *crypto.Passwords
	// Invite and RequestReset make a one-time token in the write, and return what
	// mails it: called once the write is committed. Nil where mail is not
	// configured.
	Invite, RequestReset func(ctx context.Context, w *change.Write, u *models.User) (send func(), err error)
	// RequestEmailChange is like them, for an address that counts once it is
	// confirmed there.
	RequestEmailChange func(ctx context.Context, w *change.Write, u *models.User, email string) (send func(), err error)
	// ForgetFiles takes whoever is erased out of files that wait to be imported.
	ForgetFiles func(ctx context.Context, w *change.Write, names ...string) error
	// Attempts bounds how often a caller may guess the password of the own
	// account, see [NewAttempts].
	Attempts *limit.Attempts
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
	httpapi.Update(sec, httpapi.Route{
		Path: "/users/me", Summary: "Change the own account", Access: httpapi.Authenticated("the caller's own account"), Errors: []int{403, 409},
		Description: "A new password, or e-mail address, needs the current password. The address changes when it is confirmed by the mail that is sent to it.",
	}, s.updateMe)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/bulk", Summary: "Do one thing to many users", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "Each account is judged on its own: what is refused for one does not stop the others. The answer is 200 with a result for each id.",
	}, s.bulk)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/{id}/lock", Summary: "Lock a user out", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "Ends every session and token of the account at once.",
	}, s.lock)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/{id}/unlock", Summary: "Let a locked user in again", Access: httpapi.Requires("users", "update"), Granting: true,
		Description: "Also forgets failed logins.",
	}, s.unlock)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/{id}/change-password", Summary: "Change the own password", Access: httpapi.Authenticated("one's own, with the current one"), Errors: []int{403, 409},
		Description: "Ends every session of the account, this one too.",
	}, s.changePassword)
	httpapi.Call(sec, httpapi.Route{
		Path: "/users/{id}/reset-password", Summary: "Reset a user's password", Access: httpapi.Requires("users", "update"), Granting: true, Errors: []int{409},
		Description: "By a mail with a link, or by a temporary password that is shown once.", ShownOnce: []string{"temporary_password"},
	}, s.resetPassword)
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
	"users_email_key": {Path: "email", Message: "An account with this e-mail address exists already in this tenant."},
	"users_email_retired": {
		Path: "email", Message: "This e-mail address was another account's, if one that is deleted. It is not given out again: what still names it would mean the wrong account.",
	},
	"users_external_id_retired": {
		Path: "external_id", Message: "This external id was another account's, if one that is deleted. It is not given out again: what still names it would mean the wrong account.",
	},
	"users_external_id_key": {Path: "external_id", Message: "An account with this external id exists already in this tenant."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	httpapi.TenantIn
	Sort             string                 `query:"sort" enum:"email,created_at,last_login" default:"created_at"`
	Role             httpapi.Opt[uuid.UUID] `query:"role" doc:"Only accounts to which this role is assigned itself, not those that have it by a group or by another role."`
	Group            httpapi.Opt[uuid.UUID] `query:"group" doc:"Only members of this group itself, not of groups below it."`
	IsActive         httpapi.Opt[bool]      `query:"is_active"`
	IsServiceAccount httpapi.Opt[bool]      `query:"is_service_account"`
	Search           string                 `query:"search" maxLength:"100" doc:"Part of the e-mail address, user name, display name or external id."`
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
		page, err = crud.Search(q, "users", in.Search, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one user.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The user's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Detail, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.One[models.User](tx, tenant, in.ID, "user")
		if err != nil {
			return err
		}
		out, err = detail(tx, m)
		return err
	})
	return out, err
}

func (s *Service) me(ctx context.Context, _ *struct{}) (*Detail, error) {
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

		SendInvitation   bool `json:"send_invitation,omitempty" doc:"Mail a link by which the person sets a password and confirms the address, which is unverified until then."`
		IsServiceAccount bool `json:"is_service_account,omitempty" doc:"Must be false: see POST /service-accounts."`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Detail], err error) {
	b := &in.Body
	email, err := checkIdentity(b.Email, b.ExternalID, b.Password, false)
	if err != nil {
		return created, err
	}
	if b.IsServiceAccount {
		return created, fault.InvalidAt("is_service_account", "must be false: service accounts are made with POST /service-accounts, which answers their key")
	}
	if b.SendInvitation && s.Invite == nil {
		return created, noMail()
	}
	var password *string
	if b.Password != "" {
		password = &b.Password
	}
	hash, err := s.newPassword(ctx, password)
	if err != nil {
		return created, err
	}
	var send func()
	err = s.Write.Granting(ctx, "user.create", func(w *change.Write) (c granting.Change, err error) {
		m := in.model(w, email, hash)
		c, created, err = s.insert(ctx, w, in, m)
		if err == nil && b.SendInvitation {
			send, err = s.Invite(ctx, w, m)
		}
		return c, err
	})
	if err == nil && send != nil {
		send()
	}
	return created, err
}

func (in *CreateIn) model(w *change.Write, email string, hash *string) *models.User {
	b := &in.Body
	m := &models.User{
		ID: uuid.Must(uuid.NewV7()), Email: email, EmailVerifiedAt: &w.Now, Username: b.Username,
		DisplayName: b.DisplayName, ExternalID: b.ExternalID, PasswordHash: hash, IsActive: true,
		Attributes: models.Object(b.Attributes), Preferences: models.Object(b.Preferences),
		AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
	}
	if b.SendInvitation {
		m.EmailVerifiedAt = nil
	}
	return m
}

func (s *Service) insert(ctx context.Context, w *change.Write, in *CreateIn, m *models.User) (c granting.Change, created httpapi.Created[Detail], err error) {
	m.TenantID, _ = identity.TenantFrom(ctx)
	if err := directory.HasRoom(w, m.TenantID); err != nil {
		return c, created, err
	}
	if err := w.Create(m).Error; err != nil {
		return c, created, refusals.Refused(fmt.Errorf("create user: %w", err))
	}
	c.Accounts = []uuid.UUID{m.ID}
	if c.Handed, err = directory.Give(ctx, w, m.ID, in.Body.Roles, in.Body.Groups); err != nil {
		return c, created, err
	}
	stored, err := crud.One[models.User](w.Tx, m.TenantID, m.ID, "user")
	if err != nil {
		return c, created, err
	}
	out, err := detail(w.Tx, stored)
	if err != nil {
		return c, created, err
	}
	created = httpapi.Created[Detail]{Location: "/users/" + m.ID.String(), Data: *out}
	return c, created, w.Record(audit.Event{
		Action: "user.create", ResourceType: "user", ResourceID: m.ID, Person: m.ID, After: out.Account,
		Detail: map[string]any{"roles": in.Body.Roles, "groups": in.Body.Groups, "invited": in.Body.SendInvitation},
	})
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
		if err := checkTag(w.Tx, m, in.IfMatchIn); err != nil {
			return granting.Change{}, err
		}
		handed, err := has(w, m.TenantID, m.ID)
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
