package engine

import (
	"encoding/json"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
)

// EveryRole in a list of the roles of a workflow stands for everybody.
const EveryRole = "*"

// workflowState is what in the context of a question says the state of an
// instance that is not registered.
const workflowState = "workflow_state"

// workflow limits what may be done in a state of a node.
type workflow struct {
	// stored is the configuration as documents name it.
	stored policy.Workflow
	states map[string]bool
	// actions are by state and action who may. A state that is no key limits
	// nothing.
	actions map[string]map[string]allowance
}

// allowance is who may do something.
type allowance struct {
	everyone bool
	// roles are positions in the role graph.
	roles []int32
}

// parseWorkflow reads the workflow_config of a node. One that cannot be read is a
// workflow in no state: it denies everything.
func parseWorkflow(raw json.RawMessage, graph *rbac.Graph) *workflow {
	w := &workflow{stored: readWorkflow(raw), states: map[string]bool{}, actions: map[string]map[string]allowance{}}
	for _, state := range w.stored.States {
		w.states[state] = true
	}
	for state, actions := range w.stored.Actions {
		w.actions[state] = make(map[string]allowance, len(actions))
		for action, roles := range actions {
			var a allowance
			for _, role := range roles {
				if role == EveryRole {
					a.everyone = true
				} else if at, ok := graph.Index(role); ok {
					a.roles = append(a.roles, at)
				}
			}
			w.actions[state][action] = a
		}
	}
	return w
}

func readWorkflow(raw json.RawMessage) policy.Workflow {
	var w policy.Workflow
	// Members one by one: a struct would take them in any case of letters.
	var members map[string]json.RawMessage
	err := json.Unmarshal(raw, &members)
	for name, into := range map[string]any{"state": &w.State, "states": &w.States, "state_actions": &w.Actions} {
		if err == nil && members[name] != nil {
			err = json.Unmarshal(members[name], into)
		}
	}
	if err != nil {
		w = policy.Workflow{}
	}
	if w.States == nil {
		w.States = []string{}
	}
	if w.Actions == nil {
		w.Actions = map[string]map[string][]string{}
	}
	return w
}

// inState reports whether the workflow that has a say in the question, if there
// is one, lets the subject do action in the present state.
func (x *inquiry) inState(action string) bool {
	if x.q.Type == grants.APIType {
		return true
	}
	w, state := x.workflow()
	if w == nil {
		return true
	}
	if state == "" || !w.states[state] {
		return false
	}
	actions, limited := w.actions[state]
	return !limited || actions[action].includes(x.d.held) || actions[grants.AnyAction].includes(x.d.held)
}

// workflow returns the workflow of the registered node with its own state, or of
// the node that stands for all instances of the type with the state that the
// caller knows.
func (x *inquiry) workflow() (w *workflow, state string) {
	if x.node != nil {
		if x.node.workflow == nil {
			return nil, ""
		}
		return x.node.workflow, x.node.workflow.stored.State
	}
	entity := x.s.codes[typeCode{EntityType, x.q.Type}]
	if entity == nil || entity.workflow == nil {
		return nil, ""
	}
	state, _ = x.q.Context[workflowState].(string)
	return entity.workflow, state
}

// includes reports whether it is for everybody, or for one of the roles held.
func (a allowance) includes(held []int32) bool {
	return a.everyone || slices.ContainsFunc(a.roles, func(role int32) bool {
		_, has := slices.BinarySearch(held, role)
		return has
	})
}
