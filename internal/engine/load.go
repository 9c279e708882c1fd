package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// errNoTenant says that a tenant does not exist.
var errNoTenant = fmt.Errorf("no such tenant")

// LoadOptions narrow what [LoadSnapshot] reads.
type LoadOptions struct {
	// WithoutTree leaves out the resource nodes, and the chains, fields and
	// policies that guard them: who holds what does not depend on them, and a tree
	// can be a hundred thousand nodes.
	WithoutTree bool
	// AutoApprove lets the conditions of chains approve.
	AutoApprove bool
	// known are policies that are compiled already.
	known []*policySet
}

// loader reads one tenant's snapshot in one transaction, acting as each tenant
// whose rows it reads, so that row-level security holds here too.
type loader struct {
	tx   *db.Tx
	opt  LoadOptions
	snap *Snapshot
	// scope are the tenants whose roles can be used: the own one, the ancestors
	// from which it inherits, the platform.
	scope []uuid.UUID
	// systemOnly is set when the platform is in scope for its system roles
	// alone, not as an ancestor from which the tenant inherits.
	systemOnly bool
	nodes      []rbac.Node
	rows       []*grants.Grant
}

// LoadSnapshot reads the graph of a tenant as the transaction sees it. The
// transaction must not have acted in another tenant's name before, and acts in
// that tenant's again afterwards.
func LoadSnapshot(tx *db.Tx, tenant uuid.UUID, opt LoadOptions) (*Snapshot, error) {
	l := &loader{tx: tx, opt: opt, snap: &Snapshot{}}
	steps := []func() error{
		func() error { return l.tenant(tenant) },
		l.roles, l.groups, l.graph, l.permissions,
	}
	if !opt.WithoutTree {
		steps = append(steps, l.tree, l.chains, l.fields, l.policies)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("load tenant %s: %w", tenant, err)
		}
	}
	return l.finish(), tx.Act(tenant)
}

// finish indexes what was read.
func (l *loader) finish() *Snapshot {
	for _, g := range l.rows {
		slices.Sort(g.Owners)
	}
	l.snap.Grants = grants.NewIndex(l.rows)
	l.snap.document = documentTenant(&l.snap.Tenant)
	l.snap.weight = 4096 + 256*len(l.nodes) + 1024*len(l.rows) + 512*len(l.snap.nodes) + 1024*len(l.snap.chains)
	if l.snap.policies != nil {
		l.snap.weight += l.snap.policies.weight
	}
	return l.snap
}

// tenant reads the tenant itself and the line of its ancestors.
func (l *loader) tenant(id uuid.UUID) error {
	if err := l.tx.Act(id); err != nil {
		return err
	}
	var rows []struct {
		models.Tenant
		Depth    int
		Inherits bool
	}
	err := l.tx.Raw(`
SELECT t.*, 0 AS depth, true AS inherits
FROM sentinel.tenants t
WHERE t.id = @id
UNION ALL
SELECT t.*, a.depth, a.inherits
FROM sentinel.tenant_ancestors a
JOIN sentinel.tenants t ON t.id = a.ancestor_id
WHERE a.tenant_id = @id
ORDER BY depth`, map[string]any{"id": id}).Scan(&rows).Error
	if err != nil {
		return fmt.Errorf("tenant line: %w", err)
	}
	if len(rows) == 0 || rows[0].ID != id {
		return errNoTenant
	}
	own := &rows[0]
	settings, err := object(json.RawMessage(own.Settings))
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	location, err := time.LoadLocation(own.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	t := Tenant{ID: id, Code: own.Code, Name: own.Name, Active: true, Location: location, Conflict: DenyOverrides, AutoApprove: l.opt.AutoApprove}
	t.AllowRules, _ = settings["allow_rules"].(bool)
	t.SubjectTypes = subjectTypes(settings)
	if c, ok := settings["conflict_resolution"].(string); ok && c != "" {
		t.Conflict = c
	}
	for i := range rows {
		r := &rows[i]
		t.Active = t.Active && r.IsActive
		t.Features = t.Features.Narrowed(r.Features)
		if r.TokensValidFrom != nil && r.TokensValidFrom.After(t.TokensValidFrom) {
			t.TokensValidFrom = *r.TokensValidFrom
		}
		l.snap.sources = append(l.snap.sources, r.ID)
		if i > 0 {
			t.Ancestors = append(t.Ancestors, r.ID)
		}
		if r.Inherits {
			l.scope = append(l.scope, r.ID)
		}
	}
	if !slices.Contains(l.scope, identity.PlatformTenant) {
		l.scope = append(l.scope, identity.PlatformTenant)
		l.systemOnly = true
	}
	if !slices.Contains(l.snap.sources, identity.PlatformTenant) {
		l.snap.sources = append(l.snap.sources, identity.PlatformTenant)
	}
	l.snap.Tenant = t
	return nil
}

// subjectTypes are those of the settings, by default the two that AuthZEN's
// interoperability scenarios use.
func subjectTypes(settings map[string]any) []string {
	list, _ := settings["authzen_subject_types"].([]any)
	types := make([]string, 0, len(list))
	for _, one := range list {
		if name, ok := one.(string); ok {
			types = append(types, name)
		}
	}
	if len(types) == 0 {
		return []string{"user", "identity"}
	}
	return types
}

func (l *loader) roles() error {
	for _, id := range l.scope {
		if err := l.tx.Act(id); err != nil {
			return err
		}
		q := l.tx.Where("tenant_id = ? AND is_active", id)
		if id == identity.PlatformTenant && l.systemOnly {
			q = q.Where("type = 'system'")
		}
		var rows []models.Role
		if err := q.Order("id").Find(&rows).Error; err != nil {
			return fmt.Errorf("roles: %w", err)
		}
		for i := range rows {
			l.addRole(&rows[i])
		}
	}
	return nil
}

func (l *loader) groups() error {
	if err := l.tx.Act(l.snap.Tenant.ID); err != nil {
		return err
	}
	var rows []models.Group
	if err := l.tx.Where("tenant_id = ? AND is_active", l.snap.Tenant.ID).Order("id").Find(&rows).Error; err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	for i := range rows {
		l.addGroup(&rows[i])
	}
	return nil
}

func (l *loader) addRole(r *models.Role) {
	l.add(rbac.Node{Key: rbac.Role(r.ID), Domain: r.TenantID}, &Role{
		ID: r.ID, TenantID: r.TenantID, Name: r.Name, Priority: r.Priority,
		IsAssignable: r.IsAssignable, IsSystem: r.Type == "system",
	}, nil)
}

func (l *loader) addGroup(g *models.Group) {
	l.add(rbac.Node{Key: rbac.Group(g.ID), Domain: g.TenantID}, nil, &Group{ID: g.ID, Name: g.Name})
}

func (l *loader) add(n rbac.Node, r *Role, g *Group) {
	l.nodes = append(l.nodes, n)
	l.snap.roles = append(l.snap.roles, r)
	l.snap.groups = append(l.snap.groups, g)
}

func (l *loader) graph() (err error) {
	l.snap.Graph, err = rbac.Load(l.tx.DB, l.scope, l.tx.Act, l.nodes)
	return err
}

// ownedPermission is a permission with one of the roles that own it.
type ownedPermission struct {
	models.Permission
	RoleID uuid.UUID
}

func (l *loader) permissions() error {
	for _, id := range l.scope {
		if err := l.tx.Act(id); err != nil {
			return err
		}
		var rows []ownedPermission
		err := l.tx.Raw(`
SELECT p.*, rp.role_id
FROM sentinel.permissions p
JOIN sentinel.role_permissions rp ON rp.tenant_id = p.tenant_id AND rp.permission_id = p.id
WHERE p.tenant_id = ?
AND p.is_active
ORDER BY p.id, rp.role_id`, id).Scan(&rows).Error
		if err != nil {
			return fmt.Errorf("permissions: %w", err)
		}
		if err := l.compile(rows); err != nil {
			return err
		}
	}
	return nil
}

// compile turns rows, ordered by permission, into grants. A permission on a
// node means the tree of its own tenant and is never inherited.
func (l *loader) compile(rows []ownedPermission) error {
	var last *grants.Grant
	for i := range rows {
		r := &rows[i]
		owner, ok := l.snap.Graph.Index(rbac.Role(r.RoleID))
		if !ok || r.TenantID != l.snap.Tenant.ID && r.ResourceID != nil {
			continue
		}
		if last == nil || last.ID != r.ID {
			g, err := CompileGrant(&r.Permission)
			if err != nil {
				return err
			}
			l.rows = append(l.rows, g)
			last = g
		}
		last.Owners = append(last.Owners, owner)
	}
	return nil
}

// fieldsOf reads what a permission says of fields, nil for nothing. A word that is
// none of the three hides the field.
func fieldsOf(raw json.RawMessage) (map[string]string, error) {
	members, err := object(raw)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	out := make(map[string]string, len(members))
	for name, value := range members {
		to, _ := value.(string)
		if to != ReadableField && to != WritableField {
			to = HiddenField
		}
		out[name] = to
	}
	return out, nil
}

// CompileGrant compiles a stored permission. One that no longer compiles fails
// the whole graph: a deny that is skipped would be a wrong "allowed".
func CompileGrant(p *models.Permission) (*grants.Grant, error) {
	g := &grants.Grant{
		ID: p.ID, TenantID: p.TenantID, Name: p.Name, Effect: grants.Effect(p.Effect),
		Actions: p.Actions, ResourceType: p.ResourceType, FieldPermissions: json.RawMessage(p.FieldPermissions),
	}
	var err error
	if g.Fields, err = fieldsOf(g.FieldPermissions); err != nil {
		return nil, fmt.Errorf("permission %s: field_permissions: %w", p.ID, err)
	}
	if p.ResourceID != nil {
		g.Node = *p.ResourceID
	} else if p.ResourcePath != nil {
		compiled, err := pattern.Compile(*p.ResourcePath, g.Effect == grants.Deny)
		if err != nil {
			return nil, fmt.Errorf("permission %s: %w", p.ID, err)
		}
		g.Pattern, g.Path = compiled, *p.ResourcePath
	}
	raw := json.RawMessage(p.Conditions)
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "{}" {
		return g, nil
	}
	program, violations := condition.Compile(raw)
	if len(violations) > 0 {
		return nil, fmt.Errorf("permission %s: conditions: %s: %s", p.ID, violations[0].Path, violations[0].Message)
	}
	g.Conditions, g.RawConditions = program, raw
	return g, nil
}
