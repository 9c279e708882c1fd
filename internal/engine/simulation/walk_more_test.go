package simulation_test

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// parentOf draws something to stand below, or nothing.
func (r *walk) parentOf(from []uuid.UUID) (httpapi.Opt[uuid.UUID], *uuid.UUID) {
	if r.IntN(4) == 0 {
		return httpapi.Opt[uuid.UUID]{Set: true, Null: true}, nil
	}
	id := pick(r, from)
	return httpapi.Some(*id), id
}

func (r *walk) role() move {
	role, active, priority := pick(r, r.roles), r.IntN(6) > 0, r.IntN(50)
	if r.IntN(2) == 0 {
		return move{
			simulation.Change{Op: "set_role", RoleID: role, IsActive: &active, Priority: &priority},
			`UPDATE sentinel.roles SET is_active = $3, priority = $4 WHERE tenant_id = $1 AND id = $2`, []any{*role, active, priority},
		}
	}
	parent, id := r.parentOf(r.roles)
	return move{
		simulation.Change{Op: "set_role", RoleID: role, ParentRoleID: parent},
		`UPDATE sentinel.roles SET parent_role_id = $3 WHERE tenant_id = $1 AND id = $2`, []any{*role, id},
	}
}

func (r *walk) group() move {
	group, active := pick(r, r.groups), r.IntN(6) > 0
	if r.IntN(2) == 0 {
		return move{
			simulation.Change{Op: "set_group", GroupID: group, IsActive: &active},
			`UPDATE sentinel.groups SET is_active = $3 WHERE tenant_id = $1 AND id = $2`, []any{*group, active},
		}
	}
	parent, id := r.parentOf(r.groups)
	return move{
		simulation.Change{Op: "set_group", GroupID: group, ParentGroupID: parent},
		`UPDATE sentinel.groups SET parent_group_id = $3 WHERE tenant_id = $1 AND id = $2`, []any{*group, id},
	}
}

// patch draws attributes to be merged, with those to be taken away.
func (r *walk) patch() (httpapi.Object, string, string) {
	value := *pick(r, []any{"x", "y", json.Number("1.50"), nil})
	if value == nil {
		return httpapi.Object{"a": nil}, `{}`, "a"
	}
	raw, _ := json.Marshal(map[string]any{"a": value})
	return httpapi.Object{"a": value}, string(raw), ""
}

func (r *walk) user() move {
	user, active := pick(r, r.users), r.IntN(6) > 0
	attributes, over, gone := r.patch()
	return move{
		simulation.Change{Op: "set_user", UserID: user, IsActive: &active, Attributes: attributes},
		`UPDATE sentinel.users SET is_active = $3, attributes = (attributes || CAST($4 AS jsonb)) - CAST($5 AS text) WHERE tenant_id = $1 AND id = $2`,
		[]any{*user, active, over, gone},
	}
}

func (r *walk) resource() move {
	node := pick(r, r.nodes)
	switch r.IntN(3) {
	case 0:
		parent, id := r.parentOf(r.nodes)
		return move{
			simulation.Change{Op: "set_resource", ResourceID: node, ParentID: parent},
			`UPDATE sentinel.resources SET parent_id = $3 WHERE tenant_id = $1 AND id = $2`, []any{*node, id},
		}
	case 1:
		state := *pick(r, []string{"open", "shut"})
		return move{
			simulation.Change{Op: "set_resource", ResourceID: &r.ship, State: &state},
			`UPDATE sentinel.resources SET workflow_config = jsonb_set(workflow_config, '{state}', to_jsonb(CAST($3 AS text))) WHERE tenant_id = $1 AND id = $2`,
			[]any{r.ship, state},
		}
	default:
		active := r.IntN(6) > 0
		attributes, over, gone := r.patch()
		return move{
			simulation.Change{Op: "set_resource", ResourceID: node, IsActive: &active, Attributes: attributes},
			`UPDATE sentinel.resources SET is_active = $3, attributes = (attributes || CAST($4 AS jsonb)) - CAST($5 AS text) WHERE tenant_id = $1 AND id = $2`,
			[]any{*node, active, over, gone},
		}
	}
}

func (r *walk) setting() move {
	rule := *pick(r, []string{engine.DenyOverrides, engine.MostSpecific})
	return move{
		simulation.Change{Op: "set_setting", ConflictResolution: &rule},
		`UPDATE sentinel.tenants SET settings = jsonb_set(settings, '{conflict_resolution}', to_jsonb(CAST($2 AS text))) WHERE id = $1`, []any{rule},
	}
}

func (r *walk) switchChain() move {
	chain, active := pick(r, r.chains), r.IntN(3) > 0
	return move{
		simulation.Change{Op: "set_chain", ChainID: chain, IsActive: &active},
		`UPDATE sentinel.approval_chains SET is_active = $3 WHERE tenant_id = $1 AND id = $2`, []any{*chain, active},
	}
}

func (r *walk) approve() move {
	user, chain, action := pick(r, r.users), pick(r, r.chains), "update"
	asked := simulation.Resource{Type: "vessel", ID: *pick(r, []string{"v-1", "ship"})}
	node := ""
	if asked.ID == "ship" {
		node, action = r.ship.String(), "*"
	}
	details, _ := json.Marshal(map[string]string{"resource_type": asked.Type, "resource_id": asked.ID, "node_id": node, "action": action})
	return move{
		simulation.Change{Op: "approve", UserID: user, ChainID: chain, Resource: &asked, Action: &action},
		`INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, status)
VALUES ($1, $2, $2, CASE CAST($3 AS jsonb) ->> 'action' WHEN '*' THEN 'resource_access' ELSE 'permission' END, $3, $4, 'approved')`,
		[]any{*user, string(details), *chain},
	}
}

// revoke takes the newest approval.
func (r *walk) revoke() move {
	var ids []uuid.UUID
	r.Scan([]any{&ids}, `SELECT COALESCE(array_agg(id ORDER BY id DESC), '{}') FROM sentinel.access_requests WHERE tenant_id = $1 AND status = 'approved'`, r.tenant)
	if len(ids) == 0 {
		return r.approve()
	}
	return move{
		simulation.Change{Op: "revoke_approval", RequestID: &ids[0]},
		`UPDATE sentinel.access_requests SET status = 'revoked' WHERE tenant_id = $1 AND id = $2`, []any{ids[0]},
	}
}
