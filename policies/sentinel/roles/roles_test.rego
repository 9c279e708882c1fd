package sentinel.roles_test

import data.sentinel.roles

graph(assignments) := {
	"subjects": {"u1": {"assignments": assignments}},
	"edges": {
		"group:g1": ["group:g2", "role:r1"],
		"group:g2": ["role:r2", "role:inactive"],
		"role:r1": [],
		"role:r2": ["role:r3"],
		"role:r3": [],
	},
	"roles": {"role:r1": {"name": "one"}, "role:r2": {"name": "two"}, "role:r3": {"name": "three"}},
}

held(assignments) := nodes if {
	nodes := roles.held with input as {"user_id": "u1"}
		with data.sentinel_graph as graph(assignments)
		with time.now_ns as 50
}

test_roles_of_groups_and_parents_are_held if {
	held([{"node": "group:g1"}]) == {"group:g1", "group:g2", "role:r1", "role:r2", "role:r3"}
}

test_what_is_not_active_is_not_passed_through if {
	held([{"node": "role:inactive", "valid_from_ns": null, "expires_at_ns": null}]) == set()
}

test_assignment_counts_from_its_beginning_up_to_its_end if {
	held([{"node": "role:r1", "valid_from_ns": 50, "expires_at_ns": 51}]) == {"role:r1"}
	held([{"node": "role:r1", "valid_from_ns": 51, "expires_at_ns": null}]) == set()
	held([{"node": "role:r1", "valid_from_ns": null, "expires_at_ns": 50}]) == set()
}

test_nothing_is_held_without_assignments if {
	held([]) == set()
	roles.held == set() with input as {"user_id": "u2"} with data.sentinel_graph as graph([])
}

test_names_are_of_roles_only if {
	roles.names({"group:g1", "role:r1", "role:r3"}) == {"one", "three"} with data.sentinel_graph as graph([])
}
