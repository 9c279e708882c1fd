# METADATA
# title: Policies
# description: >
#   Step 7. What the modules that apply say: the platform's, which are
#   data.sentinel.platform.<name>, and the tenant's, data.tenant.<name>.
package sentinel.policies

import data.sentinel.resource

# applying are the modules that have a say. None has about the sections of the
# API, which are the platform's.
applying contains module if {
	resource.type != "api"
	some module in data.sentinel_graph.policies
	names(module, "resource_types", resource.type)
	names(module, "actions", input.action)
}

# A module without a list has a say about everything.
names(module, list, word) if word in module[list]

names(module, list, _) if "*" in module[list]

names(module, list, _) if not has_entries(module[list])

names(module, list, _) if not module[list]

has_entries(list) if {
	is_array(list)
	count(list) > 0
}

# rules are those that a module is asked. What is let through is for the operator
# to allow.
rules(module) := {"deny", "obligations", "require_approval", "restrict_fields"} | permissive(module)

default permissive(_) := set()

permissive(module) := {"allow"} if {
	module.root == "tenant"
	data.sentinel_graph.tenant.allow_rules
}

# said are the answers; a rule that is undefined gives none.
said contains {"policy": policy, "rule": rule, "answer": answer} if {
	some module in applying
	some rule in rules(module)
	answer := asked(module.root, module.name, rule)
	policy := concat(".", [module.root, module.name])
}

asked("platform", name, rule) := data.sentinel.platform[name][rule]

asked("tenant", name, rule) := data.tenant[name][rule]

# entries of a rule, each with the policy that says it.
entries(rule) := {{"policy": one.policy, "entry": entry} |
	some one in said
	one.rule == rule
	some entry in members(one.answer)
}

members(answer) := answer if is_set(answer)

# METADATA
# title: Whether a policy says what cannot be read
default malformed := false

malformed if {
	some one in said
	not is_set(one.answer)
}

malformed if {
	some one in entries("obligations")
	not is_object(one.entry)
}

malformed if count(duties) > 50

malformed if {
	some one in entries("require_approval")
	not known_chain(one.entry)
}

malformed if {
	some one in entries("restrict_fields")
	not restriction(one.entry)
}

# An entry that is a set has no members: of {"chain"}, entry.chain is "chain".
known_chain(entry) if {
	is_object(entry)
	is_string(entry.chain)
	some chain in data.sentinel_graph.chains
	chain.name == entry.chain
}

restriction(entry) := [entry.field, to] if {
	is_object(entry)
	is_string(entry.field)
	to := object.get(entry, "to", "hidden")
	to in {"hidden", "read"}
}

# METADATA
# title: What policies say against it, at most 50
denials := array.slice(sort({{"policy": one.policy, "reason": reason(one.entry)} | some one in entries("deny")}), 0, 50)

default reason(_) := ""

reason(entry) := substring(entry.reason, 0, 200) if {
	is_object(entry)
	is_string(entry.reason)
}

# METADATA
# title: What whoever lets the subject act has to do
obligations := sort(duties)

duties contains duty if {
	some one in entries("obligations")
	is_object(one.entry)
	duty := object.union_n([one.entry, shortened(one.entry), {"policy": one.policy}])
}

default shortened(_) := {}

shortened(entry) := {"reason": reason(entry)} if is_string(entry.reason)

# METADATA
# title: The names of the approval chains that policies require
chains contains one.entry.chain if some one in entries("require_approval")

# METADATA
# title: Fields with the most that may be done with them, as [field, visibility]
restrictions contains restriction(one.entry) if some one in entries("restrict_fields")

# METADATA
# title: Whether a policy allows
default allows := false

allows if count(entries("allow")) > 0
