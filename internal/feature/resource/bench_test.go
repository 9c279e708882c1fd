package resource

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// BenchmarkMove moves a subtree of 10,000 nodes in a tenant of 100,000, to and
// fro: the statement alone, and the whole call with its judgement, its audit
// event and the refresh of the tenant's graph. Beside it stands what a write to
// one node costs there.
func BenchmarkMove(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	tenant := w.Tenant()
	admin := w.User(tenant, "admin")
	w.Assign(tenant, admin, tenanttest.TenantAdmin)
	s := &Service{Write: w.Writer}
	// Ten subtrees of 10,000: a root, 99 nodes below it and 100 below each. The
	// statistics between keep plans of the empty table from being used again.
	for _, level := range []string{
		`SELECT md5($1 || n)::uuid, $1::uuid, 'app', 'App ' || n, 'app-' || n, NULL::uuid FROM generate_series(0, 9) n`,
		`SELECT md5($1 || n || 's' || m)::uuid, $1::uuid, 'service', 'Service ' || m, 'service-' || n || '-' || m, md5($1 || n)::uuid FROM generate_series(0, 9) n, generate_series(1, 99) m`,
		`SELECT md5($1 || n || 's' || m || 'p' || p)::uuid, $1::uuid, 'page', 'Page ' || p, 'page-' || n || '-' || m || '-' || p, md5($1 || n || 's' || m)::uuid
FROM generate_series(0, 9) n, generate_series(1, 99) m, generate_series(1, 100) p`,
	} {
		w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id) `+level, tenant.String())
		w.SQL(`ANALYZE sentinel.resources`)
	}
	w.SQL(`VACUUM ANALYZE`)
	var apps []uuid.UUID
	w.Scan([]any{&apps}, `SELECT array_agg(id ORDER BY code) FROM sentinel.resources WHERE tenant_id = $1 AND parent_id IS NULL`, tenant)
	require.Equal(b, 10_000, w.Count(`SELECT count(*) FROM sentinel.resources WHERE tenant_id = $1 AND path LIKE 'app-0%'`, tenant))
	ctx := identity.WithTenant(w.As(tenant, admin), tenant)
	// A tenant that nobody asks about is not in memory, and not read again.
	require.False(b, w.Allowed(tenant, uuid.New(), "app", "app-0", "use"))
	targets := []httpapi.Opt[uuid.UUID]{httpapi.Some(apps[1]), {Set: true, Null: true}}

	b.Run("statement", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			require.NoError(b, w.DB.InTx(ctx, func(tx *db.Tx) error {
				return tx.Exec("UPDATE sentinel.resources SET parent_id = ? WHERE tenant_id = ? AND id = ?", targets[i%2].Ptr(), tenant, apps[0]).Error
			}))
		}
	})
	b.Run("call", func(b *testing.B) {
		in := &MoveIn{}
		in.ID = apps[0]
		for i := 0; b.Loop(); i++ {
			in.Body.ParentID = targets[i%2]
			_, err := s.move(ctx, in)
			require.NoError(b, err)
		}
	})
	b.Run("write_one", func(b *testing.B) {
		in := &UpdateIn{}
		in.ID = apps[2]
		for b.Loop() {
			in.Body.Name = new(string)
			*in.Body.Name = uuid.NewString()
			_, err := s.update(ctx, in)
			require.NoError(b, err)
		}
	})
}
