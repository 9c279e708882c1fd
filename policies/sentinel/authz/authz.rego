# METADATA
# title: Decisions
# description: >
#   Whether a subject may act on a resource. The input is the question; all that
#   is known of the tenant is in data.sentinel_graph.
package sentinel.authz

import data.sentinel.fields as visible
import data.sentinel.outcome
import data.sentinel.permissions
import data.sentinel.policies
import data.sentinel.roles

# METADATA
# title: The decision
# entrypoint: true
decision := {
	"allowed": outcome.allowed,
	"reason_code": outcome.code,
	"matched_permissions": sort(outcome.matched),
	"matched_roles": matched_roles,
	"denials": denials,
	"obligations": obligations,
	"requires_approval": outcome.code == "approval_required",
	"approval_chain_id": outcome.chain.id,
	"approval_levels": outcome.chain.levels,
	"approval_request_id": outcome.chain.request,
	"auto_approved": outcome.chain.auto_approved,
	"field_permissions": fields,
}

# METADATA
# title: What the subject may do with the fields of the resource's type
# entrypoint: true
fields := visible.visibilities

default matched_roles := []

matched_roles := sort(roles.names(permissions.owners(outcome.matched))) if count(outcome.matched) > 0

default denials := []

denials := policies.denials if outcome.code == "policy_deny"

default obligations := []

obligations := policies.obligations if outcome.allowed
