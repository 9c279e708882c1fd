package engine

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

// actionSet is a set of actions.
type actionSet map[string]struct{}

func (a actionSet) add(actions ...string) {
	for _, action := range actions {
		// A workflow may name what can never be asked.
		if action != grants.AnyAction && CheckAction(action) == "" {
			a[action] = struct{}{}
		}
	}
}

func (a actionSet) sorted() []string { return slices.Sorted(maps.Keys(a)) }

// knownActions are the actions that a tenant knows by name: of its permissions,
// workflows, fields and policies, and of what was approved for the subject. What
// nothing names cannot be listed, though a permission for every action allows it.
type knownActions struct {
	s *Snapshot
	// byType are those of a type, under "*" those of every type but the API's.
	byType map[string]actionSet
	// byNode are those of permissions on a node.
	byNode map[uuid.UUID]actionSet
	// plain are, by type, those of whatever has no others, in their order.
	plain map[string][]string
}

func (s *Snapshot) knownActions(subject *Subject) *knownActions {
	k := &knownActions{s: s, byType: map[string]actionSet{}, byNode: map[uuid.UUID]actionSet{}, plain: map[string][]string{}}
	for _, g := range s.Grants.All() {
		if g.Pattern == nil {
			set := k.byNode[g.Node]
			if set == nil {
				set = actionSet{}
				k.byNode[g.Node] = set
			}
			set.add(g.Actions...)
			continue
		}
		typ, _ := g.Pattern.Normalised()
		k.ofType(typ).add(g.Actions...)
	}
	for typ := range s.fields {
		k.ofType(typ).add(fieldActions[:]...)
	}
	if s.Tenant.AllowRules && s.policies != nil && s.policies.modules != nil {
		for typ, actions := range s.policies.modules.AllowedActions() {
			k.ofType(typ).add(actions...)
		}
	}
	for i := range subject.Requests {
		if r := &subject.Requests[i]; r.Approved {
			k.ofType(r.Type).add(r.Action)
		}
	}
	return k
}

func (k *knownActions) ofType(typ string) actionSet {
	set := k.byType[typ]
	if set == nil {
		set = actionSet{}
		k.byType[typ] = set
	}
	return set
}

// ofAny returns the actions of a type whatever the instance, in their order.
func (k *knownActions) ofAny(typ string) []string {
	if list, ok := k.plain[typ]; ok {
		return list
	}
	set := maps.Clone(k.ofType(typ))
	if typ != grants.APIType {
		maps.Copy(set, k.byType[grants.AnyAction])
	}
	list := set.sorted()
	k.plain[typ] = list
	return list
}

// of returns the actions of what an inquiry is about, in their order.
func (k *knownActions) of(x *inquiry) []string {
	list := k.ofAny(x.q.Type)
	var w *workflow
	if x.q.Type != grants.APIType {
		w, _ = x.workflow()
	}
	if len(x.target.Nodes) == 0 && w == nil {
		return list
	}
	set := actionSet{}
	set.add(list...)
	for _, n := range x.target.Nodes {
		maps.Copy(set, k.byNode[n])
	}
	if w != nil {
		for _, actions := range w.stored.Actions {
			set.add(slices.Collect(maps.Keys(actions))...)
		}
	}
	return set.sorted()
}
