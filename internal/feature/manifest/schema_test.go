package manifest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSchema_DescribesEveryMember(t *testing.T) {
	t.Parallel()
	raw, err := Schema()
	require.NoError(t, err)
	var schema struct {
		Schema string `json:"$schema"`
		Ref    string `json:"$ref"`
		Defs   map[string]struct {
			Properties           map[string]map[string]any
			AdditionalProperties *bool
			Required             []string
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(raw, &schema))
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", schema.Schema)
	require.NotContains(t, string(raw), "#/components")
	require.Len(t, schema.Defs, 11)
	for name, d := range schema.Defs {
		require.NotNil(t, d.AdditionalProperties, name)
		require.False(t, *d.AdditionalProperties, "%s takes members that nobody knows", name)
		require.NotEmpty(t, d.Properties, name)
		for member, property := range d.Properties {
			require.NotEmpty(t, property["description"], "%s.%s", name, member)
		}
	}
	require.Equal(t, []string{"version"}, schema.Defs["Manifest"].Required)
}
