# METADATA
# title: Approvals
# description: >
#   Step 8. Which approval chains stand before the action, and whether the
#   subject's requests, or the chains' own conditions, open them.
package sentinel.approval

import data.sentinel.conditions
import data.sentinel.policies
import data.sentinel.question
import data.sentinel.resource
import data.sentinel.subject

# guarding are the chains whose pattern matches, in the order of the graph. None
# guards the sections of the API.
guarding := [chain |
	resource.type != "api"
	some chain in data.sentinel_graph.chains
	chain.type in {resource.type, "*"}
	guards(chain)
]

guards(chain) if chain.type_wide

guards(chain) if {
	resource.id != ""
	glob.match(chain.glob, ["/"], resource.id)
}

# guard is the chain that applies.
guard := guarding[0]

# METADATA
# title: Whether an approval would do in place of a permission
default escalates := false

escalates if guard.mode == "escalation"

# METADATA
# title: The chains that have to be open, in order
# description: >
#   An escalation has no say about what is permitted anyhow. Chains that policies
#   name are gates, whatever their mode.
gates(permitted) := array.concat([guard | consulted(permitted)], named)

consulted(permitted) if {
	guard
	not permitted
}

consulted(true) if {
	guard
	not escalates
}

# named are the chains that policies require besides, by their id.
named := [chains[id] | some id in sort(object.keys(chains))]

chains[chain.id] := chain if {
	some chain in data.sentinel_graph.chains
	chain.name in policies.chains
	not gate(chain)
}

gate(chain) if {
	chain.id == guard.id
	not escalates
}

# METADATA
# title: What opens a chain
# description: >
#   An approved request, or else the conditions of the chain; undefined for a
#   closed one.
opening(chain) := {"request": requests("approved", chain)[0].id, "auto": false}

opening(chain) := {"request": "", "auto": true} if {
	count(requests("approved", chain)) == 0
	automatic(chain)
}

# METADATA
# title: The request that waits for a chain, "" if none does
default pending(_) := ""

pending(chain) := requests("pending", chain)[0].id

# requests are the subject's for this chain, resource and action, oldest first.
requests(status, chain) := [request |
	some request in subject.account.requests
	request.status == status
	request.chain == chain.id
	request.action in {input.action, "*"}
	request.type == resource.type
	about(request)
	lasts(request)
]

about(request) if {
	request.node != ""
	request.node == resource.node_id
}

about(request) if {
	request.node == ""
	not resource.node_id
	request.resource_id == question.id
}

lasts(request) if request.status == "pending"

lasts(request) if is_null(request.expires_at_ns)

# The end is excluded.
lasts(request) if request.expires_at_ns > time.now_ns()

# automatic holds if the conditions of the chain are true. They read nothing that
# the caller says, its clock neither.
automatic(chain) if {
	data.sentinel_graph.tenant.auto_approve
	is_object(chain.auto)
	conditions.evaluate(chain.auto, environment) == 2
}

environment := {
	"subject": subject.own_environment,
	"resource": object.remove(resource.environment, ["supplied"]),
	"action": {"name": input.action, "properties": {}},
	"context": {"time": question.now},
	"tenant": data.sentinel_graph.tenant,
}
