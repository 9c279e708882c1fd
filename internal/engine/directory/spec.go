package directory

import (
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// What files say about the objects of a directory. Where the API names an object
// by its id, a file names it by what a person would: a role or group by its
// name, a node as "type:code". The declarative file and the bulk import share
// these forms.

// RoleSpec is a role in a file.
type RoleSpec struct {
	Name         string         `json:"name" minLength:"1" maxLength:"100" doc:"Unique in the tenant. The names of the system roles are reserved."`
	DisplayName  string         `json:"display_name,omitempty" maxLength:"255"`
	Description  string         `json:"description,omitempty" maxLength:"2000"`
	Parent       string         `json:"parent,omitempty" maxLength:"100" doc:"The name of the role of this tenant from which this one inherits."`
	Priority     int            `json:"priority,omitempty" minimum:"0" maximum:"899" doc:"Default 0."`
	IsAssignable *bool          `json:"is_assignable,omitempty" doc:"Default true."`
	IsActive     *bool          `json:"is_active,omitempty" doc:"Default true."`
	Metadata     httpapi.Object `json:"metadata,omitempty"`
	Permissions  []string       `json:"permissions,omitzero" maxItems:"10000" doc:"The names of the permissions that the role owns."`
}

// Validate returns every offending member, with prefix before its path.
func (s *RoleSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	c.Length("name", s.Name, 1, 100)
	c.Length("display_name", s.DisplayName, 0, 255)
	c.Length("description", s.Description, 0, 2000)
	if s.Priority < 0 || s.Priority > 899 {
		c.Add("priority", "must be between 0 and 899")
	}
	c.unlike("parent", s.Parent, s.Name)
	c.Once("permissions", s.Permissions)
	return c.Fields
}

// GroupSpec is a group in a file.
type GroupSpec struct {
	Name        string         `json:"name" minLength:"1" maxLength:"100" doc:"Unique in the tenant."`
	DisplayName string         `json:"display_name,omitempty" maxLength:"255"`
	Description string         `json:"description,omitempty" maxLength:"2000"`
	Parent      string         `json:"parent,omitempty" maxLength:"100" doc:"The name of the group that this one is in: its members are members there, too."`
	IsActive    *bool          `json:"is_active,omitempty" doc:"Default true."`
	Metadata    httpapi.Object `json:"metadata,omitempty"`
	Roles       []string       `json:"roles,omitzero" maxItems:"1000" doc:"The roles that the group has: names of this tenant's roles or of system roles, or CODE:name for a role of the ancestor with that code."`
}

// Validate returns every offending member, with prefix before its path.
func (s *GroupSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	c.Length("name", s.Name, 1, 100)
	c.Length("display_name", s.DisplayName, 0, 255)
	c.Length("description", s.Description, 0, 2000)
	c.unlike("parent", s.Parent, s.Name)
	c.Once("roles", s.Roles)
	return c.Fields
}

// NodeSpec is a registered node of the tree in a file.
type NodeSpec struct {
	Type            string         `json:"type" minLength:"1" maxLength:"100" doc:"product_family, app, capability, service, entity, page or a type of your own."`
	Code            string         `json:"code" minLength:"1" maxLength:"255" doc:"Unique in the tenant for the type."`
	Name            string         `json:"name,omitempty" maxLength:"255" doc:"Default: the code."`
	Parent          string         `json:"parent,omitempty" maxLength:"400" doc:"The node above, as type:code."`
	Attributes      httpapi.Object `json:"attributes,omitempty"`
	WorkflowEnabled bool           `json:"workflow_enabled,omitempty"`
	WorkflowConfig  httpapi.Object `json:"workflow_config,omitempty"`
	IsActive        *bool          `json:"is_active,omitempty" doc:"Default true."`
}

// Ref is the node as others name it.
func (s *NodeSpec) Ref() NodeRef { return NodeRef{Type: s.Type, Code: s.Code} }

// Validate returns every offending member, with prefix before its path.
func (s *NodeSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix, Fields: ValidNode(s.Type, s.Code, prefix)}
	c.Length("name", s.Name, 0, 255)
	if s.Parent != "" {
		c.node("parent", s.Parent)
		c.unlike("parent", s.Parent, s.Ref().String())
	}
	return c.Fields
}

// PermissionSpec is a permission in a file. Exactly one of resource_path and
// node says what it is about.
type PermissionSpec struct {
	Name             string            `json:"name" minLength:"1" maxLength:"255" doc:"Roles name the permission by it."`
	ResourcePath     string            `json:"resource_path,omitempty" maxLength:"512" doc:"type/glob, such as vessel/* or page/reports/**."`
	Node             string            `json:"node,omitempty" maxLength:"400" doc:"A registered node, as type:code; its whole subtree is meant."`
	Actions          []string          `json:"actions" minItems:"1" maxItems:"100" doc:"* stands for every action."`
	Effect           string            `json:"effect,omitempty" enum:"allow,deny" doc:"Default allow."`
	Conditions       httpapi.Object    `json:"conditions,omitempty" doc:"Default: none."`
	FieldPermissions map[string]string `json:"field_permissions,omitempty" doc:"Fields by name: read, write or hidden. Default: none named."`
	IsActive         *bool             `json:"is_active,omitempty" doc:"Default true."`
}

// Input is the permission as the API takes it. node is the id of the node that
// [PermissionSpec.Node] names, and not looked at where it names none.
func (s *PermissionSpec) Input(node uuid.UUID) *PermissionInput {
	in := &PermissionInput{
		Name: s.Name, ResourcePath: s.ResourcePath, Actions: s.Actions, Effect: s.Effect, Conditions: s.Conditions,
		FieldPermissions: s.FieldPermissions,
	}
	if s.Node != "" {
		ref, _ := ParseNodeRef(s.Node)
		in.ResourceType, in.ResourceID = ref.Type, &node
		return in
	}
	in.ResourceType, _, _ = strings.Cut(s.ResourcePath, "/")
	return in
}

// Validate returns every offending member, with prefix before its path. Whether
// there is such a node is not asked.
func (s *PermissionSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	c.Length("name", s.Name, 1, 255)
	c.Length("resource_path", s.ResourcePath, 0, 512)
	if s.Node != "" && !c.node("node", s.Node) {
		return c.Fields
	}
	if n := len(s.Actions); n < 1 || n > 100 {
		c.Add("actions", "must name 1 to 100 actions")
	}
	if s.Effect != "" && s.Effect != "allow" && s.Effect != "deny" {
		c.Add("effect", "must be allow or deny")
	}
	if s.Node == "" && s.ResourcePath == "" {
		c.Add("resource_path", "must be given, or node")
		return c.Fields
	}
	for _, f := range s.Input(uuid.Nil).Validate("") {
		switch f.Path {
		case "resource_id":
			f.Path = "node"
		case "resource_type":
			f.Path = "resource_path"
		}
		c.Add(f.Path, f.Message)
	}
	return c.Fields
}

// NodeRef names a registered node by what is unique in its tenant.
type NodeRef struct{ Type, Code string }

// String is the form that [ParseNodeRef] reads.
func (r NodeRef) String() string { return r.Type + ":" + r.Code }

// ParseNodeRef reads "type:code". A code may hold colons, a type may not.
func ParseNodeRef(text string) (NodeRef, bool) {
	typ, code, ok := strings.Cut(text, ":")
	return NodeRef{Type: typ, Code: code}, ok && engine.CheckType(typ) == "" && engine.CheckResourceID(code) == ""
}
