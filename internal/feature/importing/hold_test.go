package importing

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Rows that are refused one by one read the graph over and over: the tenant is
// not held for all of them.
func TestRun_LeavesRowsToAnotherTransaction(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant := w.Tenant()
	clerk := w.User(tenant, "clerk")
	var rows []row
	for i, text := range []string{`{"name":"a"}`, `{"name":"b","roles":["tenant_admin"]}`, `{"name":"c"}`, `{"name":"d"}`} {
		rows = append(rows, row{Line: i + 1, Raw: json.RawMessage(text)})
	}
	s := &Service{cfg: Config{NormaliseEmail: anyEmail}, write: w.Writer}
	write := func(until time.Time) (b *batch) {
		ctx := w.As(tenant, clerk)
		require.NoError(t, w.Writer.Granting(ctx, "import.write", func(tx *change.Write) (granting.Change, error) {
			b = &batch{ctx: ctx, w: tx, s: s, kind: Group, tenant: tenant, id: uuid.New(), until: until}
			err := b.run(rows)
			return b.changed(), err
		}))
		return b
	}
	first := write(time.Now().Add(-time.Second))
	require.Equal(t, rows[1:], first.left, "those after the first that is decided, in order")
	require.Equal(t, 1, first.created)
	rows = first.left
	second := write(time.Now().Add(time.Hour))
	require.Empty(t, second.left)
	require.Equal(t, 2, second.created)
	require.Len(t, second.refusals, 1)
}
