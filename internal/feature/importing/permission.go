package importing

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

var (
	permissionColumns = []string{
		"id", "tenant_id", "name", "resource_type", "resource_id", "resource_path", "actions", "effect", "conditions", "field_permissions", "is_active",
	}
	ownedColumns = []string{"tenant_id", "role_id", "permission_id", "granted_by", "granted_by_tenant"}
)

func permissionCells(m *models.Permission) []any {
	return []any{
		m.ID, m.TenantID, m.Name, m.ResourceType, m.ResourceID, m.ResourcePath, []string(m.Actions), m.Effect, []byte(m.Conditions),
		[]byte(m.FieldPermissions), m.IsActive,
	}
}

// permissionView is a permission as the audit shows it.
func permissionView(m *models.Permission) map[string]any {
	return map[string]any{
		"id": m.ID, "name": m.Name, "resource_type": m.ResourceType, "resource_id": m.ResourceID, "resource_path": m.ResourcePath,
		"actions": m.Actions, "effect": m.Effect, "conditions": json.RawMessage(m.Conditions),
		"field_permissions": json.RawMessage(m.FieldPermissions), "is_active": m.IsActive,
	}
}

// permissions writes permissions, and gives them to the roles that they name and
// that are not in the file themselves.
func (b *batch) permissions(rows []row) error {
	p := permissionPlan{batch: b, items: readAll[PermissionSpec](b, rows)}
	if err := p.load(); err != nil {
		return err
	}
	for i := range p.items {
		if err := p.one(&p.items[i]); err != nil {
			return err
		}
	}
	if err := b.insert("permissions", permissionColumns, p.made); err != nil {
		return err
	}
	if err := b.update("permissions", without(permissionColumns, "tenant_id"), cut(p.changed, permissionColumns, "tenant_id")); err != nil {
		return err
	}
	return b.insert("role_permissions", ownedColumns, p.owned)
}

// permissionPlan is what becomes of the permissions of a batch.
type permissionPlan struct {
	*batch
	items []item[PermissionSpec]
	found map[string][]*models.Permission
	nodes map[directory.NodeRef]*models.Resource
	roles map[string][]*models.Role
	// owners are the roles of those that are there.
	owners               map[uuid.UUID][]uuid.UUID
	made, changed, owned [][]any
}

func (p *permissionPlan) load() (err error) {
	var names, roles []string
	refs := map[directory.NodeRef]bool{}
	for _, s := range p.items {
		names = append(names, s.spec.Name)
		roles = append(roles, s.spec.Roles...)
		if ref, ok := directory.ParseNodeRef(s.spec.Node); ok {
			refs[ref] = true
		}
	}
	if p.found, err = byName(p.batch, names, func(m *models.Permission) string { return m.Name }); err != nil {
		return err
	}
	if p.roles, err = byName(p.batch, roles, func(m *models.Role) string { return m.Name }); err != nil {
		return err
	}
	if p.nodes, err = p.batch.nodes(refs); err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, all := range p.found {
		ids = append(ids, all[0].ID)
	}
	pairs, err := p.pairsOf("role_permissions", "permission_id", "role_id", ids)
	p.owners = map[uuid.UUID][]uuid.UUID{}
	for pair := range pairs {
		p.owners[pair[0]] = append(p.owners[pair[0]], pair[1])
	}
	return err
}

// one says what becomes of a row.
func (p *permissionPlan) one(s *item[PermissionSpec]) error {
	old, ambiguous := only(p.found[s.spec.Name])
	if ambiguous {
		p.refuse(s.row, s.spec.Name, fault.Field{Path: "name", Message: "is the name of several permissions: it cannot be told which is meant"})
		return nil
	}
	m, field, err := p.settle(s, old)
	if err != nil {
		return err
	}
	owners, ownerField := p.newOwners(s, m)
	if field == nil {
		field = ownerField
	}
	if field != nil {
		p.refuse(s.row, s.spec.Name, *field)
		return nil
	}
	differs := old == nil || !samePermission(old, m)
	switch {
	case old == nil:
		p.created++
		p.made = append(p.made, permissionCells(m))
		p.record(s.row, "permission.create", m.ID, nil, permissionView(m))
	case differs:
		p.updated++
		p.changed = append(p.changed, permissionCells(m))
		p.record(s.row, "permission.update", m.ID, permissionView(old), permissionView(m))
	case len(owners) > 0:
		p.updated++
	default:
		p.unchanged++
	}
	return p.judged(s, old, m, differs, owners)
}

// settle returns the permission as the row has it, or what is wrong with it.
func (p *permissionPlan) settle(s *item[PermissionSpec], old *models.Permission) (*models.Permission, *fault.Field, error) {
	m := &models.Permission{ID: uuid.Must(uuid.NewV7()), TenantID: p.tenant, IsActive: true, Effect: "allow", Conditions: models.Object(nil), FieldPermissions: models.Object(nil)}
	if old != nil {
		clone := *old
		m = &clone
	}
	var node uuid.UUID
	if s.spec.Node != "" {
		ref, _ := directory.ParseNodeRef(s.spec.Node)
		if p.nodes[ref] == nil {
			return nil, &fault.Field{Path: "node", Message: "there is no node " + shorten(s.spec.Node, 300) + " in this tenant"}, nil
		}
		node = p.nodes[ref].ID
	}
	in := s.spec.Input(node)
	if in.ResourceID == nil {
		if err := in.CheckNode(p.w, p.tenant, ""); err != nil {
			field, ok := reasonOf(err)
			if !ok {
				return nil, nil, err
			}
			return nil, &field, nil
		}
	}
	if !s.has["effect"] {
		in.Effect = m.Effect
	}
	if !s.has["field_permissions"] {
		if err := json.Unmarshal(m.FieldPermissions, &in.FieldPermissions); err != nil {
			return nil, nil, fmt.Errorf("read field_permissions: %w", err)
		}
	}
	// What the row leaves out may not go with what it says.
	if fields := in.Validate(""); fields != nil {
		return nil, &fields[0], nil
	}
	conditions := m.Conditions
	in.Apply(m)
	if !s.has["conditions"] {
		m.Conditions = conditions
	}
	setFlag(&m.IsActive, s.spec.IsActive)
	return m, nil, nil
}

// newOwners are the roles that get the permission by this row, or what is wrong
// with them. Those of the file take it when they are written.
func (p *permissionPlan) newOwners(s *item[PermissionSpec], m *models.Permission) ([]*models.Role, *fault.Field) {
	var owners []*models.Role
	for i, name := range s.spec.Roles {
		if slices.Contains(s.row.Also, name) {
			continue
		}
		role, _ := only(p.roles[name])
		at := fmt.Sprintf("roles[%d]", i)
		switch {
		case role == nil:
			return nil, &fault.Field{Path: at, Message: "there is no role " + shorten(name, 100) + " of this tenant, nor in this file"}
		case role.Type == "system":
			return nil, &fault.Field{Path: at, Message: "is a system role: those can be used, not changed"}
		case m != nil && slices.Contains(p.owners[m.ID], role.ID):
		default:
			owners = append(owners, role)
		}
	}
	if len(owners) > 0 {
		if err := p.s.may(p.ctx, httpapi.Permission{Section: "roles", Action: "update"}); err != nil {
			return nil, &fault.Field{Path: "roles", Message: "need update on api/roles"}
		}
	}
	return owners, nil
}

// judged tells the granting rule what the row does. A permission that nobody
// owns grants nothing.
func (p *permissionPlan) judged(s *item[PermissionSpec], old, m *models.Permission, differs bool, owners []*models.Role) error {
	held := p.owners[m.ID]
	if len(owners) == 0 && (!differs || len(held) == 0) {
		return nil
	}
	for _, one := range []*models.Permission{old, m} {
		if one == nil || one == old && !differs {
			continue
		}
		g, err := engine.CompileGrant(one)
		if err != nil {
			return err
		}
		p.change.Permissions = append(p.change.Permissions, g)
	}
	if differs {
		for _, id := range held {
			p.change.Nodes = append(p.change.Nodes, rbac.Role(id))
		}
	}
	by, home := p.actor()
	for _, role := range owners {
		p.change.Nodes = append(p.change.Nodes, rbac.Role(role.ID))
		p.owned = append(p.owned, []any{p.tenant, role.ID, m.ID, by, home})
		p.record(s.row, "role.add_permissions", role.ID, nil, map[string]any{"permission_ids": []uuid.UUID{m.ID}})
	}
	return nil
}

func samePermission(a, b *models.Permission) bool {
	return a.ResourceType == b.ResourceType && same(a.ResourceID, b.ResourceID) && same(a.ResourcePath, b.ResourcePath) &&
		slices.Equal(a.Actions, b.Actions) && a.Effect == b.Effect && a.IsActive == b.IsActive &&
		sameJSON(a.Conditions, b.Conditions) && sameJSON(a.FieldPermissions, b.FieldPermissions)
}
