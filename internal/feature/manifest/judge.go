package manifest

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// reserved refuses what only an administrator of the tenant may do, whatever
// else they hold: settings, workflows, what makes a field more visible, and
// whatever concerns an inactive role or group, of which nobody sees what it will
// give.
func (a *applier) reserved() error {
	if a.Judge.Admin() {
		return nil
	}
	for _, s := range a.outcome.steps {
		switch s.kind() {
		case settingKind:
			return fault.New(fault.Denied, "Only a tenant_admin may change settings.")
		case nodeKind:
			if workflow(s.before) != workflow(s.after) {
				return fault.New(fault.Denied, "Only a tenant_admin may change the workflow of %s by a manifest.", s.object().name)
			}
		case fieldKind:
			if gain := directory.FieldGain(definition(s.before), definition(s.after)); gain != "" {
				return fault.New(fault.Denied, "By this write more could be seen or changed of %s than before: %s. Only a tenant_admin may do that; ask one to make it.", s.object().name, gain)
			}
		case chainKind:
			return directory.WritesChains(a.Write)
		case roleKind, groupKind:
			if o := dormant(s); o != nil {
				return fault.New(fault.Denied, "The %s %s is inactive, or will be. What it will give once it is active is for a tenant_admin to say.", o.kind, o.name)
			}
		}
	}
	return nil
}

// workflow is what the workflow of a node says, "" where it has none.
func workflow(o *object) string {
	if o == nil {
		return ""
	}
	enabled, config := o.members["workflow_enabled"], o.members["workflow_config"]
	if enabled == nil && config == nil {
		return ""
	}
	return directory.Canonical([]any{enabled, config})
}

// dormant is an inactive role or group that a step concerns, nil if there is
// none.
func dormant(s *step) *object {
	for _, o := range []*object{s.before, s.after} {
		if o == nil {
			continue
		}
		for _, one := range append([]*object{o}, o.set...) {
			if (one.kind == roleKind || one.kind == groupKind) && (one.inactive || !one.flag("is_active")) {
				return one
			}
		}
	}
	return nil
}

// definition is a field definition as it is stored, nil for none.
func definition(o *object) *models.FieldDefinition {
	if o == nil {
		return nil
	}
	m := &models.FieldDefinition{}
	if spec, ok := o.spec.(*directory.FieldSpec); ok {
		spec.Apply(m)
	}
	return m
}

// before is what the steps are as things stand: the permissions and holders that
// a change or a deletion concerns.
func (a *applier) before() (granting.Change, error) {
	var c granting.Change
	var going []string
	for _, s := range a.outcome.steps {
		if s.before == nil || s.kind() != roleKind && s.kind() != groupKind {
			continue
		}
		if s.after == nil {
			going = append(going, graphNode(s.before))
		}
		a.holder(&c, s, s.before)
	}
	losing, err := a.Judge.Losing(a.Tx, going)
	if err != nil {
		return c, err
	}
	c.Accounts = append(c.Accounts, losing...)
	return a.judged(c, func(s *step) *object { return s.before })
}

// after is what the steps are once they are made.
func (a *applier) after() (granting.Change, error) {
	var c granting.Change
	for _, s := range a.outcome.steps {
		if s.after != nil && (s.kind() == roleKind || s.kind() == groupKind) {
			a.holder(&c, s, s.after)
		}
	}
	return a.judged(c, func(s *step) *object { return s.after })
}

// holder adds what a role or group is, and the difference of its set, as the
// routes of its section judge them.
func (a *applier) holder(c *granting.Change, s *step, o *object) {
	node := graphNode(o)
	c.Nodes = append(c.Nodes, node)
	if s.kind() == groupKind {
		c.Handed = append(c.Handed, node)
		for _, role := range difference(s) {
			c.Handed = append(c.Handed, rbac.Role(role.id))
		}
		return
	}
	c.Content = append(c.Content, node)
	for _, role := range a.lookup(roleKind, o.text("parent")) {
		c.Content = append(c.Content, graphNode(role))
	}
}

// lookup finds an object by its name, as it was and as it will be.
func (a *applier) lookup(kind, name string) []*object {
	if name == "" {
		return nil
	}
	if a.named == nil {
		a.named = map[string][2]map[string]*object{}
	}
	if _, known := a.named[kind]; !known {
		a.named[kind] = [2]map[string]*object{names(a.current.objects[kind]), names(a.outcome.result[kind])}
	}
	var found []*object
	for _, byName := range a.named[kind] {
		if o := byName[name]; o != nil && o.id != uuid.Nil {
			found = append(found, o)
		}
	}
	return found
}

func graphNode(o *object) string {
	if o.kind == groupKind {
		return rbac.Group(o.id)
	}
	return rbac.Role(o.id)
}

// difference is what one set has and the other has not.
func difference(s *step) []*object {
	var was, is []*object
	if s.before != nil {
		was = s.before.set
	}
	if s.after != nil {
		is = s.after.set
	}
	in := map[*object]int{}
	for _, o := range was {
		in[o.self()] |= 1
	}
	for _, o := range is {
		in[o.self()] |= 2
	}
	var out []*object
	for o, n := range in {
		if n != 3 {
			out = append(out, o)
		}
	}
	return out
}

// judged adds the permissions that are given, taken, changed or deleted, with
// the roles that own them, and those whose reach a changed node decides.
func (a *applier) judged(c granting.Change, moment func(*step) *object) (granting.Change, error) {
	concerned := map[uuid.UUID]bool{}
	for _, s := range a.of(roleKind) {
		for _, o := range difference(s) {
			concerned[o.id] = true
		}
	}
	changed := map[*object]bool{}
	for _, s := range a.of(permissionKind) {
		changed[s.object().self()] = true
	}
	for _, roles := range [][]*object{a.current.objects[roleKind], a.outcome.result[roleKind]} {
		for _, role := range roles {
			for _, o := range role.set {
				if changed[o.self()] {
					concerned[o.self().id] = true
					c.Nodes = append(c.Nodes, rbac.Role(role.id))
				}
			}
		}
	}
	ids := make([]uuid.UUID, 0, len(concerned))
	for id := range concerned {
		if id != uuid.Nil {
			ids = append(ids, id)
		}
	}
	given, err := a.compiled(ids)
	if err != nil {
		return c, err
	}
	c.Permissions = append(c.Permissions, given...)
	var nodes []uuid.UUID
	for _, s := range a.of(nodeKind) {
		if o := moment(s); o != nil {
			nodes = append(nodes, o.id)
		}
	}
	if len(nodes) == 0 {
		return c, nil
	}
	moved, err := a.Judge.NodesChange(a.Tx, nodes)
	return c.With(moved), err
}

func (a *applier) compiled(ids []uuid.UUID) ([]*grants.Grant, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []models.Permission
	err := a.Raw("SELECT * FROM sentinel.permissions WHERE tenant_id = ? AND id = ANY(CAST(? AS uuid[]))", a.tenant, db.UUIDs(ids)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read permissions: %w", err)
	}
	out := make([]*grants.Grant, len(rows))
	for i := range rows {
		if out[i], err = engine.CompileGrant(&rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
