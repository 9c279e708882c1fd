package sentinel.permissions_test

import data.sentinel.permissions

graph(grants) := {
	"tenant": {"id": "t1", "time_zone": "UTC"},
	"subjects": {"u1": {"assignments": [{"node": "role:r1"}]}},
	"edges": {"role:r1": []},
	"roles": {"role:r1": {"name": "one"}},
	"grants": {"role:r1": grants, "role:r2": [grant({"id": "other"})]},
	"resources": {},
	"resource_codes": {"entity": {"vessel": "n1"}},
	"tree": {"n1": ["n2"], "n2": []},
}

grant(members) := object.union({"id": "p", "effect": "allow", "actions": ["read"], "type": "vessel", "glob": "**", "type_wide": true}, members)

on_node(node) := {"id": "p", "effect": "allow", "actions": ["read"], "node": node}

matches(g, type, id, action) if {
	found := permissions.candidates with input as {"user_id": "u1", "resource": {"type": type, "id": id}, "action": action}
		with data.sentinel_graph as graph([g])
	found.p
}

test_action if {
	matches(grant({}), "vessel", "x", "read")
	matches(grant({"actions": ["*"]}), "vessel", "x", "write")
	not matches(grant({}), "vessel", "x", "write")
	not matches(object.remove(grant({}), ["actions"]), "vessel", "x", "read")
}

test_type if {
	not matches(grant({}), "port", "x", "read")
	matches(grant({"type": "*"}), "port", "x", "read")
	not matches(object.remove(grant({}), ["type"]), "vessel", "x", "read")
}

test_api_is_spared if {
	matches(grant({"type": "api"}), "api", "users", "read")
	not matches(grant({"type": "*"}), "api", "users", "read")
	not matches(grant({"type": "api", "effect": "deny"}), "api", "users", "read")
	not matches(on_node("n1"), "api", "users", "read")
}

test_glob if {
	narrow := grant({"glob": "fleet/*", "type_wide": false})
	matches(narrow, "vessel", "fleet/x", "read")
	not matches(narrow, "vessel", "fleet/x/y", "read")
	not matches(object.remove(narrow, ["glob"]), "vessel", "fleet/x", "read")
}

test_question_about_a_type_needs_a_type_wide_pattern if {
	asked := {"user_id": "u1", "resource": {"type": "vessel"}, "action": "read"}
	count(permissions.candidates) == 1 with input as asked with data.sentinel_graph as graph([grant({})])
	count(permissions.candidates) == 0 with input as asked with data.sentinel_graph as graph([grant({"type_wide": false})])
}

test_node if {
	matches(on_node("n1"), "vessel", "x", "read")
	matches(on_node("n2"), "vessel", "x", "read")
	not matches(on_node("n3"), "vessel", "x", "read")
}

counted(effect, conditions, attributes) := {"denying": denying, "allowing": allowing, "failing": failing} if {
	asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "x", "attributes": attributes}, "action": "read"}
	stored := graph([grant({"effect": effect, "conditions": conditions})])
	denying := permissions.denying with input as asked with data.sentinel_graph as stored
	allowing := permissions.allowing with input as asked with data.sentinel_graph as stored
	failing := permissions.failing with input as asked with data.sentinel_graph as stored
}

test_allow_counts_only_if_true if {
	counted("allow", {"a": 1}, {"a": 1}) == {"denying": set(), "allowing": {"p"}, "failing": set()}
	counted("allow", {"a": 1}, {"a": 2}) == {"denying": set(), "allowing": set(), "failing": {"p"}}
	counted("allow", {"a": 1}, {}) == {"denying": set(), "allowing": set(), "failing": {"p"}}
}

test_deny_counts_unless_false if {
	counted("deny", {"a": 1}, {"a": 1}).denying == {"p"}
	counted("deny", {"a": 1}, {"a": 2}).denying == set()
	counted("deny", {"a": 1}, {}).denying == {"p"}
}

test_conditions_read_the_environment if {
	counted("allow", {"subject.id": "u1", "resource.id": "x", "action.name": "read", "tenant.id": "t1", "context.time": {"exists": true}}, {}).allowing == {"p"}
}

test_owners if {
	permissions.owners({"p"}) == {"role:r1"} with input as {"user_id": "u1"} with data.sentinel_graph as graph([grant({})])
	permissions.owners({"other"}) == set() with input as {"user_id": "u1"} with data.sentinel_graph as graph([grant({})])
}
