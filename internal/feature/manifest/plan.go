package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// wantedOf are the objects of a manifest by kind, without an entry for a section
// that is left out.
func wantedOf(m *Manifest, timeout int) (map[string][]*object, []fault.Field, error) {
	g := &gatherer{wanted: map[string][]*object{}}
	if m.Settings != nil {
		g.settings(m.Settings)
	}
	gather(g, nodeKind, m.Resources, nodeObject)
	gather(g, permissionKind, m.Permissions, permissionObject)
	gather(g, roleKind, m.Roles, roleObject)
	gather(g, groupKind, m.Groups, groupObject)
	gather(g, chainKind, m.ApprovalChains, func(s *ApprovalChain) (*object, error) {
		s.timeout = timeout
		return chainObject(s)
	})
	gather(g, fieldKind, m.Fields, fieldObject)
	gather(g, menuKind, m.Menus, menuObject)
	return g.wanted, g.fields, g.err
}

type gatherer struct {
	wanted map[string][]*object
	fields []fault.Field
	err    error
}

func (g *gatherer) settings(given map[string]any) {
	g.wanted[settingKind] = []*object{}
	known := directory.Settings()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := "manifest.settings." + name
		setting, ok := known[name]
		message := "is no setting"
		if ok && setting.FromAbove {
			message = "is decided from above, and not in a manifest"
		} else if ok {
			message = setting.Check(given[name])
		}
		if message != "" {
			g.fields = append(g.fields, fault.Field{Path: at, Message: message})
		}
		g.wanted[settingKind] = append(g.wanted[settingKind], settingObject(name, given[name], at))
	}
}

func settingObject(name string, value any, at string) *object {
	return &object{kind: settingKind, name: name, members: map[string]any{"value": value}, at: at}
}

func gather[S any](g *gatherer, kind string, specs []S, make func(*S) (*object, error)) {
	if specs == nil || g.err != nil {
		return
	}
	seen := map[string]bool{}
	list := []*object{}
	pairs := 0
	for i := range specs {
		o, err := make(&specs[i])
		if err != nil {
			g.err = err
			return
		}
		o.at = fmt.Sprintf("manifest.%s[%d]", section(kind), i)
		name := o.name
		if kind == permissionKind {
			name = o.alias.String()
		}
		if seen[name] && (kind != permissionKind || o.alias != uuid.Nil) {
			g.fields = append(g.fields, fault.Field{Path: o.at, Message: "is listed already: " + name})
		}
		seen[name] = true
		list = append(list, o)
		pairs += len(o.refs)
	}
	if pairs > mostPairs {
		g.err = fault.InvalidAt("manifest."+section(kind), "have more than %d %s together", mostPairs, setMember(kind))
		return
	}
	g.wanted[kind] = list
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

// view is the plan as callers see it.
func (o *outcome) view(revision int64) *Plan {
	out := &Plan{Changes: []Change{}, Revision: revision}
	var all strings.Builder
	for _, s := range o.steps {
		c := s.change()
		switch c.Action {
		case "create":
			out.Summary.Create++
		case "update":
			out.Summary.Update++
		case "delete":
			out.Summary.Delete++
		}
		out.Changes = append(out.Changes, c)
		all.WriteString(directory.Canonical([]any{c.Action, c.Kind, c.Name, s.identity(), c.Before, c.After, fmt.Sprint(c.Takes), s.members()}))
	}
	sum := sha256.Sum256([]byte(all.String()))
	out.Digest = hex.EncodeToString(sum[:])
	return out
}

func (s *step) identity() string {
	if s.before == nil {
		return ""
	}
	return s.before.id.String()
}

// members tells the set that an object will have from another of the same names.
func (s *step) members() []any {
	if s.after == nil {
		return nil
	}
	list := make([]string, len(s.after.set))
	for i, o := range s.after.set {
		if list[i] = o.self().id.String(); o.self().id == uuid.Nil {
			list[i] = o.name + " " + o.key()
		}
	}
	slices.Sort(list)
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}

// change shows a step: of an update the members that differ alone.
func (s *step) change() Change {
	c := Change{Action: s.action(), Kind: s.kind(), Name: s.object().name, Before: shown(s.before), After: shown(s.after)}
	if s.before != nil && s.before.id != uuid.Nil {
		c.ID = &s.before.id
	}
	switch {
	case s.after == nil:
		c.Takes = s.before.takes
	case s.before != nil:
		for name, value := range c.Before {
			if after, ok := c.After[name]; ok && directory.Canonical(value) == directory.Canonical(after) {
				delete(c.Before, name)
				delete(c.After, name)
			}
		}
	}
	return c
}

// shown are all members of an object, with its set in order.
func shown(o *object) map[string]any {
	if o == nil {
		return nil
	}
	members := maps.Clone(o.members)
	if name := setMember(o.kind); name != "" && len(o.set) > 0 {
		members[name] = labels(o.set)
	}
	return members
}

func setMember(kind string) string {
	switch kind {
	case roleKind:
		return "permissions"
	case groupKind:
		return "roles"
	default:
		return ""
	}
}

func labels(set []*object) []any {
	list := make([]string, len(set))
	for i, o := range set {
		list[i] = o.name
	}
	slices.Sort(list)
	out := make([]any, len(list))
	for i, name := range list {
		out[i] = name
	}
	return out
}
