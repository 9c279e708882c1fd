package directory

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// PermissionPatch are the members of a permission that change.
type PermissionPatch struct {
	Name         *string                     `json:"name,omitempty" minLength:"1" maxLength:"255"`
	ResourceType *string                     `json:"resource_type,omitempty" minLength:"1" maxLength:"100"`
	ResourceID   httpapi.Opt[uuid.UUID]      `json:"resource_id,omitempty"`
	ResourcePath httpapi.Opt[string]         `json:"resource_path,omitempty" maxLength:"512"`
	Actions      *[]string                   `json:"actions,omitempty" minItems:"1" maxItems:"100"`
	Effect       *string                     `json:"effect,omitempty" enum:"allow,deny"`
	Conditions   httpapi.Opt[httpapi.Object] `json:"conditions,omitempty" doc:"null: none."`

	FieldPermissions httpapi.Opt[map[string]string] `json:"field_permissions,omitempty" doc:"Replaces all of them; null: none."`
	IsActive         *bool                          `json:"is_active,omitempty"`
}

// Over is the whole permission after the merge, to be checked like a new one.
func (b *PermissionPatch) Over(m *models.Permission) (*PermissionInput, error) {
	stored := ViewPermission(m)
	conditions, err := engine.DecodeObject(stored.Conditions)
	if err != nil {
		return nil, err
	}
	var fields map[string]string
	if err := json.Unmarshal(stored.FieldPermissions, &fields); err != nil {
		return nil, fmt.Errorf("field permissions of %s: %w", m.ID, err)
	}
	out := &PermissionInput{
		Name: m.Name, ResourceType: m.ResourceType, ResourceID: m.ResourceID, Actions: m.Actions, Effect: m.Effect, Conditions: conditions,
		FieldPermissions: fields,
	}
	if m.ResourcePath != nil {
		out.ResourcePath = *m.ResourcePath
	}
	httpapi.Set(&out.Name, b.Name)
	httpapi.Set(&out.ResourceType, b.ResourceType)
	httpapi.Set(&out.Actions, b.Actions)
	httpapi.Set(&out.Effect, b.Effect)
	b.ResourceID.ToPointer(&out.ResourceID)
	b.ResourcePath.To(&out.ResourcePath)
	b.Conditions.To(&out.Conditions)
	b.FieldPermissions.To(&out.FieldPermissions)
	return out, nil
}
