package sentinel.workflow_test

import data.sentinel.workflow

stored := {"state": "maintenance", "states": ["open", "maintenance"], "state_actions": {"maintenance": {
	"update": ["role:engineer"],
	"read": ["*"],
	"*": ["role:master"],
}}}

graph(node, entity) := {
	"tenant": {"id": "t1"},
	"subjects": {"u1": {"assignments": [{"node": "group:g"}]}, "u2": {"assignments": [{"node": "role:master"}]}, "u3": {}},
	"edges": {"group:g": ["role:engineer"], "role:engineer": [], "role:master": []},
	"resources": {"n1": object.union({"type": "vessel", "code": "x"}, node), "e1": object.union({"type": "entity", "code": "vessel"}, entity)},
	"resource_codes": {"vessel": {"x": "n1"}, "entity": {"vessel": "e1"}},
	"tree": {},
}

blocked(user, action, flow) := blocks if {
	blocks := workflow.blocks with input as {"user_id": user, "resource": {"type": "vessel", "id": "x"}, "action": action}
		with data.sentinel_graph as graph({"workflow": flow}, {})
}

test_roles_of_the_state if {
	blocked("u1", "update", stored) == false
	blocked("u2", "update", stored) == false
	blocked("u2", "sell", stored) == false
	blocked("u3", "read", stored) == false
	blocked("u3", "update", stored)
	blocked("u1", "sell", stored)
}

test_a_state_without_an_entry_limits_nothing if {
	blocked("u3", "sell", object.union(stored, {"state": "open"})) == false
	blocked("u3", "sell", object.union(stored, {"state_actions": null})) == false
	blocked("u3", "read", object.union(object.remove(stored, ["state_actions"]), {"state_actions": {"maintenance": {}}}))
	blocked("u3", "read", object.union(object.remove(stored, ["state_actions"]), {"state_actions": {"maintenance": null}}))
}

test_an_unknown_state_denies if {
	blocked("u2", "update", object.union(stored, {"state": "sunk"}))
	blocked("u2", "update", object.union(stored, {"state": "", "states": ["", "open"]}))
	blocked("u2", "update", object.union(stored, {"states": null}))
}

test_missing_members_deny if {
	every part in object.keys(stored) {
		blocked("u2", "update", object.remove(stored, [part]))
	}
}

test_no_workflow_limits_nothing if {
	asked := {"user_id": "u3", "resource": {"type": "vessel", "id": "x"}, "action": "sell"}
	workflow.blocks == false with input as asked with data.sentinel_graph as graph({}, {})
	workflow.blocks == false with input as asked with data.sentinel_graph as graph({}, {"workflow": stored})
}

of_entity(id, context) := blocks if {
	blocks := workflow.blocks with input as {"user_id": "u1", "resource": {"type": "vessel", "id": id}, "action": "update", "context": context}
		with data.sentinel_graph as graph({}, {"workflow": stored})
}

test_instances_have_the_state_that_the_caller_says if {
	of_entity("y", {"workflow_state": "maintenance"}) == false
	of_entity("", {"workflow_state": "open"}) == false
	of_entity("y", {"workflow_state": "sunk"})
	of_entity("y", {"workflow_state": ["open"]})
	of_entity("y", {})
}

test_the_state_of_a_node_is_its_own if {
	asked := {"user_id": "u3", "resource": {"type": "vessel", "id": "x"}, "action": "sell", "context": {"workflow_state": "open"}}
	workflow.blocks with input as asked with data.sentinel_graph as graph({"workflow": stored}, {})
}

test_the_api_has_no_workflow if {
	asked := {"user_id": "u3", "resource": {"type": "api", "id": "x"}, "action": "sell"}
	of_api := {"resource_codes": {"entity": {"api": "e1"}, "api": {"x": "n1"}}}
	workflow.blocks == false with input as asked with data.sentinel_graph as object.union(graph({"workflow": stored}, {"workflow": stored}), of_api)
}
