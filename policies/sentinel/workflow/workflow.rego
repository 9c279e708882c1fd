# METADATA
# title: Workflow
# description: >
#   Step 6. What may be done to a node in the state that it is in, and by which
#   roles. An instance that is not registered has the workflow of the entity node
#   of its type, and the state that the caller says.
package sentinel.workflow

import data.sentinel.question
import data.sentinel.resource
import data.sentinel.roles

workflow := resource.node.workflow

workflow := resource.graph_nodes[resource.entity_id].workflow

default state := ""

state := resource.node.workflow.state

state := question.context.workflow_state if {
	resource.entity_id
	is_string(question.context.workflow_state)
}

default blocks := false

blocks if {
	workflow
	not permits
}

permits if {
	in_state
	limited := object.keys(limits)
	not state in limited
}

permits if {
	in_state
	some action in [input.action, "*"]
	some role in limits[state][action]
	includes(role)
}

in_state if {
	state != ""
	state in workflow.states
}

# limits are by state and action; null where no state limits anything.
limits := workflow.state_actions if is_object(workflow.state_actions)

limits := {} if is_null(workflow.state_actions)

includes("*") := true

includes(role) if role in roles.held
