package sentinel.conditions_test

import data.sentinel.conditions

# env has the attribute x, or none where value is [].
env(value) := {
	"subject": {
		"id": "u1",
		"email": "",
		"is_service_account": false,
		"attributes": {"port": "oslo", "ports": ["oslo", "bergen"], "level": 3, "void": null, "net": "10.0.0.0/8"},
		"supplied": {"level": 9, "clearance": "secret"},
	},
	"resource": {
		"id": "mv-atlas",
		"type": "vessel",
		"path": "",
		"attributes": {"hull": {"type": "steel", "a.b": 1}, "hull.type": "whole"},
		"supplied": {"x": item | some item in value},
	},
	"action": {"name": "update", "properties": {"reason": "audit"}},
	"context": {"time": "2026-03-02T09:30:00Z"},
	"tenant": {"id": "t1", "time_zone": "Europe/Athens"},
}

# gives checks a comparison of x with each value: [value] or [], and the truth.
gives(comparison, cases) if {
	every case in cases {
		conditions.evaluate({"x": comparison}, env(case[0])) == case[1]
	}
}

test_nothing_holds_always if {
	conditions.evaluate({}, env([])) == 2
	conditions.evaluate(null, env([])) == 2
	conditions.evaluate("x", env([])) == 1
}

test_scalar if gives("a", [[["a"], 2], [["b"], 0], [[], 1], [[1], 1], [[null], 1]])

test_number if gives(1, [[[1.0], 2], [[2], 0], [[], 1], [["1"], 1], [[1e300], 1]])

test_negative_number if gives(-1, [[[-1.0], 2], [[-2], 0], [[], 1], [[-1e300], 1]])

test_number_too_small if gives({"gt": 0}, [[[1e-300], 2], [[0], 0], [[1e-301], 1]])

test_null if gives(null, [[[null], 2], [["a"], 0], [[], 1]])

test_list if gives(["a", 1], [[["a"], 2], [[1], 2], [["b"], 1], [[], 1]])

test_eq if gives({"eq": "a"}, [[["a"], 2], [["b"], 0], [[], 1]])

test_ne if gives({"ne": "a"}, [[["b"], 2], [["a"], 0], [[], 1]])

test_in if gives({"in": ["a"]}, [[["a"], 2], [["b"], 0], [[], 1]])

test_in_ref if gives({"in": {"ref": "subject.attributes.ports"}}, [[["oslo"], 2], [["b"], 0], [[], 1]])

test_in_ref_to_no_list if gives({"in": {"ref": "subject.attributes.port"}}, [[["oslo"], 1]])

test_nin if gives({"nin": ["a"]}, [[["b"], 2], [["a"], 0], [[], 1]])

test_gt if gives({"gt": 5}, [[[6], 2], [[5], 0], [[], 1], [["6"], 1]])

test_gte if gives({"gte": 5}, [[[5], 2], [[4], 0], [[], 1]])

test_lt if gives({"lt": 5}, [[[4], 2], [[5], 0], [[], 1]])

test_lte if gives({"lte": "2026-01-01T00:00:00Z"}, [
	[["2026-01-01T02:00:00+02:00"], 2],
	[["2026-01-01T00:00:01Z"], 0],
	[[], 1],
	[["2023-02-29T00:00:00Z"], 1],
	[["2262-01-01T00:00:00Z"], 1],
])

test_between_numbers if gives({"between": [1, 5]}, [[[5], 2], [[6], 0], [[], 1], [["3"], 1]])

test_between_clock_times if gives({"between": ["09:00", "17:00"]}, [
	[["2026-03-02T15:00:59Z"], 2],
	[["2026-03-02T15:01:00Z"], 0],
	[[], 1],
	[["10:00"], 1],
])

test_between_past_midnight if gives({"between": ["22:00", "06:00"]}, [
	[["2026-03-02T20:00:00Z"], 2],
	[["2026-03-02T04:00:00Z"], 2],
	[["2026-03-02T10:00:00Z"], 0],
])

test_weekday if gives({"weekday": ["mon"]}, [
	[["2026-03-01T22:30:00Z"], 2],
	[["2026-03-02T22:30:00Z"], 0],
	[[], 1],
	[["mon"], 1],
])

test_weekday_alone if gives({"weekday": "mon"}, [[["2026-03-02T09:30:00Z"], 2]])

test_weekday_without_zone if {
	conditions.evaluate({"context.time": {"weekday": ["mon"]}}, {"context": {"time": "2026-03-02T23:30:00Z"}, "tenant": {}}) == 2
}

test_prefix if gives({"prefix": "os"}, [[["oslo"], 2], [["bergen"], 0], [[], 1], [[1], 1]])

test_suffix if gives({"suffix": "lo"}, [[["oslo"], 2], [["bergen"], 0], [[], 1]])

test_contains if gives({"contains": "sl"}, [
	[["oslo"], 2],
	[["bergen"], 0],
	[[["sl"]], 2],
	[[["x"]], 0],
	[[], 1],
	[[1], 1],
])

test_contains_all if gives({"contains_all": ["a", "b"]}, [[[["b", "a"]], 2], [[["a"]], 0], [[], 1], [["ab"], 1]])

test_contains_any if gives({"contains_any": ["a", "b"]}, [[[["b"]], 2], [[["c"]], 0], [[], 1], [["ab"], 1]])

test_matches if gives({"matches": "^o.*o$"}, [[["oslo"], 2], [["bergen"], 0], [[], 1], [[1], 1]])

test_cidr if gives({"cidr": ["10.0.0.0/8"]}, [[["10.1.2.3"], 2], [["11.1.2.3"], 0], [[], 1], [["10.0.0.0/8"], 1]])

test_cidr_ref if gives({"cidr": {"ref": "subject.attributes.net"}}, [[["10.1.2.3"], 2], [["11.1.2.3"], 0]])

test_cidr_of_no_block if gives({"cidr": {"ref": "subject.attributes.port"}}, [[["10.1.2.3"], 1]])

test_exists if gives({"exists": true}, [[[false], 2], [[null], 0], [[], 0]])

test_exists_not if gives({"exists": false}, [[[], 2], [[null], 2], [[1], 0]])

test_ref if gives({"ref": "subject.attributes.port"}, [[["oslo"], 2], [["x"], 0], [[], 1]])

test_ref_to_nothing if {
	gives({"ref": "subject.attributes.none"}, [[["oslo"], 1]])
	gives({"ref": "subject.attributes.void"}, [[[null], 1]])
}

test_all_of if {
	conditions.evaluate({"all_of": [{"x": 1}, {"subject.id": "u1"}]}, env([1])) == 2
	conditions.evaluate({"all_of": [{"x": 1}, {"subject.id": "u1"}]}, env([2])) == 0
	conditions.evaluate({"all_of": [{"x": 1}, {"subject.id": "u1"}]}, env([])) == 1
}

test_any_of if {
	conditions.evaluate({"any_of": [{"x": 1}, {"subject.id": "u2"}]}, env([1])) == 2
	conditions.evaluate({"any_of": [{"x": 1}, {"subject.id": "u2"}]}, env([2])) == 0
	conditions.evaluate({"any_of": [{"x": 1}, {"subject.id": "u2"}]}, env([])) == 1
}

test_not if {
	conditions.evaluate({"not": {"x": 1}}, env([2])) == 2
	conditions.evaluate({"not": {"x": 1}}, env([1])) == 0
	conditions.evaluate({"not": {"x": 1}}, env([])) == 1
}

test_time_range if {
	conditions.evaluate({"time_range": ["09:00", "17:00"]}, env([])) == 2
	conditions.evaluate({"time_range": ["12:00", "17:00"]}, env([])) == 0
	conditions.evaluate({"time_range": ["12:00", "17:00"]}, {"context": {}}) == 1
}

test_nesting if {
	nine := {"all_of": [{"all_of": [{"all_of": [{"all_of": [{"all_of": [{"all_of": [{"all_of": [{"all_of": [{"all_of": [{"x": 1}]}]}]}]}]}]}]}]}]}
	conditions.evaluate(nine, env([1])) == 2
	conditions.evaluate(nine, env([2])) == 0
	conditions.evaluate({"any_of": [nine]}, env([1])) == 1
}

test_paths if {
	every key, value in {
		"subject.id": "u1",
		"subject.is_service_account": false,
		"subject.attributes.port": "oslo",
		"user_attributes.port": "oslo",
		"subject.attributes.level": 3,
		"subject.attributes.clearance": "secret",
		"resource.type": "vessel",
		"resource.attributes.hull.type": "whole",
		"attributes.hull.type": "whole",
		"hull.type": "whole",
		"hull.a.b": 1,
		"action.name": "update",
		"action.reason": "audit",
		"context.time": "2026-03-02T09:30:00Z",
		"tenant.time_zone": "Europe/Athens",
	} {
		conditions.evaluate({key: value}, env([])) == 2
	}
}

test_paths_to_nothing if {
	every key in ["subject.email", "resource.path", "hull.none", "hull.a", "action.none", "context.none", "subject.none", "none"] {
		conditions.evaluate({key: "a"}, env([])) == 1
	}
}
