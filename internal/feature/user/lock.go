package user

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// LockIn locks a user out.
type LockIn struct {
	IDIn
	Body struct {
		Until  *time.Time `json:"until,omitempty" doc:"Default: until somebody unlocks the account."`
		Reason string     `json:"reason,omitempty" maxLength:"500" doc:"For the audit."`
	}
}

// forGood is until when an account is locked that nobody said an end for: the
// last day that RFC 3339 can write.
func forGood() time.Time { return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC) }

func (s *Service) lock(ctx context.Context, in *LockIn) (*Detail, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	if in.ID == caller.UserID {
		return nil, fault.InvalidAt("path.id", "is your own account: nobody locks themselves out")
	}
	until := forGood()
	if in.Body.Until != nil {
		if until = *in.Body.Until; !until.After(s.Write.Engine.Now()) {
			return nil, fault.InvalidAt("until", "must be in the future")
		}
		if !directory.Writable(until) {
			return nil, fault.InvalidAt("until", directory.Unwritable)
		}
	}
	return s.touch(ctx, in.ID, audit.Event{Action: "user.lock", Detail: map[string]any{"reason": in.Body.Reason}}, func(_ *change.Write, m *models.User) error {
		m.LockedUntil = &until
		m.TokenEpoch++
		return nil
	})
}

func (s *Service) unlock(ctx context.Context, in *IDIn) (*Detail, error) {
	return s.touch(ctx, in.ID, audit.Event{Action: "user.unlock"}, func(w *change.Write, m *models.User) error {
		m.LockedUntil, m.FailedLoginCount = nil, 0
		if err := w.Where("tenant_id = ? AND user_id = ?", m.TenantID, m.ID).Delete(&models.LoginFailure{}).Error; err != nil {
			return fmt.Errorf("forget failed logins: %w", err)
		}
		return nil
	})
}

// touch changes what an account is or how it proves itself, which is for those
// to do who could give all that it may do.
func (s *Service) touch(ctx context.Context, id uuid.UUID, e audit.Event, fn func(w *change.Write, m *models.User) error) (out *Detail, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, e.Action, func(w *change.Write) (c granting.Change, err error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, id, "user")
		if err != nil {
			return c, err
		}
		event := e
		event.Before = account(m)
		if err := fn(w, m); err != nil {
			return c, err
		}
		if err := w.Save(m).Error; err != nil {
			return c, fmt.Errorf("%s: %w", e.Action, err)
		}
		c.Accounts = []uuid.UUID{m.ID}
		if c.Handed, err = has(w, m.TenantID, m.ID); err != nil {
			return c, err
		}
		out, err = saved(w, m, event)
		return c, err
	})
	return out, err
}
