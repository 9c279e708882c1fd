package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// tokenPrefix begins every token that is mailed.
const tokenPrefix = "sno_" //nolint:gosec // no secret

// What a token is for.
const (
	passwordReset = "password_reset"
	invitation    = "invitation"
	emailChange   = "email_change"
)

// lifetimes are how long the tokens count.
var lifetimes = map[string]time.Duration{
	passwordReset: time.Hour,
	invitation:    7 * 24 * time.Hour,
	emailChange:   24 * time.Hour,
}

// mailsPerHour is how many mails of a kind an account gets when anybody, or the
// account itself, may ask for them.
const mailsPerHour = 5

// terms are what must still hold when a token is used.
type terms struct {
	// Email is the address to which the token was mailed. Of a forgotten password
	// or an invitation it is the account's, and must still be.
	Email string `json:"email"`
	// Epoch is the account's token_epoch, for a change of address: one that
	// somebody asked for in a stolen session dies with that session.
	Epoch int `json:"epoch,omitempty"`
}

// issue writes a token of the account and ends those of the same purpose that
// were not used.
func (s *Service) issue(w *change.Write, user *models.User, purpose string, t terms) (string, error) {
	token := crypto.NewOpaque(tokenPrefix, user.TenantID)
	metadata, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode terms: %w", err)
	}
	if err := end(w, user, purpose); err != nil {
		return "", err
	}
	// Yesterday's count for nothing any more.
	err = w.Exec(`
DELETE FROM sentinel.one_time_tokens
WHERE tenant_id = ?
AND user_id = ?
AND expires_at < ?`, user.TenantID, user.ID, w.Now.Add(-24*time.Hour)).Error
	if err != nil {
		return "", fmt.Errorf("forget old tokens: %w", err)
	}
	row := models.OneTimeToken{
		ID: uuid.Must(uuid.NewV7()), TenantID: user.TenantID, UserID: user.ID, Purpose: purpose, TokenHash: token.Hash,
		Metadata: models.JSON(metadata), ExpiresAt: w.Now.Add(lifetimes[purpose]),
	}
	if err := w.Create(&row).Error; err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return token.Text, nil
}

// end makes an account's unused tokens count no longer: those of the purposes
// given.
func end(w *change.Write, user *models.User, purposes ...string) error {
	err := w.Exec(`
UPDATE sentinel.one_time_tokens
SET expires_at = least(expires_at, ?)
WHERE tenant_id = ?
AND user_id = ?
AND purpose IN ?
AND used_at IS NULL`, w.Now, user.TenantID, user.ID, purposes).Error
	if err != nil {
		return fmt.Errorf("end tokens: %w", err)
	}
	return nil
}

// isFlooded reports whether the account got as many mails of a kind in the last
// hour as it may.
func isFlooded(w *change.Write, user *models.User, purpose string) (bool, error) {
	var n int64
	err := w.Model(&models.OneTimeToken{}).
		Where("tenant_id = ? AND user_id = ? AND purpose = ? AND created_at > now() - interval '1 hour'", user.TenantID, user.ID, purpose).
		Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("count tokens: %w", err)
	}
	return n >= mailsPerHour, nil
}

// spent is the one answer to a token that does not count, whatever the reason.
func spent() error {
	e := fault.New(fault.Validation, "This token was used before, has expired or is unknown. Ask for a new mail.")
	e.Fields = []fault.Field{{Path: "token", Message: "does not count any more: ask for a new mail"}}
	return e
}

// holder is whom a token is about, with the terms under which it was mailed.
type holder struct {
	UserID   uuid.UUID
	Purpose  string
	Metadata models.JSON
}

func (h *holder) terms() (t terms, err error) {
	if err := json.Unmarshal(h.Metadata, &t); err != nil {
		return t, fmt.Errorf("decode terms: %w", err)
	}
	return t, nil
}

// find looks a token up before any work is done for it, and returns the context
// in which its account acts. The token is spent later: see [Service.spend].
func (s *Service) find(ctx context.Context, text string, purposes ...string) (context.Context, crypto.Opaque, error) {
	token, ok := crypto.ParseOpaque(tokenPrefix, text)
	if !ok {
		return ctx, token, spent()
	}
	ctx = identity.WithTenant(ctx, token.Tenant)
	var row models.OneTimeToken
	err := s.cfg.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("tenant_id = ? AND token_hash = ? AND purpose IN ? AND used_at IS NULL AND expires_at > ?",
			token.Tenant, token.Hash, purposes, s.cfg.Write.Engine.Now()).Take(&row).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return ctx, token, spent()
	}
	if err != nil {
		return ctx, token, fmt.Errorf("find token: %w", err)
	}
	account, err := s.cfg.Write.Engine.Account(ctx, token.Tenant, row.UserID)
	if fault.Is(err, fault.TokenRevoked) { // gone, inactive or locked, or its tenant is
		return ctx, token, spent()
	}
	if err != nil {
		return ctx, token, err
	}
	return as(ctx, token.Tenant, row.UserID, account.Email), token, nil
}

// spend uses a token up, in one conditional statement, so that of two that come
// at once one succeeds.
func (s *Service) spend(w *change.Write, token crypto.Opaque, purposes ...string) (*holder, error) {
	var rows []holder
	err := w.Raw(`
UPDATE sentinel.one_time_tokens
SET used_at = @now
WHERE tenant_id = @tenant
AND token_hash = @hash
AND purpose IN @purposes
AND used_at IS NULL
AND expires_at > @now
RETURNING user_id, purpose, metadata`, map[string]any{
		"now": w.Now, "tenant": token.Tenant, "hash": token.Hash, "purposes": purposes,
	}).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("spend token: %w", err)
	}
	if len(rows) == 0 {
		return nil, spent()
	}
	return &rows[0], nil
}
