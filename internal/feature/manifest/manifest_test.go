package manifest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestApply_MakesAllOfItAndThenNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	shown := f.planned(f.parsed(whole), false)
	require.Equal(t, Summary{Create: 14}, shown.Summary)
	done := f.apply(whole, false)
	require.Equal(t, shown.Summary, done.Summary)
	require.Equal(t, shown.Digest, done.Digest)
	for i, c := range done.Changes {
		require.Equal(t, shown.Changes[i].Name, c.Name)
		require.Equal(t, c.Kind != settingKind, c.ID != nil, c.Name)
	}
	require.Equal(t, 14, f.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1 AND result = 'success' AND error_details ->> 'manifest' = $2`, f.tenant, done.Digest))
	require.Empty(t, f.apply(whole, true).Changes, "applied twice")
	f.settled()
	ada := f.User(f.tenant, "ada")
	f.Join(f.tenant, ada, f.id("groups", "watch"))
	require.NoError(t, f.Engine.Refresh(t.Context(), f.tenant))
	require.True(t, f.Allowed(f.tenant, ada, "page", "reports", "read"), "by group, role and node")
	require.False(t, f.Allowed(f.tenant, ada, "vessel", "v", "read"), "the condition does not hold")
}

// id finds an object of the tenant by its name.
func (f *fixture) id(table, name string) (id uuid.UUID) {
	f.t.Helper()
	f.Scan([]any{&id}, `SELECT id FROM sentinel.`+table+` WHERE tenant_id = $1 AND name = $2`, f.tenant, name)
	return id
}

func TestApply_ChangesAndPrunes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	ada := f.User(f.tenant, "ada")
	f.Assign(f.tenant, ada, f.id("roles", "captain"))
	less := `{"version": 1, "roles": [{"name": "sailor", "display_name": "Sailor", "permissions": ["Read vessels"]}], "groups": [{"name": "bridge"}]}`
	require.Equal(t, Summary{Update: 1}, f.planned(f.parsed(less), false).Summary, "without prune nothing goes")
	_, err := f.as(f.admin, f.parsed(less), true)
	f.noError(err)
	require.Equal(t, 0, f.Count(`SELECT count(*) FROM sentinel.user_roles WHERE tenant_id = $1 AND user_id = $2`, f.tenant, ada))
	require.Equal(t, 3, f.Count(`SELECT count(*) FROM sentinel.permissions WHERE tenant_id = $1`, f.tenant), "a section that is left out is not touched")
	require.Equal(t, 1, f.Count(`SELECT count(*) FROM sentinel.role_permissions WHERE tenant_id = $1`, f.tenant))
	f.settled()
}

func TestPlan_SaysWhatGoesWithADeletedObject(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	ada := f.User(f.tenant, "ada")
	f.Assign(f.tenant, ada, f.id("roles", "captain"))
	f.Join(f.tenant, ada, f.id("groups", "watch"))
	out := f.planned(f.parsed(`{"version": 1, "roles": [], "groups": [], "resources": []}`), true)
	takes := map[string]map[string]int{}
	for _, c := range out.Changes {
		require.Equal(t, "delete", c.Action)
		require.NotNil(t, c.ID)
		takes[c.Kind+" "+c.Name] = c.Takes
	}
	require.Equal(t, map[string]map[string]int{
		"role captain": {"assignments": 1, "groups": 1}, "role sailor": nil, "group bridge": nil, "group watch": {"memberships": 1},
		"resource app:fleet": {"permissions": 1}, "resource page:reports": nil,
	}, takes)
	require.Equal(t, Summary{Delete: 6}, f.apply(`{"version": 1, "roles": [], "groups": [], "resources": []}`, true).Summary)
	f.settled()
}

func TestApply_TurnsLinesOfParentsAround(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(`{"version": 1,
"resources": [{"type": "a", "code": "1"}, {"type": "a", "code": "2", "parent": "a:1"}, {"type": "a", "code": "3", "parent": "a:2"}],
"roles": [{"name": "1"}, {"name": "2", "parent": "1"}], "groups": [{"name": "1"}, {"name": "2", "parent": "1"}], "menus": [{"name": "1"}, {"name": "2", "parent": "1"}]}`, false)
	f.apply(`{"version": 1,
"resources": [{"type": "a", "code": "1", "parent": "a:new"}, {"type": "a", "code": "new", "parent": "a:2"}, {"type": "a", "code": "2", "parent": "a:3"}, {"type": "a", "code": "3"}],
"roles": [{"name": "1", "parent": "new"}, {"name": "new", "parent": "2"}, {"name": "2"}],
"groups": [{"name": "1", "parent": "new"}, {"name": "new", "parent": "2"}, {"name": "2"}],
"menus": [{"name": "1", "parent": "new"}, {"name": "new", "parent": "2"}, {"name": "2"}]}`, true)
	var path string
	f.Scan([]any{&path}, `SELECT path FROM sentinel.resources WHERE tenant_id = $1 AND code = '1'`, f.tenant)
	require.Equal(t, "3/2/new/1", path)
	f.settled()
}

func TestApply_RefusesWhatThePlanDidNotShow(t *testing.T) {
	t.Parallel()
	f := setup(t)
	in := &ApplyIn{}
	in.Body.Manifest = f.parsed(whole)
	in.Body.Digest = f.planned(in.Body.Manifest, false).Digest
	f.Role(f.tenant, "captain", 1, uuid.UUID{})
	_, err := f.service.apply(f.As(f.tenant, f.admin), in)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	require.Zero(t, f.Count(`SELECT count(*) FROM sentinel.permissions WHERE tenant_id = $1`, f.tenant))
}

func TestApply_TellsPermissionsOfOneNameApart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	two := `{"version": 1, "permissions": [{"name": "Read", "resource_path": "a/*", "actions": ["read"]}, {"name": "Read", "resource_path": "b/*", "actions": ["read"]}]}`
	require.Equal(t, Summary{Create: 2}, f.apply(two, false).Summary)
	require.Empty(t, f.apply(two, true).Changes)
	_, err := f.as(f.admin, f.parsed(`{"version": 1, "roles": [{"name": "r", "permissions": ["Read"]}]}`), false)
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
	_, err = f.as(f.admin, f.parsed(`{"version": 1, "permissions": [{"name": "Read", "resource_path": "c/*", "actions": ["read"]}]}`), false)
	require.True(t, fault.Is(err, fault.Validation), "%v", err)

	m := f.exported()
	require.NotNil(t, m.Permissions[0].ID)
	m.Permissions[0].Name = "Read a"
	done, err := f.as(f.admin, m, true)
	f.noError(err)
	require.Equal(t, Summary{Update: 1}, done.Summary, "renamed by its id")
	require.Equal(t, map[string]any{"name": "Read"}, done.Changes[0].Before)
	f.settled()
}

// What was exported from one tenant makes the same of another, once.
func TestApply_MakesAnotherTenantLikeTheFirst(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	odd := f.Permission(f.tenant, f.id("roles", "sailor"), "x/*", "allow", "", "read")
	f.SQL(`UPDATE sentinel.permissions SET name = 'Read vessels' WHERE id = $1`, odd)
	m := f.exported()
	other := f.Tenant()
	f.admin, f.tenant = f.administrator(other), other
	_, err := f.as(f.admin, m, true)
	f.noError(err)
	require.Empty(t, f.planned(m, true).Changes)
	require.Equal(t, 2, f.Count(`SELECT count(*) FROM sentinel.permissions p JOIN sentinel.role_permissions rp ON rp.permission_id = p.id WHERE p.tenant_id = $1 AND p.name = 'Read vessels'`, other))
}

func TestManifest_NamesRolesOfAncestorsAndThoseOfBefore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	parent := f.tenant
	f.Role(parent, "auditing", 1, uuid.UUID{})
	f.tenant = f.Child(parent, true)
	f.admin = f.administrator(f.tenant)
	var code string
	f.Scan([]any{&code}, `SELECT code FROM sentinel.tenants WHERE id = $1`, parent)
	f.apply(`{"version": 1, "groups": [{"name": "g", "roles": ["auditor", "`+code+`:auditing"]}]}`, false)
	require.Equal(t, []string{code + ":auditing", "auditor"}, f.exported().Groups[0].Roles)
	f.settled()
	f.SQL(`UPDATE sentinel.tenants SET settings = '{}' WHERE id = $1`, f.tenant)
	f.settled()
	roles := f.exported().Groups[0].Roles
	require.Len(t, roles, 2)
	_, err := f.as(f.admin, f.parsed(`{"version": 1, "groups": [{"name": "h", "roles": ["`+roles[0]+`"]}]}`), false)
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
}

func TestApply_RefusesWhatContradictsItself(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	for name, c := range map[string]struct {
		manifest, path string
		prune          bool
	}{
		"unknown parent":       {`"roles": [{"name": "r", "parent": "nobody"}]`, "manifest.roles[0].parent", false},
		"own ancestor":         {`"roles": [{"name": "sailor", "parent": "captain"}, {"name": "captain", "parent": "sailor"}]`, "manifest.roles[0].parent", false},
		"twice":                {`"groups": [{"name": "g"}, {"name": "g"}]`, "manifest.groups[1]", false},
		"unknown permission":   {`"roles": [{"name": "r", "permissions": ["Fly"]}]`, "manifest.roles[0].permissions[0]", false},
		"permission twice":     {`"roles": [{"name": "r", "permissions": ["Use fleet", "Use fleet"]}]`, "manifest.roles[0].permissions[1]", false},
		"unknown role":         {`"groups": [{"name": "g", "roles": ["super_admin"]}]`, "manifest.groups[0].roles[0]", false},
		"unknown node":         {`"permissions": [{"name": "p", "node": "app:none", "actions": ["a"]}]`, "manifest.permissions[0].node", false},
		"a pruned node":        {`"resources": [], "permissions": [{"name": "Use fleet", "node": "app:fleet", "actions": ["*"]}]`, "manifest.permissions[0].node", true},
		"a pruned parent":      {`"roles": [{"name": "captain", "parent": "sailor"}]`, "manifest.roles[0].parent", true},
		"bad condition":        {`"permissions": [{"name": "p", "resource_path": "a/*", "actions": ["a"], "conditions": {"a": {"frobnicate": 1}}}]`, "manifest.permissions[0].conditions.a.frobnicate", false},
		"unknown setting":      {`"settings": {"colour": "red"}`, "manifest.settings.colour", false},
		"setting from above":   {`"settings": {"max_users": 5}`, "manifest.settings.max_users", false},
		"menu of another type": {`"menus": [{"name": "m", "node": "app:fleet", "required_permission": "page:read"}]`, "manifest.menus[0].required_permission", false},
		"unknown approver":     {`"approval_chains": [{"name": "c", "resource_type": "a", "approval_levels": [{"level": 1, "approver_role": "nobody"}]}]`, "manifest.approval_chains[0].approval_levels[0].approver_role", false},
		"a pruned approver":    {`"roles": [], "approval_chains": [{"name": "c", "resource_type": "a", "approval_levels": [{"level": 1, "approvers": {"any_of": [{"role": "tenant_admin"}, {"role": "captain"}]}}]}]`, "manifest.approval_chains[0].approval_levels[0].approvers.any_of[1].role", true},
		"unknown person":       {`"approval_chains": [{"name": "c", "resource_type": "a", "approval_levels": [{"level": 1, "approvers": {"all_of": [{"user": "nobody@example.com"}]}}]}]`, "manifest.approval_chains[0].approval_levels[0].approvers.all_of[0].user", false},
		"bad levels":           {`"approval_chains": [{"name": "c", "resource_type": "a", "approval_levels": [{"level": 1, "approver_role": "captain", "escalate_to_level": 1}]}]`, "manifest.approval_chains[0].approval_levels[0].escalate_to_level", false},
		"one approver twice":   {`"approval_chains": [{"name": "c", "resource_type": "a", "approval_levels": [{"level": 1, "approvers": {"any_of": [{"role": "tenant_admin"}, {"role": "00000000-0000-0000-0000-000000000011"}]}}]}]`, "manifest.approval_chains[0].approval_levels[0].approvers.any_of[1]", false},
		"bad chain":            {`"approval_chains": [{"name": "c", "resource_type": "api", "approval_levels": [{"level": 1, "approver_role": "captain"}]}]`, "manifest.approval_chains[0].resource_type", false},
		"a chain that trusts":  {`"approval_chains": [{"name": "c", "resource_type": "a", "auto_approve_conditions": {"context.ip": "10.0.0.1"}, "approval_levels": [{"level": 1, "approver_role": "captain"}]}]`, "manifest.approval_chains[0].auto_approve_conditions.context.ip", false},
		"bad field":            {`"fields": [{"entity_type": "vessel", "field_name": "a b", "field_type": "core"}]`, "manifest.fields[0].field_name", false},
	} {
		before := f.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1`, f.tenant)
		_, err := f.as(f.admin, f.parsed(`{"version": 1, `+c.manifest+`}`), c.prune)
		var refused *fault.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, fault.Validation, refused.Kind, "%s: %v", name, err)
		paths := []string{}
		for _, field := range refused.Fields {
			paths = append(paths, field.Path)
		}
		require.Contains(t, paths, c.path, name)
		require.Equal(t, before, f.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1`, f.tenant), name)
	}
	_, err := f.as(f.admin, f.parsed(`{"version": 1, "roles": [{"name": "Viewer"}]}`), false)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
}

// The platform's own tenant has the system roles, which stay as they are.
func TestManifest_LeavesSystemRolesAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.tenant = uuid.UUID{}
	f.admin = f.User(f.tenant, "operator")
	f.Assign(f.tenant, f.admin, uuid.MustParse("00000000-0000-0000-0000-000000000010"))
	m := f.exported()
	require.Empty(t, m.Roles)
	require.Empty(t, m.Permissions)
	require.Nil(t, m.Settings)
	f.settled()
	require.Equal(t, Summary{Create: 1}, f.apply(`{"version": 1, "roles": [{"name": "support"}], "permissions": []}`, true).Summary)
	require.Equal(t, 7, f.Count(`SELECT count(*) FROM sentinel.roles WHERE type = 'system'`))
	_, err := f.as(f.admin, f.parsed(`{"version": 1, "settings": {}}`), false)
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
}

// What the platform has for all tenants is there to refer to, and not in the
// file.
func TestManifest_LeavesWhatIsThePlatformsAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.SQL(`INSERT INTO sentinel.menu_items (tenant_id, name, url) VALUES (NULL, 'help', '/help'), (NULL, 'home', '/')`)
	f.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type) VALUES (NULL, 'vessel', 'imo', 'core')`)
	f.apply(`{"version": 1, "menus": [{"name": "fleet", "parent": "help", "url": "/fleet"}]}`, true)
	f.settled()
	m := f.exported()
	require.Empty(t, m.Fields)
	require.Len(t, m.Menus, 1)
	require.Equal(t, "help", m.Menus[0].Parent)
	f.SQL(`INSERT INTO sentinel.menu_items (tenant_id, name) VALUES ($1, 'help')`, f.tenant)
	f.settled()
	for _, one := range f.exported().Menus {
		_, err := uuid.Parse(one.Parent)
		require.Equal(t, one.Name == "fleet", err == nil, "the tenant's own hides the platform's of that name")
	}
	for path, text := range map[string]string{
		"manifest.fields[0].field_name": `"fields": [{"entity_type": "vessel", "field_name": "imo", "field_type": "core"}]`,
		"manifest.menus[0].parent":      `"menus": [{"name": "x", "parent": "nowhere"}]`,
	} {
		_, err := f.as(f.admin, f.parsed(`{"version": 1, `+text+`}`), false)
		var refused *fault.Error
		require.ErrorAs(t, err, &refused, text)
		require.Equal(t, path, refused.Fields[0].Path)
	}
}

// Two fields in one place would be seen by whoever may see either.
func TestApply_KeepsFieldsApart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.as(f.admin, f.parsed(`{"version": 1, "fields": [
{"entity_type": "vessel", "field_name": "cost", "field_type": "tenant_specific", "default_visibility": "hidden"},
{"entity_type": "vessel", "field_name": "price", "field_type": "tenant_specific", "storage_path": "attributes.cost"}]}`), false)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	require.Zero(t, f.Count(`SELECT count(*) FROM sentinel.field_definitions WHERE tenant_id = $1`, f.tenant))
}

func TestManifest_LeavesOutWhatTheTenantIsWithout(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	allowed := f.service.Authorize
	f.service.Authorize = func(ctx context.Context, p httpapi.Permission) error {
		if p.Section == "navigation" || p.Section == "field-definitions" {
			return entitlement.Disabled(p.Section)
		}
		return allowed(ctx, p)
	}
	m := f.exported()
	require.Nil(t, m.Menus)
	require.Nil(t, m.Fields)
	f.settled()
	for _, text := range []string{`"menus": []`, `"fields": []`} {
		_, err := f.as(f.admin, f.parsed(`{"version": 1, `+text+`}`), true)
		require.True(t, fault.Is(err, fault.FeatureDisabled), "%v", err)
	}
	failure := errors.New("failure")
	f.service.Authorize = func(context.Context, httpapi.Permission) error { return failure }
	_, err := f.as(f.admin, m, true)
	require.ErrorIs(t, err, failure)
	_, err = f.service.export(f.As(f.tenant, f.admin), &ExportIn{})
	require.ErrorIs(t, err, failure)
}
