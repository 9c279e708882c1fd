package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTenants_InheritanceEndsAtTheFirstWithoutIt(t *testing.T) {
	f := setup(t)
	const on, off = `{"inherit_permissions": true}`, `{"inherit_permissions": false}`
	a := f.tenant("A", "", "{}")
	b := f.tenant("B", a, on)
	c := f.tenant("C", b, on)
	d := f.tenant("D", c, on)
	line := func(tenant string) []string {
		return rows[string](f, `
SELECT t.code || depth || CASE WHEN inherits THEN '+' ELSE '-' END
FROM sentinel.tenant_ancestors
JOIN sentinel.tenants t ON t.id = ancestor_id
WHERE tenant_id = $1
ORDER BY depth`, tenant)
	}
	require.Equal(t, []string{"C1+", "B2+", "A3+"}, line(d))
	require.Empty(t, line(a))

	f.mustAs(a, "UPDATE sentinel.tenants SET settings = $2 WHERE id = $1", b, off)
	require.Equal(t, []string{"C1+", "B2+", "A3-"}, line(d))
	require.Equal(t, []string{"A1-"}, line(b))
	f.mustAs(a, "UPDATE sentinel.tenants SET settings = '{}' WHERE id = $1", d)
	require.Equal(t, []string{"C1-", "B2-", "A3-"}, line(d))
	require.Equal(t, []string{"B1+", "A2-"}, line(c))
	f.mustAs(a, "UPDATE sentinel.tenants SET settings = $2 WHERE id IN ($1, $3)", b, on, d)
	require.Equal(t, []string{"C1+", "B2+", "A3+"}, line(d))
}

func TestTenants_SeeTheirLineAndWriteBelow(t *testing.T) {
	f := setup(t)
	root := f.tenant("ROOT", "", "{}")
	middle := f.tenant("MIDDLE", root, "{}")
	leaf := f.tenant("LEAF", middle, "{}")
	f.tenant("SIBLING", root, "{}")
	f.tenant("STRANGER", "", "{}")
	require.Equal(t, []string{"LEAF", "MIDDLE", "ROOT"}, rowsAs[string](f, middle, "SELECT code FROM sentinel.tenants ORDER BY code"))
	require.Empty(t, rowsAs[string](f, "", "SELECT code FROM sentinel.tenants"))

	rename := "UPDATE sentinel.tenants SET name = 'x' WHERE id = $1"
	for target, want := range map[string]int64{root: 0, middle: 1, leaf: 1} {
		n, err := f.as(middle, rename, target)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	n, err := f.as(leaf, "DELETE FROM sentinel.tenants WHERE id = $1", root)
	require.NoError(t, err)
	require.Zero(t, n)

	sub := "INSERT INTO sentinel.tenants (name, code, type, parent_tenant_id) VALUES ('x', $1, 'sub_tenant', $2) RETURNING id"
	f.mustAs(middle, sub, "NEW-1", middle)
	f.mustAs(middle, sub, "NEW-2", leaf)
	f.forbidden(middle, sub, "NEW-3", root)
	f.forbidden(middle, "INSERT INTO sentinel.tenants (name, code) VALUES ('x', 'NEW-4')")
	f.refused("tenants_parent_fk", root, "DELETE FROM sentinel.tenants WHERE id = $1", middle)
	f.forbidden(root, "UPDATE sentinel.tenant_ancestors SET inherits = true")
}

func TestTenants_RulesOfTheRow(t *testing.T) {
	f := setup(t)
	root := f.tenant("ROOT", "", "{}")
	sub := f.tenant("SUB", root, "{}")
	f.refused("tenants_platform_immutable", platform, "UPDATE sentinel.tenants SET name = 'x' WHERE id = $1", platform)
	f.refused("tenants_platform_immutable", platform, "DELETE FROM sentinel.tenants WHERE id = $1", platform)
	f.refused("tenants_parent_immutable", root, "UPDATE sentinel.tenants SET parent_tenant_id = NULL, type = 'root' WHERE id = $1", sub)
	f.refused("tenants_code_format", root, "UPDATE sentinel.tenants SET code = 'lower' WHERE id = $1", sub)
	f.refused("tenants_code_key", root, "UPDATE sentinel.tenants SET code = 'ROOT' WHERE id = $1", sub)
	f.refused("tenants_type_matches_parent", root, "UPDATE sentinel.tenants SET type = 'root' WHERE id = $1", sub)
}

func TestUsers_RulesOfTheRow(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("ACME", "", "{}")
	insert := "INSERT INTO sentinel.users (tenant_id, email, password_hash, is_service_account, service_account_key_id, service_account_key_hash) VALUES ($1, $2, $3, $4, $5, $6)"
	f.mustAs(tenant, insert, tenant, "a@example.com", "hash", false, nil, nil)
	f.refused("users_email_key", tenant, insert, tenant, "a@example.com", nil, false, nil, nil)
	f.refused("users_email_normalised", tenant, insert, tenant, "B@example.com", nil, false, nil, nil)
	f.refused("users_email_given", tenant, insert, tenant, "", nil, false, nil, nil)
	f.mustAs(tenant, insert, tenant, "", nil, true, "key-1", []byte{1})
	f.mustAs(tenant, insert, tenant, "", nil, true, "key-2", []byte{1})
	f.refused("users_service_account_key_id_key", tenant, insert, tenant, "", nil, true, "key-1", []byte{1})
	f.refused("users_service_account_credentials", tenant, insert, tenant, "", "hash", true, "key-3", []byte{1})
	f.refused("users_service_account_credentials", tenant, insert, tenant, "", nil, true, nil, nil)
	f.refused("users_service_account_credentials", tenant, insert, tenant, "c@example.com", nil, false, "key-4", []byte{1})
}
