package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// skew is how much longer than an access token a revocation is kept, for clocks
// that differ.
const skew = time.Minute

// endFamilies ends sessions of an account: their refresh tokens, and the access
// tokens that are out. The caller holds the account's row.
func (s *Service) endFamilies(w *change.Write, tenant, user uuid.UUID, families []uuid.UUID, reason string) error {
	if len(families) == 0 {
		return nil
	}
	err := w.Exec(`
UPDATE sentinel.refresh_tokens
SET revoked_at = ?
WHERE tenant_id = ?
AND user_id = ?
AND family_id = ANY (CAST(? AS uuid[]))
AND revoked_at IS NULL`, w.Now, tenant, user, db.UUIDs(families)).Error
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	for _, id := range families {
		if err := s.endToken(w, tenant, user, id.String(), false, reason); err != nil {
			return err
		}
	}
	return nil
}

// endToken voids the access token, or all those of the session, that id names.
// A row that is there already was made when no later token could follow.
func (s *Service) endToken(w *change.Write, tenant, user uuid.UUID, id string, ofService bool, reason string) error {
	kind := "access"
	if ofService {
		kind = "service_account"
	}
	err := w.Exec(`
INSERT INTO sentinel.token_blacklist (tenant_id, user_id, jti, token_type, expires_at, reason)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT ON CONSTRAINT token_blacklist_jti_key DO NOTHING`, tenant, user, id, kind, w.Now.Add(TokenLifetime+skew), reason).Error
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// holder is whose a token is, and what it is: one of a session, or with family
// nil one alone.
type holder struct {
	tenant, user uuid.UUID
	family       *uuid.UUID
	jti          string
	access       *crypto.Claims
	refresh      *models.RefreshToken
}

// holderOf finds out whose a token is, nil for one that means nothing here or
// has expired. Another tenant's are looked for in no database.
func (s *Service) holderOf(ctx context.Context, tenants []uuid.UUID, text string) (*holder, error) {
	if opaque, ok := crypto.ParseOpaque(refreshPrefix, text); ok {
		if !slices.Contains(tenants, opaque.Tenant) {
			return nil, nil //nolint:nilnil // a token of elsewhere is unknown
		}
		row, err := s.byHash(identity.WithTenant(ctx, opaque.Tenant), opaque)
		if row == nil || err != nil {
			return nil, err
		}
		return &holder{tenant: row.TenantID, user: row.UserID, family: &row.FamilyID, refresh: row}, nil
	}
	claims, err := s.verify(ctx, text)
	switch {
	case fault.Is(err, fault.Unauthenticated), fault.Is(err, fault.TokenExpired):
		return nil, nil //nolint:nilnil // as above
	case err != nil:
		return nil, err
	case !slices.Contains(tenants, claims.TenantID):
		return nil, nil //nolint:nilnil // as above
	}
	return &holder{tenant: claims.TenantID, user: claims.Subject, jti: claims.TokenID, access: &claims}, nil
}

// byID is [Service.holderOf] for a token's id ("jti") or a session's.
func (s *Service) byID(ctx context.Context, tenant uuid.UUID, id string) (h *holder, err error) {
	user, named := accountOf(id)
	family, parsed := uuid.Parse(id)
	if !named && parsed != nil {
		return nil, nil //nolint:nilnil // as above
	}
	err = s.Write.DB.InReadTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) error {
		var users []uuid.UUID
		q := tx.Model(&models.User{}).Where("tenant_id = ? AND id = ?", tenant, user).Limit(1)
		column := "id"
		if !named {
			q = tx.Model(&models.RefreshToken{}).Where("tenant_id = ? AND family_id = ?", tenant, family).Limit(1)
			column = "user_id"
		}
		if err := q.Pluck(column, &users).Error; err != nil {
			return fmt.Errorf("find the account of a token: %w", err)
		}
		if len(users) == 0 {
			return nil
		}
		h = &holder{tenant: tenant, user: users[0], jti: id}
		if !named {
			h.family = &family
		}
		return nil
	})
	return h, err
}

// RevokeIn is a token that is to work no more (RFC 7009, 2.1).
type RevokeIn struct {
	Body struct {
		Token         string `json:"token,omitempty" maxLength:"16384" doc:"An access or refresh token."`
		TokenTypeHint string `json:"token_type_hint,omitempty" maxLength:"100" doc:"Not needed: tokens can be told apart."`
		TokenType     string `json:"token_type,omitempty" maxLength:"100" doc:"The same."`
		JTI           string `json:"jti,omitempty" maxLength:"100" doc:"Instead of the token, its id, or that of its session."`
	}
}

// RevokeOut is empty, whether or not there was such a token.
type RevokeOut struct{}

func (s *Service) revoke(ctx context.Context, in *RevokeIn) (*RevokeOut, error) {
	if (in.Body.Token == "") == (in.Body.JTI == "") {
		return nil, fault.InvalidAt("token", "give either token or jti")
	}
	p, _ := identity.PrincipalFrom(ctx)
	acting, _ := identity.TenantFrom(ctx)
	tenants := []uuid.UUID{acting, p.HomeTenantID}
	var h *holder
	var err error
	switch {
	case in.Body.Token != "":
		h, err = s.holderOf(ctx, tenants, in.Body.Token)
	case in.Body.JTI == p.TokenID || in.Body.JTI == p.SessionID:
		h = &holder{tenant: p.HomeTenantID, user: p.UserID, jti: in.Body.JTI}
		if id, parsed := uuid.Parse(p.SessionID); parsed == nil && in.Body.JTI == p.SessionID {
			h.family = &id
		}
	default:
		h, err = s.byID(ctx, acting, in.Body.JTI)
	}
	if err != nil {
		return nil, err
	}
	own := h != nil && h.user == p.UserID && h.tenant == p.HomeTenantID
	if own && in.Body.JTI != "" && h.family == nil && h.jti != p.TokenID {
		own = false // anybody can make such ids up, and each would be kept
	}
	// Asked about whether the token is known or not, so that neither the answer
	// nor its time tells.
	if !own && (!s.Write.Engine.Permits(ctx, p.HomeTenantID, p.UserID, sessionsSection, "delete") || h == nil || h.tenant != acting) {
		return nil, nil //nolint:nilnil // as for an unknown token: an empty answer
	}
	return nil, s.end(ctx, h)
}

// end revokes what a token stands for.
func (s *Service) end(ctx context.Context, h *holder) error {
	err := s.Write.Plain(identity.WithTenant(ctx, h.tenant), func(w *change.Write) error {
		user, err := crud.Locked[models.User](w.Tx, h.tenant, h.user, "user")
		if err != nil {
			return err
		}
		detail := map[string]any{}
		if h.family != nil {
			detail["session_id"] = *h.family
			err = s.endFamilies(w, h.tenant, h.user, []uuid.UUID{*h.family}, "session.revoke")
		} else {
			detail["token_id"] = h.jti
			err = s.endToken(w, h.tenant, h.user, h.jti, user.IsServiceAccount, "session.revoke")
		}
		if err != nil {
			return err
		}
		return w.Record(audit.Event{Action: "session.revoke", ResourceType: "user", ResourceID: h.user, Detail: detail})
	})
	if fault.Is(err, fault.NotFoundKind) {
		return nil // its account went with all its tokens
	}
	return err
}

// IntrospectIn is a token to look at (RFC 7662, 2.1).
type IntrospectIn struct {
	Body struct {
		Token         string `json:"token" minLength:"1" maxLength:"16384"`
		TokenTypeHint string `json:"token_type_hint,omitempty" maxLength:"100" doc:"Not needed: tokens can be told apart."`
	}
}

// Introspection is what a token is worth (RFC 7662, 2.2). Of one that is not
// active nothing else is said.
type Introspection struct {
	Active    bool       `json:"active"`
	Scope     string     `json:"scope,omitempty"`
	ClientID  string     `json:"client_id,omitempty" doc:"Of a service account: its id."`
	Username  string     `json:"username,omitempty" doc:"The account's e-mail address."`
	TokenType string     `json:"token_type,omitempty" doc:"Bearer or refresh_token."`
	Exp       int64      `json:"exp,omitempty"`
	Iat       int64      `json:"iat,omitempty"`
	Sub       string     `json:"sub,omitempty"`
	Iss       string     `json:"iss,omitempty"`
	Aud       string     `json:"aud,omitempty"`
	JTI       string     `json:"jti,omitempty"`
	SessionID string     `json:"sid,omitempty"`
	TenantID  *uuid.UUID `json:"tenant_id,omitempty"`
}

func (s *Service) introspect(ctx context.Context, in *IntrospectIn) (*httpapi.Reply[Introspection], error) {
	p, _ := identity.PrincipalFrom(ctx)
	acting, _ := identity.TenantFrom(ctx)
	reply := &httpapi.Reply[Introspection]{Header: map[string]string{"Cache-Control": "no-store"}}
	h, err := s.holderOf(ctx, []uuid.UUID{acting, p.HomeTenantID}, in.Body.Token)
	if err != nil {
		return nil, err
	}
	own := h != nil && h.user == p.UserID && h.tenant == p.HomeTenantID
	if !own && !s.Write.Engine.Permits(ctx, p.HomeTenantID, p.UserID, sessionsSection, "read") {
		return nil, httpapi.Denied(httpapi.Permission{Section: sessionsSection, Action: "read"})
	}
	if h == nil || !own && h.tenant != acting {
		return reply, nil
	}
	account, err := s.Write.Engine.Account(ctx, h.tenant, h.user)
	if fault.Is(err, fault.TokenRevoked) {
		return reply, nil
	}
	if err != nil {
		return nil, err
	}
	body := Introspection{Active: true, Sub: h.user.String(), TenantID: &h.tenant, Username: account.Email}
	if account.IsServiceAccount {
		body.ClientID = h.user.String()
	}
	if r := h.refresh; r != nil {
		started := r.FamilyExpiresAt.Add(-familyLifetime)
		if r.ReplacedBy != nil || r.RevokedAt != nil || !s.now().Before(r.ExpiresAt) || account.Voids(r.TokenEpoch, started, r.FamilyID.String()) {
			return reply, nil
		}
		body.TokenType, body.Exp, body.SessionID = "refresh_token", r.ExpiresAt.Unix(), r.FamilyID.String()
		if r.LastUsedAt != nil {
			body.Iat = r.LastUsedAt.Unix()
		}
	} else {
		c := h.access
		if account.Voids(int(c.Epoch), c.IssuedAt, c.TokenID, c.SessionID) {
			return reply, nil
		}
		body.TokenType, body.Scope, body.Exp, body.Iat = "Bearer", c.Scope, c.ExpiresAt.Unix(), c.IssuedAt.Unix()
		body.Iss, body.Aud, body.JTI, body.SessionID = c.Issuer, c.Audience, c.TokenID, c.SessionID
	}
	reply.Body = body
	return reply, nil
}
