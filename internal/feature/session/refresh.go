package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

const (
	refreshPrefix = "snr_"
	// refreshLifetime ends a session that is not used.
	refreshLifetime = 14 * 24 * time.Hour
	// familyLifetime ends a session however much it is used.
	familyLifetime = 30 * 24 * time.Hour
	// retryWithin is how long after its first use a refresh token may be used
	// again by a client that lost the answer.
	retryWithin = 10 * time.Second
)

// Pair is what a session gives: a token to call with, and one for the next pair.
type Pair struct {
	AccessToken  string `json:"access_token" doc:"Send it as Authorization: Bearer."`
	RefreshToken string `json:"refresh_token" doc:"Works once, at /auth/refresh, for 14 days; its session ends 30 days after the login."`
	TokenType    string `json:"token_type" enum:"Bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds until the access token expires."`
}

// pair signs the access token of a session that was opened or went on at now.
func (s *Service) pair(ctx context.Context, user *models.User, family uuid.UUID, roles []string, refresh crypto.Opaque, now time.Time) (*Pair, error) {
	claims := crypto.Claims{
		Subject: user.ID, TenantID: user.TenantID, Roles: roles, SessionID: family.String(), Epoch: int64(user.TokenEpoch),
	}
	if user.MustChangePassword {
		claims.Scope = scopePassword
	}
	token, err := s.sign(ctx, claims, now)
	if err != nil {
		return nil, err
	}
	return &Pair{AccessToken: token, RefreshToken: refresh.Text, TokenType: "Bearer", ExpiresIn: int(TokenLifetime / time.Second)}, nil
}

// insertRefresh completes and stores a refresh token of the family that row
// names.
func insertRefresh(w *change.Write, row *models.RefreshToken, now time.Time) (crypto.Opaque, error) {
	token := crypto.NewOpaque(refreshPrefix, row.TenantID)
	row.TokenHash, row.LastUsedAt = token.Hash, &now
	row.ExpiresAt = now.Add(refreshLifetime)
	if row.FamilyExpiresAt.Before(row.ExpiresAt) {
		row.ExpiresAt = row.FamilyExpiresAt
	}
	if row.ID == (uuid.UUID{}) {
		row.ID = uuid.Must(uuid.NewV7())
	}
	if err := w.Create(row).Error; err != nil {
		return token, fmt.Errorf("store refresh token: %w", err)
	}
	return token, nil
}

// RefreshIn is a refresh token.
type RefreshIn struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"200"`
	}
}

// dead is the one answer to a refresh token that works no more, or never did.
func dead() error {
	return fault.New(fault.TokenRevoked, "This refresh token is not valid any more. Log in again.")
}

func (s *Service) refresh(ctx context.Context, in *RefreshIn) (*Pair, error) {
	now := s.now()
	token, ok := crypto.ParseOpaque(refreshPrefix, in.Body.RefreshToken)
	if !ok {
		return nil, dead()
	}
	ctx = identity.WithTenant(ctx, token.Tenant)
	row, err := s.byHash(ctx, token)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, dead()
	}
	account, err := s.Write.Engine.Account(ctx, row.TenantID, row.UserID)
	if fault.Is(err, fault.TokenRevoked) {
		return nil, dead()
	}
	if err != nil {
		return nil, err
	}
	started := row.FamilyExpiresAt.Add(-familyLifetime)
	if account.Voids(row.TokenEpoch, started, row.FamilyID.String()) || !allows(account.AllowedIPs, identity.RequestFrom(ctx).Address) {
		return nil, dead()
	}
	roles, err := s.Write.Engine.RoleNames(ctx, row.TenantID, row.UserID)
	if err != nil {
		return nil, err
	}
	ctx = identity.WithPrincipal(ctx, &identity.Principal{
		UserID: row.UserID, HomeTenantID: row.TenantID, Email: account.Email, SessionID: row.FamilyID.String(),
	})
	user, next, err := s.rotate(ctx, row)
	if err != nil {
		return nil, err
	}
	return s.pair(ctx, user, row.FamilyID, roles, next, now)
}

// byHash returns the row of a refresh token in the context's tenant, nil if
// there is none.
func (s *Service) byHash(ctx context.Context, token crypto.Opaque) (*models.RefreshToken, error) {
	var row models.RefreshToken
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("tenant_id = ? AND token_hash = ?", token.Tenant, token.Hash).Take(&row).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // an unknown token is no failure
	}
	if err != nil {
		return nil, fmt.Errorf("find refresh token: %w", err)
	}
	return &row, nil
}

// rotate ends a refresh token and makes the next. The row of the account is
// held, so that whatever ends a session sees the token that another transaction
// is about to add to it.
func (s *Service) rotate(ctx context.Context, old *models.RefreshToken) (user *models.User, next crypto.Opaque, err error) {
	var refusal error
	err = s.Write.Plain(ctx, func(w *change.Write) (err error) {
		refusal = nil
		if user, err = crud.Locked[models.User](w.Tx, old.TenantID, old.UserID, "user"); err != nil {
			return err
		}
		if !user.IsActive || user.TokenEpoch != old.TokenEpoch {
			refusal = dead()
			return nil
		}
		row := &models.RefreshToken{
			ID: uuid.Must(uuid.NewV7()), TenantID: old.TenantID, UserID: old.UserID, FamilyID: old.FamilyID,
			FamilyExpiresAt: old.FamilyExpiresAt, DeviceInfo: old.DeviceInfo, TokenEpoch: old.TokenEpoch,
		}
		done := w.Exec(`
UPDATE sentinel.refresh_tokens
SET replaced_by = ?, last_used_at = ?
WHERE tenant_id = ?
AND id = ?
AND replaced_by IS NULL
AND revoked_at IS NULL
AND expires_at > ?`, row.ID, w.Now, old.TenantID, old.ID, w.Now)
		if done.Error != nil {
			return fmt.Errorf("end refresh token: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			if refusal, err = s.again(w, old, row.ID); refusal != nil || err != nil {
				return err
			}
		}
		if next, err = insertRefresh(w, row, w.Now); err != nil {
			return err
		}
		return w.Record(audit.Event{
			Action: "session.refresh", ResourceType: "user", ResourceID: user.ID, Detail: map[string]any{"session_id": old.FamilyID},
		})
	})
	switch {
	case fault.Is(err, fault.NotFoundKind):
		return nil, next, dead()
	case err != nil:
		return nil, next, err
	default:
		return user, next, refusal
	}
}

// again judges a refresh token that is used though it is dead. One whose answer
// may have been lost gets another successor, next, in the place of the one that
// nobody used. Every other use of a used one is by somebody who should not have
// it, or by its owner after such a one: the session ends for both.
func (s *Service) again(w *change.Write, old *models.RefreshToken, next uuid.UUID) (refusal, err error) {
	row, err := crud.One[models.RefreshToken](w.Tx, old.TenantID, old.ID, "refresh token")
	if err != nil {
		return nil, err
	}
	if row.RevokedAt != nil {
		return dead(), nil
	}
	if row.ReplacedBy == nil {
		return fault.New(fault.TokenExpired, "This refresh token has expired. Log in again."), nil
	}
	successor, err := crud.One[models.RefreshToken](w.Tx, old.TenantID, *row.ReplacedBy, "refresh token")
	if err != nil {
		return nil, err
	}
	fresh := row.LastUsedAt != nil && w.Now.Sub(*row.LastUsedAt) <= retryWithin
	if !fresh || successor.ReplacedBy != nil || successor.RevokedAt != nil || !w.Now.Before(successor.ExpiresAt) {
		if err := s.endFamilies(w, row.TenantID, row.UserID, []uuid.UUID{row.FamilyID}, "a refresh token was used again"); err != nil {
			return nil, err
		}
		return dead(), w.Record(audit.Event{
			Action: "session.reuse", ResourceType: "user", ResourceID: row.UserID, Result: audit.Failure,
			Detail: map[string]any{"session_id": row.FamilyID},
		})
	}
	// The successor that nobody used dies, and all that led to it lead on.
	err = w.Exec(`
UPDATE sentinel.refresh_tokens
SET replaced_by = @next, last_used_at = CASE WHEN id = @successor THEN @now ELSE last_used_at END
WHERE tenant_id = @tenant
AND family_id = @family
AND (id = @successor OR replaced_by = @successor)`, map[string]any{
		"next": next, "successor": successor.ID, "tenant": row.TenantID, "family": row.FamilyID, "now": w.Now,
	}).Error
	if err != nil {
		return nil, fmt.Errorf("replace an unused refresh token: %w", err)
	}
	return nil, nil
}
