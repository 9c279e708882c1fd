package directory_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func TestMenuSpec_Validate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in    directory.MenuSpec
		paths []string
	}{
		"the least":        {directory.MenuSpec{Name: "fleet"}, []string{}},
		"everything":       {directory.MenuSpec{Name: "fleet", DisplayName: "Fleet", Icon: "ship", URL: "/fleet?x=1#y", RequiredPermission: "page:read", DisplayOrder: -1_000_000}, []string{}},
		"no name":          {directory.MenuSpec{}, []string{"name"}},
		"a long name":      {directory.MenuSpec{Name: strings.Repeat("é", 101)}, []string{"name"}},
		"a spaced name":    {directory.MenuSpec{Name: " fleet"}, []string{"name"}},
		"a hidden letter":  {directory.MenuSpec{Name: "fle\u200bet"}, []string{"name"}},
		"long texts":       {directory.MenuSpec{Name: "x", DisplayName: strings.Repeat("x", 256), Icon: strings.Repeat("x", 256)}, []string{"display_name", "icon"}},
		"a permission":     {directory.MenuSpec{Name: "x", RequiredPermission: "read"}, []string{"required_permission"}},
		"a far order":      {directory.MenuSpec{Name: "x", DisplayOrder: 1_000_001}, []string{"display_order"}},
		"a script":         {directory.MenuSpec{Name: "x", URL: "javascript:alert(1)"}, []string{"url"}},
		"several at once":  {directory.MenuSpec{Name: "", URL: "data:x", RequiredPermission: "a", DisplayOrder: 2_000_000}, []string{"name", "url", "required_permission", "display_order"}},
		"a long permision": {directory.MenuSpec{Name: "x", RequiredPermission: "api/" + strings.Repeat("x", 253) + ":read"}, []string{"required_permission"}},
	} {
		want := make([]string, len(c.paths))
		for i, p := range c.paths {
			want[i] = "menu[0]." + p
		}
		require.Equal(t, want, pathsOf(c.in.Validate("menu[0].")), name)
	}
}

func TestMenuSpec_URLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "/", "/fleet/a%20b", "https://app.example/x?y#z", "http://localhost:8080", "HTTPS://app.example"} {
		in := directory.MenuSpec{Name: "x", URL: url}
		require.Empty(t, in.Validate(""), url)
	}
	for _, url := range []string{
		"fleet", "//evil.example/x", `/\evil.example`, `\\evil.example`, "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "ftp://a.example",
		"https://", "https:///x", "https://user:pass@a.example", "https:a.example", "#x", "?x", "/a\nb", "http://[::1", "/" + strings.Repeat("x", 2000),
	} {
		in := directory.MenuSpec{Name: "x", URL: url}
		require.Equal(t, []string{"url"}, pathsOf(in.Validate("")), url)
	}
}

func TestParseMenuPermission(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]directory.MenuPermission{
		"page:read":             {Type: "page", Action: "read"},
		"vessel:dock:approve":   {Type: "vessel", Action: "dock:approve"},
		"api/users:read":        {Type: "api", Section: "users", Action: "read"},
		"api/audit-export:read": {Type: "api", Section: "audit-export", Action: "read"},
	} {
		p, message := directory.ParseMenuPermission(text)
		require.Empty(t, message, text)
		require.Equal(t, want, p, text)
	}
	for _, text := range []string{"", ":", "page:", ":read", "page", "Page:read", "page/x:read", "page/:read", "api:read", "api/:read", "api/a/b:read", "api/*:read", "*:read", "page:*", "page:re ad"} {
		_, message := directory.ParseMenuPermission(text)
		require.NotEmpty(t, message, text)
	}
}

func TestMenuSpec_Apply(t *testing.T) {
	t.Parallel()
	m := &models.MenuItem{URL: "/old", Icon: "old"}
	in := directory.MenuSpec{Name: "x"}
	in.Apply(m)
	require.Equal(t, &models.MenuItem{Name: "x", IsVisible: true, Metadata: models.JSON("{}")}, m)
	no := false
	in = directory.MenuSpec{Name: "x", DisplayName: "X", Icon: "i", URL: "/x", RequiredPermission: "page:read", DisplayOrder: 3, IsVisible: &no, Metadata: map[string]any{"a": 1}}
	in.Apply(m)
	require.Equal(t, &models.MenuItem{Name: "x", DisplayName: "X", Icon: "i", URL: "/x", RequiredPermission: "page:read", DisplayOrder: 3, Metadata: models.JSON(`{"a":1}`)}, m)
}

func TestMenuSpec_CheckNode(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant, other := w.Tenant(), w.Tenant()
	node := uuid.New()
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path) VALUES ($1, $2, 'service', 'dock', 'dock', '')`, node, tenant)
	check := func(at uuid.UUID, permission string, node *uuid.UUID) error {
		in := &directory.MenuSpec{Name: "x", RequiredPermission: permission}
		return w.Writer.Plain(identity.WithTenant(t.Context(), at), func(tx *change.Write) error { return in.CheckNode(tx, at, node, "menu[1].") })
	}
	require.NoError(t, check(tenant, "page:read", nil))
	require.NoError(t, check(tenant, "service:read", &node))
	require.NoError(t, check(tenant, "", &node))
	err := check(tenant, "page:read", &node)
	require.True(t, fault.Is(err, fault.Validation))
	require.ErrorAs(t, err, new(*fault.Error))
	require.True(t, fault.Is(check(other, "service:read", &node), fault.NotFoundKind), "another tenant's node is not there")
}
