package simulation

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func (w *world) addGroupRole(c *Change) error {
	if _, err := w.group(*c.GroupID, "group_id"); err != nil {
		return err
	}
	if err := w.usableRole(c.RoleID); err != nil {
		return err
	}
	if w.groupRole(c) < 0 {
		w.Rows.GroupRoles = append(w.Rows.GroupRoles, models.GroupRole{TenantID: w.Tenant.ID, GroupID: *c.GroupID, RoleID: *c.RoleID})
	}
	return nil
}

func (w *world) groupRole(c *Change) int {
	return slices.IndexFunc(w.Rows.GroupRoles, func(r models.GroupRole) bool { return r.GroupID == *c.GroupID && r.RoleID == *c.RoleID })
}

func (w *world) removeGroupRole(c *Change) error {
	if _, err := w.group(*c.GroupID, "group_id"); err != nil {
		return err
	}
	at := w.groupRole(c)
	if at < 0 {
		return missing("role of the group", "role_id")
	}
	w.Rows.GroupRoles = slices.Delete(w.Rows.GroupRoles, at, at+1)
	return nil
}

func (w *world) setGroup(c *Change) error {
	g, err := w.group(*c.GroupID, "group_id")
	if err != nil {
		return err
	}
	httpapi.Set(&g.IsActive, c.IsActive)
	c.ParentGroupID.ToPointer(&g.ParentGroupID)
	if !c.ParentGroupID.Set {
		return nil
	}
	if g.ParentGroupID != nil {
		if _, err := w.group(*g.ParentGroupID, "parent_group_id"); err != nil {
			return err
		}
	}
	l := w.line(string(rbac.GroupKind))
	l.put(g.ID, g.Name, g.ParentGroupID)
	return l.check(g.ID, string(rbac.GroupKind), "parent_group_id")
}

func (w *world) setRole(c *Change) error {
	r, err := w.ownRole(*c.RoleID, "role_id")
	if err != nil {
		return err
	}
	httpapi.Set(&r.IsActive, c.IsActive)
	httpapi.Set(&r.Priority, c.Priority)
	c.ParentRoleID.ToPointer(&r.ParentRoleID)
	if !c.ParentRoleID.Set {
		return nil
	}
	if r.ParentRoleID != nil {
		if err := w.parentRole(*r.ParentRoleID); err != nil {
			return err
		}
	}
	l := w.line(string(rbac.RoleKind))
	l.put(r.ID, r.Name, r.ParentRoleID)
	return l.check(r.ID, string(rbac.RoleKind), "parent_role_id")
}

// parentRole refuses what is no role that others can inherit.
func (w *world) parentRole(id uuid.UUID) error {
	parent := find(w.Rows.Roles, func(o *models.Role) bool { return o.ID == id && o.TenantID == w.Tenant.ID })
	if parent == nil {
		return missing("role", "parent_role_id")
	}
	if parent.Type == "system" {
		return fault.Conflict("parent_role_id", "System roles are no parents of others. Give the role permissions of its own instead.")
	}
	return nil
}

func (w *world) permission(id *uuid.UUID) (*models.Permission, error) {
	p := find(w.Rows.Permissions, func(p *models.Permission) bool { return p.ID == *id && p.TenantID == w.Tenant.ID })
	if p == nil {
		return nil, missing("permission", "permission_id")
	}
	return p, nil
}

// ownPermission is a permission that can be changed.
func (w *world) ownPermission(id *uuid.UUID) (*models.Permission, error) {
	p, err := w.permission(id)
	if err != nil {
		return nil, err
	}
	for i := range w.Rows.RolePermissions {
		if w.Rows.RolePermissions[i].PermissionID != p.ID {
			continue
		}
		if _, err := w.ownRole(w.Rows.RolePermissions[i].RoleID, "permission_id"); err != nil {
			return nil, fault.Conflict("permission_id", "The permissions of system roles can be used, not changed. Make one of your own instead.")
		}
	}
	return p, nil
}

func (w *world) owns(role, permission uuid.UUID) int {
	return slices.IndexFunc(w.Rows.RolePermissions, func(r models.RolePermission) bool { return r.RoleID == role && r.PermissionID == permission })
}

func (w *world) own(role, permission uuid.UUID) {
	if w.owns(role, permission) < 0 {
		w.Rows.RolePermissions = append(w.Rows.RolePermissions, models.RolePermission{TenantID: w.Tenant.ID, RoleID: role, PermissionID: permission})
	}
}

func (w *world) addPermission(c *Change) error {
	r, err := w.ownRole(*c.RoleID, "role_id")
	if err != nil {
		return err
	}
	p, err := w.permission(c.PermissionID)
	if err != nil {
		return err
	}
	w.own(r.ID, p.ID)
	return nil
}

func (w *world) removePermission(c *Change) error {
	r, err := w.ownRole(*c.RoleID, "role_id")
	if err != nil {
		return err
	}
	at := w.owns(r.ID, *c.PermissionID)
	if at < 0 {
		return missing("permission of the role", "permission_id")
	}
	w.Rows.RolePermissions = slices.Delete(w.Rows.RolePermissions, at, at+1)
	return nil
}

func (w *world) createPermission(c *Change) error {
	for i, id := range c.RoleIDs {
		if _, err := w.ownRole(id, fmt.Sprintf("role_ids[%d]", i)); err != nil {
			return err
		}
	}
	m := models.Permission{ID: uuid.Must(uuid.NewV7()), TenantID: w.Tenant.ID, IsActive: true}
	if err := w.write(&m, c.Permission); err != nil {
		return err
	}
	w.Rows.Permissions = append(w.Rows.Permissions, m)
	w.created = append(w.created, m.ID)
	for _, role := range c.RoleIDs {
		w.own(role, m.ID)
	}
	return nil
}

func (w *world) updatePermission(c *Change) error {
	p, err := w.ownPermission(c.PermissionID)
	if err != nil {
		return err
	}
	return w.write(p, c.Permission)
}

// write makes a permission what it is with the members of patch.
func (w *world) write(m *models.Permission, patch *directory.PermissionPatch) error {
	merged, err := patch.Over(m)
	if err != nil {
		return err
	}
	form := directory.Checker{Prefix: "permission."}
	form.Length("name", merged.Name, 1, 255)
	if len(merged.Actions) == 0 {
		form.Add("actions", "must be given")
	}
	if fields := append(form.Fields, merged.Validate("permission.")...); fields != nil {
		return fault.Invalid(fields...)
	}
	err = merged.CheckResource(func(id uuid.UUID) (*models.Resource, error) { return w.node(id, "permission.resource_id") }, "permission.")
	if err != nil {
		return err
	}
	merged.Apply(m)
	httpapi.Set(&m.IsActive, patch.IsActive)
	return nil
}

func (w *world) deletePermission(c *Change) error {
	p, err := w.ownPermission(c.PermissionID)
	if err != nil {
		return err
	}
	id := p.ID
	w.Rows.Permissions = slices.DeleteFunc(w.Rows.Permissions, func(p models.Permission) bool { return p.ID == id })
	w.Rows.RolePermissions = slices.DeleteFunc(w.Rows.RolePermissions, func(r models.RolePermission) bool { return r.PermissionID == id })
	return nil
}
