package sentinel.outcome_test

import data.sentinel.outcome

asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "x"}, "action": "read"}

permission(members) := object.union(
	{"id": "p1", "effect": "allow", "actions": ["read"], "type": "vessel", "glob": "**", "type_wide": true, "class": 2, "literals": 0},
	members,
)

chain(id, members) := object.union(
	{"id": id, "name": id, "type": "vessel", "glob": "**", "type_wide": true, "mode": "gate", "levels": [id]},
	members,
)

approved(chain) := {"id": concat("-", ["q", chain]), "status": "approved", "chain": chain, "type": "vessel", "resource_id": "x", "node": "", "action": "read", "expires_at_ns": null}

graph(members) := object.union(
	{
		"tenant": {"id": "t1", "is_active": true, "time_zone": "UTC", "allow_rules": true, "auto_approve": true},
		"subjects": {"u1": {"is_active": true, "assignments": [{"node": "role:r"}], "requests": []}},
		"edges": {"role:r": []},
		"roles": {"role:r": {"name": "r", "priority": 1}},
		"grants": {"role:r": [permission({})]},
		"resources": {},
		"resource_codes": {},
		"tree": {},
		"chains": [],
		"fields": {},
		"policies": [{"root": "tenant", "name": "a", "resource_types": [], "actions": []}],
	},
	members,
)

without_permission := {"grants": {"role:r": []}}

result(members, rules) := {"code": code, "matched": matched, "chain": [chain.id, chain.request, chain.auto_approved]} if {
	stored := graph(members)
	code := outcome.code with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	matched := outcome.matched with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	chain := outcome.chain with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
}

is(members, rules, code, matched) if {
	result(members, rules) == {"code": code, "matched": matched, "chain": ["", "", false]}
}

test_permissions_alone if {
	is({}, {}, "granted", {"p1"})
	is(without_permission, {}, "no_matching_permission", set())
	is({"grants": {"role:r": [permission({"conditions": {"a": 1}})]}}, {}, "condition_failed", {"p1"})
	is({"grants": {"role:r": [permission({}), permission({"id": "p2", "effect": "deny"})]}}, {}, "explicit_deny", {"p2"})
}

test_final_codes_come_before_policies if {
	broken := {"deny": true}
	is({"subjects": {"u1": {"is_active": false}}}, broken, "subject_inactive", set())
	is({"tenant": {"is_active": false}}, broken, "tenant_inactive", set())
	is({"grants": {"role:r": [permission({"effect": "deny"})]}}, broken, "explicit_deny", {"p1"})
	is(in_state("sunk"), broken, "workflow_state", set())
}

in_state(state) := {
	"resources": {"n1": {"type": "vessel", "code": "x", "path": "/x", "workflow": {"state": state, "states": ["open"], "state_actions": {}}}},
	"resource_codes": {"vessel": {"x": "n1"}},
}

test_policies if {
	is(in_state("open"), {"deny": {1}}, "policy_deny", set())
	is(without_permission, {"deny": {1}}, "policy_deny", set())
	is({}, {"deny": {1}, "obligations": true}, "not_evaluated", set())
	is(without_permission, {"require_approval": {{"chain": "unknown"}}}, "not_evaluated", set())
	is(without_permission, {"allow": {1}}, "granted", set())
	is({"grants": {"role:r": [permission({"conditions": {"a": 1}})]}}, {"allow": {1}}, "granted", set())
}

with_chains(chains, requests) := {"chains": chains, "subjects": {"u1": {"requests": requests}}}

test_gate if {
	gate := [chain("c1", {})]
	result(with_chains(gate, []), {}) == {"code": "approval_required", "matched": {"p1"}, "chain": ["c1", "", false]}
	pending := object.union(approved("c1"), {"status": "pending"})
	result(with_chains(gate, [pending]), {}) == {"code": "approval_required", "matched": {"p1"}, "chain": ["c1", "q-c1", false]}
	result(with_chains(gate, [approved("c1")]), {}) == {"code": "granted_by_approval", "matched": {"p1"}, "chain": ["c1", "q-c1", false]}
	result(with_chains([chain("c1", {"auto": {"subject.id": "u1"}})], []), {}) == {"code": "granted_by_approval", "matched": {"p1"}, "chain": ["c1", "", true]}
	is(object.union(with_chains(gate, [approved("c1")]), without_permission), {}, "no_matching_permission", set())
	result(object.union(with_chains(gate, []), without_permission), {"allow": {1}}).code == "approval_required"
}

test_escalation if {
	escalation := [chain("c1", {"mode": "escalation"})]
	is(with_chains(escalation, []), {}, "granted", {"p1"})
	is(with_chains(escalation, [approved("c1")]), {}, "granted", {"p1"})
	refused := object.union(with_chains(escalation, []), without_permission)
	result(refused, {}) == {"code": "approval_required", "matched": set(), "chain": ["c1", "", false]}
	failing := {"grants": {"role:r": [permission({"conditions": {"a": 1}})]}}
	result(object.union(with_chains(escalation, []), failing), {}) == {"code": "approval_required", "matched": set(), "chain": ["c1", "", false]}
	opened := object.union(with_chains(escalation, [approved("c1")]), without_permission)
	result(opened, {}) == {"code": "granted_by_approval", "matched": set(), "chain": ["c1", "q-c1", false]}
	is(refused, {"deny": {1}}, "policy_deny", set())
}

test_chains_that_policies_require if {
	named := {"require_approval": {{"chain": "c2"}}}
	both := [chain("c1", {}), chain("c2", {"type": "port"})]
	result(with_chains(both, []), named).chain == ["c1", "", false]
	result(with_chains(both, [approved("c1")]), named) == {"code": "approval_required", "matched": {"p1"}, "chain": ["c2", "", false]}
	result(with_chains(both, [approved("c2"), approved("c1")]), named) == {"code": "granted_by_approval", "matched": {"p1"}, "chain": ["c1", "q-c1", false]}
	is(object.union(with_chains([both[1]], [approved("c2")]), without_permission), named, "no_matching_permission", set())
}

test_levels_of_the_chain if {
	levels := outcome.chain.levels with input as asked with data.sentinel_graph as graph(with_chains([chain("c1", {})], []))
	levels == ["c1"]
	missing := outcome.chain with input as asked with data.sentinel_graph as graph(with_chains([object.remove(chain("c1", {}), ["levels"])], []))
	missing == {"id": "c1", "levels": null, "request": "", "auto_approved": false}
}

test_allowed if {
	outcome.allowed with input as asked with data.sentinel_graph as graph({})
	outcome.allowed with input as asked with data.sentinel_graph as graph(with_chains([chain("c1", {})], [approved("c1")]))
	outcome.allowed == false with input as asked with data.sentinel_graph as graph(with_chains([chain("c1", {})], []))
	outcome.allowed == false with input as asked with data.sentinel_graph as {}
}

visibility(members, rules) := seen if {
	seen := outcome.visibility with input as asked with data.sentinel_graph as graph(members) with data.tenant.a as rules
}

test_visibility if {
	named := {"grants": {"role:r": [permission({"fields": {"f": "read"}}), permission({"id": "p2"})]}}
	visibility(named, {}) == {"allowed": true, "named": [{"f": "read"}], "restrictions": set()}
	visibility(named, {"restrict_fields": {{"field": "f"}}}).restrictions == {["f", "hidden"]}
	visibility(named, {"restrict_fields": {{"field": "f"}}, "deny": {1}}) == {"allowed": false, "named": [], "restrictions": {["f", "hidden"]}}
	visibility(named, {"restrict_fields": {{"field": "f"}}, "obligations": 1}) == {"allowed": false, "named": [], "restrictions": set()}
	visibility({"tenant": {"is_active": false}}, {"restrict_fields": {{"field": "f"}}}).restrictions == set()
}

test_missing_members_are_not_evaluated if {
	every part in object.keys(graph({})) {
		outcome.code == "not_evaluated" with input as asked with data.sentinel_graph as object.remove(graph({}), [part])
	}
}
