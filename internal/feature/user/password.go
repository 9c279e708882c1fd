package user

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// ChangePasswordIn replaces the own password.
type ChangePasswordIn struct {
	IDIn
	Body struct {
		CurrentPassword string `json:"current_password" minLength:"1" maxLength:"1000"`
		NewPassword     string `json:"new_password" minLength:"1" maxLength:"1000" doc:"At least 12 characters."`
	}
}

// PasswordChanged says what a new password ends.
type PasswordChanged struct {
	SessionsEnded bool `json:"sessions_ended" doc:"Every session and token of the account has ended, that of this call too."`
}

func (s *Service) changePassword(ctx context.Context, in *ChangePasswordIn) (*PasswordChanged, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	if in.ID != caller.UserID || tenant != caller.HomeTenantID {
		return nil, fault.NotFound("user")
	}
	next, err := s.ownPassword(ctx, in.Body.CurrentPassword, "current_password", &in.Body.NewPassword, "new_password")
	if err != nil {
		return nil, err
	}
	err = s.Write.Plain(ctx, func(w *change.Write) error {
		m, err := next.store(w)
		if err != nil {
			return err
		}
		if err := w.Save(m).Error; err != nil {
			return fmt.Errorf("change password: %w", err)
		}
		return w.Record(audit.Event{Action: "user.change_password", ResourceType: "user", ResourceID: m.ID})
	})
	if err != nil {
		return nil, err
	}
	return &PasswordChanged{SessionsEnded: true}, nil
}

// proven is an account whose password was right, with its new one if it gets
// one.
type proven struct {
	tenant, user uuid.UUID
	current      string
	next         *string
}

// ownPassword verifies the caller's current password and hashes the new one.
func (s *Service) ownPassword(ctx context.Context, current, currentPath string, next *string, nextPath string) (*proven, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	if !caller.Covers("self", "password") {
		return nil, fault.New(fault.Denied, "A token that is narrowed to a scope does not change credentials. Log in.")
	}
	p := &proven{tenant: caller.HomeTenantID, user: caller.UserID}
	if next != nil {
		if err := crypto.CheckPassword(*next); err != nil {
			return nil, fault.InvalidAt(nextPath, "%s", err.Error())
		}
	}
	if next != nil && *next == current {
		return nil, fault.InvalidAt(nextPath, "must differ from the current password")
	}
	var m *models.User
	err := s.Write.DB.InReadTx(identity.WithTenant(ctx, p.tenant), func(tx *db.Tx) (err error) {
		m, err = crud.One[models.User](tx, p.tenant, p.user, "user")
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.PasswordHash == nil {
		return nil, fault.Conflict(currentPath, "The account has no password. Have one set by a reset.")
	}
	p.current = *m.PasswordHash
	if err := s.verify(ctx, p, current, currentPath); err != nil || next == nil {
		return p, err
	}
	p.next, err = s.newPassword(ctx, next)
	return p, err
}

// verify counts the attempt and compares.
func (s *Service) verify(ctx context.Context, p *proven, password, path string) error {
	if err := s.Attempts.Begin(p.user); err != nil {
		return err
	}
	right, err := s.Passwords.Verify(ctx, password, p.current)
	switch {
	case err != nil:
		s.Attempts.TakeBack(p.user)
		return err
	case !right:
		return fault.InvalidAt(path, "is wrong")
	}
	s.Attempts.TakeBack(p.user)
	return nil
}

// store locks the account, refuses if its password is another by now than the
// one that was verified, and puts the new one in its place.
func (p *proven) store(w *change.Write) (*models.User, error) {
	m, err := crud.Locked[models.User](w.Tx, p.tenant, p.user, "user")
	if err != nil {
		return nil, err
	}
	if m.PasswordHash == nil || *m.PasswordHash != p.current {
		return nil, fault.Conflict("", "The password was changed meanwhile. Log in with the new one.")
	}
	if p.next == nil {
		return m, nil
	}
	return m, setPassword(w, m, p.next, false)
}

// setPassword replaces the credentials of an account: its sessions end, and so
// do the links that are still on their way.
func setPassword(w *change.Write, m *models.User, hash *string, mustChange bool) error {
	m.PasswordHash, m.MustChangePassword = hash, mustChange
	m.TokenEpoch++
	return endLinks(w, m)
}

// endLinks makes all links count no longer that were mailed to an account, to set
// a password or to confirm an address: what is set now is not undone by them.
// They stay, since who asks for mails is held to a number of them.
func endLinks(w *change.Write, m *models.User) error {
	err := w.Exec(`
UPDATE sentinel.one_time_tokens
SET expires_at = least(expires_at, ?)
WHERE tenant_id = ?
AND user_id = ?
AND used_at IS NULL`, w.Now, m.TenantID, m.ID).Error
	if err != nil {
		return fmt.Errorf("end links: %w", err)
	}
	return nil
}

// ResetPasswordIn resets a user's password.
type ResetPasswordIn struct {
	IDIn
	Body struct {
		Mode string `json:"mode,omitempty" enum:"mail,temporary" default:"mail" doc:"mail sends a link to the account's address; temporary answers a password that has to be changed."`
	}
}

// Reset says what came of a reset.
type Reset struct {
	Mode              string `json:"mode" enum:"mail,temporary"`
	TemporaryPassword string `json:"temporary_password,omitempty" doc:"Shown this once."`
	SessionsEnded     bool   `json:"sessions_ended"`
}

func (s *Service) resetPassword(ctx context.Context, in *ResetPasswordIn) (*Reset, error) {
	if in.Body.Mode == "temporary" {
		return s.temporaryPassword(ctx, in.ID)
	}
	if s.RequestReset == nil {
		return nil, noMail()
	}
	var send func()
	err := s.resets(ctx, in, func(w *change.Write, m *models.User) (err error) {
		send, err = s.RequestReset(ctx, w, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	if send != nil {
		send()
	}
	return &Reset{Mode: in.Body.Mode}, nil
}

func (s *Service) temporaryPassword(ctx context.Context, id uuid.UUID) (*Reset, error) {
	password := rand.Text()
	hash, err := s.newPassword(ctx, &password)
	if err != nil {
		return nil, err
	}
	in := &ResetPasswordIn{IDIn: IDIn{ID: id}}
	in.Body.Mode = "temporary"
	err = s.resets(ctx, in, func(w *change.Write, m *models.User) error {
		if err := setPassword(w, m, hash, true); err != nil {
			return err
		}
		if err := w.Save(m).Error; err != nil {
			return fmt.Errorf("reset password: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Reset{Mode: in.Body.Mode, TemporaryPassword: password, SessionsEnded: true}, nil
}

// resets runs a reset under the granting rule: whoever resets a password can
// become the account.
func (s *Service) resets(ctx context.Context, in *ResetPasswordIn, fn func(w *change.Write, m *models.User) error) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "user.reset_password", func(w *change.Write) (c granting.Change, err error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user")
		if err != nil {
			return c, err
		}
		if m.IsServiceAccount {
			return c, fault.Conflict("", "A service account has a key and no password. Rotate its credentials.")
		}
		if err := fn(w, m); err != nil {
			return c, err
		}
		c.Accounts = []uuid.UUID{m.ID}
		if c.Handed, err = has(w, m.TenantID, m.ID); err != nil {
			return c, err
		}
		return c, w.Record(audit.Event{Action: "user.reset_password", ResourceType: "user", ResourceID: m.ID, Detail: map[string]any{"mode": in.Body.Mode}})
	})
}

func noMail() error {
	return fault.New(fault.Unavailable, "Mail is not configured. Ask the operator to set a mail server.")
}
