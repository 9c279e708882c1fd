package app_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// largeSQL fills a database as an installation of some years has it: a thousand
// tenants of a few people, and one, LARGE, with $users, and ten times as many
// resources, but no more than 100,000. A role and a group of LARGE are
// everybody's, others are of a few.
const largeSQL = `
SELECT set_config('sentinel.scope', 'system', false);
INSERT INTO sentinel.tenants (id, name, code)
SELECT md5('tenant' || n)::uuid, CASE n WHEN 0 THEN 'Large' ELSE 'Line ' || n || ' Shipping' END, CASE n WHEN 0 THEN 'LARGE' ELSE 'LINE-' || n END
FROM generate_series(0, 999) n;
CREATE TEMP TABLE sizes AS
SELECT md5('tenant' || n)::uuid AS tenant, n = 0 AS large, CASE n WHEN 0 THEN $users ELSE 10 END AS users
FROM generate_series(0, 999) n;
INSERT INTO sentinel.roles (id, tenant_id, name, display_name, description, priority, created_at)
SELECT md5(tenant || 'role' || n)::uuid, tenant, 'role-' || n, 'Duty ' || n, 'What people on duty ' || n || ' of the watch may do.', n % 900, now() - n * interval '1 minute'
FROM sizes, generate_series(0, CASE WHEN large THEN 999 ELSE 2 END) n;
UPDATE sentinel.roles
SET parent_role_id = md5(tenant || 'role0')::uuid
FROM sizes
WHERE large AND tenant_id = tenant AND name ~ '^role-[5-9][0-9][0-9]$';
INSERT INTO sentinel.groups (id, tenant_id, name, display_name, description, created_at)
SELECT md5(tenant || 'group' || n)::uuid, tenant, 'group-' || n, 'Crew ' || n, 'The crew of vessel ' || n || '.', now() - n * interval '1 minute'
FROM sizes, generate_series(0, CASE WHEN large THEN 999 ELSE 2 END) n;
INSERT INTO sentinel.resources (id, tenant_id, type, name, code, created_at)
SELECT md5(tenant || 'resource' || n)::uuid, tenant, (ARRAY['vessel', 'terminal', 'manifest'])[1 + n % 3], 'Node ' || n, 'node-' || n, now() - n * interval '1 minute'
FROM sizes, generate_series(0, 2) n
WHERE NOT large;
$tree
INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, created_at)
SELECT md5(tenant || 'permission' || n)::uuid, tenant, 'Read manifests of line ' || n, (ARRAY['vessel', 'terminal', 'manifest'])[1 + n % 3],
  (ARRAY['vessel', 'terminal', 'manifest'])[1 + n % 3] || '/line-' || n || '-*', '{read}', now() - n * interval '1 minute'
FROM sizes, generate_series(0, CASE WHEN large THEN 1999 ELSE 2 END) n;
INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT tenant, md5(tenant || 'role' || n % CASE WHEN large THEN 500 ELSE 3 END)::uuid, md5(tenant || 'permission' || n)::uuid
FROM sizes, generate_series(0, CASE WHEN large THEN 1999 ELSE 2 END) n;
INSERT INTO sentinel.users (id, tenant_id, email, username, display_name, external_id, attributes, last_login, is_active, created_at)
SELECT md5(tenant || 'user' || n)::uuid, tenant,
  lower(first[1 + n % 20] || '.' || last[1 + n / 20 % 25]) || '.' || n || '@' || CASE WHEN large THEN 'large' ELSE 'line' END || '.example',
  'u' || n, first[1 + n % 20] || ' ' || last[1 + n / 20 % 25], 'hr-' || n, '{"department": "operations", "site": "Piraeus", "level": 3}',
  CASE WHEN n % 5 > 0 THEN now() - n * interval '7 minutes' END, n % 50 > 0, now() - n * interval '1 minute'
FROM sizes, generate_series(0, users - 1) n,
  (SELECT ARRAY['Anna','Bruno','Carla','David','Elena','Farid','Grace','Hugo','Ines','Jonas','Kira','Liam','Maria','Nikos','Olga','Pedro','Quinn','Rosa','Samir','Tessa'] AS first,
    ARRAY['Abel','Bauer','Costa','Diaz','Evans','Fischer','Garcia','Haas','Ito','Jensen','Kowalski','Lopez','Meyer','Novak','Olsen','Papas','Quist','Rossi','Silva','Tanaka','Urban','Vogel','Weber','Xu','Zeman'] AS last) names;
INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT tenant, md5(tenant || 'user' || n)::uuid, md5(tenant || 'role' || r)::uuid, tenant
FROM sizes, generate_series(0, users - 1) n, LATERAL (SELECT DISTINCT r FROM unnest(ARRAY[0, 1 + n % CASE WHEN large THEN 499 ELSE 2 END]) r) held;
INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id)
SELECT tenant, md5(tenant || 'group' || n)::uuid, md5(tenant || 'role' || n)::uuid, tenant
FROM sizes, generate_series(0, 99) n
WHERE large;
INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id)
SELECT tenant, md5(tenant || 'user' || n)::uuid, md5(tenant || 'group' || g)::uuid
FROM sizes, generate_series(0, users - 1) n, LATERAL (SELECT DISTINCT g FROM unnest(ARRAY[0, 1 + n % CASE WHEN large THEN 999 ELSE 2 END, 1 + n * 7 % CASE WHEN large THEN 999 ELSE 2 END]) g) held;
INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT tenant, md5(tenant || 'user1')::uuid, '00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000000'
FROM sizes WHERE large;
INSERT INTO sentinel.refresh_tokens (tenant_id, user_id, family_id, family_expires_at, token_hash, expires_at)
SELECT tenant, md5(tenant || 'user' || n)::uuid, gen_random_uuid(), now() + interval '1 day', sha256(convert_to(tenant || 'token' || n, 'UTF8')), now() + interval '1 day'
FROM sizes, generate_series(0, users - 1) n;
INSERT INTO sentinel.token_blacklist (tenant_id, jti, user_id, expires_at)
SELECT tenant, gen_random_uuid()::text, md5(tenant || 'user' || n)::uuid, now() + interval '1 day'
FROM sizes, generate_series(0, users - 1, 3) n;
INSERT INTO sentinel.idempotency_keys (tenant_id, principal_id, principal_tenant_id, route, key, request_hash, expires_at)
SELECT tenant, md5(tenant || 'user' || n)::uuid, tenant, 'POST /users', 'key', ''::bytea, now() + interval '1 day'
FROM sizes, generate_series(0, users - 1) n;
INSERT INTO sentinel.users (tenant_id, username, is_service_account, service_account_key_id, service_account_key_hash, display_name)
SELECT tenant, 'service', true, md5(tenant::text), ''::bytea, 'Gateway' FROM sizes WHERE NOT large;
INSERT INTO sentinel.audit_heads (tenant_id)
SELECT tenant FROM sizes;
DROP TABLE sizes`

// levels are the types of LARGE's tree from the root down, and at which number
// each begins: ten families, ten nodes below each other one but the last.
var levels = []struct {
	types string
	first int
}{{"product_family", 0}, {"app", 10}, {"capability", 110}, {"service", 1110}, {"page,entity", 11_110}}

// nodesOf is how many nodes the tree has beside as many users.
func nodesOf(users int) int { return min(10*users, 100_000) }

// treeSQL makes LARGE's tree, level by level, with the statistics anew after
// each: else plans made for an empty table would read all of it for each row.
func treeSQL(nodes int) string {
	var sql strings.Builder
	for i, level := range levels {
		last := nodes
		if i+1 < len(levels) {
			last = min(nodes, levels[i+1].first)
		}
		fmt.Fprintf(&sql, `ANALYZE sentinel.resources;
INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, attributes, is_active, workflow_enabled, created_at)
SELECT md5(tenant || 'resource' || n)::uuid, tenant, types[1 + n %% cardinality(types)], 'Node ' || n, 'node-' || n,
  CASE WHEN n >= 10 THEN md5(tenant || 'resource' || (n - 10) / 10)::uuid END,
  CASE WHEN n %% 4 = 0 THEN jsonb_build_object('owner', 'team-' || n %% 50, 'region', 'emea', 'tier', n %% 3) ELSE '{}' END,
  n %% 50 > 0, n %% 200 = 7, now() - n * interval '1 minute'
FROM sizes, string_to_array('%s', ',') types, generate_series(%d, %d) n
WHERE large;
`, level.types, level.first, last-1)
	}
	return sql.String()
}

// fillLarge runs largeSQL and names what it made in tenant "large": "boss", its
// administrator, and "someone"; roles and groups that all have, or few.
func (w *world) fillLarge(users int) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database.OwnerURL)
	require.NoError(w.t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	_, err = conn.PgConn().Exec(w.t.Context(), strings.NewReplacer("$users", strconv.Itoa(users), "$tree", treeSQL(nodesOf(users))).Replace(largeSQL)).ReadAll()
	require.NoError(w.t, err)
	// As the server's own maintenance would have done by then.
	_, err = conn.Exec(w.t.Context(), "VACUUM ANALYZE")
	require.NoError(w.t, err)
	w.ids["large"] = w.column(w.t, "SELECT id::text FROM sentinel.tenants WHERE code = 'LARGE'")[0]
	for name, seed := range map[string]string{
		"boss": "user1", "someone": "user2", "role_all": "role0", "role_few": "role1", "role_below": "role999", "permission_few": "permission1", "group_all": "group0", "group_few": "group1",
		"family": "resource3", "leaf": fmt.Sprint("resource", nodesOf(users)-1),
	} {
		w.ids[name] = w.column(w.t, "SELECT md5($1 || $2)::uuid::text", w.ids["large"], seed)[0]
	}
}

// tokenIn makes a token of an account of the named tenant.
func (w *world) tokenIn(user, tenant string) string {
	w.t.Helper()
	c := w.claims(user, tenant)
	c.ExpiresAt = c.IssuedAt.Add(expiry)
	token, err := crypto.Signer{Issuer: "sentinel", Audience: "sentinel"}.Sign(c, w.signingKeyOf())
	require.NoError(w.t, err)
	return token
}

// largeList is a list of the large installation and how many it finds.
type largeList struct {
	name, path string
	// operator asks in the platform's tenant; otherwise LARGE's administrator.
	operator bool
	total    int
}

// largeLists are every list with every search, filter and order that it has.
func largeLists(users int) []largeList {
	last := (users + 49) / 50
	lists := []largeList{
		{name: "tenants", path: "/tenants?", operator: true, total: 1001},
		{name: "tenants, 1000 of them", path: "/tenants?limit=1000", operator: true, total: 1001},
		{name: "tenants, last page", path: "/tenants?page=21", operator: true, total: 1001},
		{name: "tenants, search", path: "/tenants?search=shipping", operator: true, total: 999},
		{name: "tenants, search of one", path: "/tenants?search=line-777", operator: true, total: 1},
		{name: "users", path: "/users?", total: users},
		{name: "users, 1000 of them", path: "/users?limit=1000", total: users},
		{name: "users, deep page", path: fmt.Sprint("/users?page=", last/2), total: users},
		{name: "users, last page", path: fmt.Sprint("/users?page=", last), total: users},
		{name: "users, middle page by e-mail", path: fmt.Sprint("/users?sort=email&page=", last/2), total: users},
		{name: "users, last page by e-mail", path: fmt.Sprint("/users?sort=email&page=", last), total: users},
		{name: "users, active", path: "/users?is_active=true", total: users - users/50},
		{name: "users, service accounts", path: "/users?is_service_account=true"},
		{name: "users, role of all", path: "/users?role=$role_all", total: users},
		{name: "users, role of few", path: "/users?role=$role_few", total: (users + 498) / 499},
		{name: "users, group of all", path: "/users?group=$group_all", total: users},
		{name: "users, group of all by last login", path: "/users?group=$group_all&sort=last_login&order=desc", total: users},
		{name: "users, group of few", path: "/users?group=$group_few&role=$role_all"},
		{name: "users, search of one", path: "/users?search=anna.abel.500@", total: 1},
		{name: "users, search of many", path: "/users?search=kowalski", total: users / 25},
		{name: "users, search of all", path: "/users?search=large.example", total: users},
		{name: "users, search of all, last page", path: fmt.Sprint("/users?search=large.example&sort=email&page=", last), total: users},
		{name: "users, search of all, middle page", path: fmt.Sprint("/users?search=large.example&sort=email&page=", last/2), total: users},
		{name: "users, search of a letter", path: "/users?search=A", total: users},
		{name: "users, search of two letters", path: "/users?search=Xu", total: users / 25},
		{name: "users, search of none", path: "/users?search=nobody-is-called-so"},
		{name: "users, search in a role", path: "/users?search=kowalski&role=$role_all&is_active=true"},
		{name: "members of a group of all", path: "/groups/$group_all/users?", total: users},
		{name: "members of a group of all, last page", path: fmt.Sprint("/groups/$group_all/users?page=", last), total: users},
		{name: "roles of a user", path: "/users/$boss/roles?", total: 3},
		{name: "roles, search", path: "/roles?search=duty+42", total: 11},
		{name: "roles, assignable", path: "/roles?is_assignable=true", total: 1000},
		{name: "roles, 1000 of them", path: "/roles?limit=1000", total: 1000},
		{name: "roles, with permissions", path: "/roles?include_permissions=true&limit=100&sort=name", total: 1000},
		{name: "role, below another", path: "/roles/$role_below"},
		{name: "role of all, hierarchy", path: "/roles/$role_all/hierarchy?"},
		{name: "role of all, permissions", path: "/roles/$role_below/permissions?"},
		{name: "role of all, holders", path: "/roles/$role_all/users?", total: users},
		{name: "role of all, holders, last page", path: fmt.Sprint("/roles/$role_all/users?page=", last), total: users},
		{name: "role of all, holders by all ways", path: "/roles/$role_all/users?include_inherited=true", total: users},
		{name: "role of all, holders by all ways, last page", path: fmt.Sprint("/roles/$role_all/users?include_inherited=true&page=", last), total: users},
		{name: "role of few, holders by all ways", path: "/roles/$role_few/users?include_inherited=true"},
		{name: "group of all, hierarchy", path: "/groups/$group_all/hierarchy?"},
		{name: "permissions, role", path: "/permissions?role_id=$role_few", total: 4},
		{name: "permissions, action", path: "/permissions?action=read&is_active=true", total: 2000},
		{name: "permission", path: "/permissions/$permission_few"},
		{name: "permissions of a user", path: "/users/$boss/permissions?include_field_permissions=true"},
		{name: "groups, search", path: "/groups?search=VESSEL+99", total: 11},
		{name: "groups, last page", path: "/groups?page=20", total: 1000},
		{name: "permissions, type", path: "/permissions?resource_type=vessel", total: 667},
		{name: "permissions, effect", path: "/permissions?effect=allow", total: 2000},
		{name: "permissions, search", path: "/permissions?search=line+199", total: 11},
	}
	lists = append(lists, resourceLists(nodesOf(users))...)
	for _, sorted := range []struct {
		section, columns string
		operator         bool
		total            int
	}{
		{"tenants", "name,code,created_at", true, 1001},
		{"users", "email,created_at,last_login", false, users},
		{"roles", "name,priority,created_at", false, 1000},
		{"groups", "name,created_at", false, 1000},
		{"permissions", "name,resource_type,created_at", false, 2000},
		{"resources", "name,code,type,created_at", false, nodesOf(users)},
	} {
		for column := range strings.SplitSeq(sorted.columns, ",") {
			lists = append(lists, largeList{
				name: sorted.section + " by " + column, path: "/" + sorted.section + "?order=desc&sort=" + column, operator: sorted.operator, total: sorted.total,
			})
		}
	}
	return lists
}

// resourceLists are those of a tree of as many nodes.
func resourceLists(nodes int) []largeList {
	last := (nodes + 49) / 50
	// How many nodes have a number from, or from ten times, and so on.
	numbered := func(from, to int) (n int) {
		for ; from < nodes; from, to = from*10, to*10 {
			n += min(to, nodes) - from
		}
		return n
	}
	family := 0 // below node 3: the tens that begin with 40 and so on
	for from, size := 40, 10; from < nodes; from, size = from*10+10, size*10 {
		family += min(from+size, nodes) - from
	}
	return []largeList{
		{name: "resources, type of few", path: "/resources?type=app", total: 100},
		{name: "resources, type of many, last page", path: fmt.Sprint("/resources?type=service&page=", (min(nodes, 11_110)-1110+49)/50), total: min(nodes, 11_110) - 1110},
		{name: "resources, inactive", path: "/resources?is_active=false", total: nodes / 50},
		{name: "resources, active, last page", path: fmt.Sprint("/resources?is_active=true&page=", (nodes-nodes/50+49)/50), total: nodes - nodes/50},
		{name: "resources, workflow", path: "/resources?workflow_enabled=true", total: nodes / 200},
		{name: "resources, search of few", path: "/resources?search=node-7770", total: numbered(7770, 7771)},
		{name: "resources, search of many", path: "/resources?search=node-77", total: numbered(77, 78)},
		{name: "resources, search of all", path: "/resources?search=node", total: nodes},
		{name: "resources, search of all, last page by type", path: fmt.Sprint("/resources?search=node&sort=type&page=", last), total: nodes},
		{name: "resources, search of a letter", path: "/resources?search=N&sort=name&order=desc", total: nodes},
		{name: "resources, search of none", path: "/resources?search=nothing-is-called-so"},
		{name: "resources, subtree", path: "/resources?below=$family", total: family},
		{name: "resources, subtree, last page by name", path: fmt.Sprint("/resources?sort=name&below=$family&page=", (family+49)/50), total: family},
		{name: "resources, subtree, search", path: "/resources?search=node-77&below=$family"},
		{name: "resources, children", path: "/resources/$family/children?", total: 10},
		{name: "resources by parent", path: "/resources?parent_id=$family&sort=code", total: 10},
		{name: "resources, last page", path: fmt.Sprint("/resources?page=", last), total: nodes},
		{name: "resources, last page by name", path: fmt.Sprint("/resources?sort=name&page=", last), total: nodes},
		{name: "resources, last page by type", path: fmt.Sprint("/resources?sort=type&page=", last), total: nodes},
		{name: "resources, middle page", path: fmt.Sprint("/resources?page=", last/2), total: nodes},
		{name: "resources, middle page by name", path: fmt.Sprint("/resources?sort=name&page=", last/2), total: nodes},
		{name: "resources, middle page by code", path: fmt.Sprint("/resources?sort=code&page=", last/2), total: nodes},
		{name: "resources, middle page by type", path: fmt.Sprint("/resources?sort=type&page=", last/2), total: nodes},
		{name: "resources, 1000 of them", path: "/resources?limit=1000", total: nodes},
		{name: "resources, tree", path: "/resources/tree?"},
		{name: "resources, tree of 1,000 nodes", path: "/resources/tree?depth=10&limit=1000"},
		{name: "resources, tree below a node", path: "/resources/tree?root_id=$family&depth=3"},
		{name: "resources, tree of a type of few", path: "/resources/tree?type=app&depth=10"},
		{name: "resources, tree of a type of many", path: "/resources/tree?type=entity&depth=10"},
		{name: "resources, tree of a type of none", path: "/resources/tree?type=nothing&depth=10"},
		{name: "resources, statistics", path: "/resources/statistics?"},
		{name: "resources, permissions that reach one", path: "/resources/$leaf/permissions?"},
	}
}

// The benchmark's lists find what they are there to find, on less.
func TestLarge_ListsFindWhatThereIs(t *testing.T) {
	t.Parallel()
	const users = 1000
	w := startWorld(t, newDatabase(t))
	w.fillLarge(users)
	tokens := map[bool]string{true: w.token("operator"), false: w.tokenIn("boss", "large")}
	for _, list := range largeLists(users) {
		answer := w.send(request{method: "GET", path: list.path}, tokens[list.operator])
		require.Equal(t, 200, answer.status, "%s: %s", list.name, answer.body)
		if list.total > 0 {
			require.Equal(t, strconv.Itoa(list.total), fmt.Sprint(answer.at("meta.pagination.total")), "%s: %.300s", list.name, answer.body)
		}
	}
}
