package granting

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// administrators says whether a tenant has an account that can be used and is
// its tenant_admin.
type administrators struct {
	Any bool
	// Lasting is set if one of them is so without an end.
	Lasting bool
}

// keepsAdministrator refuses a write that takes the tenant's last one, or leaves
// only such as will cease to be by themselves.
func (j *Judge) keepsAdministrator(tx *db.Tx, after *engine.Snapshot, now time.Time) error {
	return j.had.kept(tx, after, now)
}

// Keeping runs fn, a write that takes assignments of accounts and that nobody is
// judged by, and refuses it if it takes the tenant's last tenant_admin. The
// caller holds the tenant, see [Lock].
func Keeping(tx *db.Tx, tenant uuid.UUID, now time.Time, fn func() error) error {
	graph, err := engine.LoadSnapshot(tx, tenant, engine.LoadOptions{WithoutTree: true})
	if err != nil {
		return err
	}
	had, err := findAdministrators(tx, graph, now)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return had.kept(tx, graph, now)
}

func (a administrators) kept(tx *db.Tx, after *engine.Snapshot, now time.Time) error {
	if !a.Any {
		return nil
	}
	has, err := findAdministrators(tx, after, now)
	if err != nil {
		return err
	}
	if !has.Any || a.Lasting && !has.Lasting {
		return fault.Conflict("", "This would leave the tenant without an active tenant_admin, now or when an assignment ends. Make another account tenant_admin first.")
	}
	return nil
}

func findAdministrators(tx *db.Tx, s *engine.Snapshot, now time.Time) (found administrators, err error) {
	var roles, groups []uuid.UUID
	for _, key := range s.HolderNodes(s.SystemRoles(TenantAdmin, SuperAdmin)) {
		kind, id := rbac.Parse(key)
		if kind == rbac.RoleKind {
			roles = append(roles, id)
		} else {
			groups = append(groups, id)
		}
	}
	err = tx.Raw(`
SELECT count(*) > 0 AS "any", COALESCE(bool_or(lasting), false) AS lasting
FROM (
  SELECT r.user_id, r.expires_at IS NULL AS lasting
  FROM sentinel.user_roles r
  WHERE r.tenant_id = @tenant
  AND r.role_id = ANY(CAST(@roles AS uuid[]))
  AND r.is_active
  AND (r.valid_from IS NULL OR r.valid_from <= @now)
  AND (r.expires_at IS NULL OR r.expires_at > @now)
  UNION ALL
  SELECT g.user_id, true
  FROM sentinel.user_groups g
  WHERE g.tenant_id = @tenant
  AND g.group_id = ANY(CAST(@groups AS uuid[]))
) held
JOIN sentinel.users u ON u.tenant_id = @tenant AND u.id = held.user_id
WHERE u.is_active
AND (u.locked_until IS NULL OR u.locked_until <= @now)`,
		map[string]any{"tenant": s.Tenant.ID, "roles": db.UUIDs(roles), "groups": db.UUIDs(groups), "now": now}).Scan(&found).Error
	if err != nil {
		return found, fmt.Errorf("look for an administrator: %w", err)
	}
	return found, nil
}

// touchesOperator reports whether one of the nodes has super_admin, before the
// write or after it: its reach beyond the tenant is in no permission, so that
// only another may give it, or lay hands on an account that has it.
func (j *Judge) touchesOperator(after *engine.Snapshot, nodes []string) bool {
	return j.before.Reaches(nodes, SuperAdmin) || after.Reaches(nodes, SuperAdmin)
}
