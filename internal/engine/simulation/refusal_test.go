package simulation_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// read reads a change as the API does.
func read(t *testing.T, text string) simulation.Change {
	t.Helper()
	var c simulation.Change
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&c), text)
	return c
}

func TestValidate_NamesEveryMemberThatDoesNotFit(t *testing.T) {
	t.Parallel()
	id := `"01920000-0000-7000-8000-000000000001"`
	for text, want := range map[string][]string{
		`{"op":"paint"}`:       {"op"},
		`{"op":"assign_role"}`: {"user_id", "role_id"},
		`{"op":"remove_role","user_id":` + id + `,"role_id":` + id + `,"group_id":` + id + `,"priority":1}`:                                      {"group_id", "priority"},
		`{"op":"set_role","role_id":` + id + `}`:                                                                                                 {"op"},
		`{"op":"set_role","role_id":` + id + `,"parent_role_id":null}`:                                                                           nil,
		`{"op":"assign_role","user_id":` + id + `,"role_id":` + id + `,"valid_from":"2030-01-01T00:00:00Z","expires_at":"2029-01-01T00:00:00Z"}`: {"expires_at"},
		`{"op":"approve","user_id":` + id + `,"chain_id":` + id + `,"action":"re ad","resource":{"type":"Vessel","id":"a*"}}`:                    {"resource.type", "resource.id", "action"},
		`{"op":"create_permission","permission":{}}`:                                                                                             {"role_ids"},
		`{"op":"set_chain","chain_id":` + id + `,"state":"open","attributes":{},"parent_id":null,"parent_group_id":null,"conflict_resolution":"x","request_id":` + id + `}`: {
			"is_active", "request_id", "parent_group_id", "parent_id", "attributes", "state", "conflict_resolution",
		},
	} {
		var paths []string
		for _, f := range simulation.Validate([]simulation.Change{read(t, text)}, "changes") {
			require.NotEmpty(t, f.Message)
			path, below := strings.CutPrefix(f.Path, "changes[0].")
			require.True(t, below, f.Path)
			paths = append(paths, path)
		}
		require.ElementsMatch(t, want, paths, text)
	}
}

func TestApply_RefusesWhatAWriteWouldRefuse(t *testing.T) {
	w := setup(t)
	id := func(of uuid.UUID) string { return `"` + of.String() + `"` }
	other := w.Tenant()
	foreign := map[string]string{
		"user": id(w.User(other, "eve")), "role": id(w.Role(other, "theirs", 1, uuid.UUID{})), "group": id(w.Group(other, "theirs", uuid.UUID{})),
		"permission": id(w.Permission(other, uuid.UUID{}, "vessel/*", "allow", "", "read")),
	}
	user, role, group, permission, ship := id(w.users[0]), id(w.roles[0]), id(w.groups[0]), id(w.permissions[0]), id(w.ship)
	w.SQL(`UPDATE sentinel.roles SET is_active = false WHERE id = $1`, w.roles[3])
	w.SQL(`UPDATE sentinel.users SET is_active = false WHERE id = $1`, w.users[3])
	w.SQL(`UPDATE sentinel.tenants SET settings = settings || '{"max_users": 3}' WHERE id = $1`, w.tenant)
	roleChain, requested, lost := w.chain("roles", "x", "gate", "{}"), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	w.SQL(`UPDATE sentinel.approval_chains SET resource_type = 'role', resource_pattern = 'role:x' WHERE id = $1`, roleChain)
	w.SQL(`UPDATE sentinel.approval_chains SET is_active = false WHERE id = $1`, w.chains[0])
	for request, typ := range map[uuid.UUID]string{requested: "role", lost: "permission"} {
		w.SQL(`INSERT INTO sentinel.access_requests (id, tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status)
VALUES ($1, $2, $3, $3, $4, '{}', $5, 'denied')`, request, w.tenant, w.users[0], typ, w.chains[0])
	}
	deep := w.deep(id)
	for _, c := range []struct {
		change, path string
		kind         fault.Kind
	}{
		{`{"op":"assign_role","user_id":` + foreign["user"] + `,"role_id":` + role + `}`, "user_id", fault.NotFoundKind},
		{`{"op":"assign_role","user_id":` + user + `,"role_id":` + foreign["role"] + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"assign_role","user_id":` + user + `,"role_id":` + id(w.roles[3]) + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"assign_role","user_id":` + user + `,"role_id":` + id(tenanttest.SuperAdmin) + `}`, "role_id", fault.ConflictKind},
		{`{"op":"remove_role","user_id":` + foreign["user"] + `,"role_id":` + role + `}`, "user_id", fault.NotFoundKind},
		{`{"op":"remove_role","user_id":` + user + `,"role_id":` + id(w.roles[1]) + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"add_to_group","user_id":` + foreign["user"] + `,"group_id":` + group + `}`, "user_id", fault.NotFoundKind},
		{`{"op":"add_to_group","user_id":` + user + `,"group_id":` + foreign["group"] + `}`, "group_id", fault.NotFoundKind},
		{`{"op":"remove_from_group","user_id":` + foreign["user"] + `,"group_id":` + group + `}`, "user_id", fault.NotFoundKind},
		{`{"op":"remove_from_group","user_id":` + user + `,"group_id":` + foreign["group"] + `}`, "group_id", fault.NotFoundKind},
		{`{"op":"remove_from_group","user_id":` + user + `,"group_id":` + group + `}`, "user_id", fault.NotFoundKind},
		{`{"op":"group_add_role","group_id":` + foreign["group"] + `,"role_id":` + role + `}`, "group_id", fault.NotFoundKind},
		{`{"op":"group_add_role","group_id":` + group + `,"role_id":` + foreign["role"] + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"group_remove_role","group_id":` + foreign["group"] + `,"role_id":` + role + `}`, "group_id", fault.NotFoundKind},
		{`{"op":"group_remove_role","group_id":` + group + `,"role_id":` + role + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"role_add_permission","role_id":` + foreign["role"] + `,"permission_id":` + permission + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"role_add_permission","role_id":` + id(w.above) + `,"permission_id":` + permission + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"role_add_permission","role_id":` + id(tenanttest.Viewer) + `,"permission_id":` + permission + `}`, "role_id", fault.ConflictKind},
		{`{"op":"role_add_permission","role_id":` + role + `,"permission_id":` + foreign["permission"] + `}`, "permission_id", fault.NotFoundKind},
		{`{"op":"role_remove_permission","role_id":` + foreign["role"] + `,"permission_id":` + permission + `}`, "role_id", fault.NotFoundKind},
		{`{"op":"role_remove_permission","role_id":` + role + `,"permission_id":` + id(w.permissions[1]) + `}`, "permission_id", fault.NotFoundKind},
		{`{"op":"create_permission","role_ids":[` + role + `,` + foreign["role"] + `],"permission":{}}`, "role_ids[1]", fault.NotFoundKind},
		{`{"op":"create_permission","role_ids":[` + role + `],"permission":{}}`, "permission.name", fault.Validation},
		{`{"op":"create_permission","role_ids":[` + role + `],"permission":{"name":"p","resource_type":"vessel","actions":["read"],"resource_path":"vessel/*","conditions":{"a":{"like":1}}}}`, "permission.conditions.a.like", fault.Validation},
		{`{"op":"create_permission","role_ids":[` + role + `],"permission":{"name":"p","resource_type":"page","actions":["read"],"resource_id":` + ship + `}}`, "permission.resource_type", fault.Validation},
		{`{"op":"create_permission","role_ids":[` + role + `],"permission":{"name":"p","resource_type":"page","actions":["read"],"resource_id":` + user + `}}`, "permission.resource_id", fault.NotFoundKind},
		{`{"op":"update_permission","permission_id":` + foreign["permission"] + `,"permission":{}}`, "permission_id", fault.NotFoundKind},
		{`{"op":"update_permission","permission_id":` + permission + `,"permission":{"actions":["re ad"]}}`, "permission.actions[0]", fault.Validation},
		{`{"op":"delete_permission","permission_id":` + foreign["permission"] + `}`, "permission_id", fault.NotFoundKind},
		{`{"op":"set_role","role_id":` + foreign["role"] + `,"is_active":true}`, "role_id", fault.NotFoundKind},
		{`{"op":"set_role","role_id":` + id(tenanttest.Viewer) + `,"is_active":false}`, "role_id", fault.ConflictKind},
		{`{"op":"set_role","role_id":` + role + `,"parent_role_id":` + id(w.above) + `}`, "parent_role_id", fault.NotFoundKind},
		{`{"op":"set_role","role_id":` + role + `,"parent_role_id":` + role + `}`, "parent_role_id", fault.ConflictKind},
		{`{"op":"set_role","role_id":` + deep + `,"parent_role_id":` + role + `}`, "parent_role_id", fault.ConflictKind},
		{`{"op":"set_group","group_id":` + foreign["group"] + `,"is_active":true}`, "group_id", fault.NotFoundKind},
		{`{"op":"set_group","group_id":` + group + `,"parent_group_id":` + foreign["group"] + `}`, "parent_group_id", fault.NotFoundKind},
		{`{"op":"set_group","group_id":` + group + `,"parent_group_id":` + group + `}`, "parent_group_id", fault.ConflictKind},
		{`{"op":"set_user","user_id":` + foreign["user"] + `,"is_active":true}`, "user_id", fault.NotFoundKind},
		{`{"op":"set_user","user_id":` + id(w.users[3]) + `,"is_active":true}`, "", fault.ConflictKind},
		{`{"op":"set_resource","resource_id":` + user + `,"is_active":true}`, "resource_id", fault.NotFoundKind},
		{`{"op":"set_resource","resource_id":` + ship + `,"parent_id":` + user + `}`, "parent_id", fault.NotFoundKind},
		{`{"op":"set_resource","resource_id":` + ship + `,"parent_id":` + ship + `}`, "parent_id", fault.ConflictKind},
		{`{"op":"set_resource","resource_id":` + ship + `,"state":"sunk"}`, "state", fault.Validation},
		{`{"op":"set_resource","resource_id":` + id(w.nodes[2]) + `,"state":"open"}`, "state", fault.Validation},
		{`{"op":"set_setting","conflict_resolution":"first"}`, "conflict_resolution", fault.Validation},
		{`{"op":"set_chain","chain_id":` + user + `,"is_active":true}`, "chain_id", fault.NotFoundKind},
		{`{"op":"approve","user_id":` + foreign["user"] + `,"chain_id":` + id(w.chains[1]) + `,"resource":{"type":"vessel"},"action":"read"}`, "user_id", fault.NotFoundKind},
		{`{"op":"approve","user_id":` + user + `,"chain_id":` + user + `,"resource":{"type":"vessel"},"action":"read"}`, "chain_id", fault.NotFoundKind},
		{`{"op":"approve","user_id":` + user + `,"chain_id":` + id(roleChain) + `,"resource":{"type":"vessel"},"action":"read"}`, "chain_id", fault.Validation},
		{`{"op":"approve","user_id":` + user + `,"chain_id":` + id(w.chains[0]) + `,"resource":{"type":"vessel"},"action":"read"}`, "chain_id", fault.ConflictKind},
		{`{"op":"approve","user_id":` + id(w.users[3]) + `,"chain_id":` + id(w.chains[1]) + `,"resource":{"type":"vessel"},"action":"read"}`, "user_id", fault.ConflictKind},
		{`{"op":"approve","user_id":` + user + `,"chain_id":` + id(w.chains[1]) + `,"resource":{"type":"api","id":"users"},"action":"read"}`, "resource.type", fault.Validation},
		{`{"op":"approve","user_id":` + user + `,"chain_id":` + id(w.chains[1]) + `,"resource":{"type":"vessel","id":"nowhere"},"action":"*"}`, "resource.id", fault.NotFoundKind},
		{`{"op":"revoke_approval","request_id":` + user + `}`, "request_id", fault.NotFoundKind},
		{`{"op":"revoke_approval","request_id":` + id(requested) + `}`, "request_id", fault.Validation},
		{`{"op":"revoke_approval","request_id":` + id(lost) + `}`, "request_id", fault.ConflictKind},
	} {
		first := read(t, `{"op":"set_setting","conflict_resolution":"most_specific"}`)
		_, _, err := w.simulate(w.questions()[:1], []simulation.Change{first, read(t, c.change)})
		var f *fault.Error
		require.ErrorAs(t, err, &f, c.change)
		require.Equal(t, c.kind, f.Kind, "%s: %v", c.change, err)
		require.NotEmpty(t, f.Fields, c.change)
		require.Equal(t, strings.TrimSuffix("changes[1]."+c.path, "."), f.Fields[0].Path, "%s: %v", c.change, err)
	}
}

// deep makes a line of 64 steps of roles and returns its top.
func (w *world) deep(id func(uuid.UUID) string) string {
	top := w.Role(w.tenant, "deep0", 1, uuid.UUID{})
	at := top
	for i := range 64 {
		at = w.Role(w.tenant, fmt.Sprintf("deep%d", i+1), 1, at)
	}
	return id(top)
}

func TestApply_NamesTheCircle(t *testing.T) {
	w := setup(t)
	line := fmt.Sprintf(`{"op":"set_role","role_id":"%s","parent_role_id":"%s"}`, w.roles[0], w.roles[1])
	back := fmt.Sprintf(`{"op":"set_role","role_id":"%s","parent_role_id":"%s"}`, w.roles[1], w.roles[0])
	_, _, err := w.simulate(w.questions()[:1], []simulation.Change{read(t, line), read(t, back)})
	require.ErrorContains(t, err, "The role would be above itself: role1 > role0 > role1. Choose another parent.")
}

func TestApply_RefusesAPathThatWouldBeCutOff(t *testing.T) {
	w := setup(t)
	w.deep(func(uuid.UUID) string { return "" })
	var low uuid.UUID
	w.Scan([]any{&low}, `SELECT id FROM sentinel.roles WHERE name = 'deep64' AND tenant_id = $1`, w.tenant)
	_, _, err := w.simulate(w.questions()[:1], []simulation.Change{{Op: "group_add_role", GroupID: &w.groups[0], RoleID: &low}})
	require.True(t, fault.Is(err, fault.ConflictKind), err)
	require.ErrorContains(t, err, "65 steps long")
}

func TestApply_ApprovesTheRequestThatWaits(t *testing.T) {
	w := setup(t)
	request := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.access_requests (id, tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status)
VALUES ($1, $2, $3, $3, 'permission', $4, $5, 'pending')`, request, w.tenant, w.users[0],
		fmt.Sprintf(`{"resource_type": "vessel", "resource_id": "ship", "node_id": %q, "action": "update"}`, w.ship), w.chains[1])
	q := &engine.Question{TenantID: w.tenant, UserID: w.users[0], Type: "vessel", ID: "ship", Action: "update"}
	action := "update"
	out, _, err := w.simulate([]*engine.Question{q}, []simulation.Change{{
		Op: "approve", UserID: &w.users[0], ChainID: &w.chains[1], Resource: &simulation.Resource{Type: "vessel", ID: strings.ToUpper(w.ship.String())}, Action: &action,
	}})
	require.NoError(t, err)
	require.Equal(t, engine.ApprovalRequired, out.Before[0].Code)
	require.Equal(t, request, *out.Before[0].RequestID)
	require.Equal(t, engine.GrantedByApproval, out.After[0].Code)
	require.Equal(t, request, *out.After[0].RequestID)
}

func TestApply_CountsTheAccountsThatBecomeActive(t *testing.T) {
	w := setup(t)
	w.SQL(`UPDATE sentinel.users SET is_active = false WHERE id = ANY($1)`, w.users[2:])
	w.SQL(`UPDATE sentinel.tenants SET settings = settings || '{"max_users": 3}' WHERE id = $1`, w.tenant)
	on, off := true, false
	set := func(n int, active *bool) simulation.Change {
		return simulation.Change{Op: "set_user", UserID: &w.users[n], IsActive: active}
	}
	_, _, err := w.simulate(w.questions()[:1], []simulation.Change{set(2, &on), set(3, &on)})
	require.ErrorContains(t, err, "max_users")
	out, _, err := w.simulate(w.questions(), []simulation.Change{set(2, &on), set(0, &off), set(3, &on), set(1, &on)})
	require.NoError(t, err)
	require.Equal(t, engine.SubjectInactive, out.After[0].Code)
	require.NotEqual(t, engine.SubjectInactive, out.After[len(out.After)-1].Code)
}

func TestApply_PutsANodeIntoAStateThatCountsOnceTheWorkflowIsOn(t *testing.T) {
	w := setup(t)
	w.SQL(`UPDATE sentinel.resources SET workflow_enabled = false WHERE id = $1`, w.ship)
	shut := "shut"
	q := &engine.Question{TenantID: w.tenant, UserID: w.users[0], Type: "vessel", ID: "ship", Action: "read"}
	out, _, err := w.simulate([]*engine.Question{q}, []simulation.Change{{Op: "set_resource", ResourceID: &w.ship, State: &shut}})
	require.NoError(t, err)
	require.Equal(t, out.Before[0].Code, out.After[0].Code)
}

func TestSimulate_SaysWhenThereIsNothingToDecideBy(t *testing.T) {
	w := setup(t)
	q := &engine.Question{TenantID: uuid.New(), UserID: w.users[0], Type: "vessel", Action: "read"}
	_, err := w.Engine.Simulate(w.ctx, q.TenantID, []*engine.Question{q}, func(*engine.State) error { return nil })
	require.True(t, fault.Is(err, fault.NotFoundKind), err)
	q.TenantID, q.UserID = w.tenant, uuid.New()
	out, err := w.Engine.Simulate(w.ctx, w.tenant, []*engine.Question{q}, func(*engine.State) error { return nil })
	require.NoError(t, err)
	require.Equal(t, engine.SubjectUnknown, out.Before[0].Code)
	for _, table := range []string{"roles", "permissions", "role_permissions", "resources", "field_definitions", "groups", "group_roles", "approval_chains", "policy_revisions", "users", "user_roles"} {
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		_, err = w.Engine.Simulate(w.ctx, w.tenant, w.questions()[:1], func(*engine.State) error { return nil })
		require.ErrorContains(t, err, "permission denied", table)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
	}
}
