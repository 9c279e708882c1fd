# METADATA
# title: The library for policies
# description: >
#   All that a tenant's modules may read of the question's surroundings, besides
#   the input. The server answers these five, and nothing else, without this file.
package sentinel.lib

import data.sentinel.question
import data.sentinel.resource as node
import data.sentinel.roles
import data.sentinel.subject as account

# METADATA
# title: The subject
# description: >
#   The stored account, with the names of all roles that it has. An e-mail address
#   that nobody has confirmed is "". What a caller who may do so says of the
#   subject fills gaps in the attributes, or replaces them.
subject := object.union(account.identity, {"attributes": account.known_attributes, "roles": sort(roles.names(roles.held))})

# METADATA
# title: The resource
# description: >
#   A registered node by its code. What the caller supplied fills gaps in the
#   stored attributes.
resource := {
	"id": node.id,
	"type": node.type,
	"path": node.path,
	"attributes": object.union(
		object.remove(question.attributes, object.keys(node.stored)),
		node.stored,
	),
}

# METADATA
# title: The action
action := {"name": input.action, "properties": question.action_properties}

# METADATA
# title: The context
# description: The caller's, with the time, in RFC 3339, that is now unless the caller names another.
context := question.context

# METADATA
# title: The tenant
tenant := {member: data.sentinel_graph.tenant[member] | some member in ["id", "code", "name", "time_zone"]}
