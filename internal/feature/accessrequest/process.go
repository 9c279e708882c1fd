package accessrequest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/models"
)

// machine is a stored request as the rules of its chain see it, with what was
// said of it.
func machine(m *models.AccessRequest, votes []models.Approval) (r approval.Request, err error) {
	r = approval.Request{
		Requester: m.RequesterID, Beneficiary: m.BeneficiaryID, OpenedAt: m.CreatedAt, ExpiresAt: m.ExpiresAt,
		Status: approval.Status(m.Status), Level: m.CurrentLevel, DecidedAt: m.DecidedAt, GrantExpiresAt: m.GrantExpiresAt,
	}
	if m.AutoApproved { // it went through no level
		r.Chain = &approval.Snapshot{}
		if err := json.Unmarshal(m.ChainSnapshot, r.Chain); err != nil {
			return r, fmt.Errorf("read the chain of access request %s: %w", m.ID, err)
		}
		return r, nil
	}
	if r.Chain, err = approval.Thaw(m.ChainSnapshot); err != nil {
		return r, fmt.Errorf("access request %s: %w", m.ID, err)
	}
	d, err := detailsOf(m)
	if err != nil {
		return r, err
	}
	r.DurationHours = d.DurationHours
	if m.LevelDueAt != nil {
		r.DueAt = *m.LevelDueAt
	}
	if r.Status == approval.Pending && (m.LevelDueAt == nil || r.Chain.Level(r.Level) == nil) {
		return r, fmt.Errorf("access request %s: waits at no level", m.ID)
	}
	for i := range votes {
		v := approval.Vote{Level: votes[i].ApprovalLevel, Verdict: approval.Verdict(votes[i].Decision)}
		if votes[i].ApproverID != nil {
			v.Account = *votes[i].ApproverID
		}
		if votes[i].DelegatedFrom != nil {
			v.For = *votes[i].DelegatedFrom
		}
		if err := json.Unmarshal(votes[i].Entries, &v.Entries); err != nil {
			return r, fmt.Errorf("approval %s: read entries: %w", votes[i].ID, err)
		}
		r.Votes = append(r.Votes, v)
	}
	return r, nil
}

// votesOf returns what was said of a request, oldest first.
func votesOf(tx *db.Tx, m *models.AccessRequest) (votes []models.Approval, err error) {
	err = tx.Where("tenant_id = ? AND request_id = ?", m.TenantID, m.ID).Order("decided_at, id").Find(&votes).Error
	if err != nil {
		return nil, fmt.Errorf("find approvals: %w", err)
	}
	return votes, nil
}

// process is one step of a request, inside one transaction.
type process struct {
	ctx context.Context //nolint:containedctx // a process lives inside one call
	s   *Service
	w   *change.Write
	m   *models.AccessRequest
	d   details
	// now is the moment of the step, in the database's microseconds.
	now time.Time
	// was is the request as it is stored, and r as it is at the moment of the step.
	was, r approval.Request
	before *AccessRequest
	// letters are sent once the transaction is committed.
	letters []func()
}

// hold takes a request for a step. The tenant is locked first, as every granting
// write does it: whoever decides meets neither another who decides nor a write
// by which somebody comes to be an approver, and no two wait for each other.
func (s *Service) hold(ctx context.Context, w *change.Write, id uuid.UUID) (*process, error) {
	tenant, _ := identity.TenantFrom(ctx)
	if err := granting.Lock(w.Tx, tenant); err != nil {
		return nil, err
	}
	// Others may have decided while this one waited for its turn.
	w.Now = s.write.Engine.Now()
	m, err := crud.Locked[models.AccessRequest](w.Tx, tenant, id, what)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, w, m)
}

func (s *Service) begin(ctx context.Context, w *change.Write, m *models.AccessRequest) (*process, error) {
	votes, err := votesOf(w.Tx, m)
	if err != nil {
		return nil, err
	}
	p := &process{ctx: ctx, s: s, w: w, m: m, now: moment(w.Now)}
	// What is said later is later, also by a replica whose clock is behind.
	if n := len(votes); n > 0 && !p.now.After(votes[n-1].DecidedAt) {
		p.now = votes[n-1].DecidedAt.Add(time.Microsecond)
	}
	if p.d, err = detailsOf(m); err != nil {
		return nil, err
	}
	if p.was, err = machine(m, votes); err != nil {
		return nil, err
	}
	p.r, _ = p.was.Expire(p.now)
	p.before = shown(m, &p.d, &p.r)
	return p, nil
}

// moment is a time as the database keeps it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// events by the steps of the machine that have one of their own; the others are
// told of by the call that made them.
var events = map[approval.EventKind]string{approval.Escalated: "access_request.escalate", approval.RequestExpired: "access_request.expire"}

// settle writes down what time has made of the request until now.
func (p *process) settle() error {
	next, steps := p.was.Expire(p.now)
	over := p.was.Status == approval.Pending && next.Status != approval.Pending
	if err := p.move(next, steps, "", nil); err != nil || !over {
		return err
	}
	return p.tellAsker("expired")
}

// move stores the request as it is after a step, with what was said, an event
// for each thing that happened, the job for its next moment, and mails to whom
// it waits for now. action is the call that made the step, empty for time alone.
func (p *process) move(next approval.Request, steps []approval.Event, action string, detail map[string]any) error {
	if len(steps) == 0 && action == "" {
		return nil
	}
	if err := p.vote(next, detail); err != nil {
		return err
	}
	m := p.m
	m.Status, m.CurrentLevel, m.DecidedAt, m.GrantExpiresAt = string(next.Status), next.Level, next.DecidedAt, next.GrantExpiresAt
	m.LevelDueAt = nil
	if next.Status == approval.Pending {
		due := next.DueAt
		m.LevelDueAt = &due
	}
	if err := p.w.Save(m).Error; err != nil {
		return fmt.Errorf("update access request: %w", err)
	}
	if next.Status == approval.Pending && next.Level != p.was.Level {
		if err := p.wait(&next); err != nil {
			return err
		}
	}
	stored, err := crud.One[models.AccessRequest](p.w.Tx, m.TenantID, m.ID, what)
	if err != nil {
		return err
	}
	*m = *stored
	p.was, p.r = next, next
	return p.record(steps, action, detail)
}

// vote adds what was said since the request was read.
func (p *process) vote(next approval.Request, detail map[string]any) error {
	for _, v := range next.Votes[len(p.was.Votes):] {
		row := models.Approval{
			ID: uuid.Must(uuid.NewV7()), TenantID: p.m.TenantID, RequestID: p.m.ID, ApprovalLevel: v.Level,
			Decision: string(v.Verdict), DecidedAt: p.now, Entries: models.JSON("[]"),
		}
		if v.Account != uuid.Nil {
			caller, _ := identity.PrincipalFrom(p.ctx)
			row.ApproverID, row.ApproverTenantID = &v.Account, &caller.HomeTenantID
			row.Comments, _ = detail[comments].(string)
		}
		if v.For != uuid.Nil {
			row.DelegatedFrom = &v.For
		}
		if v.Entries != nil {
			raw, err := json.Marshal(v.Entries)
			if err != nil {
				return fmt.Errorf("encode entries: %w", err)
			}
			row.Entries = raw
		}
		if err := p.w.Create(&row).Error; err != nil {
			return fmt.Errorf("add approval: %w", err)
		}
	}
	return nil
}

// comments is the member of a step's detail that is kept with the approval and
// nowhere else: it is somebody's own words, which go when the request does.
const comments = "comments"

// record adds the events of a step. What people wrote is in none of them.
func (p *process) record(steps []approval.Event, action string, detail map[string]any) error {
	after := shown(p.m, &p.d, &p.r)
	before, now := *p.before, *after
	before.Justification, now.Justification = "", ""
	for _, step := range steps {
		name := events[step.Kind]
		if name == "" || name == action && step.At.Equal(p.now) {
			continue
		}
		err := p.w.Record(audit.Event{
			Action: name, ResourceType: "access_request", ResourceID: p.m.ID, Before: &before, After: &now,
			Detail: map[string]any{"level": step.Level, "to_level": step.To, "by": "time"},
		})
		if err != nil {
			return err
		}
	}
	if action == "" {
		return nil
	}
	delete(detail, comments)
	return p.w.Record(audit.Event{
		Action: action, ResourceType: "access_request", ResourceID: p.m.ID, Before: &before, After: &now, Detail: detail,
	})
}

// Job writes down what time has made of a request.
type Job struct {
	Tenant  uuid.UUID `json:"tenant_id"`
	Request uuid.UUID `json:"request_id"`
	// Due is the moment that the job is for: when the request has moved on before,
	// another job is for the next.
	Due time.Time `json:"due"`
}

// Kind implements [jobs.Args].
func (Job) Kind() string { return "access_request_due" }

// TenantID implements [jobs.Args].
func (j Job) TenantID() uuid.UUID { return j.Tenant }

// wait adds the job for the next moment at which time moves the request, and
// tells those who may decide it.
func (p *process) wait(r *approval.Request) error {
	at := r.NextAt()
	err := p.s.cfg.Queue.Insert(p.ctx, p.w.Tx, Job{Tenant: p.m.TenantID, Request: p.m.ID, Due: at}, jobs.Options{At: at})
	if err != nil {
		return err
	}
	return p.tellApprovers(r)
}

// soon is how long a job waits that came before its moment: clocks differ.
const soon = time.Second

// due does the job of a request whose moment has come.
func (s *Service) due(ctx context.Context, job Job) error {
	ctx = identity.WithRequest(ctx, identity.Request{ID: "access-request-" + job.Request.String()})
	var letters []func()
	err := s.write.Plain(ctx, func(w *change.Write) error {
		letters = nil
		p, err := s.hold(ctx, w, job.Request)
		if fault.Is(err, fault.NotFoundKind) {
			return nil // with its tenant, or with whoever asked
		}
		if err != nil {
			return err
		}
		if p.was.Status != approval.Pending || !p.was.NextAt().Equal(job.Due) {
			return nil
		}
		if left := job.Due.Sub(p.now); left > 0 {
			return s.cfg.Queue.Insert(ctx, w.Tx, job, jobs.Options{At: time.Now().Add(max(left, soon))})
		}
		if err := p.settle(); err != nil {
			return err
		}
		letters = p.letters
		return nil
	})
	if err == nil {
		send(letters)
	}
	return err
}

func send(letters []func()) {
	for _, put := range letters {
		put()
	}
}

// step runs one step of a request that the caller may know of, and answers what
// it is then.
func (s *Service) step(ctx context.Context, in *StepIn, action string, do func(p *process) error) (out *Detail, err error) {
	if err := s.featured(ctx); err != nil {
		return nil, err
	}
	reads := s.may(ctx, "read")
	var letters []func()
	err = s.write.Plain(ctx, func(w *change.Write) error {
		p, err := s.hold(ctx, w, in.ID)
		if err != nil {
			return err
		}
		if err := sees(ctx, w.Tx, p.m, reads, p.now); err != nil {
			return err
		}
		if err := in.Check(p.before.ETag()); err != nil {
			return err
		}
		if err := do(p); err != nil {
			return err
		}
		letters = p.letters
		out, err = detail(w.Tx, p.m, p.now)
		return err
	})
	if err != nil {
		return nil, s.write.Refused(ctx, action, err)
	}
	send(letters)
	return out, nil
}
