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
}

allow := {"id": "p1", "effect": "allow", "actions": ["read"], "type": "vessel", "glob": "**", "type_wide": true}

decided(question, stored) := decision if {
	decision := authz.decision with input as question with data.sentinel_graph as stored
}

test_granted if {
	decided(asked, graph([object.union(allow, {"id": "p2"}), allow])) == {
		"allowed": true,
		"reason_code": "granted",
		"matched_permissions": ["p1", "p2"],
		"matched_roles": ["one", "two"],
	}
}

test_explicit_deny if {
	decided(asked, graph([allow, object.union(allow, {"id": "p2", "effect": "deny"})])) == {
		"allowed": false,
		"reason_code": "explicit_deny",
		"matched_permissions": ["p2"],
		"matched_roles": ["one", "two"],
	}
}

test_condition_failed if {
	decided(asked, graph([object.union(allow, {"conditions": {"x": 1}})])) == {
		"allowed": false,
		"reason_code": "condition_failed",
		"matched_permissions": ["p1"],
		"matched_roles": ["one", "two"],
	}
}

denied(question, stored, code) if {
	decided(question, stored) == {"allowed": false, "reason_code": code, "matched_permissions": [], "matched_roles": []}
}

test_no_matching_permission if denied(asked, graph([]), "no_matching_permission")

test_subject_unknown if denied(object.union(asked, {"user_id": "u9"}), graph([allow]), "subject_unknown")

test_subject_inactive if denied(object.union(asked, {"user_id": "u2"}), graph([allow]), "subject_inactive")

test_tenant_inactive if {
	denied(asked, object.union(graph([allow]), {"tenant": {"is_active": false}}), "tenant_inactive")
	denied(asked, object.union(object.remove(graph([allow]), ["tenant"]), {"tenant": {"id": "t1"}}), "tenant_inactive")
}

test_not_evaluated_when_malformed if denied(object.remove(asked, ["action"]), graph([allow]), "not_evaluated")

test_not_evaluated_when_a_part_of_the_graph_is_missing if {
	every part in ["tenant", "subjects", "edges", "roles", "grants", "tree"] {
		denied(asked, object.remove(graph([allow]), [part]), "not_evaluated")
	}
	denied(asked, {}, "not_evaluated")
}
