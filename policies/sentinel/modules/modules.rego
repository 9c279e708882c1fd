# METADATA
# title: Modules
# description: >
#   What one policy module says. Which modules there are, and which of them
#   matter, is not known here.
package sentinel.modules

# said are the entries of the rules of a module, by rule: null for a rule that is
# no set. A rule that is undefined says nothing.
said(root, name, rules) := {rule: entries(value) |
	some rule in rules
	value := answer(root, name, rule)
}

answer("platform", name, rule) := data.sentinel.platform[name][rule]

answer("tenant", name, rule) := data.tenant[name][rule]

default entries(_) := null

entries(value) := value if is_set(value)
