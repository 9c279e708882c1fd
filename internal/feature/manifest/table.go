package manifest

import (
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
)

// table says how the objects of a kind are stored.
type table struct {
	kind, name string
	// parent is the column of the object above, "" if there is none.
	parent string
	// columns are the others, with their types.
	columns [][2]string
	// row gives the values of the columns.
	row func(a *applier, o *object) map[string]any
}

func tables() []table {
	return []table{
		{kind: nodeKind, name: "sentinel.resources", parent: "parent_id", row: nodeRow, columns: [][2]string{
			{"type", "text"}, {"code", "text"}, {"name", "text"}, {"attributes", "jsonb"}, {"workflow_enabled", "boolean"}, {"workflow_config", "jsonb"}, {"is_active", "boolean"},
		}},
		{kind: permissionKind, name: "sentinel.permissions", row: permissionRow, columns: [][2]string{
			{"name", "text"},
			{"resource_type", "text"},
			{"resource_id", "uuid"},
			{"resource_path", "text"},
			{"actions", "text[]"},
			{"effect", "text"},
			{"conditions", "jsonb"},
			{"field_permissions", "jsonb"},
			{"is_active", "boolean"},
		}},
		{kind: roleKind, name: "sentinel.roles", parent: "parent_role_id", row: roleRow, columns: [][2]string{
			{"name", "text"}, {"display_name", "text"}, {"description", "text"}, {"priority", "integer"}, {"is_assignable", "boolean"}, {"metadata", "jsonb"}, {"is_active", "boolean"},
		}},
		{kind: groupKind, name: "sentinel.groups", parent: "parent_group_id", row: groupRow, columns: [][2]string{
			{"name", "text"}, {"display_name", "text"}, {"description", "text"}, {"metadata", "jsonb"}, {"is_active", "boolean"},
		}},
		{kind: chainKind, name: "sentinel.approval_chains", row: chainRow, columns: [][2]string{
			{"name", "text"},
			{"description", "text"},
			{"resource_type", "text"},
			{"resource_pattern", "text"},
			{"mode", "text"},
			{"approval_levels", "jsonb"},
			{"auto_approve_conditions", "jsonb"},
			{"max_duration_hours", "integer"},
			{"is_active", "boolean"},
		}},
		{kind: fieldKind, name: "sentinel.field_definitions", row: fieldRow, columns: [][2]string{
			{"entity_type", "text"},
			{"field_name", "text"},
			{"field_type", "text"},
			{"data_type", "text"},
			{"storage_column", "text"},
			{"storage_path", "text"},
			{"display_name", "text"},
			{"description", "text"},
			{"validation_rules", "jsonb"},
			{"default_visibility", "text"},
			{"is_pii", "boolean"},
			{"is_indexed", "boolean"},
			{"is_required", "boolean"},
			{"is_active", "boolean"},
		}},
		{kind: menuKind, name: "sentinel.menu_items", parent: "parent_id", row: menuRow, columns: [][2]string{
			{"name", "text"},
			{"display_name", "text"},
			{"icon", "text"},
			{"url", "text"},
			{"resource_id", "uuid"},
			{"required_permission", "text"},
			{"display_order", "integer"},
			{"is_visible", "boolean"},
			{"metadata", "jsonb"},
		}},
	}
}

func orEmpty(value map[string]any) map[string]any {
	if value == nil {
		return map[string]any{}
	}
	return value
}

func nodeRow(_ *applier, o *object) map[string]any {
	s, _ := o.spec.(*directory.NodeSpec)
	name := s.Name
	if name == "" {
		name = s.Code
	}
	return map[string]any{
		"type": s.Type, "code": s.Code, "name": name, "attributes": orEmpty(s.Attributes), "workflow_enabled": s.WorkflowEnabled,
		"workflow_config": orEmpty(s.WorkflowConfig), "is_active": o.flag("is_active"),
	}
}

func permissionRow(a *applier, o *object) map[string]any {
	s, _ := o.spec.(*directory.PermissionSpec)
	row := map[string]any{
		"name": s.Name, "actions": s.Actions, "effect": "allow", "conditions": orEmpty(s.Conditions), "field_permissions": s.FieldPermissions,
		"is_active": o.flag("is_active"),
	}
	if s.Effect != "" {
		row["effect"] = s.Effect
	}
	if s.FieldPermissions == nil {
		row["field_permissions"] = map[string]string{}
	}
	if s.Node != "" {
		row["resource_type"], _, _ = strings.Cut(s.Node, ":")
		row["resource_id"] = a.parentID(nodeKind, s.Node)
	} else {
		row["resource_path"] = o.text("resource_path")
		row["resource_type"], _, _ = strings.Cut(s.ResourcePath, "/")
	}
	return row
}

func roleRow(a *applier, o *object) map[string]any {
	s, _ := o.spec.(*directory.RoleSpec)
	caller, _ := identity.PrincipalFrom(a.ctx)
	return map[string]any{
		"name": s.Name, "display_name": s.DisplayName, "description": s.Description, "priority": s.Priority,
		"is_assignable": o.flag("is_assignable"), "metadata": orEmpty(s.Metadata), "is_active": o.flag("is_active"),
		"created_by": caller.UserID, "created_by_tenant": caller.HomeTenantID,
	}
}

func chainRow(a *applier, o *object) map[string]any {
	caller, _ := identity.PrincipalFrom(a.ctx)
	m := a.chain(o)
	return map[string]any{
		"name": m.Name, "description": m.Description, "resource_type": m.ResourceType, "resource_pattern": m.ResourcePattern, "mode": m.Mode,
		"approval_levels": m.ApprovalLevels, "auto_approve_conditions": m.AutoApproveConditions, "max_duration_hours": m.MaxDurationHours,
		"is_active": m.IsActive, "created_by": caller.UserID, "created_by_tenant": caller.HomeTenantID,
	}
}

func groupRow(_ *applier, o *object) map[string]any {
	s, _ := o.spec.(*directory.GroupSpec)
	return map[string]any{
		"name": s.Name, "display_name": s.DisplayName, "description": s.Description, "metadata": orEmpty(s.Metadata), "is_active": o.flag("is_active"),
	}
}

func fieldRow(_ *applier, o *object) map[string]any {
	m := definition(o)
	return map[string]any{
		"entity_type": m.EntityType, "field_name": m.FieldName, "field_type": m.FieldType, "data_type": m.DataType,
		"storage_column": m.StorageColumn, "storage_path": m.StoragePath, "display_name": m.DisplayName, "description": m.Description,
		"validation_rules": m.ValidationRules, "default_visibility": m.DefaultVisibility, "is_pii": m.IsPII, "is_indexed": m.IsIndexed,
		"is_required": m.IsRequired, "is_active": m.IsActive,
	}
}

func menuRow(a *applier, o *object) map[string]any {
	s, _ := o.spec.(*directory.MenuSpec)
	row := map[string]any{
		"name": s.Name, "display_name": s.DisplayName, "icon": s.Icon, "url": s.URL, "required_permission": s.RequiredPermission,
		"display_order": s.DisplayOrder, "is_visible": o.flag("is_visible"), "metadata": orEmpty(s.Metadata),
	}
	if node := o.text("node"); node != "" {
		row["resource_id"] = a.parentID(nodeKind, node)
	}
	return row
}
