package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// plan is a node of an execution plan, as EXPLAIN (FORMAT JSON) shows it.
type plan struct {
	Node     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Plans    []plan `json:"Plans"`
}

// executed is a statement that the server's role ran, with the plan by which
// PostgreSQL ran it.
type executed struct {
	Query string `json:"Query Text"`
	Plan  plan   `json:"Plan"`
}

// each calls fn for every node of the plan.
func (p *plan) each(fn func(*plan)) {
	fn(p)
	for i := range p.Plans {
		p.Plans[i].each(fn)
	}
}

// planner reads the plans by which PostgreSQL runs the statements of the
// server's role, those inside functions too. auto_explain writes them to the
// log: so they are of what the server really runs, with its parameters and the
// plans it has cached, and not of copies of its queries.
type planner struct{ log *os.File }

// newPlanner opens the log of the server that this process has started.
func newPlanner(t *testing.T, w *world) *planner {
	t.Helper()
	log, err := os.Open(filepath.Join(w.column(t, "SELECT current_setting('data_directory')")[0], "..", "server.log"))
	if os.Getenv("TEST_DATABASE_URL") != "" && err != nil {
		t.Skip("the log of a server elsewhere is out of reach: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	_, err = log.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	return &planner{log: log}
}

// explainAll turns auto_explain on for connections that the server's role makes
// to this test's database from now on.
const explainAll = `
DO $$
DECLARE
  setting text;
BEGIN
  FOREACH setting IN ARRAY ARRAY['session_preload_libraries = auto_explain', 'auto_explain.log_min_duration = 0',
    'auto_explain.log_format = json', 'auto_explain.log_nested_statements = on'] LOOP
    EXECUTE format('ALTER ROLE sentinel_app IN DATABASE %I SET ', current_database()) || setting;
  END LOOP;
END
$$`

// take returns what ran since the last call.
func (p *planner) take(t *testing.T) []executed {
	t.Helper()
	raw, err := io.ReadAll(p.log)
	require.NoError(t, err)
	var out []executed
	_, rest, found := strings.Cut(string(raw), "  plan:\n")
	for found {
		var entry string
		entry, rest, found = strings.Cut(rest, "  plan:\n")
		var text strings.Builder
		for line := range strings.Lines(entry) {
			line, continued := strings.CutPrefix(line, "\t")
			if !continued {
				break
			}
			text.WriteString(line)
		}
		var e executed
		require.NoError(t, json.Unmarshal([]byte(text.String()), &e), "%s", text.String())
		out = append(out, e)
	}
	return out
}

// largeTables are the tables that no hot path reads from end to end.
var largeTables = []string{
	"tenants", "users", "user_roles", "user_groups", "roles", "groups", "resources", "search_entries", "refresh_tokens", "token_blacklist",
	"idempotency_keys", "policy_revision", "subject_changes", "audit_heads", "login_failures",
}

func TestPlans_HotPathsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	database.Exec(t, explainAll)
	w := startWorld(t, database)
	w.fillLarge(10_000)
	boss, someone := w.tokenIn("boss", "large"), w.tokenIn("someone", "large")
	get := func(path string) func(*testing.T) {
		return func(t *testing.T) {
			answer := w.send(request{method: http.MethodGet, path: path}, boss)
			require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		}
	}
	get("/users/me")(t) // the tenant's graph is read once, and whole
	large := uuid.MustParse(w.ids["large"])
	post := func(path, body string, status int) func(*testing.T) {
		return func(t *testing.T) {
			answer := w.send(request{method: http.MethodPost, path: path, body: body}, "")
			require.Equal(t, status, answer.status, "%s", answer.body)
		}
	}
	w.database.Exec(t, `
SELECT set_config('sentinel.scope', 'system', false);
INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions)
SELECT md5(typ)::uuid, t.id, typ, typ, typ || '/*', '{read}'
FROM sentinel.tenants t, unnest(ARRAY['page', 'wreck']) typ
WHERE t.code = 'LARGE';
INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT t.id, md5(t.id || role)::uuid, md5(typ)::uuid
FROM sentinel.tenants t, (VALUES ('role0', 'page'), ('role1', 'wreck')) owned (role, typ)
WHERE t.code = 'LARGE'`)
	who := func(typ string) func(*testing.T) {
		return func(t *testing.T) {
			answer := w.send(request{method: http.MethodPost, path: "/permissions/who-can", body: `{"resource":{"type":"` + typ + `","id":"x"},"action":"read"}`}, boss)
			require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		}
	}
	p := newPlanner(t, w)
	// The second call of these runs less than the first.
	once := []string{"subject", "a write"}
	for _, hot := range []struct {
		name string
		do   func(*testing.T)
		// use says for a part of a statement's text which indexes its plan may
		// read: one of them is read.
		use map[string][]string
	}{
		{"login by e-mail", func(t *testing.T) {
			answer := w.send(request{
				method: http.MethodPost, path: "/auth/login", body: `{"tenant_id":"LARGE","email":"anna.abel.500@large.example","password":"not the right one"}`,
			}, "")
			require.Equal(t, http.StatusUnauthorized, answer.status, "%s", answer.body)
		}, map[string][]string{"code = ": {"tenants_code_key"}, "email = ": {"users_email_key"}}},
		{"subject", func(t *testing.T) {
			require.Equal(t, http.StatusOK, w.me(someone).status)
		}, map[string][]string{
			"user_groups": {"user_groups_pair_key"}, "user_roles": {"user_roles_pair_key"}, "token_blacklist": {"token_blacklist_user_idx"},
			"policy_revision": {"policy_revision_pkey"}, `FROM "sentinel"."users"`: {"users_pkey", "users_tenant_id_id_key"},
		}},
		{"users by creation", get("/users?"), map[string][]string{"ORDER BY": {"users_created_at_idx"}}},
		{"users by last login", get("/users?sort=last_login&order=desc"), map[string][]string{"ORDER BY": {"users_last_login_idx"}}},
		{"holders of a role", get("/users?role=$role_few"), map[string][]string{"count(": {"user_roles_role_idx"}, "ORDER BY": {"user_roles_role_idx"}}},
		{"users of a group", get("/users?group=$group_few&role=$role_all"), map[string][]string{"count(": {"user_groups_group_idx"}, "ORDER BY": {"user_groups_group_idx"}}},
		{"members of a group", get("/groups/$group_few/users?"), map[string][]string{"ORDER BY": {"user_groups_group_idx"}}},
		{"who a role is assigned to", get("/roles/$role_few/users?"), map[string][]string{"LIMIT": {"user_roles_role_idx"}, "ways": {"user_roles_role_idx", "user_roles_pair_key"}}},
		{"who has a role by any way", get("/roles/$role_few/users?include_inherited=true"), map[string][]string{"LIMIT": {"user_roles_role_idx"}, "ways": {"user_groups_group_idx", "user_groups_pair_key"}}},
		{"what a role inherits from", get("/roles/$role_few/hierarchy?"), map[string][]string{"RECURSIVE up": {"roles_tenant_id_id_key", "roles_pkey"}, "RECURSIVE down": {"roles_parent_idx"}}},
		{"what is below a group", get("/groups/$group_few/hierarchy?"), map[string][]string{"RECURSIVE down": {"groups_parent_idx"}}},
		{"permissions of a role", get("/permissions?role_id=$role_few"), map[string][]string{"ORDER BY": {"role_permissions_pair_key"}}},
		{"who owns a permission", get("/permissions/$permission_few"), map[string][]string{"role_permissions": {"role_permissions_permission_idx"}}},
		{"search", get("/users?search=anna.abel.500@"), map[string][]string{"haystack LIKE": {"search_entries_haystack_idx"}}},
		{"search of a letter", get("/users?search=a"), map[string][]string{"haystack LIKE": {"search_entries_haystack_idx", "search_entries_pkey"}}},
		{"resources by code", get("/resources?search=node-777"), map[string][]string{"haystack LIKE": {"search_entries_haystack_idx"}}},
		{"resources by name", get("/resources?sort=name&order=desc"), map[string][]string{"ORDER BY": {"resources_name_idx"}}},
		{"resources by type", get("/resources?sort=type"), map[string][]string{"ORDER BY": {"resources_type_code_key"}}},
		{"resources by type, in the middle", get("/resources?sort=type&page=1000"), map[string][]string{"ORDER BY": {"resources_type_code_key"}}},
		{"resources by type, at the end", get("/resources?sort=type&page=2000"), map[string][]string{"ORDER BY": {"resources_type_code_key"}}},
		{"a search that finds all nodes", get("/resources?search=node&sort=type"), map[string][]string{"unnest(": {"search_entries_pkey"}, "ORDER BY": {"resources_type_code_key"}}},
		{"a search that finds all nodes, in the middle", get("/resources?search=node&sort=type&page=1000"), map[string][]string{"ORDER BY": {"resources_type_code_key"}}},
		{"a subtree", get("/resources?below=$family"), map[string][]string{"count(": {"resources_lineage_idx"}}},
		{"children", get("/resources/$family/children?"), map[string][]string{"count(": {"resources_children_idx"}, "ORDER BY": {"resources_children_idx"}}},
		{"a tree", get("/resources/tree?depth=3"), map[string][]string{"IS NULL": {"resources_children_idx"}, "count(": {"resources_children_idx"}, "LATERAL": {"resources_children_idx"}}},
		{"a tree of a type", get("/resources/tree?depth=3&type=page"), map[string][]string{"EXISTS": {"resources_type_lineage_idx"}, "LATERAL": {"resources_children_idx"}}},
		{"a search in a subtree", get("/resources?below=$family&search=node-77"), map[string][]string{"haystack LIKE": {"search_entries_haystack_idx"}}},
		{"a write", func(t *testing.T) {
			answer := w.send(request{method: http.MethodPatch, path: "/users/$someone", body: `{"display_name":"Renamed"}`}, boss)
			require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		}, map[string][]string{
			"FOR UPDATE OF h": {"audit_heads_pkey"}, "UPDATE sentinel.search_entries": {"search_entries_pkey"},
		}},
		{
			"account by key", post("/auth/service-account/token", jsonOf(map[string]string{"api_key": crypto.NewAPIKey().Text}), http.StatusUnauthorized),
			map[string][]string{"service_account_key_id": {"users_service_account_key_id_key"}},
		},
		{
			"refresh token", post("/auth/refresh", jsonOf(map[string]string{"refresh_token": crypto.NewOpaque("snr_", large).Text}), http.StatusUnauthorized),
			map[string][]string{"token_hash": {"refresh_tokens_token_hash_key"}},
		},
		{"who can, where everybody holds the role", who("page"), map[string][]string{
			"FROM sentinel.user_roles": {"user_roles_role_idx"}, "FROM sentinel.user_groups": {"user_groups_group_idx"}, `FROM "sentinel"."users"`: {"users_tenant_id_id_key", "users_pkey"},
			`FROM "sentinel"."user_roles"`: {"user_roles_pair_key"},
		}},
		{"who can, where few do", who("wreck"), map[string][]string{"FROM sentinel.user_roles": {"user_roles_role_idx"}}},
		{"sessions of a user", get("/auth/sessions"), map[string][]string{"refresh_tokens": {"refresh_tokens_user_idx"}}},
		{
			"idempotency key", func(t *testing.T) {
				for range 2 { // the second finds the answer of the first
					answer := w.send(request{method: http.MethodPost, path: "/users", body: `{"email":"once@large.example"}`, header: map[string]string{"Idempotency-Key": "once"}}, boss)
					require.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
				}
			},
			map[string][]string{"idempotency_keys": {"idempotency_keys_scope_key"}},
		},
	} {
		t.Run(hot.name, func(t *testing.T) {
			// From the sixth time on PostgreSQL may keep one plan for all parameters.
			for range 6 {
				if !slices.Contains(once, hot.name) {
					hot.do(t)
				}
			}
			p.take(t)
			hot.do(t)
			ran := p.take(t)
			require.NotEmpty(t, ran)
			for part, wanted := range hot.use {
				requireIndex(t, ran, part, wanted)
			}
			for _, e := range ran {
				e.Plan.each(func(n *plan) {
					require.False(t, n.Node == "Seq Scan" && slices.Contains(largeTables, n.Relation), "all of %s is read: %s", n.Relation, e.Query)
				})
			}
		})
	}
	t.Run("a move", func(t *testing.T) {
		defer w.within(t)()
		moved := w.column(t, "SELECT count(*)::text FROM sentinel.resources WHERE tenant_id = $1 AND path LIKE 'node-3/%'", w.ids["large"])
		require.Equal(t, []string{"11110"}, moved)
		p.take(t)
		answer := w.send(request{method: http.MethodPost, path: "/resources/$family/move", body: `{"parent_id":"` + w.column(t, "SELECT id::text FROM sentinel.resources WHERE tenant_id = $1 AND code = 'node-4'", w.ids["large"])[0] + `"}`}, boss)
		require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		var writes []string
		for _, e := range p.take(t) {
			if strings.Contains(e.Query, "UPDATE sentinel.resources") || strings.Contains(e.Query, `UPDATE "sentinel"."resources"`) {
				writes = append(writes, e.Query)
				e.Plan.each(func(n *plan) {
					require.False(t, n.Node == "Seq Scan" && n.Relation == "resources", "all of resources is read: %s", e.Query)
				})
			}
		}
		require.Len(t, writes, 2, "the node itself, and one statement for all below it")
		require.Equal(t, moved, w.column(t, "SELECT count(*)::text FROM sentinel.resources WHERE tenant_id = $1 AND path LIKE 'node-4/node-3/%'", w.ids["large"]))
	})
}

// requireIndex asserts that the statements which have a part in their text read
// one of the wanted indexes.
func requireIndex(t *testing.T, ran []executed, part string, wanted []string) {
	t.Helper()
	var read []string
	for _, e := range ran {
		if strings.Contains(e.Query, part) {
			e.Plan.each(func(n *plan) { read = append(read, n.Node+" "+n.Relation+" "+n.Index) })
		}
	}
	require.True(t, slices.ContainsFunc(read, func(node string) bool {
		return slices.ContainsFunc(wanted, func(index string) bool { return strings.HasSuffix(node, " "+index) })
	}),
		"%q reads %q, none of %q", part, read, wanted)
}
