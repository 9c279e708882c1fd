package directory

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Holder is a person who has a role now.
type Holder struct {
	UserID, RoleID uuid.UUID
	// Since is the moment since when they have it on the way that is oldest: the
	// latest step of that way. A role or group that inherits counts from its last
	// change, since nothing says when it came to inherit.
	Since time.Time
}

// holding is the beginning of a query: held is who has which of @roles at @now, of
// people who can act. A way of more than 64 steps is none.
const holding = `
WITH RECURSIVE usable AS MATERIALIZED (
  SELECT id, parent_role_id, updated_at
  FROM sentinel.usable_roles()
  WHERE is_active
), below (role_id, kind, node, since, depth) AS (
  SELECT id, 'role', id, to_timestamp(0), 0
  FROM usable
  WHERE id = ANY(CAST(@roles AS uuid[]))
  UNION ALL
  SELECT b.role_id, step.kind, step.node, GREATEST(b.since, step.since), b.depth + 1
  FROM below b
  JOIN LATERAL (
    SELECT 'role' AS kind, u.id AS node, u.updated_at AS since
    FROM usable u
    WHERE b.kind = 'role'
    AND u.parent_role_id = b.node
    UNION ALL
    SELECT 'group', g.id, GREATEST(gr.created_at, g.updated_at)
    FROM sentinel.group_roles gr
    JOIN sentinel.groups g ON g.tenant_id = gr.tenant_id AND g.id = gr.group_id
    WHERE b.kind = 'role'
    AND gr.tenant_id = @tenant
    AND gr.role_id = b.node
    AND g.is_active
    UNION ALL
    SELECT 'group', g.id, g.updated_at
    FROM sentinel.groups g
    WHERE b.kind = 'group'
    AND g.tenant_id = @tenant
    AND g.parent_group_id = b.node
    AND g.is_active
  ) step ON true
  WHERE b.depth < 64
), granted (user_id, role_id, since) AS (
  SELECT ur.user_id, b.role_id, GREATEST(b.since, ur.granted_at, ur.valid_from)
  FROM below b
  JOIN sentinel.user_roles ur ON ur.tenant_id = @tenant AND ur.role_id = b.node
  WHERE b.kind = 'role'
  AND ur.is_active
  AND (ur.valid_from IS NULL OR ur.valid_from <= @now)
  AND (ur.expires_at IS NULL OR ur.expires_at > @now)
  UNION ALL
  SELECT ug.user_id, b.role_id, GREATEST(b.since, ug.created_at)
  FROM below b
  JOIN sentinel.user_groups ug ON ug.tenant_id = @tenant AND ug.group_id = b.node
  WHERE b.kind = 'group'
), held (user_id, role_id, since) AS (
  SELECT g.user_id, g.role_id, min(g.since)
  FROM granted g
  JOIN sentinel.users u ON u.tenant_id = @tenant AND u.id = g.user_id
  WHERE u.is_active
  AND NOT u.is_service_account
  AND (u.locked_until IS NULL OR u.locked_until <= @now)
  AND (@all OR g.user_id = ANY(CAST(@accounts AS uuid[])))
  GROUP BY g.user_id, g.role_id
)
`

// Holders returns who has each of some roles at now, directly, by a group or by
// a role that inherits from it, oldest first and at most most of them. Only
// people count, no service accounts, and only such as can act: active and not
// locked. accounts narrows it to some of them, nil to none.
func Holders(tx *db.Tx, tenant uuid.UUID, roles, accounts []uuid.UUID, now time.Time, most int) ([]Holder, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	var out []Holder
	err := tx.Raw(holding+`
SELECT user_id, role_id, since
FROM held
ORDER BY since, user_id, role_id
LIMIT @most`, map[string]any{
		"tenant": tenant, "roles": db.UUIDs(roles), "accounts": db.UUIDs(accounts), "all": accounts == nil, "now": now, "most": most,
	}).Scan(&out).Error
	if err != nil {
		return nil, fmt.Errorf("find holders of roles: %w", err)
	}
	return out, nil
}

// CountHolders is how many [Holders] a role has.
func CountHolders(tx *db.Tx, tenant, role uuid.UUID, now time.Time) (n int64, err error) {
	err = tx.Raw(holding+`
SELECT count(*)
FROM held`, map[string]any{"tenant": tenant, "roles": db.UUIDs([]uuid.UUID{role}), "accounts": db.UUIDs(nil), "all": true, "now": now}).Scan(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count holders of a role: %w", err)
	}
	return n, nil
}
