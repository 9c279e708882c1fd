package credential

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/png"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// issuer is what authenticator apps show beside the account.
const issuer = "Sentinel"

// qrPixels is the width and height of the QR code.
const qrPixels = 240

// EnrolIn proves who enrols.
type EnrolIn struct {
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"1000"`
	}
}

// Enrolment is a second factor to be confirmed.
type Enrolment struct {
	Secret        string   `json:"secret" doc:"To type into the authenticator app, in base32."`
	OTPAuthURI    string   `json:"otpauth_uri" doc:"The same, for apps on this device."`
	QRPNG         string   `json:"qr_png" doc:"The same as a picture to photograph: a data URI."`
	RecoveryCodes []string `json:"recovery_codes" doc:"Each stands in for the app once. Keep them where the app is not."`
}

// enrol makes a second factor. Nothing asks for it before it was confirmed with
// a code, so that nobody locks themselves out by an app that did not take it.
func (s *Service) enrol(ctx context.Context, in *EnrolIn) (out *Enrolment, err error) {
	ctx, user, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if user.MFAEnabled {
		return nil, enabled()
	}
	if err := s.provePassword(ctx, user, in.Body.Password); err != nil {
		return nil, err
	}
	out, err = newEnrolment(user.Email)
	if err != nil {
		return nil, err
	}
	err = s.cfg.Write.Plain(ctx, func(w *change.Write) error {
		user, err := crud.Locked[models.User](w.Tx, user.TenantID, user.ID, "user")
		if err != nil {
			return err
		}
		if user.MFAEnabled {
			return enabled()
		}
		sealed := s.cfg.Master.Seal([]byte(out.Secret), MFAPlace(user.ID))
		set := map[string]any{"mfa_secret": sealed, "mfa_last_step": 0}
		if err := w.Model(&models.User{}).Where("tenant_id = ? AND id = ?", user.TenantID, user.ID).Updates(set).Error; err != nil {
			return fmt.Errorf("keep the secret: %w", err)
		}
		if err := replaceCodes(w, user, out.RecoveryCodes); err != nil {
			return err
		}
		return w.Record(audit.Event{Action: "credential.enrol_mfa", ResourceType: "user", ResourceID: user.ID})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func enabled() error {
	return fault.Conflict("", "The account has a second factor already. Remove it first: DELETE /auth/mfa/totp.")
}

func newEnrolment(account string) (*Enrolment, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: account})
	if err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	picture, err := key.Image(qrPixels, qrPixels)
	if err != nil {
		return nil, fmt.Errorf("draw the secret: %w", err)
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, picture); err != nil {
		return nil, fmt.Errorf("encode the drawing: %w", err)
	}
	out := &Enrolment{
		Secret: key.Secret(), OTPAuthURI: key.URL(),
		QRPNG: "data:image/png;base64," + base64.StdEncoding.EncodeToString(raw.Bytes()),
	}
	for range recoveryCodes {
		out.RecoveryCodes = append(out.RecoveryCodes, newRecoveryCode())
	}
	return out, nil
}

// replaceCodes makes codes the account's only recovery codes.
func replaceCodes(w *change.Write, user *models.User, codes []string) error {
	if err := w.Where("tenant_id = ? AND user_id = ?", user.TenantID, user.ID).Delete(&models.MFARecoveryCode{}).Error; err != nil {
		return fmt.Errorf("delete recovery codes: %w", err)
	}
	if len(codes) == 0 {
		return nil
	}
	rows := make([]models.MFARecoveryCode, len(codes))
	for i, code := range codes {
		rows[i] = models.MFARecoveryCode{
			ID: uuid.Must(uuid.NewV7()), TenantID: user.TenantID, UserID: user.ID, CodeHash: crypto.HashSecret(plainCode(code)),
		}
	}
	if err := w.Create(&rows).Error; err != nil {
		return fmt.Errorf("keep recovery codes: %w", err)
	}
	return nil
}

// VerifyIn is a code of the authenticator.
type VerifyIn struct {
	Body struct {
		Code string `json:"code" pattern:"^[0-9]{6}$" doc:"Six digits, of the authenticator app."`
	}
}

func (s *Service) confirmMFA(ctx context.Context, in *VerifyIn) (*Done, error) {
	ctx, user, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case user.MFAEnabled:
		return nil, enabled()
	case user.MFASecret == nil:
		return nil, fault.Conflict("", "There is no second factor to confirm. Enrol first: POST /auth/mfa/totp.")
	}
	err = s.attempt(ctx, user, func(w *change.Write) (bool, error) {
		step, ok, err := s.stepOf(user, in.Body.Code, w.Now)
		if err != nil || !ok {
			return false, err
		}
		confirmed := w.Exec(`
UPDATE sentinel.users
SET mfa_enabled = true, mfa_last_step = ?, token_epoch = token_epoch + 1
WHERE tenant_id = ?
AND id = ?
AND NOT mfa_enabled
AND mfa_secret = ?
AND mfa_last_step < ?`, step, user.TenantID, user.ID, user.MFASecret, step)
		if confirmed.Error != nil {
			return false, fmt.Errorf("enable the second factor: %w", confirmed.Error)
		}
		if confirmed.RowsAffected == 0 {
			return false, nil
		}
		return true, w.Record(audit.Event{Action: "credential.enable_mfa", ResourceType: "user", ResourceID: user.ID})
	})
	if err != nil {
		return nil, err
	}
	return &Done{Message: "The second factor is on, and every session of the account has ended, this one too. Log in again, with a new code."}, nil
}

// RemoveIn proves both factors.
type RemoveIn struct {
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"1000"`
		Code     string `json:"code" minLength:"6" maxLength:"40" doc:"Of the authenticator app, or a recovery code."`
	}
}

func (s *Service) removeMFA(ctx context.Context, in *RemoveIn) error {
	ctx, user, err := s.self(ctx)
	if err != nil {
		return err
	}
	if !user.MFAEnabled {
		return fault.Conflict("", "The account has no second factor that could be removed.")
	}
	if err := s.provePassword(ctx, user, in.Body.Password); err != nil {
		return err
	}
	return s.attempt(ctx, user, func(w *change.Write) (bool, error) {
		ok, err := s.SecondFactor(ctx, w, user, in.Body.Code)
		if err != nil || !ok {
			return false, err
		}
		err = w.Exec(`
UPDATE sentinel.users
SET mfa_enabled = false, mfa_secret = NULL, mfa_last_step = 0, token_epoch = token_epoch + 1
WHERE tenant_id = ?
AND id = ?`, user.TenantID, user.ID).Error
		if err != nil {
			return false, fmt.Errorf("remove the second factor: %w", err)
		}
		if err := replaceCodes(w, user, nil); err != nil {
			return false, err
		}
		return true, w.Record(audit.Event{Action: "credential.remove_mfa", ResourceType: "user", ResourceID: user.ID})
	})
}

// self returns the caller's account, and a context in its own tenant, whichever
// tenant the call acts in. A service account has no second factor.
func (s *Service) self(ctx context.Context) (context.Context, *models.User, error) {
	caller, ok := identity.PrincipalFrom(ctx)
	if !ok {
		return ctx, nil, fault.New(fault.Unauthenticated, "Log in and send the access token.")
	}
	if caller.IsServiceAccount {
		return ctx, nil, fault.New(fault.Validation, "A service account has a key and no second factor. Call this as a person.")
	}
	ctx = identity.WithTenant(ctx, caller.HomeTenantID)
	var user *models.User
	err := s.cfg.Write.DB.InReadTx(ctx, func(tx *db.Tx) (err error) {
		user, err = crud.One[models.User](tx, caller.HomeTenantID, caller.UserID, "user")
		return err
	})
	return ctx, user, err
}

// provePassword checks the caller's password, and counts and audits a wrong one.
func (s *Service) provePassword(ctx context.Context, user *models.User, password string) error {
	if err := s.attempts.Begin(user.ID); err != nil {
		return err
	}
	if user.PasswordHash == nil {
		return s.failed(ctx, user)
	}
	ok, err := s.cfg.Passwords.Verify(ctx, password, *user.PasswordHash)
	if err != nil {
		s.attempts.TakeBack(user.ID) // it was not judged
		return err
	}
	if !ok {
		return s.failed(ctx, user)
	}
	s.attempts.TakeBack(user.ID)
	return nil
}

// attempt runs a write that proves a code, which says whether it did, and counts
// and audits a wrong one.
func (s *Service) attempt(ctx context.Context, user *models.User, prove func(w *change.Write) (bool, error)) error {
	if err := s.attempts.Begin(user.ID); err != nil {
		return err
	}
	var right bool
	err := s.cfg.Write.Plain(ctx, func(w *change.Write) (err error) {
		right, err = prove(w)
		return err
	})
	if err != nil {
		s.attempts.TakeBack(user.ID)
		return err
	}
	if !right {
		return s.failed(ctx, user)
	}
	s.attempts.TakeBack(user.ID)
	return nil
}

// failed leaves a trace of a wrong password or code, and says so.
func (s *Service) failed(ctx context.Context, user *models.User) error {
	err := s.cfg.Write.Plain(ctx, func(w *change.Write) error {
		return w.Record(audit.Event{Action: "credential.prove", ResourceType: "user", ResourceID: user.ID, Result: audit.Failure})
	})
	if err != nil {
		return err
	}
	return fault.New(fault.InvalidCredentials, "The password or the code is wrong, or the code was used before. Try again with the next one.")
}
