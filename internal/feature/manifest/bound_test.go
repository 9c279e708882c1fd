package manifest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Two permissions can have one name. A plan that was looked at with the one is
// none for the other.
func TestApply_TellsSetsOfTheSameNamesApart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(`{"version": 1, "permissions": [{"name": "p", "resource_path": "vessel/*", "actions": ["read"]}]}`, false)
	f.SQL(`INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_path, actions) VALUES ($1, 'p', '*', '*/*', '{*}')`, f.tenant)
	given := func(path string) Manifest {
		var id string
		f.Scan([]any{&id}, `SELECT id::text FROM sentinel.permissions WHERE tenant_id = $1 AND resource_path = $2`, f.tenant, path)
		return f.parsed(`{"version": 1, "roles": [{"name": "reader", "permissions": ["` + id + `"]}]}`)
	}
	in := &ApplyIn{}
	in.Body.Manifest, in.Body.Digest = given("*/*"), f.planned(given("vessel/*"), false).Digest
	_, err := f.service.apply(f.As(f.tenant, f.admin), in)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	in.Body.Manifest = given("vessel/*")
	_, err = f.service.apply(f.As(f.tenant, f.admin), in)
	f.noError(err)
}

// An export or a plan shows what the sections' own routes would show.
func TestManifest_ShowsWhatItsCallerMayRead(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(whole, false)
	role, clerk := f.Role(f.tenant, "clerk", 1, uuid.UUID{}), f.User(f.tenant, "clerk")
	f.Permission(f.tenant, role, "api/manifest", "allow", "", "*")
	f.Permission(f.tenant, role, "api/groups", "allow", "", "read")
	f.Permission(f.tenant, role, "api/navigation", "allow", "", "read")
	f.Assign(f.tenant, clerk, role)
	require.NoError(t, f.Engine.Refresh(t.Context(), f.tenant))
	out, err := f.service.export(f.As(f.tenant, clerk), &ExportIn{})
	f.noError(err)
	require.NotEmpty(t, out.Groups)
	out.Groups = nil
	require.Equal(t, &Manifest{Version: 1}, out)

	for text, ok := range map[string]bool{
		`"groups": []`: true, `"roles": []`: false, `"permissions": []`: false, `"resources": []`: false, `"settings": {}`: false, `"fields": []`: false, `"menus": []`: false, `"approval_chains": []`: false,
	} {
		in := &PlanIn{}
		in.Body.Manifest, in.Body.Prune = f.parsed(`{"version": 1, `+text+`}`), true
		_, err := f.service.plan(f.As(f.tenant, clerk), in)
		require.Equal(t, ok, err == nil, "%s: %v", text, err)
	}
}

// What roles own is the product of the roles and the permissions.
func TestPlan_BoundsTheSetsTogether(t *testing.T) {
	t.Parallel()
	m := &Manifest{Version: 1}
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprint("p", i)
	}
	for i := range mostPairs/len(names) + 1 {
		m.Roles = append(m.Roles, directory.RoleSpec{Name: fmt.Sprint("r", i), Permissions: names})
	}
	_, err := plan(&state{objects: map[string][]*object{}}, m, false)
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
	require.ErrorContains(t, err, "VALIDATION_ERROR")
}
