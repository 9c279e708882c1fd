package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// The system roles that reach beyond the tenant in which they are held.
const (
	tenantAdmin = "tenant_admin"
	superAdmin  = "super_admin"
)

// Account is what whoever judges a token has to know of its account.
type Account struct {
	*Subject
	// tokensValidFrom is the tenant's.
	tokensValidFrom time.Time
}

// Voids reports whether a token of the account has ended before its time: one of
// an older epoch, one issued before the tenant was last deactivated, and one
// that was revoked by its own id or by that of its session.
func (a Account) Voids(epoch int, issued time.Time, ids ...string) bool {
	return epoch != a.TokenEpoch || issued.Before(a.tokensValidFrom) || slices.ContainsFunc(ids, func(id string) bool { return a.Revoked[id] })
}

// Account is what the snapshot's tenant and the subject say of tokens.
func (s *Snapshot) Account(subject *Subject) Account {
	return Account{Subject: subject, tokensValidFrom: s.Tenant.TokensValidFrom}
}

// Account returns the stored facts of an account, for whoever has to know
// whether its token still counts. It fails with a fault: TokenRevoked for an
// account or tenant that is gone, inactive or locked.
func (e *Engine) Account(ctx context.Context, tenant, user uuid.UUID) (Account, error) {
	v, subject, err := e.read(ctx, tenant, user)
	switch {
	case err != nil && fault.Is(err, fault.NotFoundKind), err == nil && subject == nil:
		return Account{}, fault.New(fault.TokenRevoked, "The account of this token no longer exists. Log in again.")
	case err != nil:
		return Account{}, err
	case !subject.Usable(e.Now()):
		return Account{}, fault.New(fault.TokenRevoked, "The account of this token is inactive or locked. Ask an administrator.")
	case !v.snapshot.Tenant.Active:
		return Account{}, fault.New(fault.TokenRevoked, "The tenant of this token is inactive. Ask its administrator.")
	}
	return v.snapshot.Account(subject), nil
}

// Permits answers for Sentinel's own API: may the account do action on a
// section. A refusal is recorded like any decision; what is permitted leaves its
// trace in the audit of what was done. A caller whose token is narrowed to a
// scope may do no more than that.
func (e *Engine) Permits(ctx context.Context, tenant, user uuid.UUID, section, action string) bool {
	if outOfScope(ctx, tenant, user, section, action) {
		return false
	}
	return e.Trusts(ctx, tenant, user, section, action) ||
		e.Decide(ctx, apiQuestion(tenant, user, section, action)).Allowed
}

// Trusts is [Engine.Permits] for a caller who is not refused anything if the
// answer is no, but answered less: it leaves no record.
func (e *Engine) Trusts(ctx context.Context, tenant, user uuid.UUID, section, action string) bool {
	if outOfScope(ctx, tenant, user, section, action) {
		return false
	}
	v, subject, err := e.read(ctx, tenant, user)
	if err != nil {
		return false
	}
	d := &Decision{question: apiQuestion(tenant, user, section, action), now: e.Now(), snapshot: v.snapshot}
	d.decide(ctx, subject, asking{engine: e})
	return d.Allowed
}

// outOfScope reports whether the account is the caller's own and the caller's
// token is narrowed to other things.
func outOfScope(ctx context.Context, tenant, user uuid.UUID, section, action string) bool {
	p, ok := identity.PrincipalFrom(ctx)
	return ok && p.UserID == user && p.HomeTenantID == tenant && !p.Covers(section, action)
}

func apiQuestion(tenant, user uuid.UUID, section, action string) *Question {
	return &Question{TenantID: tenant, UserID: user, Type: grants.APIType, ID: section, Action: action}
}

// systemRoles returns the names of the system roles that the account has now.
func (e *Engine) systemRoles(ctx context.Context, tenant, user uuid.UUID) ([]string, error) {
	v, subject, err := e.read(ctx, tenant, user)
	if err != nil || subject == nil {
		return nil, err
	}
	var names []string
	for _, i := range v.snapshot.Holds(subject, e.Now()) {
		if r := v.snapshot.roles[i]; r != nil && r.IsSystem {
			names = append(names, r.Name)
		}
	}
	return names, nil
}

// IsOperator reports whether the caller is super_admin. A token that is narrowed
// to a scope is nobody's who acts for a whole tenant.
func (e *Engine) IsOperator(ctx context.Context, p *identity.Principal) (bool, error) {
	if p.IsScoped() || p.HomeTenantID != identity.PlatformTenant {
		return false, nil
	}
	roles, err := e.systemRoles(ctx, p.HomeTenantID, p.UserID)
	return slices.Contains(roles, superAdmin), err
}

// Administers reports whether the caller administers target as a whole: as its
// tenant_admin, as that of a tenant above it, or as super_admin. above leaves
// out target's own.
func (e *Engine) Administers(ctx context.Context, p *identity.Principal, target uuid.UUID, above bool) (bool, error) {
	if p.IsScoped() {
		return false, nil
	}
	roles, err := e.systemRoles(ctx, p.HomeTenantID, p.UserID)
	if err != nil {
		return false, err
	}
	if p.HomeTenantID == identity.PlatformTenant && slices.Contains(roles, superAdmin) {
		return true, nil
	}
	if !slices.Contains(roles, tenantAdmin) {
		return false, nil
	}
	if p.HomeTenantID == target {
		return !above, nil
	}
	return e.isBelow(ctx, target, p.HomeTenantID)
}

// isBelow asks in the ancestor's own scope, so that a tenant elsewhere and one
// that does not exist are one answer in one time, and none is loaded for it.
func (e *Engine) isBelow(ctx context.Context, tenant, ancestor uuid.UUID) (below bool, err error) {
	err = e.db.InReadTx(identity.WithTenant(ctx, ancestor), func(tx *db.Tx) error {
		return tx.Raw(`
SELECT EXISTS (
  SELECT 1
  FROM sentinel.tenant_ancestors
  WHERE tenant_id = ?
  AND ancestor_id = ?
)`, tenant, ancestor).Scan(&below).Error
	})
	if err != nil {
		return false, fmt.Errorf("look for a tenant below: %w", err)
	}
	return below, nil
}

// EnterTenant returns a context that acts in target instead of the caller's
// home. Whoever may not act there is told that it does not exist, as for one
// that does not.
func (e *Engine) EnterTenant(ctx context.Context, p *identity.Principal, target uuid.UUID) (context.Context, error) {
	if target == p.HomeTenantID {
		return ctx, nil
	}
	may, err := e.Administers(ctx, p, target, true)
	if err != nil {
		return nil, err
	}
	if may {
		_, err := e.view(ctx, target)
		if err == nil {
			return identity.WithTenant(ctx, target), nil
		}
		if !fault.Is(err, fault.NotFoundKind) {
			return nil, err
		}
	}
	return nil, fault.NotFound("tenant")
}

// HasFeature reports whether a tenant has a feature of the product, see package
// entitlement.
func (e *Engine) HasFeature(ctx context.Context, tenant uuid.UUID, name string) (bool, error) {
	v, err := e.view(ctx, tenant)
	if err != nil {
		return false, err
	}
	return v.snapshot.Tenant.Features.Has(name), nil
}

// Effective returns what a user may do now: every permission of every role they
// have, with the path by which they have it. ok is false if there is no such
// user in the tenant.
func (e *Engine) Effective(ctx context.Context, tenant, user uuid.UUID) (list []EffectivePermission, ok bool, err error) {
	v, subject, err := e.read(ctx, tenant, user)
	if err != nil || subject == nil {
		return nil, false, err
	}
	s := v.snapshot
	direct, _ := s.direct(subject, e.Now())
	for _, i := range s.reach(direct) {
		for _, g := range s.Grants.OfRole(i) {
			list = append(list, EffectivePermission{
				Grant: g, Role: s.roles[i].Name, Path: s.Label(s.Graph.Path(direct, i)), Inherited: !slices.Contains(direct, i),
			})
		}
	}
	return list, true, nil
}

// Snapshot returns the tenant's graph as this replica decides by it: what was
// written here before is in it.
func (e *Engine) Snapshot(ctx context.Context, tenant uuid.UUID) (*Snapshot, error) {
	v, err := e.view(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return v.snapshot, nil
}

// EffectivePermission is a permission with the role by which a user has it.
type EffectivePermission struct {
	Grant *grants.Grant
	Role  string
	Path  string
	// Inherited is set when the user does not have the role directly.
	Inherited bool
}

// Ready waits until the engine can read its own tenant, the platform's.
func (e *Engine) Ready(ctx context.Context) error {
	_, err := e.view(ctx, identity.PlatformTenant)
	return err
}

// Status says how fresh the engine is, for health.
func (e *Engine) Status() (listening bool, tenants int, oldest time.Duration) {
	now := e.elapsed()
	e.slots.Range(func(_, value any) bool {
		if s := value.(*slot); s.current.Load() != nil {
			tenants++
			oldest = max(oldest, time.Duration(now-s.verified.Load()))
		}
		return true
	})
	return e.listening.Load(), tenants, oldest
}

// RoleNames returns the names of all roles that an account has now, ascending.
func (e *Engine) RoleNames(ctx context.Context, tenant, user uuid.UUID) ([]string, error) {
	v, subject, err := e.read(ctx, tenant, user)
	if err != nil || subject == nil {
		return nil, err
	}
	names := []string{}
	for _, i := range v.snapshot.Holds(subject, e.Now()) {
		if r := v.snapshot.roles[i]; r != nil {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
