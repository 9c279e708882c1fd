package accessrequest

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// IDIn names one request.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The request's id."`
}

// StepIn names the request that is moved on.
type StepIn struct {
	IDIn
	httpapi.IfMatchIn
}

// DecideIn is somebody's word on a request.
type DecideIn struct {
	StepIn
	Body *struct {
		Comments string `json:"comments,omitempty" maxLength:"4000" doc:"Kept with the request."`
	}
}

func (in *DecideIn) comments() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Comments
}

func (s *Service) approve(ctx context.Context, in *DecideIn) (*Detail, error) {
	const action = "access_request.approve"
	return s.step(ctx, &in.StepIn, action, func(p *process) error {
		if err := p.grantable(); err != nil {
			return err
		}
		steps, next, detail, err := p.say(approval.Approve, in.comments())
		if err != nil {
			return err
		}
		if err := p.move(next, steps, action, detail); err != nil {
			return err
		}
		if next.Status != approval.Approved {
			return nil
		}
		if p.m.RequestType == forRole {
			if err := p.assign(); err != nil {
				return err
			}
		}
		return p.tellAsker("approved")
	})
}

func (s *Service) deny(ctx context.Context, in *DecideIn) (*Detail, error) {
	const action = "access_request.deny"
	return s.step(ctx, &in.StepIn, action, func(p *process) error {
		steps, next, detail, err := p.say(approval.Deny, in.comments())
		if err != nil {
			return err
		}
		if err := p.move(next, steps, action, detail); err != nil {
			return err
		}
		return p.tellAsker("denied")
	})
}

// grantable refuses to approve what an approval could open nothing by: the chain
// is gone or switched off, or the account that asked, or would gain, is.
func (p *process) grantable() error {
	if p.r.Status != approval.Pending {
		return nil // the rules of the chain say so
	}
	var active bool
	if p.m.ChainID != nil {
		err := p.w.Model(&models.ApprovalChain{}).Select("is_active").Where("tenant_id = ? AND id = ?", p.m.TenantID, *p.m.ChainID).Take(&active).Error
		if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
			return fmt.Errorf("find approval chain: %w", err)
		}
	}
	if !active {
		return fault.Conflict("", "The approval chain of this request is switched off or deleted: approving would open nothing. Deny the request.")
	}
	var inactive int64
	err := p.w.Model(&models.User{}).Where("tenant_id = ? AND id IN ? AND NOT is_active", p.m.TenantID, []uuid.UUID{p.m.RequesterID, p.m.BeneficiaryID}).Count(&inactive).Error
	if err != nil {
		return fmt.Errorf("find accounts: %w", err)
	}
	if inactive > 0 {
		return fault.Conflict("", "The account that asked, or the one that would gain, has been deactivated. Deny the request.")
	}
	return nil
}

// say speaks the caller's word: their own if they are an approver themselves, else
// that of the first delegator who is one.
func (p *process) say(verdict approval.Verdict, words string) (steps []approval.Event, next approval.Request, detail map[string]any, err error) {
	all, err := p.voices()
	if err != nil {
		return nil, next, nil, err
	}
	t, err := tiesTo(p.w.Tx, p.m, &p.r, all, p.now)
	if err != nil {
		return nil, next, nil, err
	}
	var refusal error
	for _, v := range all {
		var moved approval.Request
		if moved, steps, err = p.was.Decide(v, verdict, t.peopleOf(&p.d, &p.r, v), p.now); err == nil {
			detail = map[string]any{"level": p.r.Level, comments: words}
			if v.For != uuid.Nil {
				detail["delegated_from"] = v.For
			}
			return steps, moved, detail, nil
		}
		if refusal == nil || !fault.Is(err, fault.Denied) {
			refusal = err
		}
	}
	if refusal == nil {
		refusal = fault.New(fault.Denied, "Only accounts of the tenant that are active decide here.")
	}
	return nil, next, nil, refusal
}

// voices are the caller's, none for one who acts from another tenant.
func (p *process) voices() ([]approval.Voter, error) {
	caller, home := self(p.ctx)
	if !home {
		return nil, nil
	}
	roles := p.r.Chain.Roles()
	return voices(p.w.Tx, p.m.TenantID, caller, roles, p.now)
}

// escalate passes a request on: as an approver, or by permission. Whoever asked
// may do neither, as they may not approve.
func (s *Service) escalate(ctx context.Context, in *StepIn) (*Detail, error) {
	const action = "access_request.escalate"
	permitted := s.may(ctx, "execute")
	return s.step(ctx, in, action, func(p *process) error {
		steps, next, detail, err := p.say(approval.PassOn, "")
		if fault.Is(err, fault.Denied) && permitted {
			steps, next, err = p.passOn()
			detail = map[string]any{"level": p.r.Level}
		}
		if err != nil {
			return err
		}
		return p.move(next, steps, action, detail)
	})
}

// passOn escalates by the caller's permission.
func (p *process) passOn() (steps []approval.Event, next approval.Request, err error) {
	caller, _ := identity.PrincipalFrom(p.ctx)
	voter := approval.Voter{Account: caller.UserID}
	t, err := tiesTo(p.w.Tx, p.m, &p.r, []approval.Voter{voter}, p.now)
	if err != nil {
		return nil, next, err
	}
	next, steps, err = p.was.Escalate(caller.UserID, t.peopleOf(&p.d, &p.r, voter), p.now)
	return steps, next, err
}

// cancel takes a request back.
func (s *Service) cancel(ctx context.Context, in *StepIn) (*Detail, error) {
	const action = "access_request.cancel"
	permitted := s.may(ctx, "update")
	return s.step(ctx, in, action, func(p *process) error {
		if !p.concerns() && !permitted {
			return httpapi.Denied(httpapi.Permission{Section: section, Action: "update"})
		}
		next, err := p.was.Cancel(p.now)
		if err != nil {
			return err
		}
		return p.move(next, nil, action, map[string]any{})
	})
}

// concerns reports whether the caller asked, or gains.
func (p *process) concerns() bool {
	caller, home := self(p.ctx)
	return home && (caller == p.m.RequesterID || caller == p.m.BeneficiaryID)
}

// revoke ends what a request granted.
func (s *Service) revoke(ctx context.Context, in *StepIn) (*Detail, error) {
	const action = "access_request.revoke"
	permitted := s.may(ctx, "update")
	return s.step(ctx, in, action, func(p *process) error {
		caller, home := self(ctx)
		approved := home && (caller == p.m.BeneficiaryID || p.approvedBy(caller))
		if !approved && !permitted {
			return httpapi.Denied(httpapi.Permission{Section: section, Action: "update"})
		}
		if p.m.AutoApproved {
			return fault.Conflict("", "The chain's conditions approved this, for one answer: there is nothing to revoke. Change the chain.")
		}
		next, err := p.was.Revoke(p.now)
		if err != nil {
			return err
		}
		if p.m.RequestType == forRole {
			if err := p.unassign(); err != nil {
				return err
			}
		}
		if err := p.move(next, nil, action, map[string]any{}); err != nil {
			return err
		}
		return p.tellAsker("revoked")
	})
}

// approvedBy reports whether the account approved the request at some level.
func (p *process) approvedBy(account uuid.UUID) bool {
	for _, v := range p.was.Votes {
		if v.Account == account && v.Verdict == approval.Approve {
			return true
		}
	}
	return false
}
