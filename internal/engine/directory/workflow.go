package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// EveryRole in a list of a workflow's state_actions stands for every role.
const EveryRole = engine.EveryRole

// maxWorkflow bounds the states of a workflow, the actions of a state and the
// roles of an action.
const maxWorkflow = 100

// Workflow is the workflow_config of a node: "states", the one that the node is
// in ("state"), the one that it begins in ("initial"), and which roles may do
// what in which state ("state_actions"). A state without an entry there limits
// nothing; an action that the entry leaves out is nobody's.
type Workflow map[string]any

// Settle puts the node into the initial state if it is in none.
func (w Workflow) Settle() {
	if initial, ok := w["initial"]; ok && w["state"] == nil {
		w["state"] = initial
	}
}

// Validate returns every offending member, with prefix before its path. While
// the workflow is enabled the node must be in a state, since without one all is
// denied. What roles there are it does not know: see [Workflow.CheckRoles].
func (w Workflow) Validate(enabled bool, prefix string) []fault.Field {
	var v violations
	states := v.states(w["states"], prefix+"states")
	if enabled && w["state"] == nil {
		v.add(prefix+"state", "must be given, or initial, while the workflow is enabled: in no state everything is denied")
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		path := prefix + name
		switch name {
		case "states":
		case "initial", "state":
			if s, ok := w[name].(string); !ok || !states[s] {
				v.add(path, "must be one of states")
			}
		case "state_actions":
			v.stateActions(w[name], states, path)
		default:
			v.add(path, "is not a member of a workflow: states, initial, state and state_actions are")
		}
	}
	return v.fields
}

// Check settles the workflow and refuses whatever is wrong with it, with prefix
// before the paths of the fault.
func (w Workflow) Check(tx *db.Tx, enabled bool, prefix string) error {
	w.Settle()
	if fields := w.Validate(enabled, prefix); fields != nil {
		return fault.Invalid(fields...)
	}
	return w.CheckRoles(tx, prefix)
}

type violations struct{ fields []fault.Field }

func (v *violations) add(path, message string) {
	if message != "" {
		v.fields = append(v.fields, fault.Field{Path: path, Message: message})
	}
}

// states returns the names of the states that are well-formed.
func (v *violations) states(value any, path string) map[string]bool {
	list, ok := value.([]any)
	if value != nil && !ok || len(list) > maxWorkflow {
		v.add(path, fmt.Sprintf("must be a list of at most %d names", maxWorkflow))
		return nil
	}
	states := map[string]bool{}
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		name, ok := item.(string)
		switch {
		case !ok:
			v.add(at, "must be a name")
		case states[name]:
			v.add(at, "is named twice")
		default:
			// States are written as actions are, so that any of them can stand in a
			// question.
			v.add(at, engine.CheckAction(name))
			states[name] = true
		}
	}
	return states
}

func (v *violations) stateActions(value any, states map[string]bool, path string) {
	byState, ok := value.(map[string]any)
	if !ok {
		v.add(path, "must be an object of states")
		return
	}
	for _, state := range slices.Sorted(maps.Keys(byState)) {
		at := path + "." + state
		if !states[state] {
			v.add(at, "must be one of states")
			continue
		}
		byAction, ok := byState[state].(map[string]any)
		if !ok || len(byAction) > maxWorkflow {
			v.add(at, fmt.Sprintf("must be an object of at most %d actions", maxWorkflow))
			continue
		}
		for _, action := range slices.Sorted(maps.Keys(byAction)) {
			if action != grants.AnyAction {
				v.add(at+"."+action, engine.CheckAction(action))
			}
			v.roles(byAction[action], at+"."+action)
		}
	}
}

func (v *violations) roles(value any, path string) {
	list, ok := value.([]any)
	if !ok || len(list) > maxWorkflow {
		v.add(path, fmt.Sprintf(`must be a list of at most %d roles, each "role:<id>", or "*"`, maxWorkflow))
		return
	}
	seen := map[any]bool{}
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		key, ok := item.(string)
		switch _, isRole := roleOf(key); {
		case !ok || key != EveryRole && !isRole:
			v.add(at, `must be "role:<id>", by the role's id and not its name, or "*"`)
		case seen[key]:
			v.add(at, "is named twice")
		default:
			seen[key] = true
		}
	}
}

// roleOf reads "role:<id>", written as ids are everywhere: 36 characters in lower
// case.
func roleOf(key string) (uuid.UUID, bool) {
	kind, id := rbac.Parse(key)
	return id, kind == rbac.RoleKind && key == rbac.Role(id)
}

// CheckRoles refuses roles that the transaction's tenant cannot use: those of
// others, of which it says the same as of none. The workflow is valid. prefix
// stands before the paths of the fault.
func (w Workflow) CheckRoles(tx *db.Tx, prefix string) error {
	places := map[uuid.UUID][]string{}
	byState, _ := w["state_actions"].(map[string]any)
	for state, actions := range byState {
		byAction, _ := actions.(map[string]any)
		for action, roles := range byAction {
			list, _ := roles.([]any)
			for i, item := range list {
				if key, _ := item.(string); key != EveryRole {
					id, _ := roleOf(key)
					places[id] = append(places[id], fmt.Sprintf("%sstate_actions.%s.%s[%d]", prefix, state, action, i))
				}
			}
		}
	}
	if len(places) == 0 {
		return nil
	}
	var usable []uuid.UUID
	ids := slices.Collect(maps.Keys(places))
	if err := tx.Raw("SELECT id FROM sentinel.usable_roles() WHERE id = ANY(CAST(? AS uuid[]))", db.UUIDs(ids)).Scan(&usable).Error; err != nil {
		return fmt.Errorf("find roles of a workflow: %w", err)
	}
	for _, id := range usable {
		delete(places, id)
	}
	if len(places) == 0 {
		return nil
	}
	e := fault.NotFound("role")
	for _, paths := range places {
		for _, path := range paths {
			e.Fields = append(e.Fields, fault.Field{Path: path, Message: "there is no such role that this tenant can use"})
		}
	}
	slices.SortFunc(e.Fields, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
	return e
}
