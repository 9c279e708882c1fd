package directory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
)

func TestValidNode_TakesWhatQuestionsTake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ, code string
		fields    []string
	}{
		"a node":               {"app", "fleet-management", nil},
		"a URL template":       {"page", "https://x.example/{year}/é?a=b#c", nil},
		"a type of one's own":  {"sales_order", "7", nil},
		"the longest":          {strings.Repeat("t", 100), strings.Repeat("é", 255), nil},
		"too long":             {strings.Repeat("t", 101), strings.Repeat("é", 256), []string{"type", "code"}},
		"the platform's":       {"api", "users", []string{"type"}},
		"a capital":            {"App", "x", []string{"type"}},
		"no type":              {"", "x", []string{"type"}},
		"every type":           {"*", "*", []string{"type", "code"}},
		"a way up":             {"page", "a/../b", []string{"code"}},
		"a way to stay":        {"page", "./b", []string{"code"}},
		"a backslash":          {"page", `a\b`, []string{"code"}},
		"a control character":  {"page", "a\u0085", []string{"code"}},
		"not composed":         {"page", "e\u0301", []string{"code"}},
		"dots that are a name": {"page", "a..b/...", nil},
	} {
		var got []string
		for _, field := range directory.ValidNode(c.typ, c.code, "") {
			got = append(got, field.Path)
		}
		require.Equal(t, c.fields, got, name)
	}
}
