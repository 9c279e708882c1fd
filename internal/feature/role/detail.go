package role

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// Detail is a role with what it inherits.
type Detail struct {
	Role
	ParentRoleName string      `json:"parent_role_name" doc:"Empty without a parent."`
	Inherited      []Inherited `json:"inherited_permissions" doc:"Those of the roles that it inherits from, the first 1,000. Inactive roles pass nothing on."`
	Truncated      bool        `json:"inherited_truncated" doc:"There are more inherited permissions than are shown."`
}

// ETag changes with every write to the role and to what it inherits. A write to
// the role is stopped by the former alone.
func (d *Detail) ETag() string {
	inherited, err := json.Marshal(d.Inherited)
	if err != nil {
		return ""
	}
	return directory.DetailTag(d.Role.ETag(), d.ParentRoleName, string(inherited))
}

// Inherited is a permission with the role that it comes from.
type Inherited struct {
	directory.Permission
	RoleID uuid.UUID `json:"role_id" doc:"The role that owns it."`
	Role   string    `json:"role" doc:"That role's name."`
	Path   string    `json:"path" doc:"The roles on the way, such as role:inspector > role:viewer."`
}

// maxPermissions bounds the permissions of a role that are shown at once. The
// list of permissions pages through all.
const maxPermissions = 1000

func (s *Service) read(ctx context.Context, in *IDIn) (out *Detail, err error) {
	home, err := s.home(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ctx = identity.WithTenant(ctx, home)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.One[models.Role](tx, home, in.ID, "role")
		if err != nil {
			return err
		}
		out = &Detail{Role: *view(m)}
		if m.ParentRoleID == nil {
			return nil
		}
		parent, err := crud.One[models.Role](tx, home, *m.ParentRoleID, "role")
		if err != nil {
			return fmt.Errorf("parent of role: %w", err)
		}
		out.ParentRoleName = parent.Name
		return nil
	})
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Write.Engine.Snapshot(ctx, home)
	if err != nil {
		return nil, err
	}
	out.Inherited, out.Truncated = inherited(snapshot, in.ID)
	return out, nil
}

// written shows a role after a write that has succeeded, whatever comes of
// reading what it inherits.
func (s *Service) written(ctx context.Context, made *Role) *Detail {
	d, err := s.read(ctx, &IDIn{ID: made.ID})
	if err != nil {
		s.Write.Logger.WarnContext(ctx, "read a role after a write", "error", err, "role_id", made.ID)
		return &Detail{Role: *made, Inherited: []Inherited{}, Truncated: true}
	}
	return d
}

// inherited lists the permissions of the roles above one, nearer roles first as
// the graph has them, up to the bound.
func inherited(s *engine.Snapshot, role uuid.UUID) (list []Inherited, truncated bool) {
	list = []Inherited{}
	at, active := s.Graph.Index(rbac.Role(role))
	if !active {
		return list, false
	}
	for _, i := range s.Graph.Reach(at) {
		if i == at {
			continue
		}
		from := s.RoleAt(i)
		// A path begins with who has it; here that is the role itself.
		path := strings.TrimPrefix(s.Label(s.Graph.Path([]int32{at}, i)), "user > ")
		for _, g := range s.Grants.OfRole(i) {
			if len(list) == maxPermissions {
				return list, true
			}
			list = append(list, Inherited{Permission: directory.ViewGrant(g), RoleID: from.ID, Role: from.Name, Path: path})
		}
	}
	return list, false
}

// HierarchyIn names the role and how far down to look.
type HierarchyIn struct {
	IDIn
	Depth int `query:"depth" default:"64" minimum:"1" maximum:"64" doc:"Levels below the role."`
}

func (s *Service) hierarchy(ctx context.Context, in *HierarchyIn) (out *directory.Hierarchy, err error) {
	home, err := s.home(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(identity.WithTenant(ctx, home), func(tx *db.Tx) error {
		if _, err := crud.One[models.Role](tx, home, in.ID, "role"); err != nil {
			return err
		}
		out, err = directory.Roles().Of(tx, home, in.ID, in.Depth)
		return err
	})
	return out, err
}

const (
	// maxWithPermissions is how many roles a page has at most if it shows their
	// permissions, and maxOfEach how many it shows of each.
	maxWithPermissions = 100
	maxOfEach          = 100
)

// withPermissions adds to the roles of a page the permissions that they own.
func withPermissions(tx *db.Tx, tenant uuid.UUID, roles []Role) error {
	at := make(map[uuid.UUID]*Role, len(roles))
	ids := make([]uuid.UUID, len(roles))
	for i := range roles {
		ids[i], at[roles[i].ID] = roles[i].ID, &roles[i]
		roles[i].Permissions, roles[i].PermissionsTotal = &[]directory.Permission{}, new(int64)
	}
	var rows []struct {
		models.Permission
		RoleID uuid.UUID
		Total  int64
	}
	err := tx.Raw(`
SELECT *
FROM (
  SELECT p.*, rp.role_id, count(*) OVER (PARTITION BY rp.role_id) AS total,
    row_number() OVER (PARTITION BY rp.role_id ORDER BY p.created_at, p.id) AS place
  FROM sentinel.role_permissions rp
  JOIN sentinel.permissions p ON p.tenant_id = rp.tenant_id AND p.id = rp.permission_id
  WHERE rp.tenant_id = @tenant
  AND rp.role_id = ANY(CAST(@roles AS uuid[]))
) owned
WHERE place <= @most
ORDER BY role_id, place`, map[string]any{"tenant": tenant, "roles": db.UUIDs(ids), "most": maxOfEach}).Scan(&rows).Error
	if err != nil {
		return fmt.Errorf("list permissions of roles: %w", err)
	}
	for i := range rows {
		role := at[rows[i].RoleID]
		*role.Permissions = append(*role.Permissions, *directory.ViewPermission(&rows[i].Permission))
		*role.PermissionsTotal = rows[i].Total
	}
	return nil
}

// fits refuses a page of more roles than are shown with their permissions.
func (in *ListIn) fits() error {
	if in.IncludePermissions && in.Limit > maxWithPermissions {
		return fault.InvalidAt("query.limit", "must be at most %d with include_permissions", maxWithPermissions)
	}
	return nil
}
