# METADATA
# title: Permissions
# description: >
#   Steps 3 to 5. The permissions of the subject's roles that match the question,
#   and which of them count.
package sentinel.permissions

import data.sentinel.conditions
import data.sentinel.question
import data.sentinel.resource
import data.sentinel.roles
import data.sentinel.subject

# environment is what conditions are evaluated against.
environment := {
	"subject": subject.environment,
	"resource": resource.environment,
	"action": {"name": input.action, "properties": question.action_properties},
	"context": question.context,
	"tenant": data.sentinel_graph.tenant,
}

# candidates are the matching permissions by id, before their conditions.
candidates[grant.id] := grant if {
	some role in roles.held
	some grant in data.sentinel_graph.grants[role]
	names_action(grant)
	names_resource(grant)
}

names_action(grant) if input.action in grant.actions

names_action(grant) if "*" in grant.actions

# A permission on a node reaches the node and what lies below it.
names_resource(grant) if grant.node in resource.flows

names_resource(grant) if {
	not grant.node
	names_type(grant)
	names_id(grant)
}

# The sections of the API are the platform's: neither "*" nor a deny reaches
# them.
names_type(grant) if {
	grant.type == resource.type
	not spares_api(grant)
}

names_type(grant) if {
	grant.type == "*"
	resource.type != "api"
}

spares_api(grant) if {
	resource.type == "api"
	grant.effect == "deny"
}

names_id(grant) if grant.type_wide

names_id(grant) if {
	resource.id != ""
	glob.match(grant.glob, ["/"], resource.id)
}

# truths are the values of the candidates' conditions.
truths[id] := conditions.evaluate(object.get(grant, "conditions", null), environment) if {
	some id, grant in candidates
}

# A deny counts unless its conditions are false, an allow only if they are true,
# so that leaving an attribute out never helps.
denying contains id if {
	some id, grant in candidates
	grant.effect == "deny"
	not truths[id] == 0
}

allowing contains id if {
	some id, grant in candidates
	grant.effect == "allow"
	truths[id] == 2
}

failing contains id if {
	some id, grant in candidates
	grant.effect == "allow"
	not truths[id] == 2
}

# owners are the subject's roles that own one of the permissions directly.
owners(ids) := {role |
	some role in roles.held
	some grant in data.sentinel_graph.grants[role]
	grant.id in ids
}
