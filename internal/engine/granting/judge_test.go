package granting_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func (w *world) grants(ids ...uuid.UUID) []*grants.Grant {
	out := make([]*grants.Grant, len(ids))
	for i, id := range ids {
		g, err := engine.CompileGrant(w.model(id))
		require.NoError(w.t, err)
		out[i] = g
	}
	return out
}

// Rule (a): every api permission of a touched account must be held.
func TestGranting_UserManagerIsBoundByItsAPIPermissions(t *testing.T) {
	w := setup(t)
	w.refused(w.manager, w.touch(w.admin, `password_hash = 'mine'`), "a tenant_admin's account")
	w.refused(w.manager, w.remove(w.admin, tenanttest.TenantAdmin), "its deletion")
	w.refused(w.manager, w.touch(w.author, `email = 'mine@example.com'`), "an account that may write roles")
	w.refused(w.manager, w.assign(w.ada, tenanttest.TenantAdmin), "tenant_admin")
	w.refused(w.manager, w.assign(w.ada, w.writing), "a lower role with an api permission that it lacks")
	w.accepted(w.manager, w.touch(w.ada, `display_name = 'Ada'`), "an account with less")
	w.accepted(w.manager, w.assign(w.ada, tenanttest.UserManager), "what it has itself")
	w.accepted(w.manager, w.unassign(w.ada, tenanttest.UserManager), "and back")

	err := w.try(w.As(w.tenant, w.manager), w.assign(w.ada, w.writing))
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, []string{"api/roles:*"}, f.Details["missing"], "it says what is missing")
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE result = 'denied' AND error_details -> 'missing' = '["api/roles:*"]' AND created_at > now() - interval '1 minute' AND seq = (SELECT max(seq) FROM sentinel.audit_logs)`),
		"and the log has it")
}

func TestGranting_HoldsAPIPermissionsWithoutConditionsOnly(t *testing.T) {
	w := setup(t)
	some := w.Role(w.tenant, "some", 5, uuid.UUID{})
	w.Permission(w.tenant, some, "api/audit", "allow", `{"context.ip": {"cidr": ["10.0.0.0/8"]}}`, "read")
	w.Assign(w.tenant, w.manager, some)
	w.refused(w.manager, w.assign(w.ada, some), "its own has a condition")
	vessels := w.Role(w.tenant, "vessels", 850, uuid.UUID{})
	w.Permission(w.tenant, vessels, "crane/*", "allow", `{"resource.attributes.region": "eu"}`, "use")
	w.refused(w.manager, w.assign(w.ada, vessels), "not held at all")
	w.Assign(w.tenant, w.manager, vessels)
	w.accepted(w.manager, w.assign(w.ada, vessels), "the same permission, conditions and all")
}

// Rule (b): held, or tenant_admin, or an assignable role of a lower priority.
func TestGranting_OfOtherPermissions(t *testing.T) {
	w := setup(t)
	lower := w.Role(w.tenant, "lower", 40, uuid.UUID{})
	w.Permission(w.tenant, lower, "berth/*", "allow", "", "*")
	fixed := w.Role(w.tenant, "fixed", 40, uuid.UUID{})
	w.Permission(w.tenant, fixed, "berth/*", "allow", "", "*")
	w.SQL(`UPDATE sentinel.roles SET is_assignable = false WHERE id = $1`, fixed)
	equal := w.Role(w.tenant, "equal", 800, uuid.UUID{})
	w.Permission(w.tenant, equal, "berth/*", "allow", "", "*")
	deck := w.User(w.tenant, "deck")
	harbour := w.Group(w.tenant, "harbour", uuid.UUID{})

	w.accepted(w.manager, w.assign(w.ada, w.captain), "held")
	w.accepted(w.manager, w.assign(w.ada, lower), "assignable and lower than user_manager's 800")
	w.refused(w.manager, w.assign(w.ada, fixed), "not assignable")
	w.refused(w.manager, w.assign(w.ada, equal), "not lower")
	w.accepted(w.admin, w.assign(w.ada, equal), "by a tenant_admin")
	w.refused(w.manager, w.unassign(w.ada, equal), "nor taken")

	w.accepted(w.manager, w.groupRole(harbour, lower), "to a group")
	w.refused(w.manager, w.groupRole(harbour, equal), "not lower, by a group")
	w.accepted(w.manager, w.join(deck, harbour), "a group of lower roles")
	w.accepted(w.manager, w.leave(deck, harbour), "and out of it")
	w.GroupRole(w.tenant, harbour, equal)
	w.refused(w.manager, w.join(deck, harbour), "a group with a role that is not lower")
	inner := w.Group(w.tenant, "inner", harbour)
	w.refused(w.manager, w.join(deck, inner), "by the group above it")
}

func TestGranting_ContentOfRolesMustBeHeld(t *testing.T) {
	w := setup(t)
	low := w.Role(w.tenant, "low", 1, uuid.UUID{})
	w.refused(w.author, w.edit(low, `parent_role_id = '`+w.owner.String()+`'`, w.owner), "a low role that inherits a stronger one")
	w.refused(w.author, w.edit(w.owner, `priority = 1`), "the priority of a stronger one")
	w.refused(w.author, w.edit(w.owner, `is_active = false`), "its state")
	w.refused(w.author, w.edit(w.owner, `is_assignable = true`), "whether it is assignable")
	w.refused(w.author, w.own(low, w.allInvoices), "a permission that is not held")
	w.accepted(w.author, w.own(low, w.readVessels), "one that is")
	w.accepted(w.author, w.edit(low, `parent_role_id = '`+w.sailor.String()+`'`, w.sailor), "a role that is held")
	w.accepted(w.author, w.edit(low, `priority = 3`), "of content that is held")
	w.accepted(w.admin, w.edit(low, `parent_role_id = '`+w.owner.String()+`'`, w.owner), "by a tenant_admin")
	w.refused(w.author, w.disown(w.owner, w.allInvoices), "nor taken away")

	api := w.Permission(w.tenant, uuid.UUID{}, "api/users", "allow", "", "read")
	w.refused(w.author, w.own(low, api), "an api permission that is not held")
	any := w.Permission(w.tenant, uuid.UUID{}, "*/*", "allow", "", "read")
	w.refused(w.author, w.own(low, any), "wider than what is held")
	one := w.Permission(w.tenant, uuid.UUID{}, "vessel/v-1", "allow", `{"context.ip": "10.0.0.1"}`, "read")
	w.accepted(w.author, w.own(low, one), "narrower than what is held")
}

func TestGranting_AnEditedPermissionIsNotTheOneHeld(t *testing.T) {
	w := setup(t)
	// Not by a role of the author's, so that the rule about own gains is not what refuses.
	other := w.Role(w.tenant, "other", 90, uuid.UUID{})
	w.Own(w.tenant, other, w.readVessels)
	wider := w.model(w.readVessels)
	path := "vessel/**"
	wider.ResourcePath, wider.ResourceType = &path, "vessel"
	everything := w.model(w.readVessels)
	all := "*/*"
	everything.ResourcePath, everything.ResourceType = &all, "*"
	after, err := engine.CompileGrant(everything)
	require.NoError(t, err)
	w.refused(w.author, write{
		change: granting.Change{Permissions: append(w.grants(w.readVessels), after)},
		sql:    `UPDATE sentinel.permissions SET resource_type = '*', resource_path = '*/*' WHERE id = $1`,
		args:   []any{w.readVessels},
	}, "widened")
	same, err := engine.CompileGrant(wider)
	require.NoError(t, err)
	w.accepted(w.admin, write{
		change: granting.Change{Permissions: append(w.grants(w.readVessels), same)},
		sql:    `UPDATE sentinel.permissions SET resource_path = 'vessel/**' WHERE id = $1`,
		args:   []any{w.readVessels},
	}, "by a tenant_admin")
}

func TestGranting_MovingAGroup(t *testing.T) {
	w := setup(t)
	strong, weak, moved := w.Group(w.tenant, "strong", uuid.UUID{}), w.Group(w.tenant, "weak", uuid.UUID{}), w.Group(w.tenant, "moved", uuid.UUID{})
	chief := w.Role(w.tenant, "chief", 850, uuid.UUID{})
	w.Permission(w.tenant, chief, "berth/*", "allow", "", "*")
	w.GroupRole(w.tenant, strong, chief)
	w.GroupRole(w.tenant, weak, w.sailor)
	w.Join(w.tenant, w.ada, moved)
	w.refused(w.manager, w.moveGroup(moved, strong), "below a stronger one")
	w.accepted(w.manager, w.moveGroup(moved, weak), "below a weaker one")
	w.SQL(`UPDATE sentinel.groups SET parent_group_id = $2 WHERE id = $1`, moved, strong)
	w.refused(w.manager, w.moveGroup(moved, weak), "nor out from below a stronger one")
}

// Rule (c): only a tenant_admin gains by a write of its own.
func TestGranting_NobodyElseGainsByTheirOwnWrite(t *testing.T) {
	w := setup(t)
	lower := w.Role(w.tenant, "lower", 1, uuid.UUID{})
	w.Permission(w.tenant, lower, "berth/*", "allow", "", "*")
	crew := w.Group(w.tenant, "crew", uuid.UUID{})
	w.GroupRole(w.tenant, crew, lower)
	w.refused(w.manager, w.assign(w.manager, lower), "to oneself")
	w.refused(w.manager, w.join(w.manager, crew), "by a group")
	w.refused(w.manager, w.touch(w.manager, `attributes = '{"level": 9}'`), "one's attributes")
	undeclared := w.assign(w.manager, lower)
	undeclared.change = granting.Change{}
	w.refused(w.manager, undeclared, "even if the write does not say whom it touches")
	undeclared.change = granting.Change{Removal: true}
	w.refused(w.manager, undeclared, "or says that it only takes away")
	w.accepted(w.manager, w.unassign(w.manager, w.captain), "giving up one's own")
	w.accepted(w.admin, w.assign(w.admin, lower), "a tenant_admin may")
}

func TestGranting_FreedomFromADenyIsAGain(t *testing.T) {
	w := setup(t)
	restraint := w.Role(w.tenant, "restraint", 1, uuid.UUID{})
	deny := w.Permission(w.tenant, restraint, "vessel/*", "deny", "", "update")
	bound := w.Group(w.tenant, "bound", uuid.UUID{})
	w.GroupRole(w.tenant, bound, restraint)
	w.Assign(w.tenant, w.manager, restraint)
	w.Join(w.tenant, w.author, bound)

	w.refused(w.manager, w.unassign(w.manager, restraint), "taking it from oneself")
	w.refused(w.author, w.leave(w.author, bound), "leaving the group")
	w.refused(w.author, w.disown(restraint, deny), "taking the deny out of the role")
	w.refused(w.author, write{
		change: granting.Change{Nodes: []string{"group:" + bound.String()}, Handed: []string{"group:" + bound.String()}, Removal: true},
		sql:    `DELETE FROM sentinel.groups WHERE id = $1`, args: []any{bound},
	}, "deleting the group")

	w.Assign(w.tenant, w.ada, w.captain)
	w.Join(w.tenant, w.ada, bound)
	ownerless := w.Role(w.tenant, "ownerless", 899, uuid.UUID{})
	w.Own(w.tenant, ownerless, deny)
	w.Assign(w.tenant, w.ada, ownerless)
	w.refused(w.manager, w.unassign(w.ada, ownerless), "from another, while one is under it oneself")
	w.SQL(`DELETE FROM sentinel.user_roles WHERE user_id = $1 AND role_id = $2`, w.manager, restraint)
	w.accepted(w.manager, w.unassign(w.ada, ownerless), "from another, of what one may do oneself")
}

func TestGranting_TheLastTenantAdminStays(t *testing.T) {
	w := setup(t)
	admin := tenanttest.TenantAdmin
	w.conflict(w.admin, w.unassign(w.admin, admin), "unassigned")
	w.conflict(w.admin, w.touch(w.admin, `is_active = false`), "deactivated")
	w.conflict(w.admin, w.remove(w.admin, admin), "deleted")
	expire := func(when string) write {
		x := w.assign(w.admin, admin)
		x.sql, x.args = `UPDATE sentinel.user_roles SET expires_at = `+when+` WHERE user_id = $1`, []any{w.admin}
		return x
	}
	w.conflict(w.admin, expire(`now()`), "expired")
	w.conflict(w.admin, expire(`now() + interval '1 hour'`), "to expire")

	admins := w.Group(w.tenant, "admins", uuid.UUID{})
	w.GroupRole(w.tenant, admins, admin)
	above := w.Group(w.tenant, "above", uuid.UUID{})
	w.Join(w.tenant, w.admin, admins)
	w.accepted(w.admin, w.unassign(w.admin, admin), "as long as the group has it")
	w.conflict(w.admin, w.leave(w.admin, admins), "out of the group")
	w.conflict(w.admin, write{
		change: granting.Change{Nodes: []string{"group:" + admins.String()}},
		sql:    `DELETE FROM sentinel.group_roles WHERE group_id = $1`, args: []any{admins},
	}, "the group's role")
	w.conflict(w.admin, write{sql: `UPDATE sentinel.groups SET is_active = false WHERE id = $1`, args: []any{admins}}, "the group's state")
	w.conflict(w.admin, write{sql: `DELETE FROM sentinel.groups WHERE id = $1`, args: []any{admins}}, "the group")
	w.accepted(w.admin, w.moveGroup(admins, above), "moving it changes nothing of that")

	second := w.User(w.tenant, "second")
	w.accepted(w.admin, w.join(second, admins), "a second one")
	w.accepted(w.admin, w.leave(w.admin, admins), "and the first may go")
}

func TestGranting_TwoAdminsWhoRemoveEachOtherLeaveOne(t *testing.T) {
	w := setup(t)
	second := w.User(w.tenant, "second")
	for range 5 {
		w.SQL(`DELETE FROM sentinel.user_roles WHERE user_id = ANY($1)`, []uuid.UUID{w.admin, second})
		w.Assign(w.tenant, w.admin, tenanttest.TenantAdmin)
		w.Assign(w.tenant, second, tenanttest.TenantAdmin)
		var group sync.WaitGroup
		errs := make([]error, 2)
		start := make(chan struct{})
		for i, pair := range [][2]uuid.UUID{{w.admin, second}, {second, w.admin}} {
			x, ctx := w.unassign(pair[1], tenanttest.TenantAdmin), w.As(w.tenant, pair[0])
			group.Go(func() { <-start; errs[i] = w.try(ctx, x) })
		}
		close(start)
		group.Wait()
		require.NotEqual(t, errs[0] == nil, errs[1] == nil, "%v, %v", errs[0], errs[1])
		require.True(t, fault.Is(errors.Join(errs...), fault.Denied), "the other is none any more: %v", errors.Join(errs...))
		require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.user_roles WHERE role_id = $1`, tenanttest.TenantAdmin))
	}
}

func TestGranting_InATenantThatIsNotTheCallers(t *testing.T) {
	w := setup(t)
	child := w.Child(w.tenant, false)
	grandchild := w.Child(child, false)
	unrelated := w.Tenant()
	eve := w.User(unrelated, "eve")
	w.Assign(unrelated, eve, tenanttest.TenantAdmin)
	operator := w.User(identity.PlatformTenant, "operator")
	w.Assign(identity.PlatformTenant, operator, tenanttest.SuperAdmin)
	staff := w.User(identity.PlatformTenant, "staff")
	w.Assign(identity.PlatformTenant, staff, tenanttest.TenantAdmin)
	bob := w.User(grandchild, "bob")
	x := write{
		change: granting.Change{Accounts: []uuid.UUID{bob}},
		sql:    `UPDATE sentinel.users SET description = description || 'x' WHERE id = $1`, args: []any{bob},
	}
	try := func(home, user, tenant uuid.UUID) error {
		return w.try(identity.WithTenant(w.As(home, user), tenant), x)
	}
	require.NoError(t, try(identity.PlatformTenant, operator, grandchild), "super_admin")
	require.NoError(t, try(w.tenant, w.admin, grandchild), "the tenant_admin of an ancestor")
	for name, err := range map[string]error{
		"the tenant_admin of an unrelated tenant": try(unrelated, eve, grandchild),
		"the tenant_admin of the platform":        try(identity.PlatformTenant, staff, grandchild),
		"a user_manager of an ancestor":           try(w.tenant, w.manager, grandchild),
		"the tenant_admin of a tenant below":      w.try(identity.WithTenant(w.As(grandchild, bob), w.tenant), x),
		"of a tenant that is not there":           try(identity.PlatformTenant, operator, uuid.New()),
	} {
		require.True(t, fault.Is(err, fault.NotFoundKind), "%s: %v", name, err)
	}
	require.Equal(t, 1, w.Count(`SELECT count(*) FROM sentinel.users WHERE description = 'xx'`))

	w.SQL(`UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	require.True(t, fault.Is(try(w.tenant, w.admin, grandchild), fault.TokenRevoked), "of an inactive tenant")
	require.True(t, fault.Is(try(w.tenant, uuid.New(), w.tenant), fault.TokenRevoked), "unknown")
	anonymous := identity.WithTenant(t.Context(), w.tenant)
	require.True(t, fault.Is(w.try(anonymous, x), fault.Unauthenticated))
}

func TestGranting_OnlySuperAdminHandsOutSuperAdmin(t *testing.T) {
	w := setup(t)
	w.tenant = identity.PlatformTenant
	operator, staff, other := w.User(w.tenant, "operator"), w.User(w.tenant, "staff"), w.User(w.tenant, "other")
	w.Assign(w.tenant, operator, tenanttest.SuperAdmin)
	w.Assign(w.tenant, staff, tenanttest.TenantAdmin)
	w.refused(staff, w.assign(staff, tenanttest.SuperAdmin), "to oneself, as tenant_admin of the platform")
	w.refused(staff, w.assign(other, tenanttest.SuperAdmin), "to another")
	w.refused(staff, w.touch(operator, `password_hash = 'mine'`), "nor lay hands on one")
	w.accepted(operator, w.assign(other, tenanttest.SuperAdmin), "super_admin may")
	w.accepted(staff, w.touch(staff, `display_name = 'Staff'`), "and the rest is a tenant_admin's")
}

func TestGranting_APathLongerThan64IsAConflict(t *testing.T) {
	w := setup(t)
	chain := func(table, column, prefix string, n int) []uuid.UUID {
		ids := make([]uuid.UUID, n)
		var parent *uuid.UUID
		for i := range ids {
			ids[i] = uuid.New()
			w.SQL(fmt.Sprintf(`INSERT INTO sentinel.%s (id, tenant_id, name, %s) VALUES ($1, $2, $3, $4)`, table, column),
				ids[i], w.tenant, fmt.Sprint(prefix, i), parent)
			parent = &ids[i]
		}
		return ids
	}
	// 32 groups and 33 roles in line are 64 steps from the first group to the last role.
	groups, roles := chain("groups", "parent_group_id", "g", 32), chain("roles", "parent_role_id", "r", 34)
	w.accepted(w.admin, w.groupRole(groups[0], roles[32]), "64 steps")
	bottom := w.User(w.tenant, "bottom")
	w.Join(w.tenant, bottom, groups[31])
	w.Permission(w.tenant, roles[0], "berth/*", "allow", "", "read")
	require.NoError(t, w.Engine.Refresh(t.Context(), w.tenant))
	require.True(t, w.Allowed(w.tenant, bottom, "berth", "b", "read"), "all 64 are followed")
	w.conflict(w.admin, w.groupRole(groups[0], roles[33]), "65 steps")
	w.conflict(w.admin, w.edit(roles[0], `parent_role_id = '`+w.sailor.String()+`'`, w.sailor), "65 steps, at the other end")
}

func TestRefused_NamesNoMoreThanTwenty(t *testing.T) {
	w := setup(t)
	big := w.Role(w.tenant, "big", 899, uuid.UUID{})
	for i := range 25 {
		w.Permission(w.tenant, big, fmt.Sprintf("thing%d/*", i), "allow", "", "read")
	}
	err := w.try(w.As(w.tenant, w.manager), w.assign(w.ada, big))
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	missing := f.Details["missing"].([]string)
	require.Len(t, missing, 21)
	require.Equal(t, "and 5 more", missing[20])
	require.True(t, strings.HasPrefix(missing[0], "thing"))
}

// Of two equally specific permissions the higher priority of the roles that own
// them decides: a restraint that is held by a lower role only weighs less.
func TestGranting_GivingUpTheWeightOfARestraintIsAGain(t *testing.T) {
	w := setup(t)
	heavy, light := w.Role(w.tenant, "heavy", 70, uuid.UUID{}), w.Role(w.tenant, "light", 5, uuid.UUID{})
	deny := w.Permission(w.tenant, heavy, "crane/*", "deny", "", "use")
	w.Own(w.tenant, light, deny)
	w.Assign(w.tenant, w.manager, heavy)
	w.Assign(w.tenant, w.manager, light)
	giveUp := w.unassign(w.manager, heavy)
	giveUp.change.Removal = true
	w.SQL(`UPDATE sentinel.tenants SET settings = '{"conflict_resolution": "most_specific"}' WHERE id = $1`, w.tenant)
	w.refused(w.manager, giveUp, "the deny by the role of the lower priority may lose against an allow of one between")
	w.SQL(`UPDATE sentinel.tenants SET settings = '{}' WHERE id = $1`, w.tenant)
	w.accepted(w.manager, giveUp, "any deny wins")
}
