// Package directory holds what several sections say about the same objects: how
// a permission is shown, checked and created. It knows no routes.
package directory

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Permission is a permission as the API shows it.
type Permission struct {
	ID           uuid.UUID       `json:"id"`
	Name         string          `json:"name"`
	ResourceType string          `json:"resource_type" doc:"The type, or * for every type but api."`
	ResourceID   *uuid.UUID      `json:"resource_id,omitempty" doc:"The registered node whose whole subtree is meant."`
	ResourcePath *string         `json:"resource_path,omitempty" doc:"type/glob: * stays within a segment, ** crosses, type/* is every instance."`
	Actions      []string        `json:"actions" doc:"* stands for every action."`
	Effect       string          `json:"effect" enum:"allow,deny"`
	Conditions   json.RawMessage `json:"conditions" doc:"What must hold for the permission to count."`
	// FieldPermissions is nil where the view leaves them out.
	FieldPermissions json.RawMessage `json:"field_permissions,omitempty" doc:"What it says of fields by name: read, write or hidden."`
	IsActive         bool            `json:"is_active"`
	CreatedAt        *time.Time      `json:"created_at,omitempty"`
	UpdatedAt        *time.Time      `json:"updated_at,omitempty"`
}

// ETag changes with every write to the permission; it is empty where the view
// was not made from the stored row.
func (p *Permission) ETag() string {
	if p.UpdatedAt == nil {
		return ""
	}
	return httpapi.ETag(p.ID, p.UpdatedAt.UnixNano())
}

// ViewPermission shows a stored permission.
func ViewPermission(m *models.Permission) *Permission {
	return &Permission{
		ID: m.ID, Name: m.Name, ResourceType: m.ResourceType, ResourceID: m.ResourceID, ResourcePath: m.ResourcePath,
		Actions: m.Actions, Effect: m.Effect, Conditions: objectOr(json.RawMessage(m.Conditions)),
		FieldPermissions: objectOr(json.RawMessage(m.FieldPermissions)), IsActive: m.IsActive, CreatedAt: &m.CreatedAt, UpdatedAt: &m.UpdatedAt,
	}
}

// ViewGrant shows a permission of a tenant's graph.
func ViewGrant(g *grants.Grant) Permission {
	p := Permission{
		ID: g.ID, Name: g.Name, ResourceType: g.ResourceType, Actions: g.Actions, Effect: string(g.Effect),
		Conditions: objectOr(g.RawConditions), FieldPermissions: objectOr(g.FieldPermissions), IsActive: true,
	}
	if g.Pattern == nil {
		p.ResourceID = &g.Node
	} else {
		p.ResourcePath = &g.Path
	}
	return p
}

func objectOr(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}")
	}
	return raw
}

// PermissionInput is a permission to create. Exactly one of resource_id and
// resource_path says what it is about.
type PermissionInput struct {
	Name         string         `json:"name" minLength:"1" maxLength:"255"`
	ResourceType string         `json:"resource_type" minLength:"1" maxLength:"100" doc:"As in resource_path, or the type of the node."`
	ResourceID   *uuid.UUID     `json:"resource_id,omitempty" doc:"A registered node of this tenant; its whole subtree is meant."`
	ResourcePath string         `json:"resource_path,omitempty" maxLength:"512" doc:"type/glob, such as vessel/* or page/reports/**."`
	Actions      []string       `json:"actions" minItems:"1" maxItems:"100" doc:"* stands for every action."`
	Effect       string         `json:"effect,omitempty" enum:"allow,deny" default:"allow"`
	Conditions   httpapi.Object `json:"conditions,omitempty" doc:"See the reference of conditions. Default: none."`

	FieldPermissions map[string]string `json:"field_permissions,omitempty" doc:"What an allow says of fields by name: read, write or hidden. At most 200 fields. Default: nothing."`
}

// otherType says which member to correct if the path is of another type.
func (in *PermissionInput) otherType(typ string) (member, message string) {
	if in.ResourceType == "*" || in.ResourceType == "" {
		return "resource_type", "must be the type that resource_path begins with: " + typ
	}
	return "resource_path", "must begin with resource_type, such as " + in.ResourceType + "/*"
}

// Validate returns every offending member, with prefix before its path.
func (in *PermissionInput) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	if in.ResourceType != "*" {
		c.Add("resource_type", engine.CheckType(in.ResourceType))
	}
	switch {
	case in.ResourceID != nil && in.ResourcePath != "":
		c.Add("resource_path", "must be left out when resource_id is given")
	case in.ResourceID == nil && in.ResourcePath == "":
		c.Add("resource_path", "must be given, or resource_id")
	case in.ResourcePath != "":
		if _, err := pattern.Compile(in.ResourcePath, in.Effect == string(grants.Deny)); err != nil {
			c.Add("resource_path", err.Error())
		} else if typ, _, _ := strings.Cut(in.ResourcePath, "/"); typ != in.ResourceType {
			c.Add(in.otherType(typ))
		}
	}
	if in.ResourceType == grants.APIType && in.Effect == string(grants.Deny) {
		c.Add("effect", "must be allow: the platform's own sections cannot be denied, only not granted")
	}
	if in.ResourceType == grants.APIType && in.ResourceID != nil {
		c.Add("resource_id", "must be left out for type api: its sections are named by resource_path, such as api/users")
	}
	for i, a := range in.Actions {
		if a != grants.AnyAction {
			c.Add(fmt.Sprintf("actions[%d]", i), engine.CheckAction(a))
		}
	}
	for _, f := range in.checkFields() {
		c.Add(f.Path, f.Message)
	}
	raw, err := json.Marshal(in.Conditions)
	if err != nil {
		c.Add("conditions", "must be a JSON object")
		return c.Fields
	}
	_, violations := condition.Compile(raw)
	for _, v := range violations {
		path := "conditions"
		if v.Path != "" {
			path += "." + v.Path
		}
		c.Add(path, v.Message)
	}
	return c.Fields
}

// Apply writes the input's members over m.
func (in *PermissionInput) Apply(m *models.Permission) {
	m.Name, m.ResourceType, m.ResourceID, m.Actions = in.Name, in.ResourceType, in.ResourceID, in.Actions
	m.ResourcePath = nil
	if in.ResourcePath != "" {
		m.ResourcePath = &in.ResourcePath
		if in.ResourcePath == "*" {
			everything := "*/*"
			m.ResourcePath = &everything
		}
	}
	m.Effect = in.Effect
	if m.Effect == "" {
		m.Effect = string(grants.Allow)
	}
	m.Conditions = models.Object(in.Conditions)
	m.FieldPermissions = storedFields(in.FieldPermissions)
}

// CheckNode is [PermissionInput.CheckResource] inside a write.
func (in *PermissionInput) CheckNode(w *change.Write, tenant uuid.UUID, prefix string) error {
	return in.CheckResource(func(id uuid.UUID) (*models.Resource, error) {
		return crud.One[models.Resource](w.Tx, tenant, id, "resource")
	}, prefix)
}

// CheckResource refuses a resource_id that is not a node of the tenant, or is of
// another type than the permission says; and a path that names a node by its id,
// since patterns see its code. find looks a node of the tenant up.
func (in *PermissionInput) CheckResource(find func(id uuid.UUID) (*models.Resource, error), prefix string) error {
	if in.ResourceID == nil {
		_, glob, _ := strings.Cut(in.ResourcePath, "/")
		id, err := uuid.Parse(glob)
		if err != nil {
			return nil //nolint:nilerr // no id, no node
		}
		node, err := find(id)
		switch {
		case fault.Is(err, fault.NotFoundKind):
			return nil
		case err == nil && node.Type == in.ResourceType:
			return fault.InvalidAt(prefix+"resource_path", "names a registered node by its id: give resource_id, or its code %q in the path", node.Code)
		}
		return err
	}
	node, err := find(*in.ResourceID)
	if err != nil {
		return err
	}
	if node.Type != in.ResourceType {
		return fault.InvalidAt(prefix+"resource_type", "must be the type of the node: %s", node.Type)
	}
	return nil
}

// CreatePermission stores a new permission inside a write. It grants nothing
// until a role owns it.
func CreatePermission(w *change.Write, tenant uuid.UUID, in *PermissionInput, prefix string) (*models.Permission, error) {
	if fields := in.Validate(prefix); fields != nil {
		return nil, fault.Invalid(fields...)
	}
	if err := in.CheckNode(w, tenant, prefix); err != nil {
		return nil, err
	}
	m := &models.Permission{ID: uuid.Must(uuid.NewV7()), TenantID: tenant, IsActive: true}
	in.Apply(m)
	if err := w.Create(m).Error; err != nil {
		return nil, fmt.Errorf("create permission: %w", err)
	}
	return crud.One[models.Permission](w.Tx, tenant, m.ID, "permission")
}
