// Package identity carries who is calling, and in which tenant, through a
// context. It owns the values only: it knows neither tokens nor permissions.
package identity

import (
	"context"
	"slices"

	"github.com/google/uuid"
)

// PlatformTenant is the id of the tenant that owns the system roles and the
// operators: all zeros. It is a real tenant, so "no tenant" is never said with
// a zero id but with the second result of [TenantFrom].
var PlatformTenant = uuid.UUID{}

// Principal is an authenticated caller. It says who they are, never what they
// may do: that is the engine's to answer.
type Principal struct {
	UserID uuid.UUID
	// HomeTenantID is the tenant of the token, in which the caller's own
	// permissions are judged, whichever tenant the call acts in.
	HomeTenantID     uuid.UUID
	Email            string
	IsServiceAccount bool
	// SessionID and TokenID are the token's "sid" and "jti".
	SessionID string
	TokenID   string
	// Scope narrows what the token may do to some permissions of the API, each as
	// "section:action" with "*" for every action. Empty is no limit.
	Scope []string
}

// IsScoped reports whether the token may do less than its account.
func (p *Principal) IsScoped() bool { return len(p.Scope) > 0 }

// Covers reports whether the token's scope, if it has one, includes an action on
// a section of the API. Whether the account may do it is another question.
func (p *Principal) Covers(section, action string) bool {
	return !p.IsScoped() || slices.Contains(p.Scope, section+":"+action) || slices.Contains(p.Scope, section+":*")
}

type key int

const (
	principalKey key = iota
	tenantKey
	requestKey
)

// WithPrincipal returns a context that carries p and acts in p's home tenant
// unless [WithTenant] says otherwise later.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return WithTenant(context.WithValue(ctx, principalKey, p), p.HomeTenantID)
}

// PrincipalFrom returns the caller, or false for an anonymous one.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(principalKey).(*Principal)
	return p, ok && p != nil
}

// WithTenant returns a context whose database transactions act in tenant id.
func WithTenant(ctx context.Context, id uuid.UUID) context.Context {
	return context.WithValue(ctx, tenantKey, id)
}

// TenantFrom returns the tenant in which the call acts.
func TenantFrom(ctx context.Context) (uuid.UUID, bool) {
	id, ok := ctx.Value(tenantKey).(uuid.UUID)
	return id, ok
}

// Request describes the HTTP request behind a call, for audit records.
type Request struct {
	ID string
	// Address is the client's, as far as TRUSTED_PROXIES lets it be known.
	Address   string
	UserAgent string
	// Forwarded says that a proxy handed the request on, whether or not it is one
	// of TRUSTED_PROXIES.
	Forwarded bool
}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey, r)
}

// RequestFrom returns the request, or a zero one outside of any.
func RequestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey).(Request)
	return r
}
