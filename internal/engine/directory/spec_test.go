package directory_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestSpec_Validate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for name, c := range map[string]struct {
		spec interface {
			Validate(prefix string) []fault.Field
		}
		paths []string
	}{
		"a role":            {&directory.RoleSpec{Name: "reader", Parent: "base", Permissions: []string{"a", "b"}}, nil},
		"a role in all":     {&directory.RoleSpec{Name: long, Priority: 900, Parent: long, Permissions: []string{"a", "", "a"}}, []string{"name", "priority", "parent", "permissions[1]", "permissions[2]"}},
		"a group":           {&directory.GroupSpec{Name: "ops", Roles: []string{"reader", "viewer"}}, nil},
		"a group in all":    {&directory.GroupSpec{DisplayName: strings.Repeat("x", 256), Roles: []string{""}}, []string{"name", "display_name", "roles[0]"}},
		"a node":            {&directory.NodeSpec{Type: "app", Code: "a:b", Parent: "app:c:d"}, nil},
		"a node in all":     {&directory.NodeSpec{Type: "App", Code: "..", Parent: "nowhere"}, []string{"type", "code", "parent"}},
		"its own parent":    {&directory.NodeSpec{Type: "app", Code: "a", Parent: "app:a"}, []string{"parent"}},
		"a permission":      {&directory.PermissionSpec{Name: "p", ResourcePath: "vessel/*", Actions: []string{"read"}}, nil},
		"on a node":         {&directory.PermissionSpec{Name: "p", Node: "app:fleet", Actions: []string{"*"}, Effect: "deny"}, nil},
		"on both":           {&directory.PermissionSpec{Name: "p", Node: "app:fleet", ResourcePath: "app/*", Actions: []string{"*"}}, []string{"resource_path"}},
		"on nothing":        {&directory.PermissionSpec{Name: "p", Actions: []string{"read"}}, []string{"resource_path"}},
		"on a section node": {&directory.PermissionSpec{Name: "p", Node: "api:users", Actions: []string{"read"}}, []string{"node"}},
		"on no node":        {&directory.PermissionSpec{Name: "p", Node: "fleet", Actions: []string{"read"}}, []string{"node"}},
		"a permission in all": {
			&directory.PermissionSpec{ResourcePath: "Vessel/*", Effect: "maybe", Actions: []string{"1"}, Conditions: map[string]any{"a": map[string]any{"near": 1}}},
			[]string{"name", "effect", "resource_path", "resource_path", "actions[0]", "conditions.a.near"},
		},
		"no actions": {&directory.PermissionSpec{Name: "p", ResourcePath: "vessel/*"}, []string{"actions"}},
	} {
		var paths []string
		for _, f := range c.spec.Validate("rows[3].") {
			require.NotEmpty(t, f.Message, name)
			paths = append(paths, strings.TrimPrefix(f.Path, "rows[3]."))
		}
		require.Equal(t, c.paths, paths, name)
	}
}

func TestPermissionSpec_InputIsWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	in := (&directory.PermissionSpec{Name: "p", Node: "app:fleet", Actions: []string{"read"}}).Input(id)
	require.Equal(t, id, *in.ResourceID)
	require.Equal(t, "app", in.ResourceType)
	in = (&directory.PermissionSpec{Name: "p", ResourcePath: "page/reports/**", Actions: []string{"read"}}).Input(id)
	require.Nil(t, in.ResourceID)
	require.Equal(t, "page", in.ResourceType)
	require.Empty(t, in.Validate(""))
}
