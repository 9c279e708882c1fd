package main

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestDecisions_TeachesWhatIsSo runs every command and program of the page, in
// order, on a server with demo data, and compares all that they print. What it
// shows of SQL runs in a PostgreSQL, with the parameters that the server gave.
func TestDecisions_TeachesWhatIsSo(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/decisions.md", "")
	s := start(t, reachable(t))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())

	printed := player{url: s.url, listen: free.Addr().String(), keepGoing: true}.play(t, page)
	holds(t, page, printed)
	require.NoError(t, s.end(t, syscall.SIGTERM))

	at := slices.IndexFunc(page, func(b block) bool { return b.lang == "sql" })
	require.Positive(t, at)
	require.Equal(t, "text", page[at+1].lang)
	var filter struct {
		Data struct {
			SQL    string `json:"sql"`
			Params []any  `json:"params"`
		} `json:"data"`
	}
	asked := slices.IndexFunc(printed, func(out string) bool { return strings.Contains(out, `"sql":`) })
	require.GreaterOrEqual(t, asked, 0)
	require.NoError(t, json.Unmarshal([]byte(printed[asked]), &filter))
	require.NoError(t, sameText(page[at+1].text, selected(t, page[at].text, filter.Data.SQL, filter.Data.Params)))
}

// selected runs statements, the last of which has the condition in it, and returns
// the ids that it selects, one in a line.
func selected(t *testing.T, statements, condition string, params []any) string {
	t.Helper()
	require.Contains(t, statements, condition, "the page shows what the server answers")
	conn, err := pgx.Connect(t.Context(), dbtest.New(t).OwnerURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	before, last, found := strings.Cut(statements, "SELECT ")
	require.True(t, found)
	_, err = conn.Exec(t.Context(), before)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), "SELECT "+last, params...)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(ids, "\n")
}
