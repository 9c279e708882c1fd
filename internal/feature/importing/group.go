package importing

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

var (
	groupColumns     = []string{"id", "tenant_id", "name", "display_name", "description", "parent_group_id", "metadata", "is_active"}
	groupRoleColumns = []string{"tenant_id", "group_id", "role_id", "role_tenant_id", "granted_by", "granted_by_tenant"}
)

func groupCells(m *models.Group) []any {
	return []any{m.ID, m.TenantID, m.Name, m.DisplayName, m.Description, m.ParentGroupID, []byte(m.Metadata), m.IsActive}
}

// groupView is a group as the audit shows it.
func groupView(m *models.Group) map[string]any {
	return map[string]any{
		"id": m.ID, "name": m.Name, "display_name": m.DisplayName, "description": m.Description, "parent_group_id": m.ParentGroupID,
		"metadata": json.RawMessage(m.Metadata), "is_active": m.IsActive,
	}
}

// groups writes groups, parents before those that are in them, and gives them
// roles.
func (b *batch) groups(rows []row) error {
	p := groupPlan{batch: b, items: readAll[directory.GroupSpec](b, rows)}
	if err := p.load(); err != nil {
		return err
	}
	for i := range p.items {
		p.one(&p.items[i])
	}
	if err := b.insert("groups", groupColumns, p.made); err != nil {
		return err
	}
	if err := b.update("groups", without(groupColumns, "tenant_id"), cut(p.changed, groupColumns, "tenant_id")); err != nil {
		return err
	}
	return b.insert("group_roles", groupRoleColumns, p.given)
}

// groupPlan is what becomes of the groups of a batch.
type groupPlan struct {
	*batch
	items                []item[directory.GroupSpec]
	found                map[string][]*models.Group
	roles                map[string]usable
	has                  map[[2]uuid.UUID]bool
	made, changed, given [][]any
}

func (p *groupPlan) load() (err error) {
	var names []string
	for _, s := range p.items {
		names = append(names, s.spec.Name, s.spec.Parent)
	}
	if p.found, err = byName(p.batch, names, func(m *models.Group) string { return m.Name }); err != nil {
		return err
	}
	if p.roles, err = p.usableRoles(); err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, all := range p.found {
		ids = append(ids, all[0].ID)
	}
	p.has, err = p.pairsOf("group_roles", "group_id", "role_id", ids)
	return err
}

// one says what becomes of a row.
func (p *groupPlan) one(s *item[directory.GroupSpec]) {
	old, _ := only(p.found[s.spec.Name])
	m, field := p.settle(s, old)
	if field != nil {
		p.refuse(s.row, s.spec.Name, *field)
		return
	}
	var given []usable
	for i, name := range s.spec.Roles {
		role, ok := p.roles[name]
		if !ok {
			p.refuse(s.row, s.spec.Name, fault.Field{Path: fmt.Sprintf("roles[%d]", i), Message: "there is no such active role in this tenant"})
			return
		}
		if !p.has[[2]uuid.UUID{m.ID, role.ID}] {
			given = append(given, role)
		}
	}
	node := rbac.Group(m.ID)
	if m.ParentGroupID != nil && (old == nil || !same(old.ParentGroupID, m.ParentGroupID)) {
		p.change.Handed = append(p.change.Handed, rbac.Group(*m.ParentGroupID))
	}
	switch {
	case old == nil:
		p.created++
		p.made = append(p.made, groupCells(m))
		p.found[m.Name] = []*models.Group{m}
		p.change.Handed = append(p.change.Handed, node)
		p.record(s.row, "group.create", m.ID, nil, groupView(m))
	case !sameGroup(old, m):
		p.updated++
		p.changed = append(p.changed, groupCells(m))
		if old.IsActive != m.IsActive || s.has["parent"] {
			p.change.Nodes, p.change.Handed = append(p.change.Nodes, node), append(p.change.Handed, node)
		}
		p.record(s.row, "group.update", m.ID, groupView(old), groupView(m))
	case len(given) > 0:
		p.updated++
	default:
		p.unchanged++
	}
	p.give(s, m, given)
}

// settle returns the group as the row has it, or what is wrong with it.
func (p *groupPlan) settle(s *item[directory.GroupSpec], old *models.Group) (*models.Group, *fault.Field) {
	m := &models.Group{ID: uuid.Must(uuid.NewV7()), TenantID: p.tenant, Name: s.spec.Name, IsActive: true, Metadata: models.Object(nil)}
	if old != nil {
		clone := *old
		m = &clone
	}
	set(s.has, "display_name", &m.DisplayName, s.spec.DisplayName)
	set(s.has, "description", &m.Description, s.spec.Description)
	setFlag(&m.IsActive, s.spec.IsActive)
	setObject(s.has, "metadata", &m.Metadata, s.spec.Metadata)
	if s.has["parent"] {
		m.ParentGroupID = nil
	}
	if s.spec.Parent != "" {
		parent, _ := only(p.found[s.spec.Parent])
		if parent == nil {
			return m, &fault.Field{Path: "parent", Message: "there is no group " + shorten(s.spec.Parent, 100) + " in this tenant"}
		}
		m.ParentGroupID = &parent.ID
	}
	return m, nil
}

func (p *groupPlan) give(s *item[directory.GroupSpec], m *models.Group, given []usable) {
	if len(given) == 0 {
		return
	}
	by, home := p.actor()
	ids := make([]uuid.UUID, len(given))
	for i, role := range given {
		ids[i] = role.ID
		p.given = append(p.given, []any{p.tenant, m.ID, role.ID, role.TenantID, by, home})
		p.change.Handed = append(p.change.Handed, rbac.Role(role.ID))
	}
	p.change.Nodes = append(p.change.Nodes, rbac.Group(m.ID))
	p.record(s.row, "group.add_roles", m.ID, nil, map[string]any{"role_ids": ids})
}

func sameGroup(a, b *models.Group) bool {
	return a.DisplayName == b.DisplayName && a.Description == b.Description && same(a.ParentGroupID, b.ParentGroupID) &&
		a.IsActive == b.IsActive && sameJSON(a.Metadata, b.Metadata)
}
