package sentinel.authz_test

import data.sentinel.authz

asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "x"}, "action": "read"}

graph(grants) := {
	"tenant": {"id": "t1", "is_active": true, "time_zone": "UTC"},
	"subjects": {"u1": {"is_active": true, "assignments": [{"node": "role:r1"}]}, "u2": {"is_active": false}},
	"edges": {"role:r1": ["role:r2"], "role:r2": []},
	"roles": {"role:r1": {"name": "two"}, "role:r2": {"name": "one"}},
	"grants": {"role:r1": grants, "role:r2": grants},
	"resources": {},
	"resource_codes": {},
	"tree": {},
	"chains": [],
	"fields": {"vessel": {"name": {"tier": "core", "default": "read"}}},
	"policies": [{"root": "tenant", "name": "hours", "resource_types": [], "actions": []}],
}

allow := {"id": "p1", "effect": "allow", "actions": ["read"], "type": "vessel", "glob": "**", "type_wide": true}

decided(question, stored) := decision if {
	decision := authz.decision with input as question with data.sentinel_graph as stored
}

# answer is one without what nothing has a say in.
answer(members) := object.union(
	{
		"allowed": false,
		"matched_permissions": [],
		"matched_roles": [],
		"denials": [],
		"obligations": [],
		"requires_approval": false,
		"approval_chain_id": "",
		"approval_levels": null,
		"approval_request_id": "",
		"auto_approved": false,
	},
	members,
)

hidden := {"core": {"name": "hidden"}}

readable := {"core": {"name": "read"}}

test_granted if {
	decided(asked, graph([object.union(allow, {"id": "p2"}), allow])) == answer({
		"allowed": true,
		"reason_code": "granted",
		"matched_permissions": ["p1", "p2"],
		"matched_roles": ["one", "two"],
		"field_permissions": readable,
	})
}

test_explicit_deny if {
	decided(asked, graph([allow, object.union(allow, {"id": "p2", "effect": "deny"})])) == answer({
		"reason_code": "explicit_deny",
		"matched_permissions": ["p2"],
		"matched_roles": ["one", "two"],
		"field_permissions": hidden,
	})
}

test_condition_failed if {
	decided(asked, graph([object.union(allow, {"conditions": {"x": 1}})])) == answer({
		"reason_code": "condition_failed",
		"matched_permissions": ["p1"],
		"matched_roles": ["one", "two"],
		"field_permissions": hidden,
	})
}

denied(question, stored, code, fields) if {
	decided(question, stored) == answer({"reason_code": code, "field_permissions": fields})
}

test_no_matching_permission if denied(asked, graph([]), "no_matching_permission", hidden)

test_fields_do_not_depend_on_the_action if {
	denied(object.union(asked, {"action": "sell"}), graph([allow]), "no_matching_permission", readable)
}

test_subject_unknown if denied(object.union(asked, {"user_id": "u9"}), graph([allow]), "subject_unknown", hidden)

test_subject_inactive if denied(object.union(asked, {"user_id": "u2"}), graph([allow]), "subject_inactive", hidden)

test_tenant_inactive if {
	denied(asked, object.union(graph([allow]), {"tenant": {"is_active": false}}), "tenant_inactive", hidden)
	denied(asked, object.union(object.remove(graph([allow]), ["tenant"]), {"tenant": {"id": "t1"}}), "tenant_inactive", hidden)
}

test_not_evaluated_when_malformed if denied(object.remove(asked, ["action"]), graph([allow]), "not_evaluated", {})

test_not_evaluated_when_a_part_of_the_graph_is_missing if {
	every part in object.keys(graph([])) {
		denied(asked, object.remove(graph([allow]), [part]), "not_evaluated", {})
	}
	every part in object.keys(graph([])) {
		denied(asked, object.union(graph([allow]), {part: null}), "not_evaluated", {})
	}
	denied(asked, {}, "not_evaluated", {})
}

test_policies_deny_with_what_they_say if {
	decision := authz.decision with input as asked
		with data.sentinel_graph as graph([allow])
		with data.tenant as {"hours": {"deny": {{"reason": "late"}}, "obligations": {{"log": true}}}}
	decision == answer({
		"reason_code": "policy_deny",
		"denials": [{"policy": "tenant.hours", "reason": "late"}],
		"field_permissions": hidden,
	})
}

test_obligations_are_for_what_is_allowed if {
	duties := {"hours": {"obligations": {{"log": true}}}}
	allowed := authz.decision with input as asked with data.sentinel_graph as graph([allow]) with data.tenant as duties
	allowed.obligations == [{"log": true, "policy": "tenant.hours"}]
	not_allowed := authz.decision with input as asked with data.sentinel_graph as graph([]) with data.tenant as duties
	not_allowed.obligations == []
}

test_approval_required if {
	guarded := {"id": "c1", "name": "two", "type": "vessel", "glob": "**", "type_wide": true, "mode": "gate", "levels": [{"level": 1}]}
	decided(asked, object.union(graph([allow]), {"chains": [guarded]})) == answer({
		"reason_code": "approval_required",
		"matched_permissions": ["p1"],
		"matched_roles": ["one", "two"],
		"requires_approval": true,
		"approval_chain_id": "c1",
		"approval_levels": [{"level": 1}],
		"field_permissions": hidden,
	})
}

test_fields_alone if {
	readable == authz.fields with input as asked with data.sentinel_graph as graph([allow])
	hidden == authz.fields with input as asked with data.sentinel_graph as graph([])
	{} == authz.fields with input as asked with data.sentinel_graph as {}
}
