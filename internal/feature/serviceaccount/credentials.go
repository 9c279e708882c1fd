package serviceaccount

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// Credentials are a new key.
type Credentials struct {
	ClientID  uuid.UUID  `json:"client_id"`
	KeyID     string     `json:"key_id"`
	APIKey    string     `json:"api_key" doc:"Shown this once."`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true" doc:"Until when the old key counts; null if it has ended."`
}

// RotateIn names the account that gets a new key.
type RotateIn struct {
	IDIn
	Body struct {
		GracePeriodMinutes int `json:"grace_period_minutes,omitempty" minimum:"0" maximum:"1440" doc:"How long the old key lives on. Default 0."`
	}
}

func (s *Service) rotate(ctx context.Context, in *RotateIn) (out *Credentials, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	if caller.UserID == in.ID && caller.HomeTenantID == tenant {
		// A token does not say whether the key behind it still is the current one.
		return nil, s.refused(ctx, in.ID, audit.Denied, fault.New(fault.Denied,
			"A service account proves that it has its current key to replace it: POST /service-accounts/me/rotate-credentials."))
	}
	err = s.write.Granting(ctx, "service_account.rotate", func(w *change.Write) (granting.Change, error) {
		m, err := locked(w.Tx, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		held, err := directory.HeldBy(w.Tx, tenant, []uuid.UUID{m.ID})
		if err != nil {
			return granting.Change{}, err
		}
		out, err = replaceKey(w, m, time.Duration(in.Body.GracePeriodMinutes)*time.Minute)
		return granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: held[m.ID].Nodes()}, err
	})
	return out, err
}

// replaceKey gives the account a new key. The one that it had lives on for the
// grace period, and the one before that no more; without grace, the tokens that
// were made with it end too.
func replaceKey(w *change.Write, m *models.User, grace time.Duration) (*Credentials, error) {
	before := view(m)
	key := crypto.NewAPIKey()
	m.PreviousKeyID, m.PreviousKeyHash, m.PreviousKeyExpiresAt = nil, nil, nil
	if grace > 0 {
		until := w.Now.Add(grace).UTC().Truncate(time.Microsecond)
		m.PreviousKeyID, m.PreviousKeyHash, m.PreviousKeyExpiresAt = m.ServiceAccountKeyID, m.ServiceAccountKeyHash, &until
	} else {
		m.TokenEpoch++
	}
	m.ServiceAccountKeyID, m.ServiceAccountKeyHash = &key.ID, key.Hash
	if err := w.Save(m).Error; err != nil {
		return nil, refusals.Refused(fmt.Errorf("rotate key: %w", err))
	}
	out := &Credentials{ClientID: m.ID, KeyID: key.ID, APIKey: key.Text, ExpiresAt: m.PreviousKeyExpiresAt}
	return out, w.Record(event("rotate", m.ID, before, view(m)))
}

// RotateOwnIn proves that the caller has its current key.
type RotateOwnIn struct {
	Body struct {
		APIKey             string `json:"api_key" minLength:"1" maxLength:"200" doc:"The current key."`
		GracePeriodMinutes int    `json:"grace_period_minutes,omitempty" minimum:"0" maximum:"1440" doc:"How long the old key lives on. Default 0."`
	}
}

func (s *Service) rotateOwn(ctx context.Context, in *RotateOwnIn) (out *Credentials, err error) {
	caller, _ := identity.PrincipalFrom(ctx)
	ctx = identity.WithTenant(ctx, caller.HomeTenantID)
	if !caller.IsServiceAccount {
		return nil, fault.NotFound(what)
	}
	has, err := s.write.Engine.HasFeature(ctx, caller.HomeTenantID, entitlement.ServiceAccounts)
	if err != nil {
		return nil, err
	}
	if !has {
		return nil, entitlement.Disabled(entitlement.ServiceAccounts)
	}
	if err := s.attempts.Begin(caller.UserID); err != nil {
		return nil, err
	}
	wrong := false
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := locked(w.Tx, caller.HomeTenantID, caller.UserID)
		if err != nil {
			return err
		}
		if wrong = keyOf(m, in.Body.APIKey, w.Now) != current; wrong {
			return fault.New(fault.ServiceAccountInvalid, "This is not the account's current key. A key that was replaced cannot be used to rotate, even while it lives on.")
		}
		out, err = replaceKey(w, m, time.Duration(in.Body.GracePeriodMinutes)*time.Minute)
		return err
	})
	if wrong {
		return nil, s.refused(ctx, caller.UserID, audit.Failure, err)
	}
	return out, err
}

// refused audits a rotation that did not come to be, and returns why.
func (s *Service) refused(ctx context.Context, id uuid.UUID, result audit.Result, refusal error) error {
	err := s.write.DB.InTx(ctx, func(tx *db.Tx) error {
		return s.write.Audit.Record(ctx, tx, audit.Event{
			Action: "service_account.rotate", ResourceType: "service_account", ResourceID: id, Person: id, Result: result,
		})
	})
	if err != nil {
		s.write.Logger.ErrorContext(ctx, "audit a refused rotation", "error", err)
	}
	return refusal
}

// Which of an account's keys a text is.
const (
	current  = "current"
	previous = "previous"
	none     = "none"
)

// keyOf tells in one time for all answers which key of the account a text is.
func keyOf(m *models.User, text string, now time.Time) string {
	hash := crypto.HashSecret(text)
	isCurrent, isPrevious := crypto.SameHash(hash, m.ServiceAccountKeyHash), crypto.SameHash(hash, m.PreviousKeyHash)
	switch {
	case isCurrent:
		return current
	case isPrevious && m.PreviousKeyExpiresAt != nil && now.Before(*m.PreviousKeyExpiresAt):
		return previous
	default:
		return none
	}
}

// ValidateIn asks about a key.
type ValidateIn struct {
	IDIn
	Body struct {
		APIKey string `json:"api_key" minLength:"1" maxLength:"200"`
	}
}

// Validity says what a key is worth.
type Validity struct {
	Valid     bool       `json:"valid" doc:"The key is the account's, and the account is active."`
	Key       string     `json:"key" enum:"current,previous,none"`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true" doc:"Of a previous key; the current one has no end."`
}

func (s *Service) validate(ctx context.Context, in *ValidateIn) (*Validity, error) {
	tenant, _ := identity.TenantFrom(ctx)
	var m *models.User
	err := s.write.DB.InReadTx(ctx, func(tx *db.Tx) (err error) {
		m, err = one(tx, tenant, in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Counted only for accounts that the caller can see.
	if err := s.attempts.Begin(m.ID); err != nil {
		return nil, err
	}
	now := s.write.Engine.Now()
	out := &Validity{Key: keyOf(m, in.Body.APIKey, now)}
	out.Valid = out.Key != none && m.IsActive && (m.LockedUntil == nil || !now.Before(*m.LockedUntil))
	if out.Key == previous {
		out.ExpiresAt = m.PreviousKeyExpiresAt
	}
	return out, nil
}
