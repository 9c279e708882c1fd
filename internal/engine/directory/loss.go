package directory

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
)

// mostNamed is how many objects of a kind an audit event names by their ids.
const mostNamed = 100

// Some are objects of which an audit event says how many there are, and names
// the first.
type Some struct {
	Total int64       `json:"total"`
	IDs   []uuid.UUID `json:"ids"`
}

// LossOfRole is what a role's deletion takes from others of its tenant.
type LossOfRole struct {
	// Holders are the accounts to which the role was assigned itself.
	Holders Some `json:"holders"`
	Groups  Some `json:"groups"`
	// Permissions that the role owned; those in Unowned are now nobody's.
	Permissions Some `json:"permissions"`
	Unowned     Some `json:"unowned_permissions"`
}

// LosingRole reads it, before the role is deleted.
func LosingRole(w *change.Write, tenant, role uuid.UUID) (l LossOfRole, err error) {
	err = some(w, tenant, role, map[*Some]string{
		&l.Holders:     "SELECT user_id AS id FROM sentinel.user_roles WHERE tenant_id = @tenant AND role_id = @id",
		&l.Groups:      "SELECT group_id AS id FROM sentinel.group_roles WHERE tenant_id = @tenant AND role_id = @id",
		&l.Permissions: "SELECT permission_id AS id FROM sentinel.role_permissions WHERE tenant_id = @tenant AND role_id = @id",
		&l.Unowned: `
SELECT o.permission_id AS id
FROM sentinel.role_permissions o
WHERE o.tenant_id = @tenant
AND o.role_id = @id
AND NOT EXISTS (
  SELECT 1
  FROM sentinel.role_permissions other
  WHERE other.tenant_id = @tenant
  AND other.permission_id = o.permission_id
  AND other.role_id <> @id
)`,
	})
	return l, err
}

// LossOfGroup is what a group's deletion takes from others.
type LossOfGroup struct {
	Members Some `json:"members"`
	Roles   Some `json:"roles"`
}

// LosingGroup reads it, before the group is deleted.
func LosingGroup(w *change.Write, tenant, group uuid.UUID) (l LossOfGroup, err error) {
	err = some(w, tenant, group, map[*Some]string{
		&l.Members: "SELECT user_id AS id FROM sentinel.user_groups WHERE tenant_id = @tenant AND group_id = @id",
		&l.Roles:   "SELECT role_id AS id FROM sentinel.group_roles WHERE tenant_id = @tenant AND group_id = @id",
	})
	return l, err
}

// LossOfPermission is what a permission's deletion takes from others.
type LossOfPermission struct {
	Roles Some `json:"roles"`
}

// LosingPermission reads it, before the permission is deleted.
func LosingPermission(w *change.Write, tenant, permission uuid.UUID) (l LossOfPermission, err error) {
	err = some(w, tenant, permission, map[*Some]string{
		&l.Roles: "SELECT role_id AS id FROM sentinel.role_permissions WHERE tenant_id = @tenant AND permission_id = @id",
	})
	return l, err
}

// some reads lists, each by a query for the ids.
func some(w *change.Write, tenant, id uuid.UUID, lists map[*Some]string) error {
	for into, query := range lists {
		var rows []struct {
			ID    uuid.UUID
			Total int64
		}
		err := w.Raw("SELECT id, count(*) OVER () AS total FROM ("+query+") x ORDER BY id LIMIT @most",
			map[string]any{"tenant": tenant, "id": id, "most": mostNamed}).Scan(&rows).Error
		if err != nil {
			return fmt.Errorf("read what goes with it: %w", err)
		}
		into.IDs = make([]uuid.UUID, len(rows))
		for i, r := range rows {
			into.IDs[i], into.Total = r.ID, r.Total
		}
	}
	return nil
}
