package condition_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

func TestProgram_MissingIsWhatItReadsInVain(t *testing.T) {
	t.Parallel()
	program, wrong := condition.Compile(json.RawMessage(`{
		"a": 1, "attributes.a.b": 2, "nothing": null, "any_of": [{"context.ip": {"cidr": "10.0.0.0/8"}}, {"not": {"c": {"ref": "subject.attributes.d"}}}],
		"resource.id": "x", "resource.path": {"exists": true}, "action.reason": "y", "action.name": "read", "subject.is_service_account": false, "tenant.code": "ACME"}`))
	require.Empty(t, wrong)
	env := &condition.Env{
		Resource: condition.Resource{
			ID: "x", Attributes: map[string]any{"a": map[string]any{"b": true}}, Supplied: map[string]any{"nothing": nil},
		},
		Action: condition.Action{Name: "read"},
	}
	require.Equal(t, []string{
		"action.reason", "context.ip", "resource.attributes.c", "resource.path", "subject.attributes.d", "tenant.code",
	}, program.Missing(env))
	require.Empty(t, (*condition.Program)(nil).Missing(env))
}
