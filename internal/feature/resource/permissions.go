package resource

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// PermissionsIn lists what reaches one node.
type PermissionsIn struct {
	IDIn
	httpapi.PageIn
}

// Reaching is a permission that reaches a node.
type Reaching struct {
	directory.Permission
	Via   string  `json:"via" enum:"node,ancestor,pattern" doc:"node: it is on the node; ancestor: on one above it; pattern: its resource_path matches."`
	Node  *Node   `json:"node,omitempty" doc:"The node that it is on."`
	Roles []Owner `json:"roles" doc:"The roles that have it themselves, at most 100. Those that inherit from them have it too."`
	Total int     `json:"roles_total" doc:"How many roles have it themselves."`
}

// Node names a node.
type Node struct {
	ID   uuid.UUID `json:"id"`
	Type string    `json:"type"`
	Code string    `json:"code"`
	Path string    `json:"path"`
}

// Owner is a role that has a permission.
type Owner struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// maxOwners bounds the roles that are named with a permission.
const maxOwners = 100

func (s *Service) permissions(ctx context.Context, in *PermissionsIn) (page httpapi.Page[Reaching], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	all, ok, err := s.Write.Engine.Reaching(ctx, tenant, in.ID)
	if err != nil {
		return page, err
	}
	if !ok {
		return page, fault.NotFound("resource")
	}
	page.Total = int64(len(all))
	from := min(in.Offset(), len(all))
	for _, r := range all[from:min(from+in.Limit, len(all))] {
		item := Reaching{Permission: directory.ViewGrant(r.Grant), Via: "pattern", Roles: []Owner{}, Total: len(r.Roles)}
		if r.Node != nil {
			item.Via = "ancestor"
			if r.Node.ID == in.ID {
				item.Via = "node"
			}
			item.Node = &Node{ID: r.Node.ID, Type: r.Node.Type, Code: r.Node.Code, Path: r.Node.Path}
		}
		for _, role := range r.Roles[:min(len(r.Roles), maxOwners)] {
			item.Roles = append(item.Roles, Owner{ID: role.ID, Name: role.Name})
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}
