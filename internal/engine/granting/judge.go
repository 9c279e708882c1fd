// Package granting decides whether a caller may make a write by which some
// account can do more, or is restrained less, than before. Every route, bulk
// operation and job asks the one [Judge], inside the writing transaction. It
// knows nothing of what the write is, only of who gains what by it.
package granting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// The system roles whose holders may gain by a write of their own.
const (
	TenantAdmin = "tenant_admin"
	SuperAdmin  = "super_admin"
)

// Change says what a write does to what accounts may do. Nodes are named as in
// the role graph, see [rbac.Role] and [rbac.Group].
type Change struct {
	// Accounts are touched themselves: an assignment, a membership, identity,
	// attributes, credentials or state.
	Accounts []uuid.UUID
	// Nodes changed: every holder of one of them is touched.
	Nodes []string
	// Handed are the roles and groups given to, or taken from, what is touched.
	// A role that is assignable and of a priority below the actor's highest may
	// be handed out without holding what it grants.
	Handed []string
	// Content are roles whose own content changes: what they imply must be held.
	Content []string
	// Permissions change themselves, as they were and as they will be.
	Permissions []*grants.Grant
	// Removal is set when the write only takes away. It is judged all the same,
	// since a role may restrain its holder; but one may give up one's own.
	Removal bool
}

// Judge holds what the actor could do before the write.
type Judge struct {
	tenant uuid.UUID
	actor  uuid.UUID
	// account is the actor's.
	account engine.Account
	// admin is set for a tenant_admin of the tenant or of an ancestor, and for
	// super_admin.
	admin bool
	// operator is set for super_admin.
	operator bool
	held     []*grants.Grant
	priority int
	// roles are those that the actor has, by whatever path.
	roles  map[uuid.UUID]bool
	before *engine.Snapshot
	// own is what the actor's account had in this tenant, whatever its validity.
	own []weighed
	had administrators
	// graph is the tenant's graph_revision before the write.
	graph int64
}

// Begin locks the tenant against other granting writes until the transaction
// ends and takes down what the caller may do before the write.
func Begin(ctx context.Context, tx *db.Tx, now time.Time) (*Judge, error) {
	caller, ok := identity.PrincipalFrom(ctx)
	if !ok {
		return nil, fault.New(fault.Unauthenticated, "Log in and send the access token.")
	}
	tenant, _ := identity.TenantFrom(ctx)
	graph, err := lock(tx, tenant)
	if err != nil {
		return nil, err
	}
	j := &Judge{tenant: tenant, actor: caller.UserID, graph: graph, roles: map[uuid.UUID]bool{}}
	home, err := j.enter(tx, caller, now)
	if err != nil {
		return nil, err
	}
	j.before = home
	if tenant != caller.HomeTenantID {
		if j.before, err = engine.LoadSnapshot(tx, tenant, engine.LoadOptions{WithoutTree: true}); err != nil {
			return nil, err
		}
		if !j.reaches(caller) {
			return nil, fault.NotFound("tenant")
		}
	}
	if j.own, err = j.ownGrants(tx, j.before); err != nil {
		return nil, err
	}
	j.had, err = findAdministrators(tx, j.before, now)
	return j, err
}

// enter takes down what the caller may do in their own tenant, and returns its
// graph.
func (j *Judge) enter(tx *db.Tx, caller *identity.Principal, now time.Time) (*engine.Snapshot, error) {
	home, err := engine.LoadSnapshot(tx, caller.HomeTenantID, engine.LoadOptions{WithoutTree: true})
	if err != nil {
		return nil, err
	}
	subject, err := engine.LoadSubject(tx, caller.HomeTenantID, caller.UserID)
	if err != nil {
		return nil, err
	}
	if subject == nil || !subject.Usable(now) || !home.Tenant.Active {
		return nil, fault.New(fault.TokenRevoked, "The account of this token can no longer be used.")
	}
	j.account = home.Account(subject)
	if caller.IsScoped() {
		return home, nil // a narrowed token hands out nothing
	}
	for _, i := range home.Holds(subject, now) {
		if role := home.RoleAt(i); role != nil {
			j.roles[role.ID] = true
			j.priority = max(j.priority, role.Priority)
			j.operator = j.operator || role.IsSystem && role.Name == SuperAdmin && caller.HomeTenantID == identity.PlatformTenant
			j.admin = j.admin || j.operator || role.IsSystem && role.Name == TenantAdmin
		}
		j.held = append(j.held, home.Grants.OfRole(i)...)
	}
	return home, nil
}

// reaches reports whether the caller may act in a tenant that is not theirs:
// super_admin in any, a tenant_admin in those below. The context may say what it
// will.
func (j *Judge) reaches(caller *identity.Principal) bool {
	return j.operator || j.admin && slices.Contains(j.before.Tenant.Ancestors, caller.HomeTenantID)
}

// Lock holds the tenant against other granting writes until the transaction
// ends.
func Lock(tx *db.Tx, tenant uuid.UUID) error {
	_, err := lock(tx, tenant)
	return err
}

func lock(tx *db.Tx, tenant uuid.UUID) (graph int64, err error) {
	var r models.PolicyRevision
	err = tx.Raw("SELECT * FROM sentinel.policy_revision WHERE tenant_id = ? FOR UPDATE", tenant).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return 0, fault.NotFound("tenant")
	}
	if err != nil {
		return 0, fmt.Errorf("lock tenant: %w", err)
	}
	return r.GraphRevision, nil
}

// after returns the tenant's graph as the write leaves it. It is read again only
// if the write has moved the graph's revision, which triggers do: a write of
// accounts' own rows leaves it, and nobody else can move it meanwhile.
func (j *Judge) after(tx *db.Tx) (*engine.Snapshot, error) {
	var graph int64
	if err := tx.Raw("SELECT graph_revision FROM sentinel.policy_revision WHERE tenant_id = ?", j.tenant).Scan(&graph).Error; err != nil {
		return nil, fmt.Errorf("read the graph's revision: %w", err)
	}
	if graph == j.graph {
		return j.before, nil
	}
	return engine.LoadSnapshot(tx, j.tenant, engine.LoadOptions{WithoutTree: true})
}

// Admin reports whether the actor administers the tenant as a whole.
func (j *Judge) Admin() bool { return j.admin }

// Voids reports whether a token of the actor's that was issued then no longer
// counts, for writes that are made after the call that began them.
func (j *Judge) Voids(epoch int, issued time.Time) bool { return j.account.Voids(epoch, issued) }

// May reports whether the actor has a permission for action on a section of the
// API, as the transaction sees it: for writes that are made after the call that
// began them. Whether its conditions hold is the engine's to say.
func (j *Judge) May(section, action string) bool {
	return slices.ContainsFunc(j.held, func(g *grants.Grant) bool {
		return g.IsAPI() && g.Effect == grants.Allow && g.HasAction(action) && g.Pattern.Match(grants.APIType, section)
	})
}

// Check refuses the write if by it somebody gains what the actor may not give.
// It is called after the write, in the same transaction, so that it judges what
// will be. The fault names what is missing.
func (j *Judge) Check(tx *db.Tx, now time.Time, c Change) error {
	after, err := j.after(tx)
	if err != nil {
		return err
	}
	if err := after.CheckDepth(); err != nil {
		return err
	}
	if err := j.below(tx, after, c); err != nil {
		return err
	}
	accounts, err := j.touched(tx, after, c)
	if err != nil {
		return err
	}
	if err := j.dormant(tx, accounts, c); err != nil {
		return err
	}
	missing, err := j.missing(tx, after, accounts, c)
	if err != nil {
		return err
	}
	if len(missing) > 0 && !j.admin {
		return refused(missing)
	}
	if !j.admin {
		gains, err := j.gains(tx, after)
		if err != nil {
			return err
		}
		if gains || slices.Contains(accounts, j.actor) && !c.Removal {
			return ownGain()
		}
	}
	return j.keepsAdministrator(tx, after, now)
}

func ownGain() error {
	return fault.New(fault.Denied, "By this write your own account would gain access; only a tenant_admin may do that. Ask one to make it.")
}

func refused(missing []string) error {
	slices.Sort(missing)
	missing = slices.Compact(missing)
	const most = 20
	if len(missing) > most {
		missing = append(missing[:most:most], fmt.Sprintf("and %d more", len(missing)-most))
	}
	return &fault.Error{
		Kind:    fault.Denied,
		Message: "By this write an account would have permissions that you do not hold yourself. Ask a tenant_admin to make it. What you lack is in details.missing.",
		Details: map[string]any{"missing": missing},
	}
}

// missing lists what the touched accounts would have, or be free of, that the
// actor may not give.
func (j *Judge) missing(tx *db.Tx, after *engine.Snapshot, accounts []uuid.UUID, c Change) ([]string, error) {
	var missing []string
	need := func(g *grants.Grant) {
		if !j.holds(g) {
			missing = append(missing, Describe(g)...)
		}
	}
	direct, err := directNodes(tx, j.tenant, accounts)
	if err != nil {
		return nil, err
	}
	if !j.operator && j.touchesOperator(after, slices.Concat(direct, c.Handed)) {
		return nil, refused([]string{SuperAdmin})
	}
	deciders, err := j.deciders(tx, c)
	if err != nil {
		return nil, err
	}
	// (a) every api permission that a touched account then has, or had.
	for _, s := range []*engine.Snapshot{j.before, after} {
		for _, g := range s.Implied(direct) {
			if g.IsAPI() {
				need(g)
			}
		}
		for _, g := range s.Implied(c.Content) {
			need(g)
		}
		missing = append(missing, deciders.among(s, c.Content)...)
		for _, role := range s.EntryRoles(c.Handed) {
			lower := role.IsAssignable && role.Priority < j.priority
			if !lower {
				missing = append(missing, deciders.among(s, []string{rbac.Role(role.ID)})...)
			}
			for _, g := range s.Implied([]string{rbac.Role(role.ID)}) {
				if g.IsAPI() || !lower {
					need(g)
				}
			}
		}
	}
	for _, g := range c.Permissions {
		need(g)
	}
	return missing, nil
}

// directNodes returns the roles and groups that the accounts have themselves,
// whatever their validity: what starts tomorrow is given today.
func directNodes(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID) ([]string, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	var nodes []string
	err := tx.Raw(`
SELECT 'role:' || role_id
FROM sentinel.user_roles
WHERE tenant_id = @tenant
AND user_id = ANY(CAST(@users AS uuid[]))
UNION
SELECT 'group:' || group_id
FROM sentinel.user_groups
WHERE tenant_id = @tenant
AND user_id = ANY(CAST(@users AS uuid[]))`,
		map[string]any{"tenant": tenant, "users": db.UUIDs(accounts)}).Scan(&nodes).Error
	if err != nil {
		return nil, fmt.Errorf("find roles of accounts: %w", err)
	}
	return nodes, nil
}

// Role returns a role that the tenant could assign before the write, nil if it
// has none of that name in its graph.
func (j *Judge) Role(node string) *engine.Role {
	if i, ok := j.before.Graph.Index(node); ok {
		return j.before.RoleAt(i)
	}
	return nil
}
