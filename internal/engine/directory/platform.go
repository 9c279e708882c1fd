package directory

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Owner returns whose a new row is that can be the platform's: the tenant's in
// which the call acts, or nobody's where tenant_id is null. Any other tenant is
// refused: another one is picked by the header. So is the platform's to all but
// operators, and audited as action.
func Owner(ctx context.Context, w *change.Writer, action string, tenantID httpapi.Opt[uuid.UUID]) (*uuid.UUID, error) {
	tenant, _ := identity.TenantFrom(ctx)
	switch {
	case tenantID.Set && tenantID.Null:
		return nil, w.Refused(ctx, action, Operates(ctx, w))
	case tenantID.Set && tenantID.Value != tenant:
		return nil, fault.InvalidAt("tenant_id", "must be the tenant in which the call acts, which X-Tenant-ID picks; or null, for the platform's")
	default:
		return &tenant, nil
	}
}

// Operates refuses everybody who may not write the platform's rows: they are the
// operators', in the platform's own tenant. It is asked before a transaction
// begins, since the answer can need one of its own.
func Operates(ctx context.Context, w *change.Writer) error {
	caller, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	operator, err := w.Engine.IsOperator(ctx, caller)
	if err != nil {
		return err
	}
	if !operator || tenant != identity.PlatformTenant {
		return fault.New(fault.Denied, "This is the platform's, for all tenants: only operators (super_admin) write it, acting in the platform's own tenant.")
	}
	return nil
}

// Within runs fn where rows of that owner can be written: in the system scope
// for the platform's, which is nil.
func Within(w *change.Write, owner *uuid.UUID, fn func() error) error {
	if owner != nil {
		return fn()
	}
	return w.Widened(db.PlatformRows, fn)
}
