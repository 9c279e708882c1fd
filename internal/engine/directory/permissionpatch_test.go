package directory_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func TestPermissionPatch_MergesTheMembersGiven(t *testing.T) {
	t.Parallel()
	path, node := "vessel/*", uuid.New()
	stored := &models.Permission{
		Name: "Read", ResourceType: "vessel", ResourcePath: &path, Actions: []string{"read"}, Effect: "deny",
		Conditions: models.JSON(`{"a":1.50}`),
	}
	merge := func(body string) string {
		var patch directory.PermissionPatch
		require.NoError(t, json.Unmarshal([]byte(body), &patch))
		out, err := patch.Over(stored)
		require.NoError(t, err)
		raw, err := json.Marshal(out)
		require.NoError(t, err)
		return string(raw)
	}
	const whole = `"name":"Read","resource_type":"vessel","resource_path":"vessel/*","actions":["read"],"effect":"deny"`
	require.JSONEq(t, `{`+whole+`,"conditions":{"a":1.50}}`, merge(`{}`), "absent members stay")
	require.Contains(t, merge(`{}`), "1.50", "numbers stay as they were written")
	require.JSONEq(t, `{`+whole+`}`, merge(`{"conditions":null}`), "null clears")
	require.JSONEq(t, `{"name":"Write","resource_type":"app","resource_id":"`+node.String()+`","actions":["write","read"],"effect":"allow","conditions":{"b":[1]}}`,
		merge(`{"name":"Write","resource_type":"app","resource_id":"`+node.String()+`","resource_path":null,"actions":["write","read"],"effect":"allow","conditions":{"b":[1]}}`))

	patch := directory.PermissionPatch{ResourceID: httpapi.Some(node)}
	out, err := patch.Over(stored)
	require.NoError(t, err)
	fields := out.Validate("")
	require.Len(t, fields, 1, "the whole is checked, not the part: it is about two things now")
	require.Equal(t, "resource_path", fields[0].Path)
}
