package directory

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Room returns how many accounts may become active yet. limited is false in a
// tenant whose settings have no max_users. Whoever writes asks it inside a granting
// write, so that no other makes an account meanwhile. Service accounts count like
// people.
func Room(tx *db.Tx, tenant uuid.UUID) (left int64, limited bool, err error) {
	var most *int64
	err = tx.Raw(`
SELECT CASE WHEN jsonb_typeof(settings->'max_users') = 'number' THEN CAST(trunc(CAST(settings->>'max_users' AS numeric)) AS bigint) END
FROM sentinel.tenants
WHERE id = ?`, tenant).Scan(&most).Error
	if err != nil {
		return 0, false, fmt.Errorf("read max_users: %w", err)
	}
	if most == nil {
		return 0, false, nil
	}
	var active int64
	err = tx.Raw("SELECT count(*) FROM sentinel.users WHERE tenant_id = ? AND is_active", tenant).Scan(&active).Error
	if err != nil {
		return 0, false, fmt.Errorf("count accounts: %w", err)
	}
	return max(0, *most-active), true, nil
}

// Full is the fault of whoever would be one account more than that.
func Full() error {
	return fault.Conflict("", "The tenant has as many active accounts as its max_users allows. Deactivate one, or have the limit raised.")
}

// HasRoom refuses one more active account where the limit is reached.
func HasRoom(w *change.Write, tenant uuid.UUID) error {
	left, limited, err := Room(w.Tx, tenant)
	if err != nil {
		return err
	}
	if limited && left == 0 {
		return Full()
	}
	return nil
}
