package accessrequest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Approval is what somebody said of a request, or that a level's time was over.
type Approval struct {
	ApproverID    *uuid.UUID `json:"approver_id" nullable:"true" doc:"null where the level's time was over."`
	Level         int        `json:"level"`
	Decision      string     `json:"decision" enum:"approved,denied,escalated"`
	Comments      string     `json:"comments,omitempty"`
	DelegatedFrom *uuid.UUID `json:"delegated_from,omitempty" doc:"In whose place they spoke."`
	DecidedAt     time.Time  `json:"decided_at"`
}

// Detail is a request with its history and its way.
type Detail struct {
	AccessRequest
	ApprovalLevels []approval.Level `json:"approval_levels" doc:"As they were when the request was made."`
	Approvals      []Approval       `json:"approvals" doc:"What was said, oldest first."`
	Deciders       []Decider        `json:"deciders" doc:"Who may decide it now, the first 50."`
}

// detail reads a request whole.
func detail(tx *db.Tx, m *models.AccessRequest, now time.Time) (*Detail, error) {
	d, err := detailsOf(m)
	if err != nil {
		return nil, err
	}
	votes, err := votesOf(tx, m)
	if err != nil {
		return nil, err
	}
	r, err := machine(m, votes)
	if err != nil {
		return nil, err
	}
	r, _ = r.Expire(now)
	out := &Detail{AccessRequest: *shown(m, &d, &r), ApprovalLevels: r.Chain.Levels, Approvals: make([]Approval, len(votes))}
	if out.ApprovalLevels == nil {
		out.ApprovalLevels = []approval.Level{}
	}
	for i := range votes {
		v := &votes[i]
		out.Approvals[i] = Approval{
			ApproverID: v.ApproverID, Level: v.ApprovalLevel, Decision: v.Decision, Comments: v.Comments,
			DelegatedFrom: v.DelegatedFrom, DecidedAt: v.DecidedAt,
		}
	}
	out.Deciders, err = deciders(tx, m, &d, &r, now)
	return out, err
}

func (s *Service) read(ctx context.Context, in *IDIn) (out *Detail, err error) {
	if err := s.featured(ctx); err != nil {
		return nil, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	reads := s.may(ctx, "read")
	now := moment(s.write.Engine.Now())
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.One[models.AccessRequest](tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		if out, err = detail(tx, m, now); err != nil {
			return err
		}
		return sees(ctx, tx, m, reads, now)
	})
	return out, err
}

// what a request is called in faults.
const what = "access request"

// sees refuses to tell the caller of a request that is none of their business: it
// is not there then, as another tenant's is not. It is the business of whoever
// asked or gains, of whoever said something of it, or another in their
// place, of whoever may decide it now, and of whoever may read all.
func sees(ctx context.Context, tx *db.Tx, m *models.AccessRequest, reads bool, now time.Time) error {
	caller, home := self(ctx)
	if reads || home && (caller == m.RequesterID || caller == m.BeneficiaryID) {
		return nil
	}
	if !home {
		return fault.NotFound(what)
	}
	var said, decides int64
	if err := tx.Model(&models.Approval{}).Where("tenant_id = ? AND request_id = ? AND (approver_id = ? OR delegated_from = ?)", m.TenantID, m.ID, caller, caller).Count(&said).Error; err != nil {
		return fmt.Errorf("find what the caller said: %w", err)
	}
	if said > 0 {
		return nil
	}
	mine, err := decidable(tx, m.TenantID, caller, now)
	if err != nil {
		return err
	}
	if err := tx.Model(&models.AccessRequest{}).Where("tenant_id = ? AND id = ?", m.TenantID, m.ID).Where(mine.sql, mine.args).Count(&decides).Error; err != nil {
		return fmt.Errorf("find whether the caller decides: %w", err)
	}
	if decides == 0 {
		return fault.NotFound(what)
	}
	return nil
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Status      string                 `query:"status" enum:"pending,approved,denied,expired,cancelled,revoked"`
	Requester   httpapi.Opt[uuid.UUID] `query:"requester" doc:"Only requests of this account."`
	Beneficiary httpapi.Opt[uuid.UUID] `query:"beneficiary" doc:"Only requests by which this account gains."`
	Chain       httpapi.Opt[uuid.UUID] `query:"chain" doc:"Only requests to the approvers of this chain."`
}

// lapsed are requests that wait and whose time is over, until a job has written
// that down.
const lapsed = `(expires_at <= @now OR level_due_at <= @now
AND chain_snapshot #>> ARRAY['levels', (current_level - 1)::text, 'escalate_to_level'] IS NULL)`

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[AccessRequest], err error) {
	if err := s.featured(ctx); err != nil {
		return page, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	caller, home := self(ctx)
	if !home {
		if err := s.must(ctx, "read"); err != nil {
			return page, err
		}
	}
	all := s.may(ctx, "read")
	now := moment(s.write.Engine.Now())
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if !all {
			q = q.Where("(requester_id = ? OR beneficiary_id = ?)", caller, caller)
		}
		at := map[string]any{"now": now}
		switch in.Status {
		case "":
		case string(approval.Pending):
			q = q.Where("status = 'pending' AND NOT COALESCE("+lapsed+", false)", at)
		case string(approval.Expired):
			q = q.Where("(status = 'expired' OR status = 'pending' AND "+lapsed+")", at)
		default:
			q = q.Where("status = ?", in.Status)
		}
		if in.Requester.Set {
			q = q.Where("requester_id = ?", in.Requester.Value)
		}
		if in.Beneficiary.Set {
			q = q.Where("beneficiary_id = ?", in.Beneficiary.Value)
		}
		if in.Chain.Set {
			q = q.Where("chain_id = ?", in.Chain.Value)
		}
		page, err = paged(q, in.PageIn, crud.Order{Descending: in.Descending()}, now)
		return err
	})
	return page, err
}

// paged shows a page of requests as they are at now.
func paged(q *gorm.DB, in httpapi.PageIn, order crud.Order, now time.Time) (page httpapi.Page[AccessRequest], err error) {
	var broken []error
	page, err = crud.List(q, in, order, func(m *models.AccessRequest) *AccessRequest {
		v, err := view(m, now)
		if err != nil {
			broken = append(broken, err)
			return &AccessRequest{}
		}
		return v
	})
	return page, errors.Join(append(broken, err)...)
}

// WaitingIn is the query of the list of what waits for a decision.
type WaitingIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	ApproverID httpapi.Opt[uuid.UUID] `query:"approver_id" doc:"Whose decision they wait for. Default: the caller's. Another's needs read on api/access-requests."`
}

func (s *Service) waiting(ctx context.Context, in *WaitingIn) (page httpapi.Page[AccessRequest], err error) {
	if err := s.featured(ctx); err != nil {
		return page, err
	}
	tenant, _ := identity.TenantFrom(ctx)
	approver, home := self(ctx)
	if other := in.ApproverID; other.Set && (!home || other.Value != approver) {
		if err := s.must(ctx, "read"); err != nil {
			return page, err
		}
		approver = other.Value
	}
	now := moment(s.write.Engine.Now())
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if in.ApproverID.Set {
			if _, err := crud.One[models.User](tx, tenant, approver, "user"); err != nil {
				return err
			}
		}
		mine, err := decidable(tx, tenant, approver, now)
		if err != nil {
			return err
		}
		page, err = paged(tx.Where("tenant_id = ?", tenant).Where(mine.sql, mine.args), in.PageIn, crud.Order{Descending: in.Descending()}, now)
		return err
	})
	return page, err
}

// condition is a part of a query with its named arguments.
type condition struct {
	sql  string
	args map[string]any
}

// approversOfLevel are the entries of the level at which a request waits.
const approversOfLevel = `jsonb_array_elements(COALESCE(
  chain_snapshot #> ARRAY['levels', (current_level - 1)::text, 'approvers', 'all_of'],
  chain_snapshot #> ARRAY['levels', (current_level - 1)::text, 'approvers', 'any_of']))`

// decidable are the requests that an account may decide at now, as the rules of
// chains have it. One whose level's time is over is not among them until a job
// has moved it on.
func decidable(tx *db.Tx, tenant, account uuid.UUID, now time.Time) (c condition, err error) {
	var roles []uuid.UUID
	err = tx.Raw(`
SELECT DISTINCT CAST(e ->> 'role' AS uuid)
FROM sentinel.access_requests, `+approversOfLevel+` e
WHERE tenant_id = ?
AND status = 'pending'
AND e ->> 'role' IS NOT NULL`, tenant).Scan(&roles).Error
	if err != nil {
		return c, fmt.Errorf("find roles that decide: %w", err)
	}
	all, err := voices(tx, tenant, account, roles, now)
	if err != nil {
		return c, err
	}
	same, one, err := persons(tx, tenant, []uuid.UUID{account}, now)
	if err != nil {
		return c, err
	}
	var users, held []uuid.UUID
	since := models.Strings{}
	for _, v := range all {
		if v.Service {
			continue
		}
		users = append(users, cmp.Or(v.For, v.Account))
		for role, at := range v.Roles {
			held, since = append(held, role), append(since, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return condition{decides, map[string]any{
		"now": now, "one": db.UUIDs(one), "same": db.UUIDs(same), "users": db.UUIDs(users), "held": db.UUIDs(held), "since": since,
	}}, nil
}

const decides = `status = 'pending'
AND (expires_at IS NULL OR expires_at > @now)
AND level_due_at > @now
AND NOT (requester_id = ANY(CAST(@one AS uuid[])) OR beneficiary_id = ANY(CAST(@one AS uuid[])))
AND NOT EXISTS (
  SELECT
  FROM jsonb_array_elements_text(COALESCE(request_details -> 'persons', '[]')) AS person
  WHERE CAST(person AS uuid) = ANY(CAST(@same AS uuid[])))
AND NOT EXISTS (
  SELECT
  FROM sentinel.approvals said
  WHERE said.tenant_id = access_requests.tenant_id
  AND said.request_id = access_requests.id
  AND (said.approver_id = ANY(CAST(@one AS uuid[])) OR said.delegated_from = ANY(CAST(@one AS uuid[]))))
AND EXISTS (
  SELECT
  FROM ` + approversOfLevel + ` AS e
  LEFT JOIN unnest(CAST(@held AS uuid[]), CAST(@since AS timestamptz[])) AS h (role, since) ON h.role = CAST(e ->> 'role' AS uuid)
  WHERE CAST(e ->> 'user' AS uuid) = ANY(CAST(@users AS uuid[]))
  OR h.since < access_requests.created_at)`
