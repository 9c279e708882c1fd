package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Session is one of an account's logins that can still be refreshed.
type Session struct {
	ID         uuid.UUID       `json:"id"`
	Device     json.RawMessage `json:"device" doc:"What the login said of it."`
	CreatedAt  time.Time       `json:"created_at" doc:"When it was opened by a login."`
	LastUsedAt time.Time       `json:"last_used_at" doc:"When it last gave tokens."`
	ExpiresAt  time.Time       `json:"expires_at" doc:"When it ends unless it is refreshed before."`
	Current    bool            `json:"current" doc:"Whether this call's token is of it."`
}

// SessionsIn is the query of the list.
type SessionsIn struct {
	httpapi.PageIn
}

// live are the refresh tokens that can be used now: one of each session.
const live = "replaced_by IS NULL AND revoked_at IS NULL AND expires_at > ?"

func (s *Service) sessions(ctx context.Context, in *SessionsIn) (page httpapi.Page[Session], err error) {
	p, _ := identity.PrincipalFrom(ctx)
	account, err := s.Write.Engine.Account(ctx, p.HomeTenantID, p.UserID)
	if err != nil {
		return page, err
	}
	view := func(m *models.RefreshToken) *Session {
		out := &Session{
			ID: m.FamilyID, Device: json.RawMessage(m.DeviceInfo), CreatedAt: m.FamilyExpiresAt.Add(-familyLifetime),
			LastUsedAt: m.CreatedAt, ExpiresAt: m.ExpiresAt, Current: m.FamilyID.String() == p.SessionID,
		}
		if m.LastUsedAt != nil {
			out.LastUsedAt = *m.LastUsedAt
		}
		return out
	}
	now := s.now()
	err = s.Write.DB.InReadTx(identity.WithTenant(ctx, p.HomeTenantID), func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ? AND user_id = ? AND token_epoch = ?", p.HomeTenantID, p.UserID, account.TokenEpoch).Where(live, now)
		page, err = crud.List(q, in.PageIn, crud.Order{Column: "family_expires_at", Descending: true}, view)
		return err
	})
	return page, err
}

// EndIn names one session.
type EndIn struct {
	ID uuid.UUID `path:"id" doc:"The session's id."`
}

func (s *Service) endOne(ctx context.Context, in *EndIn) error {
	return s.endOwn(ctx, "session.end", func(w *change.Write, p *identity.Principal) ([]uuid.UUID, error) {
		families, err := openFamilies(w, p.HomeTenantID, p.UserID, &in.ID)
		if err == nil && len(families) == 0 {
			err = fault.NotFound("session")
		}
		return families, err
	})
}

func (s *Service) endAll(ctx context.Context, _ *struct{}) error {
	return s.endOwn(ctx, "session.end_all", func(w *change.Write, p *identity.Principal) ([]uuid.UUID, error) {
		families, err := openFamilies(w, p.HomeTenantID, p.UserID, nil)
		return withCurrent(families, p), err
	})
}

// LogoutOut is empty: there is nothing left to say.
type LogoutOut struct{}

func (s *Service) logout(ctx context.Context, _ *struct{}) (*LogoutOut, error) {
	return &LogoutOut{}, s.endOwn(ctx, "session.logout", func(_ *change.Write, p *identity.Principal) ([]uuid.UUID, error) {
		return withCurrent(nil, p), nil
	})
}

// withCurrent adds the session of the caller's token.
func withCurrent(families []uuid.UUID, p *identity.Principal) []uuid.UUID {
	if id, err := uuid.Parse(p.SessionID); err == nil && !slices.Contains(families, id) {
		families = append(families, id)
	}
	return families
}

// openFamilies returns the sessions of an account of which a token may still
// work, all or the one given.
func openFamilies(w *change.Write, tenant, user uuid.UUID, id *uuid.UUID) ([]uuid.UUID, error) {
	q := w.Model(&models.RefreshToken{}).Where("tenant_id = ? AND user_id = ?", tenant, user).Where(live, w.Now.Add(-TokenLifetime))
	if id != nil {
		q = q.Where("family_id = ?", *id)
	}
	var families []uuid.UUID
	if err := q.Order("family_id").Pluck("family_id", &families).Error; err != nil {
		return nil, fmt.Errorf("find sessions: %w", err)
	}
	return families, nil
}

// endOwn ends sessions of the caller. They are the caller's home tenant's,
// wherever the call acts.
func (s *Service) endOwn(ctx context.Context, action string, which func(*change.Write, *identity.Principal) ([]uuid.UUID, error)) error {
	p, _ := identity.PrincipalFrom(ctx)
	return s.Write.Plain(identity.WithTenant(ctx, p.HomeTenantID), func(w *change.Write) error {
		if _, err := crud.Locked[models.User](w.Tx, p.HomeTenantID, p.UserID, "user"); err != nil {
			return err
		}
		families, err := which(w, p)
		if err != nil {
			return err
		}
		if err := s.endFamilies(w, p.HomeTenantID, p.UserID, families, action); err != nil {
			return err
		}
		if p.IsServiceAccount || len(families) == 0 { // no session that its token could end with
			if err := s.endToken(w, p.HomeTenantID, p.UserID, p.TokenID, p.IsServiceAccount, action); err != nil {
				return err
			}
		}
		return w.Record(audit.Event{Action: action, ResourceType: "user", ResourceID: p.UserID, Detail: map[string]any{"sessions": families}})
	})
}
