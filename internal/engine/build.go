package engine

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
)

// Rows are the stored rows that make the graph of a tenant: its own, and the roles
// and permissions of the tenants whose roles it can use. Inactive ones count for
// nothing.
type Rows struct {
	Roles           []models.Role
	Groups          []models.Group
	GroupRoles      []models.GroupRole
	Permissions     []models.Permission
	RolePermissions []models.RolePermission
	Resources       []models.Resource
	Chains          []models.ApprovalChain
	Fields          []models.FieldDefinition
	// Policies are the tenant's and the platform's, nil for none.
	Policies *policy.Modules
}

// NewSnapshot makes the graph of a tenant of rows, without a database: for
// simulations and tests. It does not check what the database would refuse, cycles
// for one.
func NewSnapshot(tenant Tenant, rows *Rows) (*Snapshot, error) {
	l := &loader{snap: &Snapshot{Tenant: tenant}}
	for i := range rows.Roles {
		if rows.Roles[i].IsActive {
			l.addRole(&rows.Roles[i])
		}
	}
	for i := range rows.Groups {
		if rows.Groups[i].IsActive {
			l.addGroup(&rows.Groups[i])
		}
	}
	var err error
	if l.snap.Graph, err = rbac.Build(l.nodes, rows.rules(tenant.ID)); err != nil {
		return nil, fmt.Errorf("build tenant %s: %w", tenant.ID, err)
	}
	if err := l.compile(rows.owned()); err != nil {
		return nil, fmt.Errorf("build tenant %s: %w", tenant.ID, err)
	}
	if err := l.plant(rows.Resources); err != nil {
		return nil, fmt.Errorf("build tenant %s: %w", tenant.ID, err)
	}
	if err := l.guard(rows.Chains); err != nil {
		return nil, fmt.Errorf("build tenant %s: %w", tenant.ID, err)
	}
	l.define(rows.Fields)
	if rows.Policies != nil {
		l.snap.policies = &policySet{modules: rows.Policies}
	}
	return l.finish(), nil
}

// rules are Casbin's grouping rules of the rows.
func (r *Rows) rules(tenant uuid.UUID) [][]string {
	var out [][]string
	add := func(member, parent string, domain uuid.UUID) {
		out = append(out, []string{member, parent, domain.String()})
	}
	for i := range r.Roles {
		if parent := r.Roles[i].ParentRoleID; parent != nil {
			add(rbac.Role(r.Roles[i].ID), rbac.Role(*parent), r.Roles[i].TenantID)
		}
	}
	for i := range r.Groups {
		if parent := r.Groups[i].ParentGroupID; parent != nil {
			add(rbac.Group(r.Groups[i].ID), rbac.Group(*parent), tenant)
		}
	}
	for i := range r.GroupRoles {
		add(rbac.Group(r.GroupRoles[i].GroupID), rbac.Role(r.GroupRoles[i].RoleID), tenant)
	}
	return out
}

// owned pairs the active permissions with their roles, permission by permission.
func (r *Rows) owned() []ownedPermission {
	owners := make(map[uuid.UUID][]uuid.UUID, len(r.Permissions))
	for i := range r.RolePermissions {
		p := &r.RolePermissions[i]
		owners[p.PermissionID] = append(owners[p.PermissionID], p.RoleID)
	}
	var out []ownedPermission
	for i := range r.Permissions {
		if p := &r.Permissions[i]; p.IsActive {
			for _, role := range owners[p.ID] {
				out = append(out, ownedPermission{Permission: *p, RoleID: role})
			}
		}
	}
	return out
}
