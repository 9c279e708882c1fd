// Package session owns the section "auth": how an account proves who it is, the
// tokens it gets, and the keys that sign them. What the account may do is the
// engine's.
package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// TokenLifetime is how long an access token counts.
const TokenLifetime = 30 * time.Minute

// accessToken is the "type" claim of the tokens that the API takes.
const accessToken = "access"

// Service answers the section's calls.
type Service struct {
	Write     *change.Writer
	Passwords *crypto.Passwords
	Signer    crypto.Signer
	Keys      *Keys
	// NormaliseEmail is how addresses are stored.
	NormaliseEmail func(string) (string, bool)
	// Limit is asked before a try to log in is looked at, with the account as it
	// was named, which need not exist. It returns nil or a fault. Default: no
	// limit.
	Limit func(ctx context.Context, account string) error
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Authentication", "How an account proves who it is, and the tokens it gets.")
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/login", Summary: "Log in with e-mail address and password", Access: httpapi.Public(), Errors: []int{401, 503},
		Description: "An unknown tenant, an unknown address and a wrong password are one answer, given in the same time.",
	}, s.login)
	httpapi.Get(sec, httpapi.Route{
		Path: "/auth/validate", Summary: "Show what the access token says", Access: httpapi.Authenticated("the caller's own token"),
	}, s.validate)
	httpapi.Raw(sec, httpapi.Route{
		Path: "/.well-known/jwks.json", Root: true, Summary: "Public keys of the access tokens", Access: httpapi.Public(),
		Produces: "application/jwk-set+json",
	}, s.jwks)
}

// LoginIn proves who somebody is.
type LoginIn struct {
	Body struct {
		Email    string `json:"email" minLength:"1" maxLength:"320"`
		Password string `json:"password" minLength:"1" maxLength:"1000"`
		TenantID string `json:"tenant_id" minLength:"1" maxLength:"50" doc:"The tenant's id or code."`
	}
}

// Login is a token and whose it is.
type Login struct {
	AccessToken string `json:"access_token" doc:"Send it as Authorization: Bearer."`
	TokenType   string `json:"token_type" enum:"Bearer"`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds."`
	User        Who    `json:"user"`
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

func wrong() error {
	return fault.New(fault.InvalidCredentials, "The tenant, the e-mail address or the password is wrong.")
}

func (s *Service) login(ctx context.Context, in *LoginIn) (*Login, error) {
	if err := s.limit(ctx, in); err != nil {
		return nil, err
	}
	tenant, err := s.tenant(ctx, in.Body.TenantID)
	if err != nil {
		return nil, err
	}
	var user *models.User
	if tenant != nil {
		if user, err = s.find(identity.WithTenant(ctx, tenant.ID), tenant.ID, in.Body.Email); err != nil {
			return nil, err
		}
	}
	if user == nil || user.PasswordHash == nil {
		if err := s.Passwords.VerifyDummy(ctx, in.Body.Password); err != nil {
			return nil, err
		}
		return nil, wrong()
	}
	ok, err := s.Passwords.Verify(ctx, in.Body.Password, *user.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, wrong()
	}
	return s.open(identity.WithTenant(ctx, tenant.ID), tenant, user)
}

// tenant finds a tenant by id or code, nil if there is none.
func (s *Service) tenant(ctx context.Context, idOrCode string) (*models.Tenant, error) {
	var t models.Tenant
	err := s.Write.DB.InSystemReadTx(ctx, db.LoginTenant, func(tx *db.Tx) error {
		if id, err := uuid.Parse(idOrCode); err == nil {
			return tx.Where("id = ?", id).Take(&t).Error
		}
		return tx.Where("code = ?", strings.ToUpper(idOrCode)).Take(&t).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // no such tenant is an answer that login must not tell
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	return &t, nil
}

func (s *Service) find(ctx context.Context, tenant uuid.UUID, email string) (*models.User, error) {
	normal, ok := s.NormaliseEmail(email)
	if !ok {
		return nil, nil //nolint:nilnil // as above
	}
	var u models.User
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("tenant_id = ? AND email = ?", tenant, normal).Take(&u).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return &u, nil
}

// open makes a session for an account whose password was right.
func (s *Service) open(ctx context.Context, tenant *models.Tenant, user *models.User) (*Login, error) {
	subject, err := s.Write.Engine.Account(ctx, tenant.ID, user.ID)
	if fault.Is(err, fault.TokenRevoked) {
		return nil, wrong()
	}
	if err != nil {
		return nil, err
	}
	roles, err := s.Write.Engine.RoleNames(ctx, tenant.ID, user.ID)
	if err != nil {
		return nil, err
	}
	now := s.Write.Engine.Now()
	claims := crypto.Claims{
		Subject: user.ID, TenantID: tenant.ID, Roles: roles, IsServiceAccount: user.IsServiceAccount, Type: accessToken,
		SessionID: uuid.NewString(), TokenID: uuid.NewString(), Epoch: int64(subject.TokenEpoch),
		IssuedAt: now, ExpiresAt: now.Add(TokenLifetime),
	}
	key, err := s.Keys.Active(ctx)
	if err != nil {
		return nil, err
	}
	token, err := s.Signer.Sign(claims, key)
	if err != nil {
		return nil, fmt.Errorf("sign access token: %w", err)
	}
	ctx = identity.WithPrincipal(ctx, &identity.Principal{UserID: user.ID, HomeTenantID: tenant.ID, Email: user.Email, SessionID: claims.SessionID})
	err = s.Write.Plain(ctx, func(w *change.Write) error {
		err := w.Exec(`
UPDATE sentinel.users
SET last_login = ?, login_count = login_count + 1
WHERE tenant_id = ?
AND id = ?`, now, tenant.ID, user.ID).Error
		if err != nil {
			return fmt.Errorf("count login: %w", err)
		}
		return w.Record(audit.Event{Action: "session.login", ResourceType: "user", ResourceID: user.ID})
	})
	if err != nil {
		return nil, err
	}
	out := &Login{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(TokenLifetime / time.Second)}
	out.User = Who{ID: user.ID, Email: user.Email, IsServiceAccount: user.IsServiceAccount, Roles: roles}
	out.User.Tenant.ID, out.User.Tenant.Name, out.User.Tenant.Code = tenant.ID, tenant.Name, tenant.Code
	return out, nil
}

// Claims are what the caller's token says and stands for.
type Claims struct {
	UserID           uuid.UUID `json:"user_id"`
	TenantID         uuid.UUID `json:"tenant_id" doc:"The tenant of the token."`
	ActingTenantID   uuid.UUID `json:"acting_tenant_id" doc:"The tenant in which this call acts: another with X-Tenant-ID."`
	Email            string    `json:"email"`
	IsServiceAccount bool      `json:"is_service_account"`
	SessionID        string    `json:"session_id"`
	Roles            []string  `json:"roles" doc:"The names of the roles the account has now."`
}

func (s *Service) validate(ctx context.Context, _ *struct{}) (*Claims, error) {
	p, _ := identity.PrincipalFrom(ctx)
	acting, _ := identity.TenantFrom(ctx)
	roles, err := s.Write.Engine.RoleNames(ctx, p.HomeTenantID, p.UserID)
	if err != nil {
		return nil, err
	}
	return &Claims{
		UserID: p.UserID, TenantID: p.HomeTenantID, ActingTenantID: acting, Email: p.Email,
		IsServiceAccount: p.IsServiceAccount, SessionID: p.SessionID, Roles: roles,
	}, nil
}

func (s *Service) jwks(ctx context.Context, _ *struct{}) (*httpapi.Reply[crypto.JWKS], error) {
	set, err := s.Keys.Public(ctx)
	if err != nil {
		return nil, err
	}
	return &httpapi.Reply[crypto.JWKS]{Body: set, Header: map[string]string{"Cache-Control": "public, max-age=300"}}, nil
}

// Authenticate turns an access token, and the tenant that X-Tenant-ID names if
// any, into a context that carries who calls and where. The account behind the
// token is asked about every time: one that was deactivated is out at once.
func (s *Service) Authenticate(ctx context.Context, bearer, tenantHeader string) (context.Context, error) {
	if err := s.Keys.Load(ctx); err != nil {
		return nil, err
	}
	claims, err := s.Signer.Verify(bearer, s.Keys.Verifier(ctx), s.Write.Engine.Now())
	if err != nil {
		return nil, err
	}
	if claims.Type != accessToken {
		return nil, fault.New(fault.Unauthenticated, "This is no access token. Log in and send the access token.")
	}
	account, err := s.Write.Engine.Account(ctx, claims.TenantID, claims.Subject)
	if err != nil {
		return nil, err
	}
	if account.Voids(int(claims.Epoch), claims.IssuedAt, claims.TokenID, claims.SessionID) {
		return nil, fault.New(fault.TokenRevoked, "This token was revoked. Log in again.")
	}
	p := &identity.Principal{
		UserID: account.ID, HomeTenantID: claims.TenantID, Email: account.Email, IsServiceAccount: account.IsServiceAccount,
		SessionID: claims.SessionID, TokenID: claims.TokenID,
	}
	ctx = identity.WithPrincipal(ctx, p)
	if tenantHeader == "" {
		return ctx, nil
	}
	target, err := uuid.Parse(tenantHeader)
	if err != nil {
		return nil, fault.InvalidAt("header.X-Tenant-ID", "must be the id of a tenant")
	}
	return s.Write.Engine.EnterTenant(ctx, p, target)
}
