package user

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// BenchmarkBulk_1000 gives a role to 1,000 of 10,000 users, and takes it again,
// in a tenant of 1,000 roles and 10,000 permissions.
func BenchmarkBulk_1000(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	s := &Service{Write: w.Writer, Passwords: crypto.NewPasswords()}
	tenant := w.Tenant()
	w.SQL(`INSERT INTO sentinel.roles (tenant_id, name, priority) SELECT $1, 'role-' || n, n % 100 FROM generate_series(1, 1000) n`, tenant)
	w.SQL(`INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_path, actions)
SELECT $1, 'permission-' || n, 'type' || n % 50, 'type' || n % 50 || '/*', ARRAY['read'] FROM generate_series(1, 10000) n`, tenant)
	w.SQL(`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT $1, r.id, p.id
FROM (SELECT id, row_number() OVER (ORDER BY id) n FROM sentinel.permissions WHERE tenant_id = $1) p
JOIN (SELECT id, row_number() OVER (ORDER BY id) n FROM sentinel.roles WHERE tenant_id = $1) r ON r.n = 1 + p.n % 1000`, tenant)
	w.SQL(`INSERT INTO sentinel.users (tenant_id, email) SELECT $1, 'user-' || n || '@example.com' FROM generate_series(1, 10000) n`, tenant)
	w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT $1, u.id, r.id, $1
FROM (SELECT id, row_number() OVER (ORDER BY id) n FROM sentinel.users WHERE tenant_id = $1) u
JOIN (SELECT id, row_number() OVER (ORDER BY id) n FROM sentinel.roles WHERE tenant_id = $1) r ON r.n = 1 + u.n % 999`, tenant)
	admin, manager := w.User(tenant, "admin"), w.User(tenant, "manager")
	w.Assign(tenant, admin, tenanttest.TenantAdmin)
	w.Assign(tenant, manager, tenanttest.UserManager)
	w.SQL(`ANALYZE`)
	var role uuid.UUID
	w.Scan([]any{&role}, `SELECT id FROM sentinel.roles WHERE tenant_id = $1 AND name = 'role-1'`, tenant)
	in := &BulkIn{}
	w.Scan([]any{&in.Body.UserIDs}, `SELECT array_agg(id) FROM (SELECT id FROM sentinel.users WHERE tenant_id = $1 AND email LIKE 'user-%' ORDER BY email LIMIT 1000) u`, tenant)
	run := func(b *testing.B, actor uuid.UUID, op Operation, data BulkData) {
		b.Helper()
		in.Body.Operation, in.Body.Data = op, data
		out, err := s.bulk(identity.WithTenant(w.As(tenant, actor), tenant), in)
		require.NoError(b, err)
		require.Equal(b, 1000, out.Total)
		require.GreaterOrEqual(b, out.Succeeded, 990)
	}
	for _, who := range []struct {
		name string
		id   uuid.UUID
	}{{"tenant_admin", admin}, {"user_manager", manager}} {
		for _, pair := range []struct {
			name    string
			do      Operation
			undo    Operation
			payload BulkData
		}{
			{"assign_role", AssignRole, RemoveRole, BulkData{RoleID: &role}},
			{"deactivate", Deactivate, Activate, BulkData{}},
		} {
			if who.name == "user_manager" && pair.do == Deactivate {
				continue // the manager lacks what the accounts may do
			}
			b.Run(pair.name+"/"+who.name, func(b *testing.B) {
				for b.Loop() {
					run(b, who.id, pair.do, pair.payload)
					b.StopTimer()
					run(b, admin, pair.undo, pair.payload)
					b.StartTimer()
				}
			})
		}
	}
	b.Run("delete/tenant_admin", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w.Scan([]any{&in.Body.UserIDs}, `SELECT array_agg(id) FROM (SELECT id FROM sentinel.users WHERE tenant_id = $1 AND email LIKE 'user-%' LIMIT 1000) u`, tenant)
			if len(in.Body.UserIDs) < 1000 {
				b.SkipNow()
			}
			b.StartTimer()
			run(b, admin, Delete, BulkData{})
		}
	})
}
