package sentinel.conflict_test

import data.sentinel.conflict

# settled are the permissions that decide among those given: role:r1 has priority
# 1, role:r2 has 2, and role:r9 is not the subject's. n3 is above n2, that above
# n1, of which the code is x.
settled(mode, grants) := {"allow": allowing, "deny": denying} if {
	asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "x"}, "action": "read"}
	allowing := conflict.allowing with input as asked with data.sentinel_graph as graph(mode, grants)
	denying := conflict.denying with input as asked with data.sentinel_graph as graph(mode, grants)
}

graph(mode, grants) := {
	"tenant": {"id": "t1", "conflict": mode, "time_zone": "UTC"},
	"subjects": {"u1": {"assignments": [{"node": "role:r1"}, {"node": "role:r2"}]}},
	"edges": {"role:r1": [], "role:r2": []},
	"roles": {"role:r1": {"priority": 1}, "role:r2": {"priority": 2}, "role:r9": {"priority": 9}},
	"grants": grants,
	"resources": {"n1": {"type": "vessel", "code": "x", "path": "/x"}},
	"resource_codes": {"vessel": {"x": "n1"}},
	"tree": {"n1": ["n2"], "n2": ["n3"], "n3": []},
}

pattern(id, effect, members) := object.union(
	{"id": id, "effect": effect, "actions": ["read"], "type": "vessel", "glob": "**", "type_wide": true, "class": 2, "literals": 0},
	members,
)

on(id, effect, node) := {"id": id, "effect": effect, "actions": ["read"], "node": node, "class": 0, "literals": 0}

exact(id, effect) := pattern(id, effect, {"glob": "x", "type_wide": false, "class": 5, "literals": 1})

test_deny_overrides if {
	grants := [on("a", "allow", "n1"), pattern("b", "deny", {}), exact("c", "deny")]
	settled("deny_overrides", {"role:r1": grants}) == {"allow": set(), "deny": {"b", "c"}}
	settled("deny_overrides", {"role:r1": array.slice(grants, 0, 1)}) == {"allow": {"a"}, "deny": set()}
	settled("another", {"role:r1": grants}).deny == {"b", "c"}
}

# above holds if the first decides against the second, whichever of them denies.
above(first, second) if {
	every effects in [["allow", "deny"], ["deny", "allow"]] {
		a := object.union(first, {"id": "a", "effect": effects[0]})
		b := object.union(second, {"id": "b", "effect": effects[1]})
		settled("most_specific", {"role:r1": [a, b]}) == object.union({"allow": set(), "deny": set()}, {effects[0]: {"a"}})
	}
}

test_most_specific_ranks if {
	glob := pattern("", "", {"glob": "x*", "type_wide": false, "class": 3, "literals": 1})
	rank := [
		on("", "", "n1"),
		exact("", ""),
		on("", "", "n2"),
		on("", "", "n3"),
		object.union(glob, {"literals": 2}),
		glob,
		pattern("", "", {}),
		pattern("", "", {"type": "*", "class": 1, "literals": 1}),
		pattern("", "", {"type": "*", "class": 1}),
	]
	every i in numbers.range(0, count(rank) - 2) {
		above(rank[i], rank[i + 1])
	}
	above(rank[0], rank[8])
}

test_most_specific_ties if {
	allow := pattern("a", "allow", {})
	deny := pattern("d", "deny", {})
	settled("most_specific", {"role:r1": [allow, deny]}) == {"allow": set(), "deny": {"d"}}
	settled("most_specific", {"role:r2": [allow], "role:r1": [deny]}) == {"allow": {"a"}, "deny": set()}
	settled("most_specific", {"role:r1": [allow], "role:r2": [deny]}) == {"allow": set(), "deny": {"d"}}
	settled("most_specific", {"role:r1": [allow, deny], "role:r2": [allow]}) == {"allow": {"a"}, "deny": set()}
	settled("most_specific", {"role:r1": [allow], "role:r2": [deny], "role:r9": [allow]}) == {"allow": set(), "deny": {"d"}}
}

test_only_what_outranks_the_others_decides if {
	settled("most_specific", {"role:r1": [on("a", "allow", "n1"), pattern("b", "allow", {}), exact("d", "deny")]}) == {"allow": {"a"}, "deny": set()}
	settled("most_specific", {"role:r1": [on("d", "deny", "n1"), pattern("e", "deny", {}), exact("a", "allow")]}) == {"allow": set(), "deny": {"d"}}
	settled("most_specific", {"role:r1": [on("d", "deny", "n1"), pattern("e", "deny", {})]}).deny == {"d", "e"}
	settled("most_specific", {"role:r1": [on("a", "allow", "n1"), pattern("b", "allow", {})]}).allow == {"a", "b"}
}

test_nodes_above_an_instance_that_is_not_registered if {
	stored := object.union(
		graph("most_specific", {"role:r1": [on("a", "allow", "n2"), on("d", "deny", "n3")]}),
		{"resource_codes": {"entity": {"vessel": "n2"}}},
	)
	asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "y"}, "action": "read"}
	conflict.allowing == {"a"} with input as asked with data.sentinel_graph as stored
	conflict.denying == set() with input as asked with data.sentinel_graph as stored
}

test_missing_members_let_denies_win if {
	every part in ["class", "literals"] {
		settled("most_specific", {"role:r1": [on("a", "allow", "n1"), object.remove(pattern("d", "deny", {}), [part])]}).deny == {"d"}
		settled("most_specific", {"role:r1": [object.remove(exact("a", "allow"), [part]), pattern("d", "deny", {})]}).deny == {"d"}
	}
	settled("most_specific", {}) == {"allow": set(), "deny": set()}
}
