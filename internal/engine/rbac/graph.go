// Package rbac resolves role and group inheritance with Casbin, RBAC with
// domains, a tenant being a domain. It owns the question "which roles does a
// holder of this node have"; it knows neither users nor permissions.
package rbac

import (
	"fmt"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	defaultrolemanager "github.com/casbin/casbin/v2/rbac/default-role-manager"
	gormadapter "github.com/casbin/gorm-adapter/v3"
	"github.com/google/uuid"
	"gorm.io/gorm"
)

// MaxDepth is the longest path from a group or role to an inherited role.
// Longer ones are refused when they are written; Casbin's own default of 10
// would end them silently.
const MaxDepth = 64

// ruleModel has one grouping relation for everything. The policy and matcher
// sections are what Casbin's parser insists on: no policy is ever loaded, since
// Enforce is linear in the number of rules and the grants index is not.
const ruleModel = `
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom)
`

// Role returns the name of a role's node.
func Role(id uuid.UUID) string { return "role:" + id.String() }

// Group returns the name of a group's node.
func Group(id uuid.UUID) string { return "group:" + id.String() }

// Node is a role or group that takes part in a graph. Inactive ones do not.
type Node struct {
	// Key is the node's name as [Role] or [Group] make it.
	Key string
	// Domain is the tenant that owns the node. A role of an ancestor keeps its
	// own domain, in which its parents are looked up.
	Domain uuid.UUID
}

// Graph is the resolved inheritance of one tenant. It never changes after it
// was built and is safe for concurrent use.
type Graph struct {
	nodes []Node
	index map[string]int32
	next  [][]int32
	reach [][]int32
}

// Load reads the grouping rows of the given tenants from the view
// sentinel.casbin_rule, in the caller's transaction, and resolves them for
// nodes. act is called before each tenant's read and must give the transaction
// that tenant's scope. Rows that name a node which is not among nodes are
// ignored: inactive, or of a tenant from which nothing is inherited.
func Load(tx *gorm.DB, tenants []uuid.UUID, act func(tenant uuid.UUID) error, nodes []Node) (*Graph, error) {
	adapter, err := gormadapter.NewFilteredAdapterByDB(tx, "", "sentinel.casbin_rule")
	if err != nil {
		return nil, fmt.Errorf("open casbin adapter: %w", err)
	}
	m, err := model.NewModelFromString(ruleModel)
	if err != nil {
		return nil, fmt.Errorf("parse casbin model: %w", err)
	}
	for _, id := range tenants {
		if err := act(id); err != nil {
			return nil, err
		}
		// v3 is the kind of the member: users' own rows stay out, they come
		// with each subject and are judged at the moment of the question.
		filter := gormadapter.Filter{Ptype: []string{"g"}, V2: []string{id.String()}, V3: []string{"group", "role"}}
		if err := adapter.LoadFilteredPolicy(m, filter); err != nil {
			return nil, fmt.Errorf("read casbin rules: %w", err)
		}
	}
	return Build(nodes, m["g"]["g"].Policy)
}

// Build resolves grouping rules (member, parent, domain) over nodes.
func Build(nodes []Node, rules [][]string) (*Graph, error) {
	m, err := model.NewModelFromString(ruleModel)
	if err != nil {
		return nil, fmt.Errorf("parse casbin model: %w", err)
	}
	enforcer, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("make casbin enforcer: %w", err)
	}
	manager := defaultrolemanager.NewRoleManager(MaxDepth)
	enforcer.SetNamedRoleManager("g", manager)

	g := &Graph{nodes: nodes, index: make(map[string]int32, len(nodes))}
	for i, n := range nodes {
		g.index[n.Key] = int32(i) //nolint:gosec // bounded by the number of rows of a tenant
	}
	for _, rule := range rules {
		if _, ok := g.index[rule[0]]; !ok {
			continue
		}
		if _, ok := g.index[rule[1]]; !ok {
			continue
		}
		if err := manager.AddLink(rule[0], rule[1], rule[2]); err != nil {
			return nil, fmt.Errorf("link %s to %s: %w", rule[0], rule[1], err)
		}
	}
	return g, g.resolve(enforcer)
}

// resolve asks Casbin once for every node what it implies, so that a question
// costs a look-up. A role of another domain is followed in its own.
func (g *Graph) resolve(enforcer *casbin.Enforcer) error {
	g.next = make([][]int32, len(g.nodes))
	g.reach = make([][]int32, len(g.nodes))
	manager := enforcer.GetNamedRoleManager("g")
	for i, n := range g.nodes {
		direct, err := manager.GetRoles(n.Key, n.Domain.String())
		if err != nil {
			return fmt.Errorf("direct roles of %s: %w", n.Key, err)
		}
		g.next[i] = g.indexes(direct)
	}
	for i := range g.nodes {
		reach, err := g.implied(enforcer, int32(i)) //nolint:gosec // as above
		if err != nil {
			return err
		}
		g.reach[i] = reach
	}
	return nil
}

func (g *Graph) implied(enforcer *casbin.Enforcer, start int32) ([]int32, error) {
	reach := []int32{start}
	todo := []int32{start}
	for len(todo) > 0 {
		n := g.nodes[todo[0]]
		todo = todo[1:]
		names, err := enforcer.GetImplicitRolesForUser(n.Key, n.Domain.String())
		if err != nil {
			return nil, fmt.Errorf("roles implied by %s: %w", n.Key, err)
		}
		for _, i := range g.indexes(names) {
			if slices.Contains(reach, i) {
				continue
			}
			reach = append(reach, i)
			if g.nodes[i].Domain != n.Domain {
				todo = append(todo, i)
			}
		}
	}
	slices.Sort(reach)
	return reach, nil
}

func (g *Graph) indexes(keys []string) []int32 {
	out := make([]int32, 0, len(keys))
	for _, k := range keys {
		if i, ok := g.index[k]; ok {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return len(g.nodes) }

// Index returns the position of a node, false if it takes no part.
func (g *Graph) Index(key string) (int32, bool) {
	i, ok := g.index[key]
	return i, ok
}

// Node returns the node at position i.
func (g *Graph) Node(i int32) Node { return g.nodes[i] }

// Next returns the nodes that i names directly as its parents or roles.
func (g *Graph) Next(i int32) []int32 { return g.next[i] }

// Reach returns i and every node it implies, ascending. Not to be changed.
func (g *Graph) Reach(i int32) []int32 { return g.reach[i] }

// Path returns the shortest chain of nodes from one of starts to target, both
// ends included, nil if there is none. Of equally short ones it takes the one
// whose start comes first.
func (g *Graph) Path(starts []int32, target int32) []int32 {
	from := make(map[int32]int32, len(g.nodes))
	todo := make([]int32, 0, len(starts))
	for _, s := range starts {
		if _, seen := from[s]; !seen {
			from[s] = -1
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if at == target {
			var path []int32
			for ; at >= 0; at = from[at] {
				path = append(path, at)
			}
			slices.Reverse(path)
			return path
		}
		for _, n := range g.next[at] {
			if _, seen := from[n]; !seen {
				from[n] = at
				todo = append(todo, n)
			}
		}
	}
	return nil
}

// Holders returns every node from which target can be reached, target
// included: whoever has one of them has target.
func (g *Graph) Holders(target int32) []int32 {
	var out []int32
	for i, reach := range g.reach {
		if _, ok := slices.BinarySearch(reach, target); ok {
			out = append(out, int32(i)) //nolint:gosec // as above
		}
	}
	return out
}

// Depth returns the number of steps of the longest chain of nodes. Cycles,
// which the database refuses, count as longer than any limit.
func (g *Graph) Depth() int {
	const visiting = -1
	depth := make([]int, len(g.nodes))
	var visit func(i int32) int
	visit = func(i int32) int {
		switch {
		case depth[i] == visiting:
			return len(g.nodes) + MaxDepth
		case depth[i] > 0:
			return depth[i] - 1
		}
		depth[i] = visiting
		longest := 0
		for _, n := range g.next[i] {
			longest = max(longest, 1+visit(n))
		}
		depth[i] = longest + 1
		return longest
	}
	longest := 0
	for i := range g.nodes {
		longest = max(longest, visit(int32(i))) //nolint:gosec // as above
	}
	return longest
}

// Kind tells roles from groups.
type Kind string

// The two kinds of nodes.
const (
	RoleKind  Kind = "role"
	GroupKind Kind = "group"
)

// Parse splits a node's name, as [Role] and [Group] make it. A name that is
// neither has no kind.
func Parse(key string) (Kind, uuid.UUID) {
	kind, text, _ := strings.Cut(key, ":")
	id, err := uuid.Parse(text)
	if err != nil || kind != string(RoleKind) && kind != string(GroupKind) {
		return "", uuid.UUID{}
	}
	return Kind(kind), id
}

// Paths returns the chains of nodes from one of starts, which are different ones,
// to target, both ends included, and whether those are all: no more than most are
// returned.
func (g *Graph) Paths(starts []int32, target int32, most int) (paths [][]int32, all bool) {
	all = true
	var path []int32
	var walk func(at int32)
	walk = func(at int32) {
		if _, leads := slices.BinarySearch(g.reach[at], target); !all || !leads || slices.Contains(path, at) {
			return
		}
		path = append(path, at)
		defer func() { path = path[:len(path)-1] }()
		if at == target {
			if all = len(paths) < most; all {
				paths = append(paths, slices.Clone(path))
			}
			return
		}
		for _, n := range g.next[at] {
			walk(n)
		}
	}
	for _, s := range starts {
		walk(s)
	}
	return paths, all
}
