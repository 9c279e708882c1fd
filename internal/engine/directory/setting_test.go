package directory

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettings_CheckTheirValues(t *testing.T) {
	t.Parallel()
	settings := Settings()
	for name, values := range map[string]struct{ good, bad []any }{
		"allow_rules":           {[]any{true, false}, []any{"true", nil}},
		"inherit_permissions":   {[]any{true}, []any{json.Number("1")}},
		"max_users":             {[]any{json.Number("1"), json.Number("10000000")}, []any{json.Number("0"), json.Number("1.5"), json.Number("10000001"), "1"}},
		"conflict_resolution":   {[]any{"deny_overrides", "most_specific"}, []any{"first", nil}},
		"authzen_subject_types": {[]any{[]any{"user", "robot_1"}}, []any{[]any{}, "user", []any{"User"}, []any{json.Number("1")}, make([]any, 21)}},
		"bundle_attributes":     {[]any{[]any{}, []any{"level", "cost centre"}}, []any{"level", []any{""}, []any{json.Number("1")}, []any{strings.Repeat("x", 101)}, make([]any, 101)}},
	} {
		require.Contains(t, settings, name)
		for _, v := range values.good {
			require.Empty(t, settings[name].Check(v), "%s %v", name, v)
		}
		for _, v := range values.bad {
			require.NotEmpty(t, settings[name].Check(v), "%s %v", name, v)
		}
	}
	require.Len(t, settings, 6)
}
