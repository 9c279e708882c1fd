package importing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

var roleColumns = []string{
	"id", "tenant_id", "name", "display_name", "description", "parent_role_id", "priority", "is_assignable", "metadata", "is_active",
	"created_by", "created_by_tenant",
}

func roleCells(m *models.Role) []any {
	return []any{
		m.ID, m.TenantID, m.Name, m.DisplayName, m.Description, m.ParentRoleID, m.Priority, m.IsAssignable, []byte(m.Metadata), m.IsActive,
		m.CreatedBy, m.CreatedByTenant,
	}
}

// roleView is a role as the audit shows it.
func roleView(m *models.Role) map[string]any {
	return map[string]any{
		"id": m.ID, "name": m.Name, "display_name": m.DisplayName, "description": m.Description, "parent_role_id": m.ParentRoleID,
		"priority": m.Priority, "is_assignable": m.IsAssignable, "metadata": json.RawMessage(m.Metadata), "is_active": m.IsActive,
	}
}

// roles writes roles, parents before those that inherit from them, and gives
// them permissions.
func (b *batch) roles(rows []row) error {
	p := rolePlan{batch: b, items: readAll[directory.RoleSpec](b, rows)}
	if err := p.load(); err != nil {
		return err
	}
	for i := range p.items {
		if err := p.one(&p.items[i]); err != nil {
			return err
		}
	}
	if err := b.insert("roles", roleColumns, p.made); err != nil {
		return err
	}
	fixed := []string{"tenant_id", "created_by", "created_by_tenant"}
	if err := b.update("roles", without(roleColumns, fixed...), cut(p.changed, roleColumns, fixed...)); err != nil {
		return err
	}
	return b.insert("role_permissions", ownedColumns, p.owned)
}

// rolePlan is what becomes of the roles of a batch.
type rolePlan struct {
	*batch
	items       []item[directory.RoleSpec]
	found       map[string][]*models.Role
	system      map[string]bool
	permissions map[string][]*models.Permission
	has         map[[2]uuid.UUID]bool
	// judged are the permissions that the change names already.
	judged               map[uuid.UUID]bool
	made, changed, owned [][]any
}

func (p *rolePlan) load() (err error) {
	var names, permissions []string
	for _, s := range p.items {
		names = append(names, s.spec.Name, s.spec.Parent)
		permissions = append(append(permissions, s.spec.Permissions...), s.row.Also...)
	}
	if p.found, err = byName(p.batch, names, func(m *models.Role) string { return m.Name }); err != nil {
		return err
	}
	if p.permissions, err = byName(p.batch, permissions, func(m *models.Permission) string { return m.Name }); err != nil {
		return err
	}
	usable, err := p.usableRoles()
	if err != nil {
		return err
	}
	p.system, p.judged = map[string]bool{granting.SuperAdmin: true}, map[uuid.UUID]bool{}
	for name, r := range usable {
		if r.Type == "system" {
			p.system[strings.ToLower(name)] = true
		}
	}
	var ids []uuid.UUID
	for _, all := range p.found {
		ids = append(ids, all[0].ID)
	}
	p.has, err = p.pairsOf("role_permissions", "role_id", "permission_id", ids)
	return err
}

// one says what becomes of a row.
func (p *rolePlan) one(s *item[directory.RoleSpec]) error {
	if p.system[strings.ToLower(s.spec.Name)] {
		p.refuse(s.row, s.spec.Name, fault.Field{Path: "name", Message: "is a system role's: those can be used, not changed"})
		return nil
	}
	old, _ := only(p.found[s.spec.Name])
	m, field := p.settle(s, old)
	given, permissionField := p.given(s, m)
	if field == nil {
		field = permissionField
	}
	if field != nil {
		p.refuse(s.row, s.spec.Name, *field)
		return nil
	}
	node := rbac.Role(m.ID)
	switch {
	case old == nil:
		p.created++
		p.made = append(p.made, roleCells(m))
		p.found[m.Name] = []*models.Role{m}
		p.change.Content = append(p.change.Content, node)
		p.record(s.row, "role.create", m.ID, nil, roleView(m))
	case !sameRole(old, m):
		p.updated++
		p.changed = append(p.changed, roleCells(m))
		p.change.Nodes, p.change.Content = append(p.change.Nodes, node), append(p.change.Content, node)
		for _, parent := range []*uuid.UUID{old.ParentRoleID, m.ParentRoleID} {
			if parent != nil {
				p.change.Content = append(p.change.Content, rbac.Role(*parent))
			}
		}
		p.record(s.row, "role.update", m.ID, roleView(old), roleView(m))
	case len(given) > 0:
		p.updated++
	default:
		p.unchanged++
	}
	return p.give(s, m, given)
}

// settle returns the role as the row has it, or what is wrong with it.
func (p *rolePlan) settle(s *item[directory.RoleSpec], old *models.Role) (*models.Role, *fault.Field) {
	by, home := p.actor()
	m := &models.Role{
		ID: uuid.Must(uuid.NewV7()), TenantID: p.tenant, Name: s.spec.Name, Type: "custom", IsAssignable: true, IsActive: true,
		Metadata: models.Object(nil), CreatedBy: &by, CreatedByTenant: &home,
	}
	if old != nil {
		clone := *old
		m = &clone
	}
	set(s.has, "display_name", &m.DisplayName, s.spec.DisplayName)
	set(s.has, "description", &m.Description, s.spec.Description)
	set(s.has, "priority", &m.Priority, s.spec.Priority)
	setFlag(&m.IsAssignable, s.spec.IsAssignable)
	setFlag(&m.IsActive, s.spec.IsActive)
	setObject(s.has, "metadata", &m.Metadata, s.spec.Metadata)
	if s.has["parent"] {
		m.ParentRoleID = nil
	}
	if s.spec.Parent != "" {
		parent, _ := only(p.found[s.spec.Parent])
		if parent == nil || parent.Type == "system" {
			return m, &fault.Field{Path: "parent", Message: "there is no role " + shorten(s.spec.Parent, 100) + " of this tenant"}
		}
		m.ParentRoleID = &parent.ID
	}
	return m, nil
}

// mostGiven is how many permissions a role gets by one file, as by a manifest.
const mostGiven = 10_000

// given are the permissions that the role gets by this row, or what is wrong
// with them. One that gives itself in a row of its own may have been refused.
func (p *rolePlan) given(s *item[directory.RoleSpec], m *models.Role) ([]*models.Permission, *fault.Field) {
	var out []*models.Permission
	seen := map[*models.Permission]bool{}
	for i, name := range slices.Concat(s.spec.Permissions, s.row.Also) {
		permission, ambiguous := only(p.permissions[name])
		own := i < len(s.spec.Permissions)
		at := fmt.Sprintf("permissions[%d]", i)
		switch {
		case ambiguous && own:
			return nil, &fault.Field{Path: at, Message: "is the name of several permissions: it cannot be told which is meant"}
		case permission == nil && own:
			return nil, &fault.Field{Path: at, Message: "there is no permission " + shorten(name, 255) + " in this tenant"}
		case permission == nil, p.has[[2]uuid.UUID{m.ID, permission.ID}], seen[permission]:
		default:
			seen[permission] = true
			out = append(out, permission)
		}
	}
	if len(out) > mostGiven {
		return nil, &fault.Field{Path: "permissions", Message: fmt.Sprintf("would be given to the role by more than %d rows and names of this file", mostGiven)}
	}
	return out, nil
}

func (p *rolePlan) give(s *item[directory.RoleSpec], m *models.Role, given []*models.Permission) error {
	if len(given) == 0 {
		return nil
	}
	by, home := p.actor()
	ids := make([]uuid.UUID, len(given))
	for i, permission := range given {
		ids[i] = permission.ID
		p.owned = append(p.owned, []any{p.tenant, m.ID, permission.ID, by, home})
		if p.judged[permission.ID] {
			continue
		}
		p.judged[permission.ID] = true
		g, err := engine.CompileGrant(permission)
		if err != nil {
			return err
		}
		p.change.Permissions = append(p.change.Permissions, g)
	}
	p.change.Nodes = append(p.change.Nodes, rbac.Role(m.ID))
	p.record(s.row, "role.add_permissions", m.ID, nil, map[string]any{"permission_ids": ids})
	return nil
}

func sameRole(a, b *models.Role) bool {
	return a.DisplayName == b.DisplayName && a.Description == b.Description && same(a.ParentRoleID, b.ParentRoleID) && a.Priority == b.Priority &&
		a.IsAssignable == b.IsAssignable && a.IsActive == b.IsActive && sameJSON(a.Metadata, b.Metadata)
}
