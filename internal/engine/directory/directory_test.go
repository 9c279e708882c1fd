package directory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestPermissionInput_Validate(t *testing.T) {
	t.Parallel()
	node := uuid.New()
	good := func() directory.PermissionInput {
		return directory.PermissionInput{Name: "p", ResourceType: "vessel", ResourcePath: "vessel/*", Actions: []string{"read", "*"}}
	}
	in := good()
	require.Empty(t, in.Validate(""))
	in.FieldPermissions = many(200)
	in.FieldPermissions["hazardousMaterialCode"], in.FieldPermissions["_x-y"] = "write", "hidden"
	delete(in.FieldPermissions, "f0")
	delete(in.FieldPermissions, "f1")
	require.Empty(t, in.Validate(""))
	for name, c := range map[string]struct {
		change func(*directory.PermissionInput)
		paths  []string
	}{
		"a type":                  {func(in *directory.PermissionInput) { in.ResourceType, in.ResourcePath = "Vessel", "" }, []string{"resource_type", "resource_path"}},
		"both":                    {func(in *directory.PermissionInput) { in.ResourceID = &node }, []string{"resource_path"}},
		"a pattern":               {func(in *directory.PermissionInput) { in.ResourcePath = `vessel/a\b` }, []string{"resource_path"}},
		"a pattern of other type": {func(in *directory.PermissionInput) { in.ResourceType = "*" }, []string{"resource_type"}},
		"a pattern of every type": {func(in *directory.PermissionInput) { in.ResourcePath = "*" }, []string{"resource_path"}},
		"a deny of a section": {func(in *directory.PermissionInput) {
			in.ResourceType, in.ResourcePath, in.Effect = "api", "api/users", "deny"
		}, []string{"effect"}},
		"a node of the sections": {func(in *directory.PermissionInput) {
			in.ResourceType, in.ResourcePath, in.ResourceID = "api", "", &node
		}, []string{"resource_id"}},
		"an action":  {func(in *directory.PermissionInput) { in.Actions[0] = "1" }, []string{"actions[0]"}},
		"conditions": {func(in *directory.PermissionInput) { in.Conditions = map[string]any{"a": map[string]any{"near": 1}} }, []string{"conditions.a.near"}},
		"a strange field": {func(in *directory.PermissionInput) {
			in.FieldPermissions = map[string]string{"a b": "see", "b": "read", "c": ""}
		}, []string{
			"field_permissions.a b", "field_permissions.a b", "field_permissions.c",
		}},
		"a field of a long name": {func(in *directory.PermissionInput) {
			in.FieldPermissions = map[string]string{strings.Repeat("é", 101): "read"}
		}, []string{"field_permissions." + strings.Repeat("é", 100) + "…"}},
		"too many fields": {func(in *directory.PermissionInput) { in.FieldPermissions = many(201) }, []string{"field_permissions"}},
		"fields of a deny": {func(in *directory.PermissionInput) {
			in.Effect, in.FieldPermissions = "deny", map[string]string{"a": "hidden"}
		}, []string{"field_permissions"}},
		"fields of a section": {func(in *directory.PermissionInput) {
			in.ResourceType, in.ResourcePath, in.FieldPermissions = "api", "api/users", map[string]string{"a": "read"}
		}, []string{"field_permissions"}},
		"no JSON": {func(in *directory.PermissionInput) { in.Conditions = map[string]any{"a": func() {}} }, []string{"conditions"}},
	} {
		in := good()
		c.change(&in)
		var paths []string
		for _, f := range in.Validate("permissions[0].") {
			paths = append(paths, f.Path)
		}
		want := make([]string, len(c.paths))
		for i, p := range c.paths {
			want[i] = "permissions[0]." + p
		}
		require.Equal(t, want, paths, name)
	}
}

func TestPermissionInput_SaysHowAPathOfAnotherTypeIsWritten(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"*": "must begin with resource_type, such as invoice/*", "bill/*": "must begin with resource_type, such as invoice/*",
		"invoice": "must be written type/glob, such as vessel/* or page/reports/**",
	} {
		in := directory.PermissionInput{Name: "p", ResourceType: "invoice", ResourcePath: path, Actions: []string{"read"}}
		require.Equal(t, []fault.Field{{Path: "resource_path", Message: want}}, in.Validate(""), path)
	}
}

func many(n int) map[string]string {
	fields := map[string]string{}
	for i := range n {
		fields[fmt.Sprint("f", i)] = "read"
	}
	return fields
}

func TestCreatePermission(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant := w.Tenant()
	node := uuid.New()
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path) VALUES ($1, $2, 'service', 'dock', 'dock', '')`, node, tenant)
	create := func(in *directory.PermissionInput) (m *models.Permission, err error) {
		err = w.Writer.Plain(identity.WithTenant(t.Context(), tenant), func(tx *change.Write) error {
			m, err = directory.CreatePermission(tx, tenant, in, "")
			return err
		})
		return m, err
	}
	m, err := create(&directory.PermissionInput{
		Name: "eu", ResourceType: "vessel", ResourcePath: "vessel/*", Actions: []string{"read"}, Conditions: map[string]any{"region": "eu"},
		FieldPermissions: map[string]string{"cost": "hidden", "tonnage": "write"},
	})
	require.NoError(t, err)
	view := directory.ViewPermission(m)
	require.Equal(t, "allow", view.Effect, "the default")
	require.JSONEq(t, `{"region": "eu"}`, string(view.Conditions))
	require.JSONEq(t, `{"cost": "hidden", "tonnage": "write"}`, string(view.FieldPermissions))
	g, err := engine.CompileGrant(m)
	require.NoError(t, err)
	shown := directory.ViewGrant(g)
	require.Equal(t, "vessel/*", *shown.ResourcePath)
	require.JSONEq(t, string(view.FieldPermissions), string(shown.FieldPermissions))
	require.Nil(t, shown.ResourceID)

	m, err = create(&directory.PermissionInput{Name: "dock", ResourceType: "service", ResourceID: &node, Actions: []string{"use"}, Effect: "deny"})
	require.NoError(t, err)
	g, err = engine.CompileGrant(m)
	require.NoError(t, err)
	shown = directory.ViewGrant(g)
	require.Equal(t, node, *shown.ResourceID)
	require.JSONEq(t, "{}", string(shown.Conditions))

	m, err = create(&directory.PermissionInput{Name: "all", ResourceType: "*", ResourcePath: "*", Actions: []string{"*"}})
	require.NoError(t, err)
	require.Equal(t, "*/*", *m.ResourcePath)

	for name, in := range map[string]*directory.PermissionInput{
		"not valid":              {Name: "x", ResourceType: "vessel", Actions: []string{"read"}},
		"a node named by its id": {Name: "x", ResourceType: "service", ResourcePath: "service/" + node.String(), Actions: []string{"read"}, Effect: "deny"},
		"a node of another type": {Name: "x", ResourceType: "page", ResourceID: &node, Actions: []string{"read"}},
	} {
		_, err = create(in)
		require.True(t, fault.Is(err, fault.Validation), "%s: %v", name, err)
	}
	nowhere := uuid.New()
	_, err = create(&directory.PermissionInput{Name: "x", ResourceType: "invoice", ResourcePath: "invoice/" + nowhere.String(), Actions: []string{"read"}})
	require.NoError(t, err, "an instance that only the application knows may have such an id")
	_, err = create(&directory.PermissionInput{Name: "x", ResourceType: "page", ResourceID: &nowhere, Actions: []string{"read"}})
	require.Error(t, err)
	require.Equal(t, 4, w.Count(`SELECT count(*) FROM sentinel.permissions WHERE tenant_id = $1`, tenant))
	w.SQL(`REVOKE INSERT ON sentinel.permissions FROM sentinel_app`)
	_, err = create(&directory.PermissionInput{Name: "all", ResourceType: "*", ResourcePath: "*", Actions: []string{"*"}})
	require.Error(t, err)
}

func TestAssignableRoles(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	tenant := w.Tenant()
	admin := w.User(tenant, "admin")
	w.Assign(tenant, admin, tenanttest.TenantAdmin)
	own, stranger := w.Role(tenant, "own", 0, uuid.UUID{}), w.Role(w.Tenant(), "stranger", 0, uuid.UUID{})
	err := w.Writer.Granting(w.As(tenant, admin), "x.y", func(tx *change.Write) (granting.Change, error) {
		owners, err := directory.AssignableRoles(tx, []uuid.UUID{own, tenanttest.Viewer}, "role_ids")
		require.NoError(t, err)
		require.Equal(t, map[uuid.UUID]uuid.UUID{own: tenant, tenanttest.Viewer: identity.PlatformTenant}, owners)
		_, err = directory.AssignableRoles(tx, []uuid.UUID{own, stranger}, "role_ids")
		return granting.Change{}, err
	})
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.NotFoundKind, f.Kind)
	require.Len(t, f.Fields, 1)
	require.Equal(t, "role_ids[1]", f.Fields[0].Path)

	err = w.Writer.Plain(w.As(tenant, admin), func(tx *change.Write) error {
		return directory.RefusedRole(tx.Exec(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES (?, ?, ?, ?)`,
			tenant, admin, tenanttest.SuperAdmin, identity.PlatformTenant).Error)
	})
	require.ErrorAs(t, err, &f)
	require.Contains(t, err.Error(), "super_admin can be assigned")
}
