package tenant

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// CreateIn is a new root tenant.
type CreateIn struct{ Body Input }

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Tenant], err error) {
	caller, _ := identity.PrincipalFrom(ctx)
	operator, err := s.Write.Engine.IsOperator(ctx, caller)
	if err != nil {
		return created, err
	}
	if !operator {
		return created, s.recorded(ctx, "tenant.create", fault.New(fault.Denied,
			"Root tenants are made by operators (super_admin). A tenant_admin makes sub-tenants: POST /tenants/{id}/sub-tenants."))
	}
	return s.insert(ctx, in.Body.model(nil))
}

// CreateBelowIn is a new sub-tenant.
type CreateBelowIn struct {
	IDIn
	Body Input
}

func (s *Service) createBelow(ctx context.Context, in *CreateBelowIn) (created httpapi.Created[Tenant], err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return created, err
	}
	if err := s.mayGrow(ctx, in.ID); err != nil {
		return created, err
	}
	if err := s.administers(ctx, in.ID, false); err != nil {
		return created, s.recorded(ctx, "tenant.create", err)
	}
	if _, given := in.Body.Settings["allow_rules"]; given {
		if err := s.operates(ctx); err != nil {
			return created, s.recorded(ctx, "tenant.create", err)
		}
	}
	return s.insert(ctx, in.Body.model(&in.ID))
}

// maxDepth bounds how many tenants may stand above one: every decision in a
// tenant reads the whole line.
const maxDepth = 64

// mayGrow refuses a tenant that is to have no sub-tenants, by its features or by
// how deep it is itself.
func (s *Service) mayGrow(ctx context.Context, id uuid.UUID) error {
	has, err := s.Write.Engine.HasFeature(ctx, id, entitlement.SubTenants)
	if err != nil {
		return err
	}
	if !has {
		return entitlement.Disabled(entitlement.SubTenants)
	}
	var above int64
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Model(&models.TenantAncestor{}).Where("tenant_id = ?", id).Count(&above).Error
	})
	if err != nil {
		return fmt.Errorf("count tenants above: %w", err)
	}
	if above >= maxDepth {
		return fault.Conflict("", "Sub-tenants go %d levels deep and no deeper. Make it further up.", maxDepth)
	}
	return nil
}

// operates refuses everybody but operators.
func (s *Service) operates(ctx context.Context) error {
	caller, _ := identity.PrincipalFrom(ctx)
	operator, err := s.Write.Engine.IsOperator(ctx, caller)
	if err != nil || operator {
		return err
	}
	return fault.New(fault.Denied, "settings.allow_rules is the operators' (super_admin) to set: with it policies can allow, not only deny.")
}

func (s *Service) administers(ctx context.Context, id uuid.UUID, above bool) error {
	caller, _ := identity.PrincipalFrom(ctx)
	may, err := s.Write.Engine.Administers(ctx, caller, id, above)
	if err != nil {
		return err
	}
	if may {
		return nil
	}
	if above {
		return fault.New(fault.Denied, "This is decided from above: by an operator or the tenant_admin of the parent.")
	}
	return fault.New(fault.Denied, "Only a tenant_admin may do this.")
}

// recorded audits a refusal that came before any write began, and returns it.
func (s *Service) recorded(ctx context.Context, action string, refusal error) error {
	var f *fault.Error
	if !errors.As(refusal, &f) || f.Kind != fault.Denied {
		return refusal
	}
	err := s.Write.DB.InTx(ctx, func(tx *db.Tx) error {
		return s.Write.Audit.Record(ctx, tx, audit.Event{Action: action, Result: audit.Denied, Detail: map[string]any{"message": f.Message}})
	})
	if err != nil {
		s.Write.Logger.ErrorContext(ctx, "audit a refused write", "error", err, "action", action)
	}
	return refusal
}

// changeable refuses the platform's own tenant. It is asked before the row is
// touched: GORM takes an id of all zeros for none.
func changeable(id uuid.UUID) error {
	if id == identity.PlatformTenant {
		return fault.Conflict("", "The platform's own tenant can be neither changed nor deleted.")
	}
	return nil
}

// insert stores a new tenant. A row that no scope of one tenant could write
// needs the system's; who may was asked before.
func (s *Service) insert(ctx context.Context, m *models.Tenant) (created httpapi.Created[Tenant], err error) {
	if err := valid(m); err != nil {
		return created, err
	}
	acting, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InSystemTx(ctx, db.TenantTree, func(tx *db.Tx) error {
		if err := tx.Create(m).Error; err != nil {
			return refusals.Refused(fmt.Errorf("create tenant: %w", err))
		}
		stored, err := find(tx, m.ID)
		if err != nil {
			return err
		}
		created = httpapi.Created[Tenant]{Location: "/tenants/" + m.ID.String(), Data: *view(stored)}
		// The parent's history tells of it as well as its own.
		for _, at := range []uuid.UUID{acting, m.ID} {
			event := audit.Event{Action: "tenant.create", ResourceType: "tenant", ResourceID: m.ID, After: created.Data}
			if err := s.Write.Audit.RecordIn(ctx, tx, at, event); err != nil {
				return err
			}
		}
		return nil
	})
	return created, err
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name     *string                     `json:"name,omitempty" minLength:"1" maxLength:"255"`
		Settings httpapi.Opt[httpapi.Object] `json:"settings,omitempty" doc:"Replaces them all. Known ones only."`
		Features *[]string                   `json:"features,omitempty" maxItems:"100" uniqueItems:"true" doc:"Empty for all that the parent has."`
		Metadata httpapi.Opt[httpapi.Object] `json:"metadata,omitempty" doc:"Replaces them all."`
		TimeZone *string                     `json:"time_zone,omitempty" maxLength:"64"`
		IsActive *bool                       `json:"is_active,omitempty" doc:"false ends every token of the tenant at once, and of those below it."`

		IsolationMode *string `json:"isolation_mode,omitempty" enum:"shared,dedicated" doc:"dedicated is not offered yet."`
	}
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Tenant, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.administers(ctx, in.ID, false); err != nil {
		return nil, s.recorded(ctx, "tenant.update", err)
	}
	if err := changeable(in.ID); err != nil {
		return nil, err
	}
	// Asked before the transaction begins: an answer can need one of its own.
	above, operates := s.administers(ctx, in.ID, true), s.operates(ctx)
	err = s.Write.Granting(ctx, "tenant.update", func(w *change.Write) (granting.Change, error) {
		m, err := locked(w.Tx, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return granting.Change{}, err
		}
		if err := in.merge(m); err != nil {
			return granting.Change{}, err
		}
		if fromAbove(before, view(m)) && above != nil {
			return granting.Change{}, above
		}
		if setting(before, "allow_rules") != setting(view(m), "allow_rules") && operates != nil {
			return granting.Change{}, operates
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update tenant: %w", err))
		}
		if m, err = find(w.Tx, in.ID); err != nil {
			return granting.Change{}, err
		}
		out = view(m)
		return granting.Change{}, w.Record(audit.Event{Action: "tenant.update", ResourceType: "tenant", ResourceID: m.ID, Before: before, After: out})
	})
	return out, err
}

func (in *UpdateIn) merge(m *models.Tenant) error {
	b := &in.Body
	httpapi.Set(&m.Name, b.Name)
	httpapi.Set(&m.TimeZone, b.TimeZone)
	httpapi.Set(&m.IsActive, b.IsActive)
	if b.Features != nil {
		m.Features = models.Strings(*b.Features)
	}
	if b.Settings.Set {
		m.Settings = models.Object(b.Settings.Value)
	}
	if b.Metadata.Set {
		m.Metadata = models.Object(b.Metadata.Value)
	}
	if b.IsolationMode != nil {
		m.IsolationMode = *b.IsolationMode
	}
	return valid(m)
}

// fromAbove reports whether a change touches what a tenant may not decide about
// itself.
func fromAbove(before, after *Tenant) bool {
	return before.IsActive != after.IsActive || !reflect.DeepEqual(before.Features, after.Features) ||
		setting(before, "inherit_permissions") != setting(after, "inherit_permissions") ||
		setting(before, "allow_rules") != setting(after, "allow_rules") || setting(before, "max_users") != setting(after, "max_users")
}

func setting(t *Tenant, name string) string {
	members, err := engine.DecodeObject(t.Settings)
	if err != nil {
		return ""
	}
	return fmt.Sprint(members[name])
}

// DeleteIn names the tenant to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) (err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return err
	}
	if err := s.administers(ctx, in.ID, true); err != nil {
		return s.recorded(ctx, "tenant.delete", err)
	}
	if err := changeable(in.ID); err != nil {
		return err
	}
	caller, _ := identity.PrincipalFrom(ctx)
	err = s.Write.DB.InSystemTx(ctx, db.TenantTree, func(tx *db.Tx) error {
		m, err := find(tx, in.ID)
		if err != nil {
			return err
		}
		if err := in.Check(view(m).ETag()); err != nil {
			return err
		}
		if err := tx.Delete(m).Error; err != nil {
			return refusals.Refused(fmt.Errorf("delete tenant: %w", err))
		}
		// Its own history goes with it; the caller's keeps that it was there.
		return s.Write.Audit.RecordIn(ctx, tx, caller.HomeTenantID,
			audit.Event{Action: "tenant.delete", ResourceType: "tenant", ResourceID: m.ID, Before: view(m)})
	})
	if err != nil {
		return err
	}
	s.Write.Engine.Forget(in.ID)
	return nil
}
