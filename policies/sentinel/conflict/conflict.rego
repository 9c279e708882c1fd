# METADATA
# title: Conflict
# description: >
#   Step 5. Of the permissions that count, those that decide. A deny decides if no
#   allow outranks it, an allow if it outranks every deny.
package sentinel.conflict

import data.sentinel.permissions
import data.sentinel.resource

denying contains id if {
	some id in permissions.denying
	every other in permissions.allowing {
		ranks[id] >= ranks[other]
	}
}

allowing contains id if {
	some id in permissions.allowing
	every other in permissions.denying {
		ranks[id] > ranks[other]
	}
}

# ranks of the permissions that count, by id.
ranks[id] := rank(permissions.candidates[id]) if some id in counting

counting := permissions.denying | permissions.allowing

# Unless the tenant wants the most specific one, any deny wins; and it does as
# well when there is one that cannot be compared.
rank(grant) := [level(grant), priority(grant)] if most_specific

rank(grant) := to_number(grant.effect == "deny") if not most_specific

default most_specific := false

most_specific if {
	data.sentinel_graph.tenant.conflict == "most_specific"
	every id in counting {
		level(permissions.candidates[id])
		priority(permissions.candidates[id])
	}
}

# level is how close to the resource a permission is. The node itself comes before
# one id of a type, which is class 5, and this before a node above, of which the
# lower one, with more of them on the way to the root, is nearer.
level(grant) := [6, 0] if itself(grant)

level(grant) := [4, count(graph.reachable(data.sentinel_graph.tree, {grant.node}))] if {
	grant.node
	not itself(grant)
}

level(grant) := [grant.class, grant.literals] if not grant.node

itself(grant) if grant.node == resource.node_id

# priority is the highest of the subject's roles that own the permission directly.
priority(grant) := max({data.sentinel_graph.roles[role].priority | some role in permissions.owners({grant.id})})
