// Package simulation makes changes to a tenant in thought: it knows which there
// are, refuses what a real write would refuse for what it is, and changes the rows
// of an [engine.State]. Whether the caller may make them it does not ask: nothing
// is given to anybody.
package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Change is one change. Op says which, and which of the other members it takes.
type Change struct {
	Op string `json:"op" enum:"assign_role,remove_role,add_to_group,remove_from_group,group_add_role,group_remove_role,role_add_permission,role_remove_permission,create_permission,update_permission,delete_permission,set_role,set_group,set_user,set_resource,set_setting,set_chain,approve,revoke_approval" doc:"What is changed. The other members are those of this change."`

	UserID       *uuid.UUID `json:"user_id,omitempty" doc:"For assign_role, remove_role, add_to_group, remove_from_group, set_user, approve."`
	RoleID       *uuid.UUID `json:"role_id,omitempty" doc:"For assign_role, remove_role, group_add_role, group_remove_role, role_add_permission, role_remove_permission, set_role."`
	GroupID      *uuid.UUID `json:"group_id,omitempty" doc:"For add_to_group, remove_from_group, group_add_role, group_remove_role, set_group."`
	PermissionID *uuid.UUID `json:"permission_id,omitempty" doc:"For role_add_permission, role_remove_permission, update_permission, delete_permission."`
	ResourceID   *uuid.UUID `json:"resource_id,omitempty" doc:"For set_resource: a registered node."`
	ChainID      *uuid.UUID `json:"chain_id,omitempty" doc:"For set_chain and approve."`
	RequestID    *uuid.UUID `json:"request_id,omitempty" doc:"For revoke_approval: an approved access request."`

	ValidFrom *time.Time `json:"valid_from,omitempty" doc:"For assign_role. Default: at once."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"For assign_role. Default: never."`

	Permission *directory.PermissionPatch `json:"permission,omitempty" doc:"For create_permission the whole of it, for update_permission the members that change."`
	RoleIDs    []uuid.UUID                `json:"role_ids,omitempty" maxItems:"100" doc:"For create_permission: the roles that own it."`

	IsActive           *bool                  `json:"is_active,omitempty" doc:"For set_role, set_group, set_user, set_resource, set_chain."`
	Priority           *int                   `json:"priority,omitempty" minimum:"0" maximum:"899" doc:"For set_role."`
	ParentRoleID       httpapi.Opt[uuid.UUID] `json:"parent_role_id,omitempty" doc:"For set_role. null: no parent."`
	ParentGroupID      httpapi.Opt[uuid.UUID] `json:"parent_group_id,omitempty" doc:"For set_group. null: no parent."`
	ParentID           httpapi.Opt[uuid.UUID] `json:"parent_id,omitempty" doc:"For set_resource. null: a root."`
	Attributes         httpapi.Object         `json:"attributes,omitempty" doc:"For set_user and set_resource: its members are merged over the stored ones, null takes one away."`
	State              *string                `json:"state,omitempty" maxLength:"100" doc:"For set_resource: the state of its workflow."`
	ConflictResolution *string                `json:"conflict_resolution,omitempty" enum:"deny_overrides,most_specific" doc:"For set_setting."`

	Resource *Resource `json:"resource,omitempty" doc:"For approve: what the approval is for."`
	Action   *string   `json:"action,omitempty" maxLength:"100" doc:"For approve. * for every action on a registered node."`
}

// Resource is what an approval is for.
type Resource struct {
	Type string `json:"type" minLength:"1" maxLength:"100"`
	ID   string `json:"id,omitempty" maxLength:"255" doc:"As in a question."`
}

// op is a kind of change: the members that it needs, those that it takes besides,
// whether one of these has to be there, and what it does.
type op struct {
	needs, takes []string
	some         bool
	apply        func(*world, *Change) error
}

func ops() map[string]op {
	return map[string]op{
		"assign_role":            {needs: list("user_id role_id"), takes: list("valid_from expires_at"), apply: (*world).assignRole},
		"remove_role":            {needs: list("user_id role_id"), apply: (*world).removeRole},
		"add_to_group":           {needs: list("user_id group_id"), apply: (*world).addToGroup},
		"remove_from_group":      {needs: list("user_id group_id"), apply: (*world).removeFromGroup},
		"group_add_role":         {needs: list("group_id role_id"), apply: (*world).addGroupRole},
		"group_remove_role":      {needs: list("group_id role_id"), apply: (*world).removeGroupRole},
		"role_add_permission":    {needs: list("role_id permission_id"), apply: (*world).addPermission},
		"role_remove_permission": {needs: list("role_id permission_id"), apply: (*world).removePermission},
		"create_permission":      {needs: list("permission role_ids"), apply: (*world).createPermission},
		"update_permission":      {needs: list("permission_id permission"), apply: (*world).updatePermission},
		"delete_permission":      {needs: list("permission_id"), apply: (*world).deletePermission},
		"set_role":               {needs: list("role_id"), takes: list("is_active priority parent_role_id"), some: true, apply: (*world).setRole},
		"set_group":              {needs: list("group_id"), takes: list("is_active parent_group_id"), some: true, apply: (*world).setGroup},
		"set_user":               {needs: list("user_id"), takes: list("is_active attributes"), some: true, apply: (*world).setUser},
		"set_resource":           {needs: list("resource_id"), takes: list("is_active parent_id attributes state"), some: true, apply: (*world).setResource},
		"set_setting":            {needs: list("conflict_resolution"), apply: (*world).setSetting},
		"set_chain":              {needs: list("chain_id is_active"), apply: (*world).setChain},
		"approve":                {needs: list("user_id chain_id resource action"), apply: (*world).approve},
		"revoke_approval":        {needs: list("request_id"), apply: (*world).revokeApproval},
	}
}

func list(names string) []string { return strings.Fields(names) }

// given are the members that are there, besides op, in the order of the form.
func (c *Change) given() (names []string) {
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"user_id", c.UserID != nil},
		{"role_id", c.RoleID != nil},
		{"group_id", c.GroupID != nil},
		{"permission_id", c.PermissionID != nil},
		{"resource_id", c.ResourceID != nil},
		{"chain_id", c.ChainID != nil},
		{"request_id", c.RequestID != nil},
		{"valid_from", c.ValidFrom != nil},
		{"expires_at", c.ExpiresAt != nil},
		{"permission", c.Permission != nil},
		{"role_ids", len(c.RoleIDs) > 0},
		{"is_active", c.IsActive != nil},
		{"priority", c.Priority != nil},
		{"parent_role_id", c.ParentRoleID.Set},
		{"parent_group_id", c.ParentGroupID.Set},
		{"parent_id", c.ParentID.Set},
		{"attributes", c.Attributes != nil},
		{"state", c.State != nil},
		{"conflict_resolution", c.ConflictResolution != nil},
		{"resource", c.Resource != nil},
		{"action", c.Action != nil},
	} {
		if m.set {
			names = append(names, m.name)
		}
	}
	return names
}

// Validate returns every member that does not fit the change, with prefix before
// its path. What there is in the tenant it does not ask.
func (c *Change) Validate(prefix string) []fault.Field {
	form := directory.Checker{Prefix: prefix}
	o, known := ops()[c.Op]
	if !known {
		form.Add("op", "is not a change that can be simulated")
		return form.Fields
	}
	given := c.given()
	for _, name := range o.needs {
		if !slices.Contains(given, name) {
			form.Add(name, "must be given for "+c.Op)
		}
	}
	some := false
	for _, name := range given {
		takes := slices.Contains(o.takes, name)
		some = some || takes
		if !takes && !slices.Contains(o.needs, name) {
			form.Add(name, "does not belong to "+c.Op)
		}
	}
	if o.some && !some {
		form.Add("op", "needs one of "+strings.Join(o.takes, ", "))
	}
	form.Fields = append(form.Fields, directory.CheckValidity(c.ValidFrom, c.ExpiresAt, prefix)...)
	if c.Resource != nil {
		form.Add("resource.type", engine.CheckType(c.Resource.Type))
		form.Add("resource.id", engine.CheckResourceID(c.Resource.ID))
	}
	if c.Action != nil && *c.Action != "*" {
		form.Add("action", engine.CheckAction(*c.Action))
	}
	return form.Fields
}

// Validate returns every member of changes that does not fit, with the path of the
// list before its own.
func Validate(changes []Change, path string) (fields []fault.Field) {
	for i := range changes {
		fields = append(fields, changes[i].Validate(fmt.Sprintf("%s[%d].", path, i))...)
	}
	return fields
}

// Apply makes valid changes to a state, one after the other, and returns the ids
// of the permissions that it created. It fails with the fault of the first that a
// real write would refuse, its paths below path, the list's.
func Apply(state *engine.State, changes []Change, path string) ([]uuid.UUID, error) {
	w := &world{State: state}
	for i := range changes {
		if err := ops()[changes[i].Op].apply(w, &changes[i]); err != nil {
			return nil, below(err, fmt.Sprintf("%s[%d]", path, i))
		}
	}
	w.finish()
	return w.created, nil
}

// below puts a path before those of a fault. One that names no member is about the
// change as a whole.
func below(err error, path string) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	placed := *f
	placed.Fields = nil
	for _, field := range f.Fields {
		placed.Fields = append(placed.Fields, fault.Field{Path: path + "." + field.Path, Message: field.Message})
	}
	if placed.Fields == nil {
		placed.Fields = []fault.Field{{Path: path, Message: f.Message}}
	}
	return &placed
}
