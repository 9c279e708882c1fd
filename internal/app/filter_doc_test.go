package app_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The example of docs/filter.md: the question, its answer, and the rows that the
// query selects.
func TestFilter_DoesWhatItsPageShows(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/filter.md")
	require.NoError(t, err)
	blocks := map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)```(json|sql|text)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	require.GreaterOrEqual(t, len(blocks["json"]), 3, "permission, question, answer")
	w := newWorld(t)
	var permission map[string]any
	require.NoError(t, json.Unmarshal([]byte(blocks["json"][0]), &permission))
	w.make("keepers", "admin", "", "/roles", `{"name":"keepers","priority":50}`)
	w.make("", "admin", "", "/roles/$keepers/permissions", jsonOf(map[string]any{"permissions": []any{permission}}))
	w.person("watcher", "admin", "", "ALPHA", `"$keepers"`)
	w.lives("oslo")

	got := w.filter("watcher", blocks["json"][1])
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(blocks["json"][2]), &answer))
	for member, want := range answer {
		require.Equal(t, want, got.at("data."+member), member)
	}
	w.database.Exec(t, blocks["sql"][0])
	query, params := strings.TrimSuffix(strings.TrimSpace(blocks["sql"][1]), ";"), answer["params"].([]any)
	require.True(t, strings.HasSuffix(query, answer["sql"].(string)), "the query has the condition of the answer")
	rows, err := w.owner.Query(t.Context(), query, params...)
	require.NoError(t, err)
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, strings.Fields(blocks["text"][0]), ids)
}
