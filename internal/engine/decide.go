package engine

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Decide answers one question. It never fails: what cannot be evaluated is a
// decision that denies, with the code [NotEvaluated]. The question must have
// passed [Question.Validate].
func (e *Engine) Decide(ctx context.Context, q *Question) *Decision {
	return e.DecideAll(ctx, []*Question{q})[0]
}

// DecideAll answers questions about one subject of one tenant, all from one
// snapshot at one moment.
func (e *Engine) DecideAll(ctx context.Context, questions []*Question) []*Decision {
	out := e.answer(ctx, questions, true)
	e.publish(ctx, out)
	return out
}

// publish proves, counts and records answers.
func (e *Engine) publish(ctx context.Context, out []*Decision) {
	e.prove(ctx, out)
	request := identity.RequestFrom(ctx).ID
	for _, d := range out {
		e.metrics.decided(d.Code)
		e.metrics.Latency.Observe(d.Latency.Seconds())
		if e.cfg.Decisions != nil {
			e.cfg.Decisions.Add(d.record(request))
		}
	}
}

// Survey is [Engine.DecideAll] for whoever shows less where the answer is no,
// such as a menu: nothing is refused by it, so it leaves no record and is not
// counted, and it says nothing of fields. Who then does what was shown is asked
// about in full.
func (e *Engine) Survey(ctx context.Context, questions []*Question) []*Decision {
	return e.answer(ctx, questions, false)
}

func (e *Engine) answer(ctx context.Context, questions []*Question, fields bool) []*Decision {
	v, subject, err := e.read(ctx, questions[0].TenantID, questions[0].UserID)
	return e.answerBy(ctx, questions, fields, v, subject, err)
}

// answerBy answers by what was read, or could not be.
func (e *Engine) answerBy(ctx context.Context, questions []*Question, fields bool, v *view, subject *Subject, err error) []*Decision {
	if err != nil && !fault.Is(err, fault.NotFoundKind) {
		e.log.ErrorContext(ctx, "load decision data", "error", err, "tenant_id", questions[0].TenantID)
	}
	now := e.Now()
	out := make([]*Decision, len(questions))
	for i, q := range questions {
		started := time.Now()
		d := &Decision{ID: newID(), question: q, now: now}
		switch {
		case err != nil && fault.Is(err, fault.NotFoundKind):
			d.Code = SubjectUnknown
		case err != nil:
			d.Code = NotEvaluated
		default:
			d.Revision, d.snapshot = v.token, v.snapshot
			d.decide(ctx, subject, asking{answerTTL: e.cfg.AnswerTTL, fields: fields, engine: e})
		}
		d.Latency = time.Since(started)
		out[i] = d
	}
	return out
}

// newID makes the id of a decision: version 7, so that records arrive in order.
func newID() uuid.UUID {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.New()
	}
	return id
}

// Decide answers a question about a subject of the snapshot's tenant, nil for
// an unknown one, at now. It reads nothing else and records nothing: for
// simulations and tests. The question must have passed [Question.Validate].
func (s *Snapshot) Decide(ctx context.Context, q *Question, subject *Subject, now time.Time) *Decision {
	d := &Decision{ID: newID(), question: q, now: now, snapshot: s}
	d.decide(ctx, subject, asking{fields: true})
	return d
}

// asking says how a question is asked.
type asking struct {
	// answerTTL is the longest TTL.
	answerTTL time.Duration
	// fields asks what the subject may do with the fields as well.
	fields bool
	// engine counts policies that could not be judged, nil for nobody.
	engine *Engine
	// node is supposed in place of the registered node that is asked about, nil
	// for that itself.
	node *Resource
}

// decide runs the steps.
func (d *Decision) decide(ctx context.Context, subject *Subject, a asking) {
	s, q := d.snapshot, d.question
	var defined []field
	if a.fields && q.Type != grants.APIType {
		defined = s.fields[q.Type]
	}
	if d.Code = s.refuses(subject, d.now); d.Code != "" {
		d.Fields = visible(defined, nil)
		return
	}
	direct, next := s.direct(subject, d.now)
	d.direct = direct
	if q.Type != grants.APIType {
		next = subject.nextEnd(d.now, next)
	}
	d.TTL = ttl(a.answerTTL, d.now, next)

	var (
		nodeBuf    [8]uuid.UUID
		outcomeBuf [4]outcome
	)
	x := inquiry{ask: a, d: d, s: s, q: q, subject: subject, node: a.node}
	if x.node == nil {
		x.node = s.Find(q.Type, q.ID)
	}
	d.held = s.held(direct)
	x.target = grants.Target{Type: q.Type, ID: q.ID, HasID: q.ID != ""}
	if x.node != nil {
		x.target.ID = x.node.Code
	}
	x.target.Nodes = s.Grants.Relevant(s.chain(x.node, q.Type, nodeBuf[:0]), nil)

	outcomes := outcomes(outcomeBuf[:0], q.Action, defined != nil)
	if err := x.run(ctx, outcomes); err != nil {
		d.Code, d.TTL = NotEvaluated, 0
		x.failed(ctx, policy.FailureKind(err), err)
		return
	}
	d.take(&outcomes[0])
	if d.Code != NotEvaluated {
		d.Fields = visible(defined, outcomes)
	}
}

// refuses is what is said of a subject that may do nothing at all, "" of others.
func (s *Snapshot) refuses(subject *Subject, now time.Time) Code {
	switch {
	case subject == nil:
		return SubjectUnknown
	case !subject.Usable(now):
		return SubjectInactive
	case !s.Tenant.Active:
		return TenantInactive
	default:
		return ""
	}
}

// take makes the outcome of the action asked about the answer.
func (d *Decision) take(o *outcome) {
	d.Code, d.Allowed, d.Matched = o.code, o.allowed(), o.matched
	slices.SortFunc(d.Matched, func(a, b *grants.Grant) int { return slices.Compare(a.ID[:], b.ID[:]) })
	d.Chain, d.AutoApproved = o.chain, o.auto
	if o.request != nil {
		d.RequestID = &o.request.ID
	}
	switch {
	case d.Allowed:
		d.Obligations, d.opened = o.finding.Obligations, o.opened
	case d.Code == PolicyDeny:
		d.Denials = o.finding.Denials
	case d.Code == NotEvaluated:
		d.TTL = 0
	}
}

// ttl is for how many whole seconds an answer holds: until next, at most most.
func ttl(most time.Duration, now, next time.Time) int {
	if !next.IsZero() && next.Sub(now) < most {
		most = next.Sub(now)
	}
	return int(most / time.Second)
}
