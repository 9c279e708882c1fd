package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// mostObjects bounds how much of a kind is read: a tenant with more is not kept
// in a document.
func mostObjects(kind string) int {
	switch kind {
	case nodeKind:
		return 50_000
	case permissionKind:
		return 20_000
	default:
		return 10_000
	}
}

// mostPairs bounds the permissions that roles own and the roles that groups have,
// each kind together: there can be as many as the product of the two.
const mostPairs = 200_000

// loader reads a tenant's state in one transaction.
type loader struct {
	*db.Tx
	tenant uuid.UUID
	state  *state
	byID   map[uuid.UUID]*object
	err    error
}

func load(tx *db.Tx, tenant uuid.UUID, timeout int) (*state, error) {
	l := &loader{Tx: tx, tenant: tenant, state: &state{objects: map[string][]*object{}, timeout: timeout}, byID: map[uuid.UUID]*object{}}
	for _, read := range []func(){l.revision, l.settings, l.nodes, l.permissions, l.roles, l.owned, l.groups, l.foreign, l.granted, l.chains, l.fields, l.menus, l.takes} {
		if read(); l.err != nil {
			return nil, l.err
		}
	}
	return l.state, nil
}

func (l *loader) scan(into any, what, sql string) {
	if err := l.Raw(sql, map[string]any{"tenant": l.tenant}).Scan(into).Error; err != nil && l.err == nil {
		l.err = fmt.Errorf("read %s: %w", what, err)
	}
}

// add keeps an object. One that cannot be put into the form of the file ends the
// reading.
func (l *loader) add(o *object, err error) {
	if err != nil && l.err == nil {
		l.err = err
	}
	l.state.objects[o.kind] = append(l.state.objects[o.kind], o)
	if n := len(l.state.objects[o.kind]); n > mostObjects(o.kind) && l.err == nil {
		l.err = fault.Conflict("", "The tenant has more than %d objects in the section %s; that many are not kept in a manifest.", n-1, section(o.kind))
	}
	l.byID[o.id] = o
}

func (l *loader) revision() {
	l.scan(&l.state.revision, "revision", `SELECT revision FROM sentinel.policy_revision WHERE tenant_id = @tenant`)
}

// settings are those that the tenant's administrator may write. The platform's
// own tenant cannot be changed.
func (l *loader) settings() {
	var raw string
	l.scan(&raw, "settings", `SELECT CAST(settings AS text) FROM sentinel.tenants WHERE id = @tenant`)
	if l.tenant == identity.PlatformTenant {
		return
	}
	given := decoded(models.JSON(raw))
	for _, name := range slices.Sorted(maps.Keys(directory.Settings())) {
		if value, ok := given[name]; ok && !directory.Settings()[name].FromAbove {
			l.add(settingObject(name, value, ""), nil)
		}
	}
}

func (l *loader) nodes() {
	var rows []models.Resource
	l.scan(&rows, "resources", `SELECT * FROM sentinel.resources WHERE tenant_id = @tenant ORDER BY type, code LIMIT 50001`)
	refs := make(map[uuid.UUID]string, len(rows))
	for i := range rows {
		refs[rows[i].ID] = directory.NodeRef{Type: rows[i].Type, Code: rows[i].Code}.String()
	}
	for i := range rows {
		m := &rows[i]
		s := &directory.NodeSpec{
			Type: m.Type, Code: m.Code, Name: m.Name, Attributes: decoded(m.Attributes), WorkflowEnabled: m.WorkflowEnabled,
			WorkflowConfig: decoded(m.WorkflowConfig), IsActive: &m.IsActive,
		}
		if m.ParentID != nil {
			s.Parent = refs[*m.ParentID]
		}
		o, err := nodeObject(s)
		o.id = m.ID
		l.add(o, err)
	}
}

func (l *loader) permissions() {
	var rows []struct {
		models.Permission
		Fixed bool
	}
	l.scan(&rows, "permissions", `
SELECT p.*, p.tenant_id = '00000000-0000-0000-0000-000000000000' AND EXISTS (
  SELECT
  FROM sentinel.role_permissions rp
  JOIN sentinel.roles r ON r.tenant_id = rp.tenant_id AND r.id = rp.role_id
  WHERE rp.tenant_id = p.tenant_id
  AND rp.permission_id = p.id
  AND r.type = 'system'
) AS fixed
FROM sentinel.permissions p
WHERE p.tenant_id = @tenant
ORDER BY p.created_at, p.id
LIMIT 20001`)
	for i := range rows {
		m := &rows[i].Permission
		s := &Permission{PermissionSpec: directory.PermissionSpec{
			Name: m.Name, Actions: m.Actions, Effect: m.Effect, Conditions: decoded(m.Conditions),
			FieldPermissions: texts(m.FieldPermissions), IsActive: &m.IsActive,
		}}
		if m.ResourcePath != nil {
			s.ResourcePath = *m.ResourcePath
		} else if node := l.byID[*m.ResourceID]; node != nil {
			s.Node = node.name
		}
		o, err := permissionObject(s)
		o.id, o.fixed = m.ID, rows[i].Fixed
		l.add(o, err)
	}
}

func texts(raw models.JSON) map[string]string {
	var out map[string]string
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

func (l *loader) roles() {
	var rows []models.Role
	l.scan(&rows, "roles", `SELECT * FROM sentinel.roles WHERE tenant_id = @tenant ORDER BY name LIMIT 10001`)
	names := make(map[uuid.UUID]string, len(rows))
	for i := range rows {
		names[rows[i].ID] = rows[i].Name
	}
	for i := range rows {
		m := &rows[i]
		s := &directory.RoleSpec{
			Name: m.Name, DisplayName: m.DisplayName, Description: m.Description, Priority: m.Priority,
			IsAssignable: &m.IsAssignable, IsActive: &m.IsActive, Metadata: decoded(m.Metadata),
		}
		if m.ParentRoleID != nil {
			s.Parent = names[*m.ParentRoleID]
		}
		o, err := roleObject(s)
		o.id, o.owner, o.fixed = m.ID, m.TenantID, m.Type == "system"
		l.add(o, err)
	}
}

// link is a row of a set.
type link struct{ Holder, Member uuid.UUID }

func (l *loader) owned() {
	var rows []link
	l.scan(&rows, "permissions of roles", `
SELECT role_id AS holder, permission_id AS member
FROM sentinel.role_permissions
WHERE tenant_id = @tenant
ORDER BY role_id, permission_id
LIMIT 200001`)
	l.bound(len(rows), roleKind)
	l.link(rows)
}

// bound ends the reading of a tenant whose sets are too large.
func (l *loader) bound(pairs int, kind string) {
	if pairs > mostPairs && l.err == nil {
		l.err = fault.Conflict("", "The tenant's %ss have more than %d %s together; that many are not kept in a manifest.", kind, mostPairs, setMember(kind))
	}
}

func (l *loader) link(rows []link) {
	for _, r := range rows {
		if holder, member := l.byID[r.Holder], l.byID[r.Member]; holder != nil && member != nil {
			holder.set = append(holder.set, member)
		}
	}
}

func (l *loader) groups() {
	var rows []models.Group
	l.scan(&rows, "groups", `SELECT * FROM sentinel.groups WHERE tenant_id = @tenant ORDER BY name LIMIT 10001`)
	names := make(map[uuid.UUID]string, len(rows))
	for i := range rows {
		names[rows[i].ID] = rows[i].Name
	}
	for i := range rows {
		m := &rows[i]
		s := &directory.GroupSpec{
			Name: m.Name, DisplayName: m.DisplayName, Description: m.Description, IsActive: &m.IsActive, Metadata: decoded(m.Metadata),
		}
		if m.ParentGroupID != nil {
			s.Parent = names[*m.ParentGroupID]
		}
		o, err := groupObject(s)
		o.id = m.ID
		l.add(o, err)
	}
}

// foreign are the roles of other tenants that can be given here: system roles by
// their names, those of ancestors with the tenant's code before it.
func (l *loader) foreign() {
	var rows []struct {
		ID       uuid.UUID
		TenantID uuid.UUID
		Name     string
		Type     string
		IsActive bool
		Code     string
	}
	l.scan(&rows, "roles of other tenants", `
SELECT r.id, r.tenant_id, r.name, r.type, r.is_active, COALESCE(t.code, '') AS code
FROM sentinel.usable_roles() r
LEFT JOIN sentinel.tenants t ON t.id = r.tenant_id
WHERE r.tenant_id <> @tenant
ORDER BY r.name, r.id`)
	own := names(l.state.objects[roleKind])
	for _, r := range rows {
		name := r.Name
		if r.Type != "system" {
			name = r.Code + ":" + r.Name
		}
		if own[name] != nil {
			name = r.ID.String()
		}
		o := &object{kind: roleKind, name: name, id: r.ID, fixed: true, owner: r.TenantID, inactive: !r.IsActive}
		l.state.roles = append(l.state.roles, o)
		l.byID[o.id] = o
	}
}

// granted are the roles of the groups. One that could be given once and cannot
// now is known by its id alone.
func (l *loader) granted() {
	var rows []struct{ Holder, Member, RoleTenantID uuid.UUID }
	l.scan(&rows, "roles of groups", `
SELECT group_id AS holder, role_id AS member, role_tenant_id
FROM sentinel.group_roles
WHERE tenant_id = @tenant
ORDER BY group_id, role_id
LIMIT 200001`)
	l.bound(len(rows), groupKind)
	for _, r := range rows {
		if l.byID[r.Member] == nil {
			o := &object{kind: roleKind, name: r.Member.String(), id: r.Member, fixed: true, owner: r.RoleTenantID, inactive: true}
			l.state.roles = append(l.state.roles, o)
			l.byID[o.id] = o
		}
		l.link([]link{{Holder: r.Holder, Member: r.Member}})
	}
}

func (l *loader) fields() {
	var rows []models.FieldDefinition
	l.scan(&rows, "field definitions", `
SELECT *
FROM sentinel.field_definitions
WHERE tenant_id = @tenant
OR tenant_id IS NULL
ORDER BY entity_type, field_name
LIMIT 20001`)
	for i := range rows {
		o, err := fieldObject(fieldSpec(&rows[i]))
		if rows[i].TenantID == nil {
			l.state.platformFields = append(l.state.platformFields, o)
			continue
		}
		o.id = rows[i].ID
		l.add(o, err)
	}
}

func (l *loader) menus() {
	var rows []models.MenuItem
	l.scan(&rows, "menu items", `
SELECT *
FROM sentinel.menu_items
WHERE tenant_id = @tenant
OR tenant_id IS NULL
ORDER BY tenant_id NULLS LAST, name
LIMIT 20001`)
	names, own := map[uuid.UUID]string{}, map[string]bool{}
	for i := range rows {
		m := &rows[i]
		names[m.ID] = m.Name
		if m.TenantID != nil {
			own[m.Name] = true
		} else if own[m.Name] {
			names[m.ID] = m.ID.String()
		}
	}
	for i := range rows {
		m := &rows[i]
		if m.TenantID == nil {
			l.state.menus = append(l.state.menus, &object{kind: menuKind, name: m.Name, id: m.ID, fixed: true})
			continue
		}
		s := &MenuItem{MenuSpec: directory.MenuSpec{
			Name: m.Name, DisplayName: m.DisplayName, Icon: m.Icon, URL: m.URL, RequiredPermission: m.RequiredPermission,
			DisplayOrder: m.DisplayOrder, IsVisible: &m.IsVisible, Metadata: decoded(m.Metadata),
		}}
		if m.ParentID != nil {
			s.Parent = names[*m.ParentID]
		}
		if m.ResourceID != nil && l.byID[*m.ResourceID] != nil {
			s.Node = l.byID[*m.ResourceID].name
		}
		o, err := menuObject(s)
		o.id = m.ID
		l.add(o, err)
	}
}

// takes counts what would go with each object.
func (l *loader) takes() {
	var rows []struct {
		ID   uuid.UUID
		What string
		N    int
	}
	l.scan(&rows, "what belongs to the objects", `
SELECT role_id AS id, 'assignments' AS what, count(*) AS n FROM sentinel.user_roles WHERE tenant_id = @tenant GROUP BY role_id
UNION ALL
SELECT role_id, 'groups', count(*) FROM sentinel.group_roles WHERE tenant_id = @tenant GROUP BY role_id
UNION ALL
SELECT group_id, 'memberships', count(*) FROM sentinel.user_groups WHERE tenant_id = @tenant GROUP BY group_id
UNION ALL
SELECT permission_id, 'roles', count(*) FROM sentinel.role_permissions WHERE tenant_id = @tenant GROUP BY permission_id
UNION ALL
SELECT resource_id, 'permissions', count(*) FROM sentinel.permissions WHERE tenant_id = @tenant AND resource_id IS NOT NULL GROUP BY resource_id
UNION ALL
SELECT chain_id, 'requests', count(*) FROM sentinel.access_requests WHERE tenant_id = @tenant AND chain_id IS NOT NULL GROUP BY chain_id
UNION ALL
SELECT item_id, 'customizations', count(*) FROM sentinel.user_menu_customizations WHERE tenant_id = @tenant GROUP BY item_id`)
	for _, r := range rows {
		if o := l.byID[r.ID]; o != nil {
			if o.takes == nil {
				o.takes = map[string]int{}
			}
			o.takes[r.What] = r.N
		}
	}
}
