// Package grants finds, for a role and a question, the permissions that may
// answer it. It owns permissions by role, type, action and node; it knows
// nothing of users, inheritance or the outcome.
package grants

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// AnyAction in a permission's actions stands for every action.
const AnyAction = "*"

// APIType is the type of Sentinel's own sections. They are the platform's: a
// "*" type, a node or a deny never reaches them.
const APIType = "api"

// Effect says what a permission does when it counts.
type Effect string

// The two effects of a permission.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// Grant is one permission, compiled. It never changes.
type Grant struct {
	ID       uuid.UUID
	TenantID uuid.UUID
	Name     string
	Effect   Effect
	Actions  []string
	// ResourceType is the permission's own type member: exact, or "*".
	ResourceType string
	// Path is the permission's resource_path as written, "" for one on a node.
	Path string
	// Pattern is Path compiled, nil for one on a node.
	Pattern *pattern.Pattern
	// Node is the registered node of a permission without a path.
	Node       uuid.UUID
	Conditions *condition.Program
	// RawConditions is what Conditions was compiled from, nil for none.
	RawConditions json.RawMessage
	// FieldPermissions is what the permission says of fields, as stored.
	FieldPermissions json.RawMessage
	// Fields is FieldPermissions decoded: "read", "write" or "hidden" by field.
	Fields map[string]string
	// Owners are the roles that own the permission directly, by their position
	// in the role graph, ascending.
	Owners []int32
}

// Unconditional reports whether the permission counts whatever the question's
// attributes are.
func (g *Grant) Unconditional() bool { return len(g.RawConditions) == 0 }

// Specificity is that of the permission's pattern, both 0 for a permission on a
// node.
func (g *Grant) Specificity() (class, literals int) {
	if g.Pattern == nil {
		return 0, 0
	}
	return g.Pattern.Specificity()
}

// HasAction reports whether the permission names the action, or all.
func (g *Grant) HasAction(action string) bool {
	return slices.Contains(g.Actions, AnyAction) || slices.Contains(g.Actions, action)
}

// pathKey finds permissions by pattern. id is that of a pattern without
// wildcards, so that any number of instances may be named one by one; "" stands
// for all others.
type pathKey struct{ typ, action, id string }

type nodeKey struct {
	node   uuid.UUID
	action string
}

// owned is a permission with one of the roles that own it. Lists of them are
// ordered by role.
type owned struct {
	role  int32
	grant *Grant
}

// Index is the permissions of one tenant's roles. It is built once and never
// changes, so that any number of questions may read it at once.
type Index struct {
	all    []*Grant
	byRole map[int32][]*Grant
	byPath map[pathKey][]owned
	byNode map[nodeKey][]owned
	// nodes that any permission names: most nodes of a tree have none, and
	// their look-ups are spared.
	nodes map[uuid.UUID]struct{}
	// literals is set when any pattern names a single instance.
	literals bool
}

// NewIndex indexes all.
func NewIndex(all []*Grant) *Index {
	x := &Index{
		all:    all,
		byRole: map[int32][]*Grant{},
		byPath: map[pathKey][]owned{},
		byNode: map[nodeKey][]owned{},
		nodes:  map[uuid.UUID]struct{}{},
	}
	for _, g := range all {
		actions := g.Actions
		if slices.Contains(actions, AnyAction) {
			actions = []string{AnyAction}
		}
		if g.Pattern == nil {
			x.nodes[g.Node] = struct{}{}
		}
		for _, role := range g.Owners {
			x.byRole[role] = append(x.byRole[role], g)
			for _, action := range actions {
				if g.Pattern == nil {
					k := nodeKey{g.Node, action}
					x.byNode[k] = append(x.byNode[k], owned{role, g})
					continue
				}
				typ, _ := g.Pattern.Normalised()
				id, literal := g.Pattern.Literal()
				x.literals = x.literals || literal
				k := pathKey{typ, action, id}
				x.byPath[k] = append(x.byPath[k], owned{role, g})
			}
		}
	}
	for _, list := range x.byPath {
		slices.SortStableFunc(list, byRole)
	}
	for _, list := range x.byNode {
		slices.SortStableFunc(list, byRole)
	}
	return x
}

func byRole(a, b owned) int { return cmp.Compare(a.role, b.role) }

// All returns every permission of the index. Not to be changed.
func (x *Index) All() []*Grant { return x.all }

// OfRole returns the permissions that a role owns directly. Not to be changed.
func (x *Index) OfRole(role int32) []*Grant { return x.byRole[role] }

// Target is what a question is about, after the resource tree was consulted.
type Target struct {
	Type, Action string
	// ID is the instance; HasID is false for a question about the type.
	ID    string
	HasID bool
	// Nodes are the registered nodes whose permissions flow to the instance,
	// nearest first.
	Nodes []uuid.UUID
}

// Relevant returns the nodes of t that any permission names, in t's order, so
// that [Index.Candidates] is asked about those alone. The result aliases buf.
func (x *Index) Relevant(nodes, buf []uuid.UUID) []uuid.UUID {
	for _, n := range nodes {
		if _, ok := x.nodes[n]; ok {
			buf = append(buf, n)
		}
	}
	return buf
}

// Candidates appends to dst the permissions of roles, ascending, that match t,
// each once. Conditions are the caller's to judge.
func (x *Index) Candidates(dst []*Grant, roles []int32, t *Target) []*Grant {
	types := [...]string{t.Type, "*"}
	actions := [...]string{t.Action, AnyAction}
	for i, typ := range types {
		if i > 0 && t.Type == APIType {
			return dst
		}
		for _, action := range actions {
			dst = collect(dst, x.byPath[pathKey{typ, action, ""}], roles, t)
			if t.HasID && x.literals {
				dst = collect(dst, x.byPath[pathKey{typ, action, t.ID}], roles, t)
			}
		}
	}
	for _, n := range t.Nodes {
		for _, action := range actions {
			dst = collect(dst, x.byNode[nodeKey{n, action}], roles, t)
		}
	}
	return dst
}

// OfType appends to dst the permissions of roles that match some instance of a
// type, each once; nodes are those whose permissions flow to every one of them.
// [Index.Candidates] of any instance of the type is among them.
func (x *Index) OfType(dst []*Grant, roles []int32, typ, action string, nodes []uuid.UUID) []*Grant {
	seen := map[*Grant]struct{}{}
	for _, role := range roles {
		for _, g := range x.byRole[role] {
			if _, has := seen[g]; has || !g.HasAction(action) || !g.isOfType(typ, nodes) {
				continue
			}
			seen[g] = struct{}{}
			dst = append(dst, g)
		}
	}
	return dst
}

func (g *Grant) isOfType(typ string, nodes []uuid.UUID) bool {
	if g.Pattern == nil {
		return slices.Contains(nodes, g.Node)
	}
	of, _ := g.Pattern.Normalised()
	return (of == typ || of == pattern.AnyType && typ != APIType) && (typ != APIType || g.Effect != Deny)
}

// collect appends what roles own of list and t matches. It goes through the
// shorter of the two.
func collect(dst []*Grant, list []owned, roles []int32, t *Target) []*Grant {
	if len(list) <= len(roles) {
		for _, o := range list {
			if _, has := slices.BinarySearch(roles, o.role); has {
				dst = add(dst, o.grant, t)
			}
		}
		return dst
	}
	for _, role := range roles {
		i, _ := slices.BinarySearchFunc(list, role, func(o owned, role int32) int { return cmp.Compare(o.role, role) })
		for ; i < len(list) && list[i].role == role; i++ {
			dst = add(dst, list[i].grant, t)
		}
	}
	return dst
}

func add(dst []*Grant, g *Grant, t *Target) []*Grant {
	if g.matches(t) && !slices.Contains(dst, g) {
		return append(dst, g)
	}
	return dst
}

// matches reports whether g, found by t's type or node and action, reaches the
// instance, or the type as a whole where none is asked about.
func (g *Grant) matches(t *Target) bool {
	switch {
	case t.Type == APIType && g.Effect == Deny:
		return false
	case g.Pattern == nil:
		return true
	case t.HasID:
		return g.Pattern.Match(t.Type, t.ID)
	default:
		return g.Pattern.TypeWide()
	}
}

// IsAPI reports whether the permission is on sections of Sentinel's own API.
func (g *Grant) IsAPI() bool { return g.ResourceType == APIType }
