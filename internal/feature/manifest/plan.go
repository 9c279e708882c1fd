package manifest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// state is what a tenant has.
type state struct {
	// objects are by kind, in a stable order.
	objects map[string][]*object
	// roles are those of other tenants that groups can have here, and menus the
	// platform's items, which can be above the tenant's.
	roles, menus []*object
	// platformFields are the platform's definitions, which no tenant repeats.
	platformFields []*object
	// emails are those of the people whom chains name, of which no other account
	// of the tenant is known; and people their ids, by e-mail address and by id.
	emails map[uuid.UUID]string
	people map[string]uuid.UUID
	// timeout is how long a level of a chain waits that does not say so, in hours.
	timeout  int
	revision int64
}

// step is one object that changes: before is nil for a creation, after for a
// deletion.
type step struct{ before, after *object }

func (s *step) kind() string { return s.object().kind }

// object is the object as it will be, or was.
func (s *step) object() *object {
	if s.after != nil {
		return s.after
	}
	return s.before
}

func (s *step) action() string {
	switch {
	case s.before == nil:
		return "create"
	case s.after == nil:
		return "delete"
	default:
		return "update"
	}
}

// outcome is what a plan comes to.
type outcome struct {
	steps []*step
	// result is what there will be, by kind.
	result map[string][]*object
}

// plan compares what a tenant has with what a manifest wants. It changes
// neither, and fails on a manifest that contradicts itself or refers to what
// there will not be.
//
// Objects are told apart by their names, permissions also by their ids. What is
// listed is meant as a whole: a member that is left out has its default, but for
// the sets, which are then not touched. With prune, what the sections that are
// given do not list is deleted.
func plan(current *state, want *Manifest, prune bool) (*outcome, error) {
	wanted, fields, err := wantedOf(want, current.timeout)
	if err != nil {
		return nil, err
	}
	p := &planner{current: current, wanted: wanted, prune: prune, fields: fields, outcome: outcome{result: map[string][]*object{}}}
	for _, kind := range kinds() {
		p.match(kind)
	}
	p.resolve()
	p.compare()
	if p.fields != nil {
		return nil, fault.Invalid(p.fields[:min(len(p.fields), maxViolations)]...)
	}
	return &p.outcome, nil
}

// maxViolations bounds how much of what is wrong with a manifest is told at once.
const maxViolations = 100

type planner struct {
	outcome
	current *state
	// wanted are the objects of the sections that are given.
	wanted map[string][]*object
	prune  bool
	gone   []*object
	fields []fault.Field
}

func (p *planner) refuse(path, format string, args ...any) {
	p.fields = append(p.fields, fault.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

// match finds for each wanted object the one that there is, and with it what
// there will be.
func (p *planner) match(kind string) {
	have := p.current.objects[kind]
	wanted, given := p.wanted[kind]
	if !given {
		p.result[kind] = slices.Clone(have)
		return
	}
	matched := map[*object]bool{}
	if kind == permissionKind {
		p.matchPermissions(have, wanted)
	} else {
		byName := make(map[string]*object, len(have))
		for _, o := range have {
			if !o.fixed {
				byName[o.name] = o
			}
		}
		for _, w := range wanted {
			w.was = byName[w.name]
		}
	}
	for _, w := range wanted {
		if w.was != nil {
			matched[w.was] = true
			w.id, w.owner = w.was.id, w.was.owner
		}
	}
	for _, o := range have {
		switch {
		case matched[o]:
		case p.prune && !o.fixed:
			p.gone = append(p.gone, o)
		default:
			p.result[kind] = append(p.result[kind], o)
		}
	}
	p.result[kind] = append(p.result[kind], wanted...)
}

// matchPermissions goes by id, then by equal content, then by name where that
// leaves no choice. An id that the tenant does not know, as in the export of
// another, only tells entries of the manifest apart: those take the permissions
// of their name in order, since nobody could say which is which.
func (p *planner) matchPermissions(have, wanted []*object) {
	byID := map[uuid.UUID]*object{}
	for _, o := range have {
		if !o.fixed {
			byID[o.id] = o
		}
	}
	left := map[string][]*object{}
	taken := map[*object]bool{}
	for _, w := range wanted {
		if w.was = byID[w.alias]; w.was != nil {
			taken[w.was] = true
		}
	}
	equal := map[string][]*object{}
	for _, o := range have {
		if !o.fixed && !taken[o] {
			equal[o.key()] = append(equal[o.key()], o)
		}
	}
	for _, w := range wanted {
		if w.was != nil {
			continue
		}
		if same := equal[w.key()]; len(same) > 0 {
			w.was, equal[w.key()] = same[0], same[1:]
			taken[same[0]] = true
			continue
		}
		left[w.name] = append(left[w.name], w)
	}
	rest := map[string][]*object{}
	for _, o := range have {
		if !o.fixed && !taken[o] {
			rest[o.name] = append(rest[o.name], o)
		}
	}
	for name, entries := range left {
		there := rest[name]
		foreign := !slices.ContainsFunc(entries, func(w *object) bool { return w.alias == uuid.Nil })
		switch {
		case len(there) == 0:
		case foreign || len(there) == 1 && len(entries) == 1:
			for i := range min(len(there), len(entries)) {
				entries[i].was = there[i]
			}
		default:
			p.refuse(entries[0].at+".name", "is the name of several permissions: give the id of the one that is meant, which an export shows")
		}
	}
}

// compare makes the steps: creations and changes in the order in which they are
// made, then deletions the other way round.
func (p *planner) compare() {
	platform := names(p.current.platformFields)
	for _, kind := range kinds() {
		for _, w := range p.wanted[kind] {
			if w.was != nil && w.key() == w.was.key() && (w.refs == nil || sameSet(w.set, w.was.set)) {
				continue
			}
			if w.refs == nil && w.was != nil {
				w.set = w.was.set
			}
			p.steps = append(p.steps, &step{before: w.was, after: w})
			if w.spec != nil {
				p.fields = append(p.fields, w.spec.Validate(w.at+".")...)
			}
			if s := w.workflow(); s != nil {
				p.fields = append(p.fields, directory.Workflow(s.WorkflowConfig).Validate(s.WorkflowEnabled, w.at+".workflow_config.")...)
			}
			if kind == fieldKind && w.was == nil && platform[w.name] != nil {
				p.refuse(w.at+".field_name", "is defined by the platform for all tenants")
			}
		}
	}
	order := kinds()
	slices.Reverse(order)
	for _, kind := range order {
		for _, o := range p.gone {
			if o.kind == kind {
				p.steps = append(p.steps, &step{before: o})
			}
		}
	}
}

func sameSet(a, b []*object) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[*object]bool, len(a))
	for _, o := range a {
		in[o.self()] = true
	}
	return !slices.ContainsFunc(b, func(o *object) bool { return !in[o.self()] })
}
