package bundle

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/policies"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// setup returns the section over the world of the matrix's first file, with the
// one who asks in its first tenant, who may load bundles.
func setup(t *testing.T) (s *Service, ctx context.Context, tenant *enginetest.Tenant) {
	t.Helper()
	d := dbtest.New(t)
	f := enginetest.Load(t)[0]
	tenant = f.World.Tenants[0]
	f.World.Write(t, d.DB, "")
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, owner.Close(t.Context())) }()
	_, err = owner.Exec(t.Context(), `
UPDATE sentinel.permissions
SET resource_path = 'api/*', actions = '{read,execute}'
WHERE tenant_id = $1
AND name = $2`, tenant.ID(), enginetest.Asker)
	require.NoError(t, err)
	p := &identity.Principal{HomeTenantID: tenant.ID()}
	require.NoError(t, owner.QueryRow(t.Context(), `
SELECT id
FROM sentinel.users
WHERE tenant_id = $1
AND email LIKE $2`, tenant.ID(), enginetest.Asker+"@%").Scan(&p.UserID))
	library, err := policy.Load(t.Context(), policies.FS, policy.Config{Timeout: 10 * time.Second})
	require.NoError(t, err)
	return New(engine.New(engine.Config{DB: d.DB, Library: library}), library), identity.WithPrincipal(t.Context(), p), tenant
}

func TestBundle_HoldsAtMostSoManyAccounts(t *testing.T) {
	t.Parallel()
	s, ctx, tenant := setup(t)
	s.most = len(tenant.Users)
	got, err := s.bundle(ctx, &In{Tenant: tenant.Name})
	require.NoError(t, err)
	require.NotEmpty(t, got.Body)
	s.most--
	_, err = s.bundle(ctx, &In{Tenant: tenant.Name})
	require.True(t, fault.Is(err, fault.ConflictKind))
	require.ErrorContains(t, err, "more than")
}

func TestBundle_MakesFewAtOnce(t *testing.T) {
	t.Parallel()
	s, ctx, tenant := setup(t)
	first, err := s.bundle(ctx, &In{Tenant: tenant.Name})
	require.NoError(t, err)
	for range maxBuilds {
		s.builds <- struct{}{}
	}
	ended, cancel := context.WithCancel(ctx)
	same := &In{Tenant: tenant.Name, IfNoneMatch: first.Header["ETag"]}
	got, err := s.bundle(ended, same)
	require.NoError(t, err, "what did not change is not made again")
	require.Equal(t, http.StatusNotModified, got.Status)
	cancel()
	_, _, err = s.build(ended, tenant.ID())
	require.True(t, fault.Is(err, fault.Unavailable))
	<-s.builds
	got, err = s.bundle(ctx, &In{Tenant: tenant.Name, IfNoneMatch: `"other"`})
	require.NoError(t, err)
	require.Equal(t, first.Body, got.Body)
}

func TestBundle_ComparesTheFileWhereTheStateWasForgotten(t *testing.T) {
	t.Parallel()
	s, ctx, tenant := setup(t)
	first, err := s.bundle(ctx, &In{Tenant: tenant.Name})
	require.NoError(t, err)
	s.served.Clear()
	got, err := s.bundle(ctx, &In{Tenant: tenant.Name, IfNoneMatch: first.Header["ETag"]})
	require.NoError(t, err)
	require.Equal(t, http.StatusNotModified, got.Status)
}
