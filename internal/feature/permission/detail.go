package permission

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// Detail is a permission with the roles that own it.
type Detail struct {
	directory.Permission
	Roles      []Owner `json:"roles" doc:"The roles that own it themselves, the first 100 by name."`
	RolesTotal int64   `json:"roles_total" doc:"How many roles own it."`
}

// ETag changes with every write to the permission and to its owners. A write to
// the permission is stopped by the former alone.
func (d *Detail) ETag() string {
	parts := []any{d.RolesTotal}
	for _, r := range d.Roles {
		parts = append(parts, r.ID, r.Name)
	}
	return directory.DetailTag(d.Permission.ETag(), parts...)
}

// Owner is a role that owns a permission.
type Owner struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// maxOwners is how many roles are shown of one permission.
const maxOwners = 100

func (s *Service) read(ctx context.Context, in *IDIn) (out *Detail, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.One[models.Permission](tx, tenant, in.ID, "permission")
		if err != nil {
			return err
		}
		out, err = detail(tx, m)
		return err
	})
	return out, err
}

// detail adds to a permission the roles that own it.
func detail(tx *db.Tx, m *models.Permission) (*Detail, error) {
	d := &Detail{Permission: *directory.ViewPermission(m), Roles: []Owner{}}
	var rows []struct {
		Owner
		Total int64
	}
	err := tx.Raw(`
SELECT r.id, r.name, count(*) OVER () AS total
FROM sentinel.role_permissions rp
JOIN sentinel.roles r ON r.tenant_id = rp.tenant_id AND r.id = rp.role_id
WHERE rp.tenant_id = @tenant
AND rp.permission_id = @id
ORDER BY r.name, r.id
LIMIT @most`, map[string]any{"tenant": m.TenantID, "id": m.ID, "most": maxOwners}).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find roles of permission: %w", err)
	}
	for _, r := range rows {
		d.Roles, d.RolesTotal = append(d.Roles, r.Owner), r.Total
	}
	return d, nil
}
