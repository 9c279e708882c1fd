package sentinel.approval_test

import data.sentinel.approval

chain(id, members) := object.union(
	{"id": id, "name": id, "type": "vessel", "glob": "**", "type_wide": true, "mode": "gate", "levels": []},
	members,
)

request(members) := object.union(
	{"id": "q1", "status": "approved", "chain": "c", "type": "vessel", "resource_id": "x", "node": "", "action": "read", "expires_at_ns": null},
	members,
)

graph(chains, requests) := {
	"tenant": {"id": "t1", "auto_approve": true, "time_zone": "UTC"},
	"subjects": {"u1": {"attributes": {"level": 3}, "requests": requests}},
	"edges": {},
	"roles": {},
	"resources": {"n1": {"type": "vessel", "code": "node", "attributes": {"flag": "GR"}}},
	"resource_codes": {"vessel": {"node": "n1"}},
	"tree": {},
	"policies": [{"root": "tenant", "name": "a", "resource_types": [], "actions": []}],
	"chains": chains,
}

asked(id) := {
	"user_id": "u1",
	"resource": {"type": "vessel", "id": id, "attributes": {"supplied": 1, "flag": "NO"}},
	"action": "read",
	"action_properties": {"amount": 1},
	"context": {"time": "2020-01-01T00:00:00Z", "ip": "10.0.0.1"},
	"subject_attributes": {"rank": "mate"},
	"subject_overrides": {"level": 4},
}

# gates are the ids of the chains that have to be open, when policies name names.
gates(id, chains, permitted, names) := [one.id | some one in found] if {
	found := approval.gates(permitted) with input as asked(id)
		with data.sentinel_graph as graph(chains, [])
		with data.tenant.a as {"require_approval": {{"chain": name} | some name in names}}
}

test_the_first_chain_that_matches_guards if {
	gates("x", [chain("c1", {"type": "port"}), chain("c2", {"glob": "y*", "type_wide": false}), chain("c3", {}), chain("c4", {})], true, []) == ["c3"]
	gates("fleet/x", [chain("c1", {"glob": "fleet/*", "type_wide": false})], true, []) == ["c1"]
	gates("x", [chain("c1", {"type": "*"})], true, []) == ["c1"]
	gates("x", [], true, []) == []
}

test_a_question_about_a_type_is_guarded_by_type_wide_chains_only if {
	gates("", [chain("c1", {"type_wide": false}), chain("c2", {})], true, []) == ["c2"]
}

test_a_node_goes_by_its_code if gates("n1", [chain("c1", {"glob": "nod*", "type_wide": false})], true, []) == ["c1"]

test_the_api_is_not_guarded if {
	question := {"user_id": "u1", "resource": {"type": "api", "id": "users"}, "action": "read"}
	approval.guarding == [] with input as question with data.sentinel_graph as graph([chain("c1", {"type": "*"}), chain("c2", {"type": "api"})], [])
}

test_a_chain_with_missing_members_does_not_match if {
	gates("x", [object.remove(chain("c1", {}), ["type"])], true, []) == []
	gates("x", [object.remove(chain("c1", {}), ["glob", "type_wide"])], true, []) == []
}

test_an_escalation_is_for_what_is_not_permitted if {
	escalation := chain("c1", {"mode": "escalation"})
	gates("x", [escalation], true, []) == []
	gates("x", [escalation], false, []) == ["c1"]
	approval.escalates with input as asked("x") with data.sentinel_graph as graph([escalation], [])
	approval.escalates == false with input as asked("x") with data.sentinel_graph as graph([chain("c1", {})], [])
	approval.escalates == false with input as asked("x") with data.sentinel_graph as graph([], [])
	approval.escalates == false with input as asked("x") with data.sentinel_graph as graph([object.remove(chain("c1", {}), ["mode"])], [])
}

test_a_chain_of_no_known_mode_is_a_gate if {
	gates("x", [object.remove(chain("c1", {}), ["mode"])], true, []) == ["c1"]
}

test_named_chains_come_by_their_id if {
	others := [chain("c9", {"type": "port"}), chain("c8", {"type": "port", "mode": "escalation"}), chain("c7", {"type": "port"})]
	gates("x", array.concat([chain("c5", {})], others), true, ["c9", "c8"]) == ["c5", "c8", "c9"]
	gates("x", [chain("c5", {})], true, ["c5"]) == ["c5"]
	gates("x", [chain("c5", {"mode": "escalation"})], true, ["c5"]) == ["c5"]
}

# opened is how the chain is open to a question about id, {} if it is not.
default opened(_, _, _) := {}

opened(id, members, requests) := opening if {
	of := chain("c", members)
	opening := approval.opening(of) with input as asked(id)
		with data.sentinel_graph as graph([of], requests)
		with time.now_ns as 1772442000000000000
}

opens(members) if opened("x", {}, [request(members)]) == {"request": "q1", "auto": false}

test_an_approved_request_opens if {
	opens({})
	opens({"action": "*"})
	opens({"expires_at_ns": 1772442000000000001})
	not opens({"status": "pending"})
	not opens({"chain": "c2"})
	not opens({"action": "write"})
	not opens({"type": "port"})
	not opens({"resource_id": "y"})
	not opens({"resource_id": ""})
	not opens({"expires_at_ns": 1772442000000000000})
	opened("x", {}, []) == {}
	opened("x", {}, null) == {}
}

test_a_request_with_missing_members_does_not_open if {
	every part in object.keys(request({})) {
		opened("x", {}, [object.remove(request({}), [part])]) == {}
	}
}

test_a_request_for_the_type if {
	opened("", {}, [request({"resource_id": ""})]).request == "q1"
	opened("", {}, [request({})]) == {}
}

test_a_request_for_a_node_is_for_its_id if {
	of_node := request({"resource_id": "node", "node": "n1"})
	opened("node", {}, [of_node]).request == "q1"
	opened("n1", {}, [of_node]).request == "q1"
	opened("node", {}, [request({"resource_id": "node"})]) == {}
	opened("other", {}, [request({"resource_id": "other", "node": "n1"})]) == {}
}

test_the_oldest_request_opens if opened("x", {}, [request({}), request({"id": "q2"})]).request == "q1"

auto(conditions) if opened("x", {"auto": conditions}, []) == {"request": "", "auto": true}

test_conditions_open if {
	auto({"subject.attributes.level": {"gte": 3}})
	auto({"action.name": "read", "resource.id": "x", "resource.type": "vessel", "tenant.id": "t1"})
	not auto({"subject.attributes.level": 4})
	not auto(null)
	not auto("x")
	opened("node", {"auto": {"flag": "GR"}}, []).auto
	opened("x", {"auto": {"subject.id": "u1"}}, [request({})]) == {"request": "q1", "auto": false}
}

test_conditions_read_nothing_that_the_caller_says if {
	auto({"context.time": "2026-03-02T09:00:00Z"})
	not auto({"supplied": 1})
	not auto({"flag": "NO"})
	not auto({"context.ip": "10.0.0.1"})
	not auto({"action.amount": 1})
	not auto({"subject.attributes.rank": "mate"})
}

test_conditions_open_only_where_that_is_enabled if {
	of := chain("c", {"auto": {"subject.id": "u1"}})
	every stored in [{"id": "t1"}, {"id": "t1", "auto_approve": false}] {
		not approval.opening(of) with input as asked("x") with data.sentinel_graph as object.union(object.remove(graph([of], []), ["tenant"]), {"tenant": stored})
	}
}

test_the_request_that_waits if {
	waiting := request({"status": "pending", "id": "q2"})
	approval.pending(chain("c", {})) == "q2" with input as asked("x") with data.sentinel_graph as graph([], [request({}), waiting])
	approval.pending(chain("c", {})) == "" with input as asked("x") with data.sentinel_graph as graph([], [request({})])
	approval.pending(chain("c", {})) == "" with input as asked("y") with data.sentinel_graph as graph([], [waiting])
}
