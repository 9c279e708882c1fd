package session

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// maxVerified bounds the cache of verified tokens. When it is full, tokens that
// are seldom used are verified again.
const maxVerified = 50_000

// scopePassword is the scope of a token with which only the account's own
// password can be changed.
const scopePassword = "self:password"

// verified is a token whose signature was right. Nothing else is remembered: the
// account, revocations and the address are asked about every time.
type verified struct {
	claims crypto.Claims
	kid    string
	key    ed25519.PublicKey
}

type claimsKey struct{}

// claimsFrom returns the claims of the call's own token.
func claimsFrom(ctx context.Context) (crypto.Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(crypto.Claims)
	return c, ok
}

// Authenticate turns an access token, and the tenant that X-Tenant-ID names if
// any, into a context that carries who calls and where. The account behind the
// token is asked about every time: one that was deactivated is out at once.
func (s *Service) Authenticate(ctx context.Context, bearer, tenantHeader string) (context.Context, error) {
	claims, err := s.verify(ctx, bearer)
	if err != nil {
		return nil, err
	}
	account, err := s.Write.Engine.Account(ctx, claims.TenantID, claims.Subject)
	if err != nil {
		return nil, err
	}
	if account.Voids(int(claims.Epoch), claims.IssuedAt, claims.TokenID, claims.SessionID) {
		return nil, fault.New(fault.TokenRevoked, "This token was revoked. Log in again.")
	}
	if !allows(account.AllowedIPs, identity.RequestFrom(ctx).Address) {
		return nil, fault.New(fault.Unauthenticated, "This account may not call from this address. Ask an administrator to add it to allowed_ips.")
	}
	p := &identity.Principal{
		UserID: account.ID, HomeTenantID: claims.TenantID, Email: account.Email, IsServiceAccount: account.IsServiceAccount,
		SessionID: claims.SessionID, TokenID: claims.TokenID, Scope: strings.Fields(claims.Scope),
	}
	ctx = context.WithValue(identity.WithPrincipal(ctx, p), claimsKey{}, claims)
	if tenantHeader == "" {
		return ctx, nil
	}
	target, err := uuid.Parse(tenantHeader)
	if err != nil {
		return nil, fault.InvalidAt("header.X-Tenant-ID", "must be the id of a tenant")
	}
	return s.Write.Engine.EnterTenant(ctx, p, target)
}

// verify returns the claims of an access token that the installation signed and
// that has not expired. Whether it still counts is another question.
func (s *Service) verify(ctx context.Context, token string) (crypto.Claims, error) {
	if err := s.Keys.Load(ctx); err != nil {
		return crypto.Claims{}, err
	}
	now, keys, hash := s.now(), s.Keys.Verifier(ctx), sha256.Sum256([]byte(token))
	if v, ok := s.verified.GetIfPresent(hash); ok {
		if key, known := keys(v.kid); known && key.Equal(v.key) && now.Before(v.claims.ExpiresAt) {
			return v.claims, nil
		}
		s.verified.Invalidate(hash)
	}
	var v verified
	claims, err := s.Signer.Verify(token, func(kid string) (ed25519.PublicKey, bool) {
		key, ok := keys(kid)
		v.kid, v.key = kid, key
		return key, ok
	}, now)
	if err != nil {
		return crypto.Claims{}, err
	}
	if claims.Type != accessToken {
		return crypto.Claims{}, fault.New(fault.Unauthenticated, "This is no access token. Log in and send the access token.")
	}
	v.claims = claims
	s.verified.Set(hash, v)
	return claims, nil
}

// allows reports whether an address is one of the addresses and ranges of list;
// an empty list has them all. What cannot be read matches nothing.
func allows(list []string, address string) bool {
	if len(list) == 0 {
		return true
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(list, func(one string) bool {
		if prefix, err := netip.ParsePrefix(one); err == nil {
			return prefix.Contains(ip)
		}
		single, err := netip.ParseAddr(one)
		return err == nil && single.Unmap() == ip
	})
}

// scopedRoutes are the routes without a permission that a narrowed token may
// call all the same, with what its scope must cover for it, if anything. Every
// other such route is the account's own affair, which no scope includes.
var scopedRoutes = map[string]func(*identity.Principal) bool{
	"GET /api/v1/auth/validate":               anyScope,
	"POST /api/v1/auth/logout":                anyScope,
	"POST /api/v1/auth/revoke":                beyondPassword,
	"POST /api/v1/auth/introspect":            func(p *identity.Principal) bool { return p.Covers(sessionsSection, "read") },
	"POST /api/v1/permissions/check":          beyondPassword,
	"POST /api/v1/permissions/batch-check":    beyondPassword,
	"GET /api/v1/field-permissions":           beyondPassword,
	"POST /access/v1/evaluation":              beyondPassword,
	"POST /access/v1/evaluations":             beyondPassword,
	"POST /api/v1/users/{id}/change-password": func(p *identity.Principal) bool { return slices.Contains(p.Scope, scopePassword) },
}

func anyScope(*identity.Principal) bool { return true }

// beyondPassword refuses a token that is there for changing the password only.
func beyondPassword(p *identity.Principal) bool { return !slices.Contains(p.Scope, scopePassword) }

// AdmitScope refuses a caller whose token is narrowed to a scope the routes that
// need no permission, but for a few. Those that need one are refused where the
// permission is asked about.
func (s *Service) AdmitScope(ctx context.Context, r httpapi.Route) error {
	p, ok := identity.PrincipalFrom(ctx)
	if _, needed := r.Access.Permission(); !ok || needed || r.Access.IsPublic() || !p.IsScoped() {
		return nil
	}
	if admits := scopedRoutes[r.Method+" "+r.FullPath()]; admits != nil && admits(p) {
		return nil
	}
	return fault.New(fault.Denied, "The scope of this token, %q, does not include this call. Use a token without a scope.", strings.Join(p.Scope, " "))
}
