package manifest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// The kinds of objects.
const (
	settingKind    = "setting"
	nodeKind       = "resource"
	permissionKind = "permission"
	roleKind       = "role"
	groupKind      = "group"
	fieldKind      = "field"
	chainKind      = "approval_chain"
	menuKind       = "menu"
)

// kinds are in the order in which objects are made: what others refer to first.
func kinds() []string {
	return []string{settingKind, nodeKind, permissionKind, roleKind, groupKind, chainKind, fieldKind, menuKind}
}

// section is the member of the manifest that lists objects of a kind.
func section(kind string) string { return kind + "s" }

// object is one object of a tenant, in one form for all kinds, whether it was
// read from the database or from a manifest.
type object struct {
	kind string
	// name is what others call it: unique in its kind but for permissions.
	name string
	// id is zero for an object that is not there yet.
	id uuid.UUID
	// members are those of the file without defaults, so that two objects are the
	// same if these are; without the sets.
	members map[string]any
	// set are the permissions of a role, or the roles of a group.
	set []*object
	// fixed objects can be referred to, and are not the tenant's to change.
	fixed bool
	// owner is the tenant that owns a role, inactive whether it is switched off.
	owner    uuid.UUID
	inactive bool
	// takes counts what goes with the object when it is deleted.
	takes map[string]int

	// alias is the id that the manifest gives, which may be another tenant's.
	alias uuid.UUID
	// at is the place in the manifest, spec what stands there, and refs the set as
	// it is written: nil if it is left out. was is the object that there is.
	at   string
	spec validator
	refs []string
	was  *object
}

// validator is a form of a file that can say what is wrong with it.
type validator interface {
	Validate(prefix string) []fault.Field
}

// self is the object that there is, or the new one.
func (o *object) self() *object {
	if o.was != nil {
		return o.was
	}
	return o
}

func (o *object) text(member string) string {
	text, _ := o.members[member].(string)
	return text
}

// flag is a member that is true where it is left out.
func (o *object) flag(member string) bool {
	value, ok := o.members[member].(bool)
	return !ok || value
}

// differs reports whether one of some members is not what it was.
func (o *object) differs(members ...string) bool {
	was := map[string]any{}
	if o.was != nil {
		was = o.was.members
	}
	return slices.ContainsFunc(members, func(name string) bool { return directory.Canonical(o.members[name]) != directory.Canonical(was[name]) })
}

// key is all of the object's members in one text, equal for equal objects.
func (o *object) key() string { return directory.Canonical(o.members) }

// members returns the members of a spec in the form of the file, without those
// that have their default.
func membersOf(spec any, defaults map[string]any, without ...string) (map[string]any, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode an object of the manifest: %w", err)
	}
	members, err := engine.DecodeObject(raw)
	if err != nil {
		return nil, err
	}
	for name, value := range members {
		standard, has := defaults[name]
		if slices.Contains(without, name) || has && value == standard || !has && empty(value) {
			delete(members, name)
		}
	}
	return members, nil
}

func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return directory.Canonical(v) == "0"
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// longNumber is the longest number that is exported as the database writes it: a
// power of ten written out could be longer than a body may hold.
const longNumber = 40

// brief shortens numbers that are long for their power of ten alone.
func brief(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			v[name] = brief(one)
		}
	case []any:
		for i, one := range v {
			v[i] = brief(one)
		}
	case json.Number:
		if len(v) > longNumber {
			return json.Number(directory.Canonical(v))
		}
	}
	return value
}

// workflow is what a node has of one, nil if the object is no node or it does
// not change.
func (o *object) workflow() *directory.NodeSpec {
	s, ok := o.spec.(*directory.NodeSpec)
	if !ok || !o.differs("workflow_enabled", "workflow_config") {
		return nil
	}
	return s
}

func nodeObject(s *directory.NodeSpec) (*object, error) {
	directory.Workflow(s.WorkflowConfig).Settle()
	members, err := membersOf(s, map[string]any{"is_active": true, "name": s.Code})
	return &object{kind: nodeKind, name: s.Ref().String(), members: members, spec: s}, err
}

func permissionObject(s *Permission) (*object, error) {
	plain := s.PermissionSpec
	if plain.ResourcePath == "*" {
		plain.ResourcePath = "*/*"
	}
	members, err := membersOf(&plain, map[string]any{"is_active": true, "effect": "allow"})
	o := &object{kind: permissionKind, name: s.Name, members: members, spec: &s.PermissionSpec}
	if s.ID != nil {
		o.alias = *s.ID
	}
	return o, err
}

func roleObject(s *directory.RoleSpec) (*object, error) {
	members, err := membersOf(s, map[string]any{"is_active": true, "is_assignable": true}, "permissions")
	return &object{kind: roleKind, name: s.Name, members: members, spec: s, refs: s.Permissions}, err
}

func groupObject(s *directory.GroupSpec) (*object, error) {
	members, err := membersOf(s, map[string]any{"is_active": true}, "roles")
	return &object{kind: groupKind, name: s.Name, members: members, spec: s, refs: s.Roles}, err
}

func menuObject(s *MenuItem) (*object, error) {
	members, err := membersOf(s, map[string]any{"is_visible": true})
	return &object{kind: menuKind, name: s.Name, members: members, spec: &s.MenuSpec}, err
}

// fieldObject fills in where the field is stored, so that a definition that says
// so and one that leaves it to the default are the same.
func fieldObject(s *directory.FieldSpec) (*object, error) {
	var m models.FieldDefinition
	s.Apply(&m)
	defaults := map[string]any{"is_active": true, "data_type": "string", "default_visibility": directory.ReadableField}
	if m.FieldType == directory.CoreField {
		defaults["storage_column"] = s.FieldName
	} else {
		defaults["storage_path"] = engine.DefaultStoragePath(s.FieldName)
	}
	members, err := membersOf(fieldSpec(&m), defaults)
	return &object{kind: fieldKind, name: s.EntityType + "." + s.FieldName, members: members, spec: s}, err
}

// fieldSpec is a stored definition in the form of the file.
func fieldSpec(m *models.FieldDefinition) *directory.FieldSpec {
	s := &directory.FieldSpec{
		EntityType: m.EntityType, FieldName: m.FieldName, FieldType: m.FieldType, DataType: m.DataType,
		DisplayName: m.DisplayName, Description: m.Description, ValidationRules: decoded(m.ValidationRules), DefaultVisibility: m.DefaultVisibility,
		IsPII: m.IsPII, IsIndexed: m.IsIndexed, IsRequired: m.IsRequired, IsActive: &m.IsActive,
	}
	if m.FieldType == directory.CoreField {
		s.StorageColumn = engine.FieldPlace(m)
	} else {
		s.StoragePath = engine.FieldPlace(m)
	}
	return s
}

// decoded reads a jsonb column, which the database holds to be an object.
func decoded(raw models.JSON) map[string]any {
	members, err := engine.DecodeObject(json.RawMessage(raw))
	if err != nil {
		return nil
	}
	return members
}
