package manifest

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// attack is a tenant in which mal may write by every section and is no
// administrator.
type attack struct {
	*fixture
	mal, eve              uuid.UUID
	author, reader, quiet uuid.UUID
	permission, allowed   uuid.UUID
}

func attackers(t *testing.T) *attack {
	t.Helper()
	t.Parallel()
	a := &attack{fixture: setup(t)}
	a.author, a.reader = a.Role(a.tenant, "author", 10, uuid.UUID{}), a.Role(a.tenant, "reader", 20, uuid.UUID{})
	a.quiet = a.Role(a.tenant, "quiet", 1, uuid.UUID{})
	for _, s := range []string{"manifest", "roles", "groups", "permissions", "resources", "tenants", "field-definitions", "navigation"} {
		a.Permission(a.tenant, a.author, "api/"+s, "allow", "", "*")
	}
	a.permission = a.Permission(a.tenant, a.reader, "secret/*", "allow", "", "read")
	a.allowed = a.Permission(a.tenant, a.author, "doc/*", "allow", "", "read")
	a.Permission(a.tenant, a.author, "doc/sealed*", "deny", "", "read")
	a.mal, a.eve = a.User(a.tenant, "mal"), a.User(a.tenant, "eve")
	a.Assign(a.tenant, a.mal, a.author)
	a.Assign(a.tenant, a.eve, a.quiet)
	a.Group(a.tenant, "crew", uuid.UUID{})
	a.Join(a.tenant, a.eve, a.id("groups", "crew"))
	a.SQL(`UPDATE sentinel.roles SET is_active = false WHERE id = $1`, a.Role(a.tenant, "asleep", 1, uuid.UUID{}))
	a.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, path, workflow_enabled, workflow_config) VALUES ($1, 'page', 'p', 'p', '', true, '{"states": ["a"]}')`, a.tenant)
	return a
}

func TestAttack_NobodyGainsByAManifest(t *testing.T) {
	a := attackers(t)
	refusals := 0
	for name, c := range map[string]struct {
		manifest string
		prune    bool
	}{
		"the own role gets a permission":           {`"roles": [{"name": "author", "priority": 10, "permissions": ["secret/*"]}]`, false},
		"a role of others gets one":                {`"roles": [{"name": "quiet", "priority": 1, "permissions": ["secret/*"]}]`, false},
		"a new role inherits what is not held":     {`"roles": [{"name": "mine", "parent": "reader"}]`, false},
		"a role inherits it":                       {`"roles": [{"name": "quiet", "parent": "reader"}]`, false},
		"a new permission goes to others":          {`"permissions": [{"name": "all", "resource_path": "*", "actions": ["*"]}], "roles": [{"name": "quiet", "permissions": ["all"]}]`, false},
		"a permission of the API":                  {`"permissions": [{"name": "all", "resource_path": "api/*", "actions": ["*"]}], "roles": [{"name": "quiet", "permissions": ["all"]}]`, false},
		"a group becomes administrators":           {`"groups": [{"name": "crew", "roles": ["tenant_admin"]}]`, false},
		"a group gets a stronger role":             {`"groups": [{"name": "crew", "roles": ["reader"]}]`, false},
		"a new group hands on what it is below":    {`"groups": [{"name": "above", "roles": ["reader"]}, {"name": "crew", "parent": "above"}]`, false},
		"a permission is widened by its id":        {`"permissions": [{"id": "` + a.permission.String() + `", "name": "secret/*", "resource_path": "*", "actions": ["*"]}]`, false},
		"the own one is widened":                   {`"permissions": [{"id": "` + a.allowed.String() + `", "name": "doc/*", "resource_path": "doc/**", "actions": ["*"]}]`, false},
		"a deny is pruned":                         {`"permissions": [{"name": "doc/*", "resource_path": "doc/*", "actions": ["read"]}]`, true},
		"the own role is freed of it":              {`"roles": [{"name": "author", "priority": 10, "permissions": ["doc/*"]}]`, false},
		"a role that nobody holds is pruned":       {`"roles": []`, true},
		"an instance slips out of a deny":          {`"resources": [{"type": "doc", "code": "sealed-1", "attributes": {"open": true}}]`, false},
		"a field is made visible":                  {`"fields": [{"entity_type": "doc", "field_name": "cost", "field_type": "tenant_specific"}]`, false},
		"a setting":                                {`"settings": {"conflict_resolution": "deny_overrides"}`, false},
		"an inactive role is handed out":           {`"groups": [{"name": "crew", "roles": ["asleep"]}]`, false},
		"it is switched on":                        {`"roles": [{"name": "asleep", "priority": 1}]`, false},
		"one is planted":                           {`"roles": [{"name": "bomb", "is_active": false}], "groups": [{"name": "crew", "roles": ["bomb"]}]`, false},
		"a workflow is switched off":               {`"resources": [{"type": "page", "code": "p"}]`, false},
		"a strong and a harmless change, together": {`"groups": [{"name": "crew", "display_name": "Crew", "roles": ["auditor"]}]`, false},
	} {
		before := a.everything()
		_, err := a.as(a.mal, a.parsed(`{"version": 1, `+c.manifest+`}`), c.prune)
		require.True(t, fault.Is(err, fault.Denied), "%s: %v", name, err)
		require.Equal(t, before, a.everything(), name)
		refusals++
		require.Equal(t, refusals, a.Count(`SELECT count(*) FROM sentinel.audit_logs WHERE tenant_id = $1 AND action = 'manifest.apply' AND result = 'denied'`, a.tenant), name)
	}
}

// everything is the tenant as its administrator exports it.
func (a *attack) everything() string {
	a.t.Helper()
	raw, err := json.Marshal(a.exported())
	require.NoError(a.t, err)
	return string(raw)
}

// Whoever may write by the sections does so by a manifest where nobody's access
// depends on it, and where they hold what they give.
func TestApply_IsOpenToWhoeverMayWriteBySections(t *testing.T) {
	a := attackers(t)
	done, err := a.as(a.mal, a.parsed(`{"version": 1,
"resources": [{"type": "shelf", "code": "s"}], "permissions": [{"name": "Read roles", "resource_path": "api/roles", "actions": ["read"]}],
"roles": [{"name": "draft", "permissions": ["Read roles"]}], "groups": [{"name": "fresh"}],
"fields": [{"entity_type": "doc", "field_name": "cost", "field_type": "tenant_specific", "default_visibility": "hidden"}], "menus": [{"name": "m", "url": "/m"}]}`), false)
	a.noError(err)
	require.Equal(t, Summary{Create: 6}, done.Summary)
}

func TestApply_AsksForWhatTheSectionsAskFor(t *testing.T) {
	a := attackers(t)
	only := a.Role(a.tenant, "only", 500, uuid.UUID{})
	a.Permission(a.tenant, only, "api/manifest", "allow", "", "*")
	a.Permission(a.tenant, only, "api/roles", "allow", "", "create")
	a.Permission(a.tenant, only, "api/*", "allow", "", "read")
	clerk := a.User(a.tenant, "clerk")
	a.Assign(a.tenant, clerk, only)
	for text, ok := range map[string]bool{
		`"roles": [{"name": "new"}]`:                                               true,
		`"roles": [{"name": "newer", "permissions": ["secret/*"]}]`:                false,
		`"roles": [{"name": "quiet", "display_name": "x"}]`:                        false,
		`"groups": [{"name": "new"}]`:                                              false,
		`"resources": [{"type": "shelf", "code": "s"}]`:                            false,
		`"menus": [{"name": "m"}]`:                                                 false,
		`"permissions": [{"name": "p", "resource_path": "a/*", "actions": ["a"]}]`: false,
	} {
		_, err := a.as(clerk, a.parsed(`{"version": 1, `+text+`}`), false)
		require.Equal(t, ok, err == nil, "%s: %v", text, err)
		require.Equal(t, !ok, fault.Is(err, fault.Denied), text)
	}
	_, err := a.as(clerk, a.parsed(`{"version": 1, "groups": []}`), true)
	require.True(t, fault.Is(err, fault.Denied), "%v", err)

	scoped := identity.WithPrincipal(t.Context(), &identity.Principal{UserID: a.admin, HomeTenantID: a.tenant, Scope: []string{"manifest:update"}})
	in := &ApplyIn{}
	in.Body.Manifest = a.parsed(`{"version": 1, "groups": [{"name": "new"}]}`)
	_, err = a.service.apply(scoped, in)
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
}

// The last administrator of a tenant cannot be taken by what a manifest deletes.
func TestApply_KeepsAnAdministrator(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.apply(`{"version": 1, "groups": [{"name": "admins", "roles": ["tenant_admin"]}]}`, false)
	f.Join(f.tenant, f.admin, f.id("groups", "admins"))
	f.SQL(`DELETE FROM sentinel.user_roles WHERE tenant_id = $1`, f.tenant)
	for _, text := range []string{`{"version": 1, "groups": []}`, `{"version": 1, "groups": [{"name": "admins", "roles": []}]}`} {
		_, err := f.as(f.admin, f.parsed(text), true)
		require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	}
}
