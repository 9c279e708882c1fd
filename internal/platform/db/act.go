package db

import (
	"fmt"

	"github.com/google/uuid"
)

// Act gives the rest of the transaction the scope of another tenant. The
// engine's graph loader calls it, to read the roles of the ancestors from which
// a tenant inherits, and whoever goes back to the tenant it began with. Every
// caller is listed, with its reason, in a test.
func (tx *Tx) Act(tenant uuid.UUID) error {
	if err := tx.Exec("SELECT set_config('sentinel.tenant_id', ?, true)", tenant.String()).Error; err != nil {
		return fmt.Errorf("act in tenant %s: %w", tenant, err)
	}
	return nil
}

// Widened runs fn with all tenants' rows in sight and in reach, inside a
// tenant's transaction, and narrows the scope again, after an error too. Every
// caller is listed, with its reason, in a test.
func (tx *Tx) Widened(reason Reason, fn func() error) error {
	if !reason.known() {
		return fmt.Errorf("%w: %q", ErrUnknownReason, string(reason))
	}
	if err := tx.Exec("SELECT set_config('sentinel.scope', 'system', true)").Error; err != nil {
		return fmt.Errorf("widen the scope: %w", err)
	}
	err := fn()
	// A transaction that the server has aborted cannot be narrowed, nor used.
	narrowed := tx.Exec("SELECT set_config('sentinel.scope', '', true)").Error
	switch {
	case err != nil:
		return err
	case narrowed != nil:
		return fmt.Errorf("narrow the scope: %w", narrowed)
	default:
		return nil
	}
}
