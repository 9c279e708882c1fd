package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// fill writes a tenant of many roles in chains of five, a group for every ten
// roles, permissions of which every fourth has conditions, and nodes in a tree
// of twenty branches.
func fill(w *tenanttest.World, tenant uuid.UUID, roles, permissions, nodes int) {
	id := func(kind string) string { return "md5('" + tenant.String() + kind + "' || n)::uuid" }
	w.SQL(fmt.Sprintf(`INSERT INTO sentinel.roles (id, tenant_id, name, priority)
SELECT %s, $1, 'role-' || n, n %% 100 FROM generate_series(0, %d) n`, id("r"), roles-1), tenant)
	w.SQL(fmt.Sprintf(`UPDATE sentinel.roles SET parent_role_id = p.id
FROM (SELECT n, %s AS child, md5('%s' || 'r' || n + 1)::uuid AS id FROM generate_series(0, %d) n WHERE n %% 5 <> 4) p
WHERE roles.id = p.child`, id("r"), tenant, roles-2))
	w.SQL(fmt.Sprintf(`INSERT INTO sentinel.groups (id, tenant_id, name)
SELECT %s, $1, 'group-' || n FROM generate_series(0, %d) n`, id("g"), roles/10-1), tenant)
	w.SQL(fmt.Sprintf(`INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id)
SELECT $1, %s, md5('%s' || 'r' || n * 10)::uuid, $1 FROM generate_series(0, %d) n`, id("g"), tenant, roles/10-1), tenant)
	w.SQL(fmt.Sprintf(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, conditions)
SELECT %s, $1, 'permission-' || n, 'type' || n %% 50, 'type' || n %% 50 || '/*', ARRAY['read', 'update'],
  CASE WHEN n %% 50 %% 4 = 0 THEN '{"resource.attributes.region": "eu", "subject.attributes.level": {"gte": 3}}'::jsonb ELSE '{}'::jsonb END
FROM generate_series(0, %d) n`, id("p"), permissions-1), tenant)
	w.SQL(fmt.Sprintf(`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT $1, md5('%s' || 'r' || n %% %d)::uuid, %s FROM generate_series(0, %d) n`, tenant, roles, id("p"), permissions-1), tenant)
	if nodes > 0 {
		w.SQL(fmt.Sprintf(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path)
SELECT %s, $1, 'service', 'node', 'node-' || n, '' FROM generate_series(0, 19) n`, id("n")), tenant)
		w.SQL(fmt.Sprintf(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, path)
SELECT %s, $1, 'page', 'node', 'node-' || n, md5('%s' || 'n' || n %% 20)::uuid, '' FROM generate_series(20, %d) n`, id("n"), tenant, nodes-1), tenant)
	}
}

// decideBench is a tenant of 100 roles and 500 permissions, and a user with two
// groups and two roles, 20 roles by inheritance.
func decideBench(b *testing.B, cfg engine.Config) (*tenanttest.World, uuid.UUID, uuid.UUID) {
	b.Helper()
	w := tenanttest.New(b, dbtest.New(b), cfg)
	tenant := w.Tenant()
	fill(w, tenant, 100, 500, 0)
	user := w.User(tenant, "ada")
	w.SQL(`UPDATE sentinel.users SET attributes = '{"level": 5}' WHERE id = $1`, user)
	w.SQL(`INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id)
SELECT tenant_id, $1, id FROM sentinel.groups WHERE name IN ('group-0', 'group-3')`, user)
	w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT tenant_id, $1, id, tenant_id FROM sentinel.roles WHERE tenant_id = $2 AND name IN ('role-50', 'role-75')`, user, tenant)
	return w, tenant, user
}

var decideCases = []struct {
	name    string
	typ     string
	region  string
	allowed bool
	code    engine.Code
}{
	{"allowed", "type1", "", true, engine.Granted},
	{"allowed_by_conditions", "type4", "eu", true, engine.Granted},
	{"conditions_fail", "type4", "us", false, engine.ConditionFailed},
	{"denied", "type9", "", false, engine.NoMatchingPermission},
	{"unknown_type", "nothing", "", false, engine.NoMatchingPermission},
}

func BenchmarkDecide(b *testing.B) {
	w, tenant, user := decideBench(b, engine.Config{})
	for _, c := range decideCases {
		q := &engine.Question{TenantID: tenant, UserID: user, Type: c.typ, ID: "x-1", Action: "read"}
		if c.region != "" {
			q.Attributes = map[string]any{"region": c.region}
		}
		d := w.Engine.Decide(b.Context(), q)
		require.Equal(b, c.code, d.Code, c.name)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Engine.Decide(context.Background(), q)
			}
		})
	}
	q := &engine.Question{TenantID: tenant, UserID: user, Type: "type1", ID: "x-1", Action: "read"}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w.Engine.Decide(context.Background(), q)
			}
		})
	})
}

// The records are queued and written meanwhile, as in a server.
func BenchmarkDecideRecorded(b *testing.B) {
	d := dbtest.New(b)
	decisions := audit.NewDecisions(audit.DecisionsConfig{DB: d.DB})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- decisions.Run(ctx) }()
	b.Cleanup(func() { cancel(); require.NoError(b, <-done) })
	w := tenanttest.New(b, d, engine.Config{Decisions: decisions})
	tenant := w.Tenant()
	fill(w, tenant, 100, 500, 0)
	user := w.User(tenant, "ada")
	w.SQL(`INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id)
SELECT tenant_id, $1, id FROM sentinel.groups WHERE name IN ('group-0', 'group-3')`, user)
	q := &engine.Question{TenantID: tenant, UserID: user, Type: "type1", ID: "x-1", Action: "read"}
	require.True(b, w.Engine.Decide(b.Context(), q).Allowed)
	b.ReportAllocs()
	for b.Loop() {
		w.Engine.Decide(ctx, q)
	}
}

func BenchmarkSnapshotLoad(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	tenant := w.Tenant()
	fill(w, tenant, 1_000, 10_000, 100_000)
	w.SQL(`ANALYZE`)
	for _, bench := range []struct {
		name string
		opt  engine.LoadOptions
	}{{"whole", engine.LoadOptions{}}, {"without_tree", engine.LoadOptions{WithoutTree: true}}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := w.DB.InReadTx(identity.WithTenant(b.Context(), tenant), func(tx *db.Tx) error {
					_, err := engine.LoadSnapshot(tx, tenant, bench.opt)
					return err
				})
				require.NoError(b, err)
			}
		})
	}
}

// guarded adds to the tenant of decideBench what the later steps need: fields and
// a chain with an approval of the user's for type1, a workflow for type2, and a
// policy for type3.
func guarded(b *testing.B, w *tenanttest.World, tenant, user uuid.UUID) {
	b.Helper()
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, storage_column, default_visibility)
SELECT $1, typ, 'field_' || n, 'core', 'field_' || n, (ARRAY['read', 'write', 'hidden'])[n % 3 + 1]
FROM generate_series(1, 10) n, unnest(ARRAY['type1', 'type3']) typ`, tenant)
	chain := uuid.New()
	w.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, resource_pattern, approval_levels)
VALUES ($1, $2, 'gate', 'type1', 'type1:*', '[]'), (gen_random_uuid(), $2, 'auto', 'type3', 'type3:*', '[]')`, chain, tenant)
	w.SQL(`UPDATE sentinel.approval_chains SET auto_approve_conditions = '{"subject.attributes.level": {"gte": 3}}' WHERE name = 'auto'`)
	w.SQL(`INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status)
VALUES ($1, $2, $2, 'resource_access', '{"resource_type": "type1", "resource_id": "x-1"}', $3, 'approved')`, tenant, user, chain)
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, path, workflow_enabled, workflow_config)
VALUES ($1, 'entity', 'type2', 'type2', '', true, '{"states": ["open"], "state_actions": {"open": {"read": ["*"]}}}')`, tenant)
	const text = `# METADATA
# custom:
#   applies_to:
#     resource_types: [type3]
package tenant.hours

import data.sentinel.lib

deny contains {"reason": "not from outside"} if {
	input.action in {"update", "create"}
	not startswith(input.context.ip, "10.")
}

obligations contains {"log": lib.subject.attributes.level} if lib.subject.attributes.level > 3
`
	publish(w, tenant, 1, map[string]string{"tenant/hours.rego": text})
}

func BenchmarkDecideGuarded(b *testing.B) {
	w, tenant, user := decideBench(b, engine.Config{Library: library(b, 0), AutoApprove: true})
	guarded(b, w, tenant, user)
	ask := map[string]*engine.Question{
		"fields_and_an_approved_chain":          {Type: "type1", ID: "x-1", Action: "read"},
		"a_workflow":                            {Type: "type2", ID: "x-1", Action: "read", Context: map[string]any{"workflow_state": "open"}},
		"fields_a_chain_by_itself_and_a_policy": {Type: "type3", ID: "x-1", Action: "read", Context: map[string]any{"ip": "10.0.0.1"}},
	}
	for _, name := range slices.Sorted(maps.Keys(ask)) {
		q := ask[name]
		q.TenantID, q.UserID = tenant, user
		d := w.Engine.Decide(b.Context(), q)
		require.True(b, d.Allowed, "%s: %s", name, d.Code)
		require.Equal(b, q.Type != "type2", d.Fields != nil)
		require.Equal(b, q.Type == "type3", len(d.Obligations) == 1)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Engine.Decide(context.Background(), q)
			}
		})
	}
}

func BenchmarkPermits(b *testing.B) {
	w, tenant, user := decideBench(b, engine.Config{Library: library(b, 0)})
	guarded(b, w, tenant, user)
	w.Assign(tenant, user, tenanttest.UserManager)
	require.True(b, w.Engine.Permits(b.Context(), tenant, user, "users", "read"))
	b.ReportAllocs()
	for b.Loop() {
		w.Engine.Permits(context.Background(), tenant, user, "users", "read")
	}
}
