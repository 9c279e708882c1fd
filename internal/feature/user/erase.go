package user

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// erase removes an account and everything that says something of the person.
// Records that only grow keep the bare id: with the person's key goes what they
// hold of the person beyond it.
func (s *Service) erase(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "user.erase", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user")
		gone := fault.Is(err, fault.NotFoundKind)
		if err != nil && !gone {
			return granting.Change{}, err
		}
		var c granting.Change
		address, external := "", ""
		if !gone {
			if err := checkTag(w.Tx, m, in.IfMatchIn); err != nil {
				return c, err
			}
			c = granting.Change{Accounts: []uuid.UUID{m.ID}, Removal: true}
			if c.Handed, err = has(w, m.TenantID, m.ID); err != nil {
				return c, err
			}
			if err := w.Delete(m).Error; err != nil {
				return c, fmt.Errorf("delete user: %w", err)
			}
			address = m.Email
			if m.ExternalID != nil {
				external = *m.ExternalID
			}
		}
		key := w.Where("tenant_id = ? AND user_id = ?", tenant, in.ID).Delete(&models.PersonalKey{})
		if key.Error != nil {
			return c, fmt.Errorf("delete personal key: %w", key.Error)
		}
		if gone && key.RowsAffected == 0 {
			return c, fault.NotFound("user")
		}
		if err := forget(w, tenant, in.ID, address); err != nil {
			return c, err
		}
		if err := s.ForgetFiles(ctx, w, in.ID.String(), address, external); err != nil {
			return c, err
		}
		return c, w.Record(audit.Event{Action: "user.erase", ResourceType: "user", ResourceID: in.ID})
	})
}

// copies are where something of a person may stand beside their account, and
// what becomes of it.
var copies = []struct{ statement, column string }{
	{"DELETE FROM sentinel.idempotency_keys", "response_body"},
	{"DELETE FROM sentinel.exports", "content"},
	{"DELETE FROM sentinel.webhook_deliveries", "convert_to(payload::text, 'UTF8')"},
}

// forget removes copies: answers kept for repeated requests, files that were
// exported, messages to others. They are looked for by the id and,
// if it is known, the address.
func forget(w *change.Write, tenant, user uuid.UUID, address string) error {
	for _, c := range copies {
		err := w.Exec(c.statement+`
WHERE tenant_id = ?
AND (
  position(convert_to(CAST(? AS text), 'UTF8') IN `+c.column+`) > 0
  OR CAST(? AS text) <> '' AND position(convert_to(CAST(? AS text), 'UTF8') IN `+c.column+`) > 0
)`, tenant, user.String(), address, address).Error
		if err != nil {
			return fmt.Errorf("forget %s: %w", c.column, err)
		}
	}
	err := w.Exec(`
DELETE FROM sentinel.idempotency_keys
WHERE principal_tenant_id = ?
AND principal_id = ?`, tenant, user).Error
	if err != nil {
		return fmt.Errorf("forget requests: %w", err)
	}
	return nil
}
