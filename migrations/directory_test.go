package migrations_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// hierarchies are the tables whose rows have parents of the same table.
var hierarchies = []struct{ table, parent, insert string }{
	{"roles", "parent_role_id", "INSERT INTO sentinel.roles (tenant_id, name, parent_role_id) VALUES ($1, $2, $3) RETURNING id::text"},
	{"groups", "parent_group_id", "INSERT INTO sentinel.groups (tenant_id, name, parent_group_id) VALUES ($1, $2, $3) RETURNING id::text"},
	{"resources", "parent_id", "INSERT INTO sentinel.resources (tenant_id, type, name, code, parent_id) VALUES ($1, 'page', $2, $2, $3) RETURNING id::text"},
}

func TestHierarchy_RefusesCycles(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	for _, h := range hierarchies {
		a := one[string](f, h.insert, tenant, "a", nil)
		b := one[string](f, h.insert, tenant, "b", a)
		c := one[string](f, h.insert, tenant, "c", b)
		move := fmt.Sprintf("UPDATE sentinel.%s SET %s = $2 WHERE id = $1", h.table, h.parent)
		f.refused(h.table+"_parent_no_cycle", tenant, move, a, a)
		f.refused(h.table+"_parent_no_cycle", tenant, move, a, c)
		f.mustAs(tenant, move, c, a)
		// Two rows of one statement that close a cycle only together.
		d := one[string](f, h.insert, tenant, "d", nil)
		e := one[string](f, h.insert, tenant, "e", nil)
		f.refused(h.table+"_parent_no_cycle", tenant,
			fmt.Sprintf("UPDATE sentinel.%s SET %s = CASE id WHEN $1::uuid THEN $2::uuid ELSE $1::uuid END WHERE id IN ($1, $2)", h.table, h.parent), d, e)
	}
}

func TestHierarchy_RefusesCyclesOfConcurrentWriters(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	for round := range 5 {
		a := one[string](f, hierarchies[0].insert, tenant, fmt.Sprint("a", round), nil)
		b := one[string](f, hierarchies[0].insert, tenant, fmt.Sprint("b", round), nil)
		writers := []*fixture{{t: t, app: connect(t, f.app.Config().ConnString())}, {t: t, app: connect(t, f.app.Config().ConnString())}}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, pair := range [][2]string{{a, b}, {b, a}} {
			wg.Go(func() {
				_, errs[i] = writers[i].as(tenant, "UPDATE sentinel.roles SET parent_role_id = $2 WHERE id = $1", pair[0], pair[1])
			})
		}
		wg.Wait()
		require.NotEqual(t, errs[0] == nil, errs[1] == nil, "one of both: %v", errs)
	}
}

func TestHierarchy_RefusesPathsOfMoreThan64Steps(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	for _, h := range hierarchies {
		top := one[string](f, h.insert, tenant, "n0", nil)
		last := top
		for i := range 64 {
			last = one[string](f, h.insert, tenant, fmt.Sprint("n", i+1), last)
		}
		f.refused(h.table+"_parent_depth", tenant, h.insert, tenant, "n65", last)
		// From above, by moving the whole path below another node.
		above := one[string](f, h.insert, tenant, "above", nil)
		f.refused(h.table+"_parent_depth", tenant, fmt.Sprintf("UPDATE sentinel.%s SET %s = $2 WHERE id = $1", h.table, h.parent), top, above)
	}
}

func TestResourcePath_FollowsTheTree(t *testing.T) {
	f := setup(t)
	tenant, other := f.tenant("ACME", "", "{}"), f.tenant("OTHER", "", "{}")
	insert := hierarchies[2].insert
	path := func(id string) string { return one[string](f, "SELECT path FROM sentinel.resources WHERE id = $1", id) }
	fleet := one[string](f, insert, tenant, "fleet", nil)
	ops := one[string](f, insert, tenant, "ops", fleet)
	vessel := one[string](f, insert, tenant, "vessel", ops)
	ports := one[string](f, insert, tenant, "ports", nil)
	foreign := one[string](f, insert, other, "fleet", nil)
	require.Equal(t, "fleet/ops/vessel", path(vessel))

	f.mustAs(tenant, "UPDATE sentinel.resources SET parent_id = $2 WHERE id = $1", ops, ports)
	require.Equal(t, "ports/ops/vessel", path(vessel))
	f.mustAs(tenant, "UPDATE sentinel.resources SET code = 'harbours' WHERE id = $1", ports)
	require.Equal(t, "harbours/ops/vessel", path(vessel))
	f.mustAs(tenant, "UPDATE sentinel.resources SET code = code || '-1' WHERE tenant_id = $1", tenant)
	require.Equal(t, "harbours-1/ops-1/vessel-1", path(vessel))
	f.mustAs(tenant, "UPDATE sentinel.resources SET parent_id = NULL WHERE id = $1", ops)
	require.Equal(t, "ops-1/vessel-1", path(vessel))
	f.mustAs(tenant, "UPDATE sentinel.resources SET path = 'forged', name = 'x' WHERE id = $1", vessel)
	require.Equal(t, "ops-1/vessel-1", path(vessel))
	require.Equal(t, "fleet", path(foreign))

	f.refused("resources_parent_fk", tenant, insert, tenant, "stolen", foreign)
	f.refused("resources_parent_fk", tenant, "UPDATE sentinel.resources SET parent_id = $2 WHERE id = $1", vessel, foreign)
	f.refused("resources_parent_fk", tenant, "DELETE FROM sentinel.resources WHERE id = $1", ops)
	f.refused("resources_code_not_uuid", tenant, insert, tenant, foreign, nil)
}

func TestAssignments_OfWhichTenantsRoles(t *testing.T) {
	f := setup(t)
	parent := f.tenant("ACME", "", "{}")
	heir := f.tenant("HEIR", parent, `{"inherit_permissions": true}`)
	stranger := f.tenant("STRANGER", parent, "{}")
	role := f.role(parent, "captain")
	const viewer = "00000000-0000-0000-0000-000000000016"
	const superAdmin = "00000000-0000-0000-0000-000000000010"
	operators := f.role(platform, "operators")

	for _, holder := range []struct {
		table, insert string
		make          func(tenant string) string
	}{
		{"user_roles", "INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)", f.user},
		{
			"group_roles", "INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)",
			func(tenant string) string { return f.group(tenant, "crew "+uuid.NewString()) },
		},
	} {
		t.Run(holder.table, func(t *testing.T) {
			own, inheriting, strange := holder.make(parent), holder.make(heir), holder.make(stranger)
			f.mustAs(parent, holder.insert, parent, own, role, parent)
			f.mustAs(heir, holder.insert, heir, inheriting, role, parent)
			f.refused(holder.table+"_role_tenant", stranger, holder.insert, stranger, strange, role, parent)
			f.mustAs(stranger, holder.insert, stranger, strange, viewer, platform)
			f.refused(holder.table+"_role_tenant", parent, holder.insert, parent, own, operators, platform)
			f.refused(holder.table+"_super_admin_in_platform", parent, holder.insert, parent, own, superAdmin, platform)
			f.mustAs(platform, holder.insert, platform, holder.make(platform), superAdmin, platform)
			// The role and its tenant must belong together, the holder and its tenant too.
			f.refused(holder.table+"_role_fk", parent, holder.insert, parent, own, viewer, parent)
			_, err := f.as(parent, holder.insert, parent, strange, role, parent)
			require.Error(t, err)
		})
	}
}

func TestSystemRoles_AreTheMigrations(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	const viewer = "00000000-0000-0000-0000-000000000016"
	f.refused("roles_system_immutable", platform, "UPDATE sentinel.roles SET priority = 2000 WHERE id = $1", viewer)
	f.refused("roles_system_immutable", platform, "DELETE FROM sentinel.roles WHERE id = $1", viewer)
	f.refused("roles_system_immutable", platform, "INSERT INTO sentinel.roles (tenant_id, name, type) VALUES ($1, 'root', 'system')", platform)
	f.refused("roles_system_in_platform", tenant, "INSERT INTO sentinel.roles (tenant_id, name, type) VALUES ($1, 'root', 'system')", tenant)
	f.refused("roles_name_not_reserved", tenant, "INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, 'Tenant_Admin')", tenant)
	f.refused("roles_parent_not_system", platform, "INSERT INTO sentinel.roles (tenant_id, name, parent_role_id) VALUES ($1, 'child', $2)", platform, viewer)
	f.refused("role_permissions_system_immutable", platform, "DELETE FROM sentinel.role_permissions WHERE role_id = $1", viewer)
	f.refused("permissions_system_immutable", platform, "UPDATE sentinel.permissions SET actions = '{*}' WHERE name = 'viewer: navigation'")

	role := one[string](f, "INSERT INTO sentinel.roles (tenant_id, name) VALUES ($1, 'operators') RETURNING id::text", platform)
	permission := one[string](f, `
INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_path, actions)
VALUES ($1, 'p', 'api', 'api/users', '{read}')
RETURNING id::text`, platform)
	f.refused("role_permissions_system_immutable", platform,
		"INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3)", platform, viewer, permission)
	f.mustAs(platform, "INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3)", platform, role, permission)
	f.mustAs(platform, "UPDATE sentinel.permissions SET actions = '{*}' WHERE id = $1", permission)
	f.mustAs(platform, "DELETE FROM sentinel.roles WHERE id = $1", role)

	// The setting by which migrations pass says nothing in the server's mouth.
	f.mustAs(platform, "SELECT set_config('sentinel.migration', 'on', false)")
	f.refused("roles_system_immutable", platform, "UPDATE sentinel.roles SET priority = 2000 WHERE id = $1", viewer)
}

func TestUsableRoles_AreOwnSystemAndInherited(t *testing.T) {
	f := setup(t)
	parent := f.tenant("ACME", "", "{}")
	heir := f.tenant("HEIR", parent, `{"inherit_permissions": true}`)
	stranger := f.tenant("STRANGER", parent, "{}")
	f.role(parent, "captain")
	f.role(heir, "sailor")
	f.role(platform, "operators")
	const query = "SELECT name FROM sentinel.usable_roles() WHERE type = 'custom' ORDER BY name"
	require.Equal(t, []string{"captain", "sailor"}, rowsAs[string](f, heir, query))
	require.Equal(t, []string{"captain"}, rowsAs[string](f, parent, query))
	require.Empty(t, rowsAs[string](f, stranger, query))
	require.Equal(t, []string{"operators"}, rowsAs[string](f, platform, query))
	require.Empty(t, rowsAs[string](f, "", "SELECT name FROM sentinel.usable_roles()"))
	system := "SELECT count(*)::int FROM sentinel.usable_roles() WHERE type = 'system'"
	require.Equal(t, []int{6}, rowsAs[int](f, stranger, system), "without super_admin")
	require.Equal(t, []int{7}, rowsAs[int](f, platform, system))
}

func TestCasbinRule_HasTheTenantsActiveEdges(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	user := f.user(tenant)
	parentGroup, childGroup := f.group(tenant, "parent"), f.group(tenant, "child")
	parentRole, childRole := f.role(tenant, "viewer_x"), f.role(tenant, "inspector")
	const viewer = "00000000-0000-0000-0000-000000000016"
	f.exec("UPDATE sentinel.groups SET parent_group_id = $2 WHERE id = $1", childGroup, parentGroup)
	f.exec("UPDATE sentinel.roles SET parent_role_id = $2 WHERE id = $1", childRole, parentRole)
	f.exec("INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $1)", tenant, parentGroup, childRole)
	f.exec("INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)", tenant, parentGroup, viewer, platform)
	f.exec("INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, $3)", tenant, user, childGroup)
	f.exec("INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $1)", tenant, user, parentRole)

	const query = "SELECT v0 || ' > ' || v1 || ' ' || v3 FROM sentinel.casbin_rule WHERE ptype = 'g' AND v2 = $1"
	require.ElementsMatch(t, []string{
		"group:" + childGroup + " > group:" + parentGroup + " group",
		"group:" + parentGroup + " > role:" + childRole + " group",
		"group:" + parentGroup + " > role:" + viewer + " group",
		"role:" + childRole + " > role:" + parentRole + " role",
		"user:" + user + " > group:" + childGroup + " user",
		"user:" + user + " > role:" + parentRole + " user",
	}, rowsAs[string](f, tenant, query, tenant))
	require.Empty(t, rowsAs[string](f, "", query, tenant))
	require.Empty(t, rowsAs[string](f, platform, query, tenant))

	f.exec("UPDATE sentinel.roles SET is_active = false WHERE id = $1", childRole)
	f.exec("UPDATE sentinel.groups SET is_active = false WHERE id = $1", childGroup)
	f.exec("UPDATE sentinel.user_roles SET is_active = false WHERE user_id = $1", user)
	require.Equal(t, []string{"group:" + parentGroup + " > role:" + viewer + " group"}, rowsAs[string](f, tenant, query, tenant))
}
