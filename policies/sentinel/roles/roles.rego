# METADATA
# title: Roles
# description: >
#   Step 2. The groups and roles of the subject with all that they inherit. The
#   keys of data.sentinel_graph.edges are the active groups and roles; what is
#   not a key is not passed through.
package sentinel.roles

import data.sentinel.subject

# direct are the subject's own groups and roles that are valid now.
direct contains assignment.node if {
	some assignment in subject.account.assignments
	begun(assignment)
	not ended(assignment)
}

begun(assignment) if object.get(assignment, "valid_from_ns", null) == null

begun(assignment) if assignment.valid_from_ns <= time.now_ns()

# The end is excluded.
ended(assignment) if {
	is_number(assignment.expires_at_ns)
	assignment.expires_at_ns <= time.now_ns()
}

# held are all groups and roles that the subject has.
held := graph.reachable(data.sentinel_graph.edges, direct)

# names are the names of the roles among nodes.
names(nodes) := {data.sentinel_graph.roles[node].name | some node in nodes}
