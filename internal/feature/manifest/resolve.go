package manifest

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
)

// maxDepth is how many objects can stand above one, by kind, as the database
// has it.
func maxDepth(kind string) int {
	if kind == menuKind {
		return 17
	}
	return 64
}

// resolve finds what the wanted objects refer to among all that there will be.
func (p *planner) resolve() {
	for _, kind := range []string{nodeKind, roleKind, groupKind, menuKind} {
		p.parents(kind)
	}
	nodes := names(p.result[nodeKind])
	for _, kind := range []string{permissionKind, menuKind} {
		for _, w := range p.wanted[kind] {
			p.node(w, nodes)
		}
	}
	p.paths()
	permissions := &index{what: "permission", objects: p.result[permissionKind]}
	for _, w := range p.wanted[roleKind] {
		w.set = p.references(w, permissions)
	}
	roles := &index{what: "role", objects: append(append([]*object{}, p.result[roleKind]...), p.current.roles...)}
	for _, w := range p.wanted[groupKind] {
		w.set = p.references(w, roles)
		p.assignable(w)
	}
	p.approvers(roles)
}

func names(objects []*object) map[string]*object {
	byName := make(map[string]*object, len(objects))
	for _, o := range objects {
		byName[o.name] = o
	}
	return byName
}

// parents refuses parents that will not be there, lines without an end, and
// lines that are too long.
func (p *planner) parents(kind string) {
	all := names(p.result[kind])
	if kind == menuKind {
		for _, o := range p.current.menus {
			for _, name := range []string{o.name, o.id.String()} {
				if all[name] == nil {
					all[name] = o
				}
			}
		}
	}
	for _, w := range p.wanted[kind] {
		depth := 0
		for at := w; at.text("parent") != ""; depth++ {
			next := all[at.text("parent")]
			switch {
			case next == nil && at == w:
				p.refuse(w.at+".parent", "names no %s that there will be: %s", kind, at.text("parent"))
			case next == w:
				p.refuse(w.at+".parent", "makes the %s its own ancestor", kind)
			case depth >= maxDepth(kind):
				p.refuse(w.at+".parent", "makes a line of more than %d", maxDepth(kind))
			default:
			}
			if next == nil || next == w || depth >= maxDepth(kind) {
				break
			}
			at = next
		}
	}
}

// node refuses nodes that will not be there.
func (p *planner) node(w *object, nodes map[string]*object) {
	ref := w.text("node")
	if ref == "" {
		return
	}
	node := nodes[ref]
	if node == nil {
		p.refuse(w.at+".node", "names no resource that there will be: %s", ref)
		return
	}
	if required := w.text("required_permission"); required != "" {
		if need, _ := directory.ParseMenuPermission(required); need.Type != node.text("type") {
			p.refuse(w.at+".required_permission", "must be of the type of the node: %s", node.text("type"))
		}
	}
}

// paths refuses permissions whose path names a registered node by its id, since
// patterns see its code.
func (p *planner) paths() {
	types := map[string]*object{}
	for _, o := range p.current.objects[nodeKind] {
		types[o.id.String()] = o
	}
	for _, w := range p.wanted[permissionKind] {
		typ, glob, _ := strings.Cut(w.text("resource_path"), "/")
		if node := types[strings.ToLower(glob)]; node != nil && node.text("type") == typ && (w.was == nil || w.key() != w.was.key()) {
			p.refuse(w.at+".resource_path", "names a registered node by its id: give node, or its code in the path")
		}
	}
}

// index finds objects by what a set calls them.
type index struct {
	what    string
	objects []*object
	byName  map[string][]*object
	byID    map[uuid.UUID]*object
}

func (x *index) build() {
	x.byName, x.byID = make(map[string][]*object, len(x.objects)), make(map[uuid.UUID]*object, len(x.objects))
	for _, o := range x.objects {
		x.byName[o.name] = append(x.byName[o.name], o)
		if o.id != uuid.Nil {
			x.byID[o.id] = o
		}
	}
	for _, o := range x.objects {
		if o.alias != uuid.Nil && x.byID[o.alias] == nil {
			x.byID[o.alias] = o
		}
	}
}

// find takes an id for an id first: an export names an object by its id where
// the name would not do, and so never means one by a name that looks like an id.
func (x *index) find(ref string) (*object, string) {
	if x.byName == nil {
		x.build()
	}
	if id, ok := looksLikeID(ref); ok && x.byID[id] != nil {
		return x.byID[id], ""
	}
	switch found := x.byName[ref]; len(found) {
	case 0:
		return nil, fmt.Sprintf("names no %s that there will be: %s", x.what, ref)
	case 1:
		return found[0], ""
	default:
		return nil, fmt.Sprintf("is the name of several %ss: give the id of the one that is meant, which an export shows", x.what)
	}
}

func looksLikeID(text string) (uuid.UUID, bool) {
	id, err := uuid.Parse(text)
	return id, err == nil && len(text) == 36
}

func (p *planner) references(w *object, x *index) []*object {
	if w.refs == nil {
		return nil
	}
	set := make([]*object, 0, len(w.refs))
	seen := make(map[*object]bool, len(w.refs))
	for i, ref := range w.refs {
		at := fmt.Sprintf("%s.%s[%d]", w.at, setMember(w.kind), i)
		o, message := x.find(ref)
		switch {
		case o == nil:
			p.refuse(at, "%s", message)
		case seen[o]:
			p.refuse(at, "is there already")
		default:
			set = append(set, o)
		}
		seen[o] = true
	}
	return set
}

// assignable refuses roles that a group does not have and that cannot be given
// in this tenant: those that it has from a time when they could.
func (p *planner) assignable(w *object) {
	for _, o := range w.set {
		if o.fixed && o.inactive && (w.was == nil || !sameSet([]*object{o}, intersect(w.was.set, o))) {
			p.refuse(w.at+".roles", "names a role that cannot be given in this tenant: %s", o.name)
		}
	}
}

func intersect(set []*object, o *object) []*object {
	for _, one := range set {
		if one.self() == o.self() {
			return []*object{one}
		}
	}
	return nil
}

// reference is what a set of an export calls an object: its name, or its id
// where the name does not say which one is meant.
func (x *index) reference(o *object) string {
	if x.byName == nil {
		x.build()
	}
	if _, ok := looksLikeID(o.name); ok || len(x.byName[o.name]) > 1 {
		return o.id.String()
	}
	return o.name
}
