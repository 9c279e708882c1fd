# METADATA
# title: Decisions
# description: >
#   Whether a subject may act on a resource. The input is the question; all that
#   is known of the tenant is in data.sentinel_graph.
package sentinel.authz

import data.sentinel.permissions
import data.sentinel.question
import data.sentinel.roles
import data.sentinel.subject

# METADATA
# title: The decision
# entrypoint: true
decision := {
	"allowed": reason_code == "granted",
	"reason_code": reason_code,
	"matched_permissions": sort(matched),
	"matched_roles": sort(roles.names(permissions.owners(matched))),
}

default reason_code := "not_evaluated"

# reason_code is the first that applies.
reason_code := "subject_unknown" if {
	evaluable
	not subject.account
} else := "subject_inactive" if {
	evaluable
	not subject.usable
} else := "tenant_inactive" if {
	evaluable
	not data.sentinel_graph.tenant.is_active
} else := "explicit_deny" if {
	evaluable
	count(permissions.denying) > 0
} else := "granted" if {
	evaluable
	count(permissions.allowing) > 0
} else := "condition_failed" if {
	evaluable
	count(permissions.failing) > 0
} else := "no_matching_permission" if {
	evaluable
}

evaluable if {
	question.well_formed
	is_string(data.sentinel_graph.tenant.id)
	is_object(data.sentinel_graph.subjects)
	is_object(data.sentinel_graph.edges)
	is_object(data.sentinel_graph.roles)
	is_object(data.sentinel_graph.grants)
	is_object(data.sentinel_graph.tree)
}

default matched := set()

# matched are the permissions that decided.
matched := permissions.denying if reason_code == "explicit_deny"

matched := permissions.allowing if reason_code == "granted"

matched := permissions.failing if reason_code == "condition_failed"
