package credential

import (
	"context"
	"fmt"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// RequestEmailChange writes a token that proves a new address, in the caller's
// transaction, and returns what mails it there, to be called after the commit.
// The account keeps its address until then. user is the row as it will be once
// the transaction commits: a token_epoch that moves later ends the token.
//
// Whether another account has the address is not told before it is proved.
func (s *Service) RequestEmailChange(ctx context.Context, w *change.Write, user *models.User, email string) (send func(), err error) {
	if user.IsServiceAccount {
		return nil, fault.InvalidAt("email", "a service account has no e-mail address")
	}
	address, ok := s.cfg.NormaliseEmail(email)
	if !ok {
		return nil, fault.InvalidAt("email", "must be an e-mail address")
	}
	if address == user.Email && user.EmailVerifiedAt != nil {
		return nil, fault.InvalidAt("email", "is the account's address already")
	}
	if err := s.fits(user, address); err != nil {
		return nil, err
	}
	flooded, err := isFlooded(w, user, emailChange)
	if err != nil {
		return nil, err
	}
	if flooded {
		return nil, limited(time.Hour, "This account asked for %d changes of its address within an hour.", mailsPerHour)
	}
	token, err := s.issue(w, user, emailChange, terms{Email: address, Epoch: user.TokenEpoch})
	if err != nil {
		return nil, err
	}
	return s.letter(ctx, w, user, address, emailLetter, token)
}

// fits refuses an address beside which the account's external id would be
// another's address.
func (s *Service) fits(user *models.User, email string) error {
	if user.ExternalID == nil {
		return nil
	}
	if id, is := s.cfg.NormaliseEmail(*user.ExternalID); is && id != email {
		return fault.Conflict("email", "The account's external id is its present address. Ask an administrator to change both.")
	}
	return nil
}

// ConfirmIn proves an address.
type ConfirmIn struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"200" doc:"From the mail."`
	}
}

// Confirmed is the address an account has now.
type Confirmed struct {
	Email string `json:"email"`
}

func (s *Service) confirmEmail(ctx context.Context, in *ConfirmIn) (out *Confirmed, err error) {
	ctx, token, err := s.find(ctx, in.Body.Token, emailChange)
	if err != nil {
		return nil, err
	}
	var send func()
	err = s.cfg.Write.Plain(ctx, func(w *change.Write) error {
		out, send, err = s.setEmail(ctx, w, token)
		return err
	})
	if err != nil {
		return nil, err
	}
	send()
	return out, nil
}

var taken = crud.Refusals{
	"users_email_key":     {Path: "token", Message: "Another account of this tenant has this e-mail address by now. Ask for another address."},
	"users_email_retired": {Path: "token", Message: "This e-mail address was another account's and is not given out again. Ask for another address."},
}

func (s *Service) setEmail(ctx context.Context, w *change.Write, token crypto.Opaque) (*Confirmed, func(), error) {
	h, err := s.spend(w, token, emailChange)
	if err != nil {
		return nil, nil, err
	}
	t, err := h.terms()
	if err != nil {
		return nil, nil, err
	}
	user, err := crud.Locked[models.User](w.Tx, token.Tenant, h.UserID, "user")
	if fault.Is(err, fault.NotFoundKind) {
		return nil, nil, spent()
	}
	if err != nil {
		return nil, nil, err
	}
	if user.IsServiceAccount || !user.IsActive || user.TokenEpoch != t.Epoch {
		return nil, nil, spent()
	}
	if err := s.fits(user, t.Email); err != nil {
		return nil, nil, err
	}
	set := map[string]any{"email": t.Email, "email_verified_at": w.Now}
	if err := w.Model(&models.User{}).Where("tenant_id = ? AND id = ?", user.TenantID, user.ID).Updates(set).Error; err != nil {
		return nil, nil, taken.Refused(fmt.Errorf("set e-mail address: %w", err))
	}
	// What was mailed to the old address counts no more.
	if err := end(w, user, passwordReset, invitation); err != nil {
		return nil, nil, err
	}
	send := func() {}
	if user.EmailVerifiedAt != nil && user.Email != t.Email {
		if send, err = s.letter(ctx, w, user, user.Email, movedLetter, ""); err != nil {
			return nil, nil, err
		}
	}
	return &Confirmed{Email: t.Email}, send, w.Record(audit.Event{
		Action: "credential.confirm_email", ResourceType: "user", ResourceID: user.ID, Person: user.ID,
		Before: map[string]any{"email": user.Email}, After: map[string]any{"email": t.Email},
	})
}
