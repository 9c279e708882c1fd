package directory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestTemplates_MakeWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, template := range directory.Templates() {
		d, err := template.For("sales_order", "")
		require.NoError(t, err)
		require.Equal(t, "sales_order_"+template.Name, d.Name)
		require.Equal(t, "Sales order "+template.Name, d.DisplayName)
		require.NotContains(t, d.Description, "{")
		require.Less(t, d.Priority, 900)
		for i := range d.Permissions {
			p := &d.Permissions[i]
			require.Empty(t, p.Validate(""), "%s", p.Name)
			require.False(t, names[p.Name], "%s twice", p.Name)
			names[p.Name] = true
		}
		require.Equal(t, "sales_order/*", d.Permissions[0].ResourcePath)
	}
	viewer, err := directory.TemplateNamed("viewer")
	require.NoError(t, err)
	d, err := viewer.For("invoice", "clerks")
	require.NoError(t, err)
	require.Equal(t, "clerks", d.Name)
	require.Equal(t, "clerks", d.Permissions[0].Name)
	require.Equal(t, []string{"read"}, d.Permissions[0].Actions)
	d, err = viewer.For("invoice", "Écoute")
	require.NoError(t, err)
	require.Equal(t, "Écoute", d.DisplayName)

	_, err = directory.TemplateNamed("owner")
	require.True(t, fault.Is(err, fault.NotFoundKind))
	require.ErrorContains(t, err, "viewer, editor, admin, approver")
}

func TestTemplates_SayWhatNoRoleCanBe(t *testing.T) {
	t.Parallel()
	admin, err := directory.TemplateNamed("admin")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		typ, role string
		paths     []string
	}{
		"a type":          {"Invoice", "", []string{"resource_type"}},
		"all types":       {"*", "x", []string{"resource_type"}},
		"the platform":    {"api", "x", []string{"resource_type"}},
		"a system role":   {"tenant", "", []string{"role_name"}},
		"the longest":     {strings.Repeat("t", 95), "", []string{"role_name"}},
		"too long a name": {"invoice", strings.Repeat("é", 101), []string{"role_name"}},
		"both":            {"", strings.Repeat("é", 101), []string{"resource_type", "role_name"}},
	} {
		_, err := admin.For(c.typ, c.role)
		var f *fault.Error
		require.True(t, errors.As(err, &f) && f.Kind == fault.Validation, "%s: %v", name, err)
		var paths []string
		for _, field := range f.Fields {
			paths = append(paths, field.Path)
		}
		require.Equal(t, c.paths, paths, name)
	}
}
