package sentinel.policies_test

import data.sentinel.policies

asked := {"user_id": "u1", "resource": {"type": "vessel", "id": "x"}, "action": "read"}

module(name, types, actions) := {"root": "tenant", "name": name, "resource_types": types, "actions": actions}

graph(modules) := {
	"tenant": {"id": "t1"},
	"policies": modules,
	"chains": [{"id": "c1", "name": "two"}, {"id": "c2", "name": "one"}, {"id": "c3", "name": "chain"}],
}

applying(modules, question) := names if {
	found := policies.applying with input as question with data.sentinel_graph as graph(modules)
	names := {one.name | some one in found}
}

test_modules_apply_by_type_and_action if {
	applying([module("a", [], [])], asked) == {"a"}
	applying([module("a", ["port", "vessel"], ["read"])], asked) == {"a"}
	applying([module("a", ["*"], ["*"])], asked) == {"a"}
	applying([module("a", ["port"], [])], asked) == set()
	applying([module("a", [], ["write"])], asked) == set()
}

test_a_module_without_lists_always_applies if {
	applying([{"root": "tenant", "name": "a"}], asked) == {"a"}
	applying([module("a", null, null)], asked) == {"a"}
}

test_none_applies_to_the_api if {
	applying([module("a", [], []), module("b", ["api"], [])], object.union(asked, {"resource": {"type": "api"}})) == set()
}

# said is what module a says that has the rules given.
said(rules) := {
	"malformed": malformed,
	"denials": denials,
	"obligations": obligations,
	"chains": chains,
	"restrictions": restrictions,
	"allows": allows,
} if {
	stored := object.union(graph([module("a", [], [])]), {"tenant": {"allow_rules": true}})
	malformed := policies.malformed with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	denials := policies.denials with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	obligations := policies.obligations with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	chains := policies.chains with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	restrictions := policies.restrictions with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
	allows := policies.allows with input as asked with data.sentinel_graph as stored with data.tenant.a as rules
}

nothing := {"malformed": false, "denials": [], "obligations": [], "chains": set(), "restrictions": set(), "allows": false}

says(rules, members) if said(rules) == object.union(nothing, members)

test_silence if {
	says({}, {})
	says({"deny": set(), "allow": set(), "another": {1}}, {})
}

test_deny if {
	long := concat("", [sprintf("%05d", [n]) | some n in numbers.range(1, 50)])
	says({"deny": {{"reason": "b"}, {"reason": "a", "more": 1}, {"reason": "a"}}}, {"denials": [
		{"policy": "tenant.a", "reason": "a"},
		{"policy": "tenant.a", "reason": "b"},
	]})
	says({"deny": {5, {"reason": 5}, {"reason"}}}, {"denials": [{"policy": "tenant.a", "reason": ""}]})
	says({"deny": {{"reason": long}}}, {"denials": [{"policy": "tenant.a", "reason": substring(long, 0, 200)}]})
	many := said({"deny": {{"reason": sprintf("%03d", [n])} | some n in numbers.range(1, 60)}}).denials
	[count(many), many[49].reason] == [50, "050"]
}

test_obligations if {
	says({"obligations": {{"b": 1}, {"a": 1, "policy": "forged", "reason": "why"}}}, {"obligations": [
		{"a": 1, "policy": "tenant.a", "reason": "why"},
		{"b": 1, "policy": "tenant.a"},
	]})
	said({"obligations": {{"n": n} | some n in numbers.range(1, 50)}}).malformed == false
	said({"obligations": {{"n": n} | some n in numbers.range(1, 51)}}).malformed
	said({"obligations": {"x"}}).malformed
}

test_require_approval if {
	says({"require_approval": {{"chain": "two"}}}, {"chains": {"two"}})
	every entry in [{"chain": "three"}, {"chain": 1}, {}, "two", {"chain"}] {
		said({"require_approval": {entry}}).malformed
	}
}

test_restrict_fields if {
	says({"restrict_fields": {{"field": "f"}, {"field": "g", "to": "read"}}}, {"restrictions": {["f", "hidden"], ["g", "read"]}})
	every entry in [{"field": 1}, {"to": "read"}, {"field": "f", "to": "write"}, {"field": "f", "to": null}, "f", {"field"}] {
		said({"restrict_fields": {entry}}).malformed
	}
}

test_allow if {
	says({"allow": {{}}}, {"allows": true})
	stored := graph([module("a", [], [])])
	policies.allows == false with input as asked with data.sentinel_graph as stored with data.tenant.a as {"allow": {{}}}
}

test_rules_that_are_no_sets_are_malformed if {
	every rule in ["deny", "obligations", "require_approval", "restrict_fields", "allow"] {
		every answer in [true, false, null, "x", 1, [], {"a": 1}] {
			said({rule: answer}).malformed
		}
	}
}

test_a_rule_that_is_not_asked_is_not_malformed if {
	stored := graph([module("a", [], [])])
	policies.malformed == false with input as asked with data.sentinel_graph as stored with data.tenant.a as {"allow": true}
}

test_policies_of_the_platform if {
	stored := graph([{"root": "platform", "name": "a", "resource_types": [], "actions": []}])
	denials := policies.denials with input as asked with data.sentinel_graph as stored with data.sentinel.platform.a as {"deny": {{"reason": "r"}}}
	denials == [{"policy": "platform.a", "reason": "r"}]
}

test_a_module_of_an_unknown_root_says_nothing if {
	stored := graph([{"root": "other", "name": "a", "resource_types": [], "actions": []}])
	denials := policies.denials with input as asked with data.sentinel_graph as stored with data.tenant.a as {"deny": {1}}
	denials == []
}
