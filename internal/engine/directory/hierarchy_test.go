package directory_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// write runs fn in a write of the tenant.
func write(t *testing.T, w *tenanttest.World, tenant uuid.UUID, fn func(tx *change.Write) error) error {
	t.Helper()
	return w.Writer.Plain(identity.WithTenant(t.Context(), tenant), fn)
}

func TestLadder_ShowsNoMoreThanItsBounds(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant, none := w.Tenant(), uuid.UUID{}
	top := w.Group(tenant, "top", none)
	middle := w.Group(tenant, "middle", top)
	w.SQL(`INSERT INTO sentinel.groups (tenant_id, name, parent_group_id) SELECT $1, 'g' || n, $2 FROM generate_series(1, 999) n`, tenant, middle)
	w.Group(w.Tenant(), "stranger", none)
	of := func(id uuid.UUID, depth int) (h *directory.Hierarchy) {
		require.NoError(t, write(t, w, tenant, func(tx *change.Write) (err error) {
			h, err = directory.Groups().Of(tx.Tx, tenant, id, depth)
			return err
		}))
		return h
	}
	h := of(top, 64)
	require.Len(t, h.Descendants, 1000, "all there are")
	require.False(t, h.Truncated)
	require.Equal(t, "middle", h.Descendants[0].Name)
	require.Equal(t, "group:g1 > group:middle > group:top", h.Descendants[1].Path)
	h = of(top, 1)
	require.Len(t, h.Descendants, 1)
	require.True(t, h.Truncated, "a level is left out")
	require.False(t, of(middle, 1).Truncated, "none is")
	w.Group(tenant, "one more", middle)
	h = of(top, 64)
	require.Len(t, h.Descendants, 1000)
	require.True(t, h.Truncated, "a row is left out")
	h = of(h.Descendants[5].ID, 64)
	require.Len(t, h.Ancestors, 2)
	require.Equal(t, []int{1, 2}, []int{h.Ancestors[0].Depth, h.Ancestors[1].Depth})
	require.Equal(t, &top, h.Ancestors[0].ParentID)
	require.Nil(t, h.Ancestors[1].ParentID)
}

func TestLadder_NamesTheCircle(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant, none := w.Tenant(), uuid.UUID{}
	reader := w.Role(tenant, "reader", 0, none)
	inspector := w.Role(tenant, "inspector", 0, reader)
	captain := w.Role(tenant, "captain", 0, inspector)
	other := w.Role(tenant, "other", 0, none)
	below := func(id uuid.UUID, name string, parent uuid.UUID) error {
		return write(t, w, tenant, func(tx *change.Write) error {
			return directory.Roles().Acyclic(tx, tenant, id, name, parent)
		})
	}
	require.NoError(t, below(other, "other", captain))
	require.NoError(t, below(captain, "captain", reader), "a shorter way up")
	for parent, circle := range map[uuid.UUID]string{reader: "new > new", inspector: "new > inspector > new", captain: "new > captain > inspector > new"} {
		err := below(reader, "new", parent)
		require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
		require.ErrorContains(t, err, circle)
	}
}

func TestLosses_FailWithTheDatabase(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant := w.Tenant()
	id := w.Role(tenant, "r", 0, uuid.UUID{})
	for table, read := range map[string]func(tx *change.Write) error{
		"role_permissions": func(tx *change.Write) error { _, err := directory.LosingRole(tx, tenant, id); return err },
		"user_groups":      func(tx *change.Write) error { _, err := directory.LosingGroup(tx, tenant, id); return err },
		"group_roles":      func(tx *change.Write) error { _, err := directory.LosingGroup(tx, tenant, id); return err },
		"roles":            func(tx *change.Write) error { return directory.Roles().Acyclic(tx, tenant, id, "r", id) },
		"groups": func(tx *change.Write) error {
			_, err := directory.Groups().Of(tx.Tx, tenant, id, 1)
			return err
		},
	} {
		if table != "roles" {
			require.NoError(t, write(t, w, tenant, read), table)
		}
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		err := write(t, w, tenant, read)
		require.Error(t, err, table)
		require.Equal(t, fault.Internal, fault.KindOf(err), table)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
	}
}

func TestDetailTag_StopsAWriteByTheRowAlone(t *testing.T) {
	t.Parallel()
	row, changed := httpapi.ETag("id", 1), httpapi.ETag("id", 2)
	detail := directory.DetailTag(row, "a", 1)
	require.Regexp(t, `^"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"$`, detail)
	require.NotEqual(t, detail, directory.DetailTag(row, "b", 1))
	for _, sent := range []string{"", "*", row, detail, directory.DetailTag(row, "b"), `"other", ` + detail, "W/" + detail} {
		require.NoError(t, directory.CheckRow(httpapi.IfMatchIn{IfMatch: sent}, row), sent)
	}
	for _, sent := range []string{changed, directory.DetailTag(changed, "a", 1), `"a.b", "c"`} {
		require.True(t, fault.Is(directory.CheckRow(httpapi.IfMatchIn{IfMatch: sent}, row), fault.PreconditionFailed), sent)
	}
}
