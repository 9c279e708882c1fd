// Package manifest owns the section "manifest": a tenant's resources,
// permissions, roles, groups, approval chains, fields, menus and settings as one
// document, which
// is exported, compared with what there is, and applied. Accounts are not in it.
//
// What would change is worked out by a pure function, [plan]; reading, judging
// and writing stand around it.
package manifest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Version is the only form of the document that there is.
const Version = 1

// maxBody bounds a manifest once it is unpacked, in bytes.
const maxBody = 32 << 20

// timeout ends a plan or an apply: the largest take some seconds.
const timeout = 2 * time.Minute

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
	// Authorize returns nil if the caller may do p, else a fault. Whoever applies
	// a manifest needs for each section what its own routes ask for.
	Authorize func(ctx context.Context, p httpapi.Permission) error
	// TimeoutHours is how long a level of an approval chain waits that does not say
	// so.
	TimeoutHours int
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Manifest", "A tenant's configuration as one document: exported, compared, applied.")
	httpapi.Get(sec, httpapi.Route{
		Path: "/manifest", Summary: "Export the tenant's configuration", Access: httpapi.Requires("manifest", "read"), Timeout: timeout,
		Description: "Applying what was exported changes nothing. A section whose feature the tenant is without, or that the caller may not read, is left out.",
	}, s.export)
	httpapi.Call(sec, httpapi.Route{
		Path: "/manifest/plan", Summary: "Show what a manifest would change", Access: httpapi.Requires("manifest", "read"),
		Gzip: true, MaxBody: maxBody, Timeout: timeout,
		Description: "Nothing is written. The body may have 32 MiB, and be sent with Content-Encoding: gzip; unpacked it may have no more.",
	}, s.plan)
	httpapi.Call(sec, httpapi.Route{
		Path: "/manifest/apply", Summary: "Apply a manifest", Access: httpapi.Requires("manifest", "update"), Granting: true,
		Gzip: true, MaxBody: maxBody, Timeout: timeout, Errors: []int{409},
		Description: "All of it or nothing, in one transaction. For every object that changes the caller needs what the object's own section asks for, such as api/roles:update. " +
			"Without prune nothing is deleted. The body is limited as in POST /manifest/plan.",
	}, s.apply)
}

// Manifest is a tenant's configuration. A section that is left out is not
// touched.
type Manifest struct {
	Version     int                  `json:"version" enum:"1" doc:"The form of the document: 1."`
	Settings    httpapi.Object       `json:"settings,omitzero" doc:"Settings of the tenant that its administrator may write: authzen_subject_types, conflict_resolution."`
	Resources   []directory.NodeSpec `json:"resources,omitzero" nullable:"false" maxItems:"50000" doc:"Registered nodes of the tree, each named by type and code."`
	Permissions []Permission         `json:"permissions,omitzero" nullable:"false" maxItems:"20000" doc:"What may be done to what. Roles own them."`
	Roles       []directory.RoleSpec `json:"roles,omitzero" nullable:"false" maxItems:"10000" doc:"Named sets of permissions. Where permissions is left out, what the role owns is not touched; else it owns exactly those."`

	Groups         []directory.GroupSpec `json:"groups,omitzero" nullable:"false" maxItems:"10000" doc:"Sets of users that have roles together. Where roles is left out, what the group has is not touched; else it has exactly those."`
	ApprovalChains []ApprovalChain       `json:"approval_chains,omitzero" nullable:"false" maxItems:"1000" doc:"Who must agree to what, level by level."`

	Fields []directory.FieldSpec `json:"fields,omitzero" nullable:"false" maxItems:"10000" doc:"Field definitions of the tenant, each named by entity_type and field_name."`
	Menus  []MenuItem            `json:"menus,omitzero" nullable:"false" maxItems:"10000" doc:"Menu items of the tenant."`
}

// Permission is a permission in a manifest.
type Permission struct {
	ID *uuid.UUID `json:"id,omitempty" doc:"Tells permissions of one name apart. An export gives it only where it is needed; with it a permission can be given another name."`
	directory.PermissionSpec
}

// MenuItem is a menu item in a manifest.
type MenuItem struct {
	directory.MenuSpec
	Parent string `json:"parent,omitempty" maxLength:"100" doc:"The name of the item above: one of the tenant's or of the platform's."`
	Node   string `json:"node,omitempty" maxLength:"400" doc:"A registered node that the item stands for, as type:code."`
}

// PlanIn is a manifest to compare with what there is.
type PlanIn struct {
	Body struct {
		Manifest Manifest `json:"manifest"`
		Prune    bool     `json:"prune,omitempty" doc:"Delete what the sections that are given do not list. Default false."`
	}
}

// ApplyIn is a manifest to apply.
type ApplyIn struct {
	Body struct {
		Manifest Manifest `json:"manifest"`
		Prune    bool     `json:"prune,omitempty" doc:"Delete what the sections that are given do not list. Default false."`
		Digest   string   `json:"digest,omitempty" maxLength:"64" doc:"That of a plan: 409 if by now something else would change. Default: whatever changes is wanted."`
	}
}

// Plan says what a manifest changes.
type Plan struct {
	Changes  []Change `json:"changes"`
	Summary  Summary  `json:"summary"`
	Digest   string   `json:"digest" doc:"Stands for these very changes: give it to POST /manifest/apply."`
	Revision int64    `json:"revision" doc:"The tenant's revision that the manifest was compared with."`
}

// Change is one object that changes.
type Change struct {
	Action string         `json:"action" enum:"create,update,delete"`
	Kind   string         `json:"kind" enum:"setting,resource,permission,role,group,approval_chain,field,menu"`
	Name   string         `json:"name" doc:"As the manifest names the object: a name, type:code, or entity_type.field_name."`
	ID     *uuid.UUID     `json:"id,omitempty" doc:"Left out in the plan of a creation."`
	Before map[string]any `json:"before,omitempty" doc:"The members that differ, as they were. A member that is not there has its default."`
	After  map[string]any `json:"after,omitempty" doc:"The members that differ, as they will be."`
	Takes  map[string]int `json:"takes,omitempty" doc:"What goes with a deleted object: how many assignments, memberships, permissions and so on."`
}

// Summary counts the changes.
type Summary struct {
	Create int `json:"create"`
	Update int `json:"update"`
	Delete int `json:"delete"`
}
