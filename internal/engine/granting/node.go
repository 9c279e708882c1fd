package granting

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// NodeChange returns the change that a write to a registered node is, as the
// node stands now: every permission whose reach the node's place, code or
// attributes can decide, with the roles that own them. A write asks before and
// after, and [Change.With] joins the two.
//
// Those are the permissions on the nodes above it; on the line of the entity
// node of its type, below which an instance hangs as long as it is not
// registered; those by a pattern that tells its code from others, or by
// conditions that may read its attributes; and those that read a path, which
// moves with everything below the node. Where a workflow limits the node, every
// permission that reaches it is among them: its state decides what they grant.
// So it is where one limits the entity node of its type, and where an approval
// chain guards the node by its code, or opens by what its conditions read of it:
// by the path, of what is below it too.
func (j *Judge) NodeChange(tx *db.Tx, id uuid.UUID) (Change, error) {
	return j.NodesChange(tx, []uuid.UUID{id})
}

// NodesChange is [Judge.NodeChange] of many nodes that are written together.
func (j *Judge) NodesChange(tx *db.Tx, ids []uuid.UUID) (Change, error) {
	return j.nodesChange(tx, ids, "id = ANY(CAST(@ids AS uuid[]))", map[string]any{"ids": db.UUIDs(ids)})
}

// SubtreeChange is [Judge.NodeChange] of a node and all below it, which are
// deleted together. To move them is [Judge.NodeChange] of the node alone: what
// is on the nodes above flows to all of them alike, what is on one of them goes
// with it, and of their patterns only those that read a path see the difference.
func (j *Judge) SubtreeChange(tx *db.Tx, root uuid.UUID) (Change, error) {
	var top struct{ Lineage models.Lineage }
	err := tx.Raw("SELECT lineage FROM sentinel.resources WHERE tenant_id = ? AND id = ?", j.tenant, root).Scan(&top).Error
	if err != nil {
		return Change{}, fmt.Errorf("read the line of a node: %w", err)
	}
	return j.nodesChange(tx, nil, "lineage >= @top AND lineage < sentinel.lineage_end(@top)", map[string]any{"top": top.Lineage})
}

// nodesChange is the change of the nodes that which selects. tops are those of
// them that take what is below them along.
func (j *Judge) nodesChange(tx *db.Tx, tops []uuid.UUID, which string, args map[string]any) (Change, error) {
	args["tenant"] = j.tenant
	var rows []struct {
		Type            string
		Code            string
		WorkflowEnabled bool
		Lineage         models.Lineage
	}
	err := tx.Raw("SELECT type, code, workflow_enabled, lineage FROM sentinel.resources WHERE tenant_id = @tenant AND "+which, args).Scan(&rows).Error
	if err != nil {
		return Change{}, fmt.Errorf("read nodes: %w", err)
	}
	n := nodes{tops: tops, above: map[uuid.UUID]bool{}, types: map[string]*nodesOfType{}}
	for _, r := range rows {
		n.stand(r.Lineage)
		n.add(r.Type, r.Code, r.WorkflowEnabled)
	}
	if err := j.guarded(tx, &n); err != nil {
		return Change{}, err
	}
	var entities []struct {
		Code            string
		WorkflowEnabled bool
		Lineage         models.Lineage
	}
	err = tx.Raw("SELECT code, workflow_enabled, lineage FROM sentinel.resources WHERE tenant_id = ? AND type = ? AND code IN ?", j.tenant, engine.EntityType, slices.Collect(maps.Keys(n.types))).Scan(&entities).Error
	if err != nil {
		return Change{}, fmt.Errorf("read entity nodes: %w", err)
	}
	for _, e := range entities {
		n.stand(e.Lineage)
		// Whether the node is there decides whether that workflow limits it.
		n.types[e.Code].limited = n.types[e.Code].limited || e.WorkflowEnabled
	}
	var c Change
	for _, g := range j.before.Grants.All() {
		if !n.concern(g) {
			continue
		}
		c.Permissions = append(c.Permissions, g)
		for _, owner := range g.Owners {
			c.Nodes = append(c.Nodes, j.before.Graph.Node(owner).Key)
		}
	}
	return c, nil
}

// nodes are what is written: where it stands and what it is.
type nodes struct {
	// above are the nodes themselves, those above them, and the lines of the
	// entity nodes of their types.
	above map[uuid.UUID]bool
	// tops are the nodes that take what is below them along to another path.
	tops  []uuid.UUID
	types map[string]*nodesOfType
}

type nodesOfType struct {
	codes map[string]bool
	// limited is set when a workflow limits one of them, or a chain guards it, so
	// that every permission that reaches it depends on what it is: the type-wide
	// ones, too. So it is when a workflow limits the entity node, since it does not
	// limit registered nodes.
	limited bool
	// moved is set when a chain opens nodes of the type by their path, and some are
	// below what is written: every permission that may reach one depends on it.
	moved bool
	// instances is set when a workflow limits the entity node of the type, below
	// which all instances are.
	instances bool
}

func (n *nodes) ofType(typ string) *nodesOfType {
	if n.types[typ] == nil {
		n.types[typ] = &nodesOfType{codes: map[string]bool{}}
	}
	return n.types[typ]
}

func (n *nodes) add(typ, code string, workflow bool) {
	t := n.ofType(typ)
	t.codes[code] = true
	t.limited = t.limited || workflow
	if workflow && typ == engine.EntityType {
		n.ofType(code).instances = true
	}
}

// stand adds a node's line.
func (n *nodes) stand(l models.Lineage) {
	for _, id := range l.IDs() {
		n.above[id] = true
	}
}

// concern reports whether what a permission reaches can depend on the nodes.
func (n *nodes) concern(g *grants.Grant) bool {
	switch {
	case g.IsAPI() || len(n.types) == 0:
		return false
	case slices.Contains(g.Conditions.Paths(), "resource.path"):
		return true
	case g.Pattern == nil:
		return n.above[g.Node]
	}
	if typ, _ := g.Pattern.Normalised(); typ != pattern.AnyType {
		return n.types[typ] != nil && n.types[typ].concern(g)
	}
	for _, t := range n.types {
		if t.concern(g) {
			return true
		}
	}
	return false
}

func (t *nodesOfType) concern(g *grants.Grant) bool {
	if t.instances || t.moved {
		return true
	}
	if g.Pattern.TypeWide() {
		// It reaches the nodes under any code.
		return len(t.codes) > 0 && (t.limited || !g.Unconditional())
	}
	if code, literal := g.Pattern.Literal(); literal {
		return t.codes[code]
	}
	for code := range t.codes {
		if g.Pattern.MatchID(code) {
			return true
		}
	}
	return false
}

// With returns both changes as one: a write that is judged as things were and as
// they will be.
func (c Change) With(other Change) Change {
	return Change{
		Accounts: slices.Concat(c.Accounts, other.Accounts), Nodes: slices.Concat(c.Nodes, other.Nodes),
		Handed: slices.Concat(c.Handed, other.Handed), Content: slices.Concat(c.Content, other.Content),
		Permissions: slices.Concat(c.Permissions, other.Permissions), Removal: c.Removal && other.Removal,
	}
}
