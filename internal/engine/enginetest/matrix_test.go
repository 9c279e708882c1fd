package enginetest_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestMatrix(t *testing.T) {
	seen := newExplained()
	files := enginetest.Load(t)
	t.Cleanup(func() { seen.everyKind(t, len(files)) })
	for _, f := range files {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			f.World.Write(t, d.DB, "")
			enginetest.Run(t, f, append(enginetest.Go(t, d.DB, f), enginetest.Rego(t, d.DB, f), enginetest.Agents(t, d.DB, f))...)
			seen.matrix(t, d.DB, f)
		})
	}
}

func TestMatrix_IsLargeAndItsNamesAreUnique(t *testing.T) {
	names := map[string]struct{}{}
	for _, f := range enginetest.Load(t) {
		for _, c := range f.Cases {
			require.NotContains(t, names, c.Name)
			names[c.Name] = struct{}{}
		}
	}
	t.Logf("%d cases", len(names))
	require.GreaterOrEqual(t, len(names), 1000)
}

func TestDocument_LeavesNoSubjectOut(t *testing.T) {
	d := dbtest.New(t)
	f := enginetest.Load(t)[0]
	f.World.Write(t, d.DB, "")
	e := engine.New(engine.Config{DB: d.DB, Library: enginetest.Library(t)})
	tenant, users := f.Cases[0].TenantID(), len(f.World.Tenants[0].Users)
	doc, err := e.Document(t.Context(), tenant, users)
	require.NoError(t, err)
	require.Len(t, doc.Subjects, users)
	_, err = e.Document(t.Context(), tenant, users-1)
	require.Error(t, err)
	_, err = e.Document(t.Context(), uuid.New(), users)
	require.Error(t, err)
}
