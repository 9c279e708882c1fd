package credential

import (
	"context"
	"fmt"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/models"
)

// Invite writes a token with which a new account's person sets their first
// password, in the caller's transaction, and returns what mails it, to be called
// after the commit. It ends invitations that were not accepted. Accepting it
// proves the address, so that need not be verified before.
func (s *Service) Invite(ctx context.Context, w *change.Write, user *models.User) (send func(), err error) {
	if user.IsServiceAccount || user.Email == "" {
		return nil, fault.Conflict("email", "A service account, or one without an e-mail address, cannot be invited. Give it another credential.")
	}
	token, err := s.issue(w, user, invitation, terms{Email: user.Email})
	if err != nil {
		return nil, err
	}
	return s.letter(ctx, w, user, user.Email, invitationLetter, token)
}

// RequestReset writes a token with which a person sets a new password, in the
// caller's transaction, and returns what mails it, to be called after the
// commit. It ends earlier ones that were not used.
func (s *Service) RequestReset(ctx context.Context, w *change.Write, user *models.User) (send func(), err error) {
	switch {
	case user.IsServiceAccount:
		return nil, fault.Conflict("", "A service account has a key and no password. Rotate its credentials instead.")
	case user.Email == "" || user.EmailVerifiedAt == nil:
		return nil, fault.Conflict("email", "The account has no verified e-mail address to which a mail could go. Set its address first.")
	}
	token, err := s.issue(w, user, passwordReset, terms{Email: user.Email})
	if err != nil {
		return nil, err
	}
	return s.letter(ctx, w, user, user.Email, resetLetter, token)
}

// ResetIn sets a password.
type ResetIn struct {
	Body struct {
		Token       string `json:"token" minLength:"1" maxLength:"200" doc:"From the mail."`
		NewPassword string `json:"new_password" minLength:"1" maxLength:"1000" doc:"At least 12 characters."`
	}
}

// reset sets the password of whoever shows the token from the mail. Everything
// that was begun with the old one ends: sessions, and changes of address that
// were asked for in them. A second factor stays, since a mailbox that was broken
// into is what it is for.
func (s *Service) reset(ctx context.Context, in *ResetIn) (*Done, error) {
	if err := crypto.CheckPassword(in.Body.NewPassword); err != nil {
		return nil, fault.InvalidAt("new_password", "%s", err.Error())
	}
	ctx, token, err := s.find(ctx, in.Body.Token, passwordReset, invitation)
	if err != nil {
		return nil, err
	}
	hash, err := s.cfg.Passwords.Hash(ctx, in.Body.NewPassword)
	if err != nil {
		return nil, err
	}
	var send func()
	err = s.cfg.Write.Plain(ctx, func(w *change.Write) error {
		send, err = s.setPassword(ctx, w, token, hash)
		return err
	})
	if err != nil {
		return nil, err
	}
	send()
	return &Done{Message: "The password is set, and every session of the account has ended. Log in with the new password."}, nil
}

func (s *Service) setPassword(ctx context.Context, w *change.Write, token crypto.Opaque, hash string) (send func(), err error) {
	h, err := s.spend(w, token, passwordReset, invitation)
	if err != nil {
		return nil, err
	}
	t, err := h.terms()
	if err != nil {
		return nil, err
	}
	user, err := crud.Locked[models.User](w.Tx, token.Tenant, h.UserID, "user")
	if fault.Is(err, fault.NotFoundKind) {
		return nil, spent()
	}
	if err != nil {
		return nil, err
	}
	if user.IsServiceAccount || !user.IsActive || user.Email != t.Email || h.Purpose == passwordReset && user.EmailVerifiedAt == nil {
		return nil, spent()
	}
	changes := map[string]any{"password": "set", "by": h.Purpose}
	set := map[string]any{
		"password_hash": hash, "must_change_password": false, "failed_login_count": 0, "token_epoch": user.TokenEpoch + 1,
	}
	if h.Purpose == invitation && user.EmailVerifiedAt == nil {
		set["email_verified_at"] = w.Now
		changes["email_verified"] = true
	}
	if err := w.Model(&models.User{}).Where("tenant_id = ? AND id = ?", user.TenantID, user.ID).Updates(set).Error; err != nil {
		return nil, fmt.Errorf("set password: %w", err)
	}
	err = w.Where("tenant_id = ? AND user_id = ?", user.TenantID, user.ID).Delete(&models.LoginFailure{}).Error
	if err != nil {
		return nil, fmt.Errorf("clear login failures: %w", err)
	}
	if err := end(w, user, passwordReset, invitation, emailChange); err != nil {
		return nil, err
	}
	if send, err = s.letter(ctx, w, user, user.Email, changedLetter, ""); err != nil {
		return nil, err
	}
	return send, w.Record(audit.Event{Action: "credential.reset_password", ResourceType: "user", ResourceID: user.ID, Detail: changes})
}

// asker says who is behind a mail, in the mail's words.
func asker(ctx context.Context, user *models.User) string {
	if p, ok := identity.PrincipalFrom(ctx); ok {
		if p.UserID == user.ID {
			return "whoever was logged in to it"
		}
		if p.Email != "" {
			return mail.Line(p.Email)
		}
		return "an administrator"
	}
	if address := identity.RequestFrom(ctx).Address; address != "" {
		return "somebody at the network address " + address
	}
	return "somebody"
}
