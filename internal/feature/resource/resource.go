// Package resource owns the section "resources": the registered nodes of a
// tenant's tree. Permissions on a node flow down to everything below it.
package resource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Resources", "The registered nodes of the tree. Permissions on a node flow down to everything below it.")
	read, update := httpapi.Requires("resources", "read"), httpapi.Requires("resources", "update")
	httpapi.List(sec, httpapi.Route{Path: "/resources", Summary: "List resources", Access: read}, s.list)
	httpapi.Create(sec, httpapi.Route{Path: "/resources", Summary: "Register a resource", Access: httpapi.Requires("resources", "create"), Granting: true}, s.create)
	httpapi.Get(sec, httpapi.Route{
		Path: "/resources/tree", Summary: "Read the tree", Access: read, Errors: []int{404},
		Description: "Nodes nested in each other, at most 1,000 in an answer, the upper levels first. What is cut has has_more: read on from there with root_id, or with page.",
	}, s.tree)
	httpapi.Get(sec, httpapi.Route{Path: "/resources/statistics", Summary: "Count resources", Access: read}, s.statistics)
	httpapi.Get(sec, httpapi.Route{Path: "/resources/{id}", Summary: "Read a resource", Access: read}, s.read)
	httpapi.List(sec, httpapi.Route{Path: "/resources/{id}/children", Summary: "List a resource's children", Access: read}, s.children)
	httpapi.List(sec, httpapi.Route{
		Path: "/resources/{id}/permissions", Summary: "List the permissions that reach a resource", Access: httpapi.Requires("permissions", "read"),
		Description: "Those on the node, then those on the nodes above it, the nearest first, then those whose pattern matches it. Only what counts is listed: active permissions that a role has. Permissions do not flow through an inactive node.",
	}, s.permissions)
	httpapi.Update(sec, httpapi.Route{
		Path: "/resources/{id}", Summary: "Change a resource", Access: update, Granting: true,
		Description: "With parent_id the whole subtree moves.",
	}, s.update)
	httpapi.Call(sec, httpapi.Route{
		Path: "/resources/{id}/move", Summary: "Move a resource with all below it", Access: update, Granting: true, Errors: []int{404, 409, 412},
		Description: "The whole subtree goes below parent_id, or becomes a root's with null. Permissions on its nodes go with it. Below itself a node cannot go (409, with the path in the message).",
	}, s.move)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/resources/{id}", Summary: "Delete a resource", Access: httpapi.Requires("resources", "delete"), Granting: true, Errors: []int{409},
		Description: "Permissions on the node go with it, from every role; menu items that show it stay and lose the link. A node that has nodes below it is not deleted (409) unless recursive is true: then its whole subtree goes. The audit event has the numbers, and the ids of the first hundred of each.",
	}, s.delete)
}

// Resource is a node as the API shows it.
type Resource struct {
	ID              uuid.UUID       `json:"id"`
	TenantID        uuid.UUID       `json:"tenant_id"`
	Type            string          `json:"type"`
	Name            string          `json:"name"`
	Code            string          `json:"code" doc:"Unique in the tenant for the type. Questions may name the node by it."`
	ParentID        *uuid.UUID      `json:"parent_id" nullable:"true"`
	Path            string          `json:"path" doc:"The codes from the root down to the node, joined by /."`
	Attributes      json.RawMessage `json:"attributes" doc:"They win over what a caller says of the node."`
	WorkflowEnabled bool            `json:"workflow_enabled" doc:"Whether the node's state limits who may do what to it."`
	WorkflowConfig  json.RawMessage `json:"workflow_config" doc:"states, state, initial and state_actions."`
	IsActive        bool            `json:"is_active" doc:"Permissions do not flow through an inactive node."`
	CreatedAt       time.Time       `json:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at"`
}

// ETag changes with every write to the resource.
func (r *Resource) ETag() string { return httpapi.ETag(r.ID, r.UpdatedAt.UnixNano()) }

func view(m *models.Resource) *Resource {
	return &Resource{
		ID: m.ID, TenantID: m.TenantID, Type: m.Type, Name: m.Name, Code: m.Code, ParentID: m.ParentID, Path: m.Path,
		Attributes: json.RawMessage(m.Attributes), WorkflowEnabled: m.WorkflowEnabled, WorkflowConfig: json.RawMessage(m.WorkflowConfig),
		IsActive: m.IsActive, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

var refusals = crud.Refusals{
	"resources_type_code_key":   {Path: "code", Message: "A resource of that type and code exists already in this tenant."},
	"resources_code_not_uuid":   {Path: "code", Message: "A code may not look like a UUID: it would be read as an id."},
	"resources_parent_no_cycle": {Path: "parent_id", Message: "The resource would be its own ancestor: the parent is below it."},
	"resources_parent_depth":    {Path: "parent_id", Message: "The tree would be deeper than 64."},
	"resources_parent_fk":       {Path: "", Message: "The resource has others below it. Move or delete those first."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort            string                 `query:"sort" enum:"name,code,type,created_at" default:"created_at" doc:"type: and by code among those of a type."`
	Type            string                 `query:"type" maxLength:"100" doc:"Only resources of this type."`
	ParentID        httpapi.Opt[uuid.UUID] `query:"parent_id" doc:"Only those directly below this one."`
	Below           httpapi.Opt[uuid.UUID] `query:"below" doc:"Only those of this one's subtree, however deep."`
	IsActive        httpapi.Opt[bool]      `query:"is_active" doc:"Only active, or only inactive ones."`
	WorkflowEnabled httpapi.Opt[bool]      `query:"workflow_enabled" doc:"Only those with, or only those without an enabled workflow."`
	Search          string                 `query:"search" maxLength:"100" doc:"Part of the name or code."`
}

func (in *ListIn) order() crud.Order {
	o := crud.Order{Column: in.Sort, Descending: in.Descending()}
	if in.Sort == "type" {
		o.Then = "code"
	}
	return o
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.Type != "" {
			q = q.Where("type = ?", in.Type)
		}
		if in.ParentID.Set {
			q = q.Where("parent_id = ?", in.ParentID.Value)
		}
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		if in.WorkflowEnabled.Set {
			q = q.Where("workflow_enabled = ?", in.WorkflowEnabled.Value)
		}
		if in.Below.Set {
			// Read first, so that the plan is made for as much as it is. What is not
			// there has nothing below it.
			var top []models.Resource
			if err := tx.Select("lineage").Where("tenant_id = ? AND id = ?", tenant, in.Below.Value).Find(&top).Error; err != nil || len(top) == 0 {
				return err
			}
			q = q.Where("lineage > ? AND lineage < sentinel.lineage_end(?)", top[0].Lineage, top[0].Lineage)
		}
		page, err = crud.Search(q, "resources", in.Search, in.PageIn, in.order(), view)
		return err
	})
	return page, err
}

// IDIn names one resource.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The resource's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Resource, error) {
	return crud.Read(ctx, s.Write.DB, in.ID, "resource", view)
}

// ChildrenIn lists the nodes below one.
type ChildrenIn struct {
	IDIn
	httpapi.PageIn
}

func (s *Service) children(ctx context.Context, in *ChildrenIn) (page httpapi.Page[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Resource](tx, tenant, in.ID, "resource"); err != nil {
			return err
		}
		page, err = crud.List(tx.Where("tenant_id = ? AND parent_id = ?", tenant, in.ID), in.PageIn, crud.Order{Column: "code"}, view)
		return err
	})
	return page, err
}
