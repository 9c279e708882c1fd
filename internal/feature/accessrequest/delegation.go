package accessrequest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// longestDelegation is for how long somebody may decide for another at once,
	// and furthestDelegation how far ahead that may begin.
	longestDelegation  = 90 * 24 * time.Hour
	furthestDelegation = 366 * 24 * time.Hour
	// mostDelegations bounds those of one person that are not over.
	mostDelegations = 20
)

func (s *Service) registerDelegations(sec *httpapi.Section) {
	httpapi.Create(sec, httpapi.Route{
		Path: "/access-requests/delegations", Summary: "Let somebody decide while you are away", Access: httpapi.Authenticated("one's own word only"), Errors: []int{404, 409},
		Description: "The delegate may decide what the caller may, and not hand it on. As long as it lasts both count as one person, so that neither decides on a request of the other's. At most 90 days.",
	}, s.delegate)
	httpapi.List(sec, httpapi.Route{
		Path: "/access-requests/delegations", Summary: "List delegations", Access: httpapi.Authenticated("those from or to oneself; others' need read on api/access-requests"),
	}, s.delegations)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/access-requests/delegations/{id}", Summary: "End a delegation", Errors: []int{403, 412},
		Access: httpapi.Authenticated("one's own, and one that names the caller; others' need delete on api/access-requests"),
	}, s.undelegate)
}

// Delegation lets somebody decide for another.
type Delegation struct {
	ID        uuid.UUID `json:"id"`
	TenantID  uuid.UUID `json:"tenant_id"`
	Delegator uuid.UUID `json:"delegator" doc:"Whose word it is."`
	Delegate  uuid.UUID `json:"delegate" doc:"Who speaks it."`
	From      time.Time `json:"from"`
	To        time.Time `json:"to" doc:"From it on the delegation is over."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag changes with the row.
func (d *Delegation) ETag() string { return httpapi.ETag(d.ID, d.UpdatedAt.UnixNano()) }

func viewDelegation(m *models.ApprovalDelegation) *Delegation {
	return &Delegation{
		ID: m.ID, TenantID: m.TenantID, Delegator: m.FromUser, Delegate: m.ToUser, From: m.StartsAt, To: m.EndsAt,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// DelegateIn lends the caller's word.
type DelegateIn struct {
	Body struct {
		Delegate uuid.UUID  `json:"delegate" doc:"A person of the tenant."`
		From     *time.Time `json:"from,omitempty" doc:"Default: at once."`
		To       time.Time  `json:"to" doc:"When it is over; at most 90 days after from."`
	}
}

// window returns from when to when the word is lent.
func (in *DelegateIn) window(now time.Time) (from, to time.Time, fields []fault.Field) {
	from, to = now, moment(in.Body.To)
	if in.Body.From != nil {
		from = moment(*in.Body.From)
	}
	switch {
	case !to.After(now):
		fields = append(fields, fault.Field{Path: "to", Message: "must be in the future"})
	case !to.After(from):
		fields = append(fields, fault.Field{Path: "to", Message: "must be after from"})
	case to.Sub(from) > longestDelegation:
		fields = append(fields, fault.Field{Path: "to", Message: "must be at most 90 days after from"})
	}
	if from.Sub(now) > furthestDelegation {
		fields = append(fields, fault.Field{Path: "from", Message: "must be within a year"})
	}
	return from, to, fields
}

func (s *Service) delegate(ctx context.Context, in *DelegateIn) (created httpapi.Created[Delegation], err error) {
	if err := s.featured(ctx); err != nil {
		return created, err
	}
	caller, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	switch {
	case tenant != caller.HomeTenantID:
		return created, fault.Conflict("", "Only accounts of the tenant decide there, and so only they have a word to lend.")
	case caller.IsServiceAccount:
		return created, fault.New(fault.Denied, "Service accounts approve nothing, and so have no word to lend.")
	case in.Body.Delegate == caller.UserID:
		return created, fault.InvalidAt("delegate", "must be somebody else")
	}
	from, to, fields := in.window(moment(s.write.Engine.Now()))
	if fields != nil {
		return created, fault.Invalid(fields...)
	}
	err = s.write.Plain(ctx, func(w *change.Write) error {
		if err := granting.Lock(w.Tx, tenant); err != nil {
			return err
		}
		delegate, err := crud.One[models.User](w.Tx, tenant, in.Body.Delegate, "user")
		if err != nil {
			return at(err, "delegate")
		}
		if delegate.IsServiceAccount || !delegate.IsActive {
			return fault.Conflict("delegate", "must be an active account of a person")
		}
		var n int64
		if err := w.Model(&models.ApprovalDelegation{}).Where("tenant_id = ? AND from_user = ? AND ends_at > ?", tenant, caller.UserID, w.Now).Count(&n).Error; err != nil {
			return fmt.Errorf("count delegations: %w", err)
		}
		if n >= mostDelegations {
			return fault.Conflict("", "%d delegations of yours are not over, and no more may be. End some.", n)
		}
		m := &models.ApprovalDelegation{ID: uuid.Must(uuid.NewV7()), TenantID: tenant, FromUser: caller.UserID, ToUser: delegate.ID, StartsAt: from, EndsAt: to}
		if err := w.Create(m).Error; err != nil {
			return fmt.Errorf("create delegation: %w", err)
		}
		stored, err := crud.One[models.ApprovalDelegation](w.Tx, tenant, m.ID, "delegation")
		if err != nil {
			return err
		}
		created = httpapi.Created[Delegation]{Location: "/access-requests/delegations/" + m.ID.String(), Data: *viewDelegation(stored)}
		return w.Record(audit.Event{Action: "approval_delegation.create", ResourceType: "approval_delegation", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

// DelegationsIn is the query of the list of delegations.
type DelegationsIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Active httpapi.Opt[bool] `query:"active" doc:"Only those that are under way now, or only the others."`
}

func (s *Service) delegations(ctx context.Context, in *DelegationsIn) (page httpapi.Page[Delegation], err error) {
	if err := s.featured(ctx); err != nil {
		return page, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := self(ctx)
	all := s.may(ctx, "read")
	now := s.write.Engine.Now()
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if !all {
			q = q.Where("(from_user = ? OR to_user = ?)", caller, caller)
		}
		if in.Active.Set {
			q = q.Where("(starts_at <= ? AND ends_at > ?) = ?", now, now, in.Active.Value)
		}
		page, err = crud.List(q, in.PageIn, crud.Order{Descending: in.Descending()}, viewDelegation)
		return err
	})
	return page, err
}

// UndelegateIn names the delegation to end.
type UndelegateIn struct {
	ID uuid.UUID `path:"id" doc:"The delegation's id."`
	httpapi.IfMatchIn
}

func (s *Service) undelegate(ctx context.Context, in *UndelegateIn) error {
	if err := s.featured(ctx); err != nil {
		return err
	}
	tenant, _ := identity.TenantFrom(ctx)
	caller, home := self(ctx)
	reads, deletes := s.may(ctx, "read"), s.may(ctx, "delete")
	const action = "approval_delegation.delete"
	err := s.write.Plain(ctx, func(w *change.Write) error {
		if err := granting.Lock(w.Tx, tenant); err != nil {
			return err
		}
		m, err := crud.Locked[models.ApprovalDelegation](w.Tx, tenant, in.ID, "delegation")
		if err != nil {
			return err
		}
		if !home || caller != m.FromUser && caller != m.ToUser {
			switch {
			case deletes:
			case reads:
				return httpapi.Denied(httpapi.Permission{Section: section, Action: "delete"})
			default:
				return fault.NotFound("delegation")
			}
		}
		before := viewDelegation(m)
		if err := in.Check(before.ETag()); err != nil {
			return err
		}
		if err := w.Delete(m).Error; err != nil {
			return fmt.Errorf("end delegation: %w", err)
		}
		return w.Record(audit.Event{Action: action, ResourceType: "approval_delegation", ResourceID: m.ID, Before: before})
	})
	return s.write.Refused(ctx, action, err)
}
