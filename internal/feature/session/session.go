// Package session owns the section "auth": how an account proves who it is, the
// tokens it gets, how they end, and the keys that sign them. What the account
// may do is the engine's.
package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// TokenLifetime is how long an access token counts.
const TokenLifetime = 30 * time.Minute

const (
	// accessToken is the "type" claim of the tokens that the API takes.
	accessToken = "access"
	// defaultFloor is longer than a login takes on a machine that is not
	// overloaded: one Argon2id hash and a transaction.
	defaultFloor = 250 * time.Millisecond
	// sessionsSection is the section of the API that others' sessions and tokens are.
	sessionsSection = "sessions"
)

// Config is what the service is made of. All is required unless it says
// otherwise.
type Config struct {
	Write     *change.Writer
	Passwords *crypto.Passwords
	Signer    crypto.Signer
	Keys      *Keys
	// NormaliseEmail is how addresses are stored.
	NormaliseEmail func(string) (string, bool)
	// Limit is asked before a password is looked at, with a name of the account,
	// which need not exist. It returns nil or a fault. Default: no limit.
	Limit func(ctx context.Context, account string) error
	// SecondFactor reports whether code is a valid second factor of user, in the
	// transaction of the login, so that one that works once is used up by it.
	// Without it nobody who has a second factor can log in.
	SecondFactor func(ctx context.Context, w *change.Write, user *models.User, code string) (bool, error)
	// KnowsSection reports whether the API has a section of that name, for the
	// scopes of tokens. Without it no scope is known.
	KnowsSection func(section string) bool
	// FailureFloor is how long after its start a failed login is answered,
	// whatever was wrong. Default 250 ms.
	FailureFloor time.Duration
	// WaitUntil waits for a moment of the engine's clock, or for the end of ctx.
	// Default: a timer.
	WaitUntil func(ctx context.Context, t time.Time) error
}

// Service answers the section's calls. Make it with [New].
type Service struct {
	Config
	verified *otter.Cache[[32]byte, verified]
	patience *patience
}

// New makes the service. It starts nothing.
func New(c Config) *Service {
	s := &Service{Config: c, patience: newPatience()}
	s.verified = otter.Must(&otter.Options[[32]byte, verified]{MaximumSize: maxVerified})
	if s.FailureFloor <= 0 {
		s.FailureFloor = defaultFloor
	}
	if s.WaitUntil == nil {
		s.WaitUntil = s.sleep
	}
	return s
}

func (s *Service) now() time.Time { return s.Write.Engine.Now() }

func (s *Service) sleep(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(t.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Authentication", "How an account proves who it is, and the tokens it gets.")
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/login", Summary: "Log in with e-mail address and password", Access: httpapi.Public(), Errors: []int{401, 423},
		Description: "An unknown tenant, an unknown address and a wrong password are one answer, given in the same time. Five failures from one network lock the account there for 15 minutes, each further lock for twice as long; ACCOUNT_LOCKED is told only after the right password.",
		ShownOnce:   []string{"access_token", "refresh_token"},
	}, s.login)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/refresh", Summary: "Exchange a refresh token for a new pair", Access: httpapi.Public(), Errors: []int{401},
		Description: "A refresh token works once. Used again it ends its whole session, unless the answer to the first use may have been lost: within 10 seconds, as long as its successor has not been used.",
		ShownOnce:   []string{"access_token", "refresh_token"},
	}, s.refresh)
	httpapi.CallOrForm(sec, httpapi.Route{
		Path: "/auth/service-account/token", Summary: "Exchange a service account's key for an access token", Access: httpapi.Public(), Errors: []int{401},
		Description: "JSON: api_key, or client_id and client_secret. Also the client credentials grant of OAuth 2.0 (RFC 6749, 4.4) as a form, whose answers and errors have no envelope.",
		Form:        true, FormErrorBody: oauthError, ShownOnce: []string{"access_token"},
	}, s.clientToken)
	httpapi.Get(sec, httpapi.Route{
		Path: "/auth/validate", Summary: "Show what the access token says", Access: httpapi.Authenticated("the caller's own token"),
	}, s.validate)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/logout", Summary: "End the caller's session", Access: httpapi.Authenticated("the caller's own session"),
		Description: "Its refresh token and all its access tokens stop working. A service account's token ends alone.",
	}, s.logout)
	why := "one's own tokens; others' need delete on api/sessions, and are as unknown ones without it"
	httpapi.CallOrForm(sec, httpapi.Route{
		Path: "/auth/revoke", Summary: "Revoke a token", Access: httpapi.Authenticated(why),
		Description: "RFC 7009, also as JSON. An unknown token is no error. A refresh token ends with its whole session.",
		Form:        true, FormErrorBody: oauthError,
	}, s.revoke)
	httpapi.Raw(sec, httpapi.Route{
		Method: "POST", Path: "/auth/introspect", Summary: "Show what a token is worth", Errors: []int{403},
		Access:      httpapi.Authenticated("one's own tokens; others' need read on api/sessions"),
		Description: "RFC 7662, also as JSON, answered without envelope.",
		Form:        true, FormErrorBody: oauthError,
	}, s.introspect)
	httpapi.List(sec, httpapi.Route{
		Path: "/auth/sessions", Summary: "List the caller's sessions", Access: httpapi.Authenticated("the caller's own sessions"),
	}, s.sessions)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/auth/sessions", Summary: "End all of the caller's sessions, the current one included", Access: httpapi.Authenticated("the caller's own sessions"),
	}, s.endAll)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/auth/sessions/{id}", Summary: "End one of the caller's sessions", Access: httpapi.Authenticated("the caller's own sessions"),
	}, s.endOne)
	httpapi.Raw(sec, httpapi.Route{
		Path: "/.well-known/jwks.json", Root: true, Summary: "Public keys of the access tokens", Access: httpapi.Public(),
		Produces: "application/jwk-set+json",
	}, s.jwks)
}

// Who is the account behind a token.
type Who struct {
	ID               uuid.UUID `json:"id"`
	Email            string    `json:"email"`
	IsServiceAccount bool      `json:"is_service_account"`
	Roles            []string  `json:"roles" doc:"Names, for display. Decisions never read them from the token."`
	Tenant           struct {
		ID   uuid.UUID `json:"id"`
		Name string    `json:"name"`
		Code string    `json:"code"`
	} `json:"tenant"`
}

// newTokenID returns a "jti" that names its account, so that a token can be
// revoked by its id alone: nobody keeps a list of the tokens that are out.
func newTokenID(user uuid.UUID) string {
	random := uuid.New()
	return base64.RawURLEncoding.EncodeToString(append(user[:], random[:]...))
}

// accountOf returns the account that a "jti" names.
func accountOf(jti string) (uuid.UUID, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(jti)
	if err != nil || len(raw) != 32 {
		return uuid.UUID{}, false
	}
	return uuid.UUID(raw[:16]), true
}

// maxRoles bounds the names of roles in a token, in bytes of JSON: with the
// longest scope it still is one that the API takes.
const maxRoles = 3000

// displayed are as many of an account's roles as a token has room for.
func displayed(roles []string) []string {
	left := maxRoles
	for i, name := range roles {
		raw, err := json.Marshal(name)
		if left -= len(raw) + 1; err != nil || left < 0 {
			return roles[:i]
		}
	}
	return roles
}

// sign completes and signs the claims of an access token issued at now.
func (s *Service) sign(ctx context.Context, c crypto.Claims, now time.Time) (string, error) {
	c.Type, c.TokenID, c.IssuedAt, c.ExpiresAt = accessToken, newTokenID(c.Subject), now, now.Add(TokenLifetime)
	c.Roles = displayed(c.Roles)
	key, err := s.Keys.Active(ctx)
	if err != nil {
		return "", err
	}
	token, err := s.Signer.Sign(c, key)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// Claims are what the caller's token says and stands for.
type Claims struct {
	UserID           uuid.UUID `json:"user_id"`
	TenantID         uuid.UUID `json:"tenant_id" doc:"The tenant of the token."`
	ActingTenantID   uuid.UUID `json:"acting_tenant_id" doc:"The tenant in which this call acts: another with X-Tenant-ID."`
	Email            string    `json:"email"`
	IsServiceAccount bool      `json:"is_service_account"`
	SessionID        string    `json:"session_id"`
	TokenID          string    `json:"token_id"`
	Scope            string    `json:"scope" doc:"What the token is narrowed to, separated by spaces; empty for no limit."`
	IssuedAt         time.Time `json:"issued_at"`
	ExpiresAt        time.Time `json:"expires_at"`
	Roles            []string  `json:"roles" doc:"The names of the roles the account has now."`
}

func (s *Service) validate(ctx context.Context, _ *struct{}) (*Claims, error) {
	p, _ := identity.PrincipalFrom(ctx)
	acting, _ := identity.TenantFrom(ctx)
	token, ok := claimsFrom(ctx)
	if !ok {
		return nil, fault.New(fault.Unauthenticated, "Log in and send the access token.")
	}
	roles, err := s.Write.Engine.RoleNames(ctx, p.HomeTenantID, p.UserID)
	if err != nil {
		return nil, err
	}
	return &Claims{
		UserID: p.UserID, TenantID: p.HomeTenantID, ActingTenantID: acting, Email: p.Email, IsServiceAccount: p.IsServiceAccount,
		SessionID: p.SessionID, TokenID: p.TokenID, Scope: strings.Join(p.Scope, " "),
		IssuedAt: token.IssuedAt, ExpiresAt: token.ExpiresAt, Roles: roles,
	}, nil
}

func (s *Service) jwks(ctx context.Context, _ *struct{}) (*httpapi.Reply[crypto.JWKS], error) {
	set, err := s.Keys.Public(ctx)
	if err != nil {
		return nil, err
	}
	return &httpapi.Reply[crypto.JWKS]{Body: set, Header: map[string]string{"Cache-Control": "public, max-age=300"}}, nil
}
