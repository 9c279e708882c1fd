# METADATA
# title: The outcome
# description: >
#   Steps 1 to 8 of one action, input.action. Everything that asks about another
#   action than the one asked puts it there.
package sentinel.outcome

import data.sentinel.approval
import data.sentinel.conflict
import data.sentinel.permissions
import data.sentinel.policies
import data.sentinel.question
import data.sentinel.subject
import data.sentinel.workflow

default code := "not_evaluated"

# code is the first that applies. Policies are asked only where nothing before
# them is final.
code := final if {
	evaluable
} else := "not_evaluated" if {
	evaluable
	policies.malformed
} else := "policy_deny" if {
	evaluable
	count(policies.denials) > 0
} else := settled if {
	evaluable
}

# final is what no policy changes any more.
final := "subject_unknown" if {
	not subject.account
} else := "subject_inactive" if {
	not subject.usable
} else := "tenant_inactive" if {
	not data.sentinel_graph.tenant.is_active
} else := "explicit_deny" if {
	count(conflict.denying) > 0
} else := "workflow_state" if {
	workflow.blocks
}

# settled is what permissions, policies that allow and approvals come to.
settled := "condition_failed" if {
	not attainable
	count(permissions.failing) > 0
} else := "no_matching_permission" if {
	not attainable
} else := "approval_required" if {
	closed
} else := "granted_by_approval" if {
	count(gates) > 0
} else := "granted"

default permitted := false

permitted if count(conflict.allowing) > 0

permitted if policies.allows

attainable if permitted

attainable if approval.escalates

gates := approval.gates(permitted)

# closed is the first chain that nothing opens.
closed := [chain |
	some chain in gates
	not approval.opening(chain)
][0]

# METADATA
# title: Whether the action is allowed
default allowed := false

allowed if code in {"granted", "granted_by_approval"}

# METADATA
# title: The permissions that decided
default matched := set()

matched := conflict.denying if code == "explicit_deny"

matched := conflict.allowing if code in {"granted", "granted_by_approval", "approval_required"}

matched := permissions.failing if code == "condition_failed"

# METADATA
# title: The chain that had a say, and what became of it
# description: The levels are null and the rest "" or false where none had.
default chain := {"id": "", "levels": null, "request": "", "auto_approved": false}

chain := {
	"id": closed.id,
	"levels": object.get(closed, "levels", null),
	"request": approval.pending(closed),
	"auto_approved": false,
} if {
	code == "approval_required"
}

chain := {
	"id": gates[0].id,
	"levels": object.get(gates[0], "levels", null),
	"request": opening.request,
	"auto_approved": opening.auto,
} if {
	code == "granted_by_approval"
	opening := approval.opening(gates[0])
}

# METADATA
# title: What fields need to know
# description: >
#   What the permissions that count say of fields, if the action is allowed, and
#   what policies take away where they were asked and could be read.
visibility := {"allowed": allowed, "named": named, "restrictions": restrictions}

named := [fields |
	allowed
	some id in conflict.allowing
	fields := permissions.candidates[id].fields
]

default restrictions := set()

restrictions := policies.restrictions if {
	evaluable
	not final
	not policies.malformed
}

# evaluable holds if the question is well-formed and the graph is all there.
evaluable if {
	question.well_formed
	is_string(data.sentinel_graph.tenant.id)
	every name in ["subjects", "edges", "roles", "grants", "tree", "resources", "resource_codes", "fields"] {
		is_object(data.sentinel_graph[name])
	}
	every name in ["chains", "policies"] {
		is_array(data.sentinel_graph[name])
	}
}
