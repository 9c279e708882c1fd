package engine

import (
	"context"
	"math/bits"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
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
	out := e.answer(ctx, questions)
	e.prove(ctx, out)
	request := identity.RequestFrom(ctx).ID
	for _, d := range out {
		e.metrics.decided(d.Code)
		e.metrics.Latency.Observe(d.Latency.Seconds())
		if e.cfg.Decisions != nil {
			e.cfg.Decisions.Add(d.record(request))
		}
	}
	return out
}

// Survey is [Engine.DecideAll] for whoever shows less where the answer is no,
// such as a menu: nothing is refused by it, so it leaves no record and is not
// counted. Who then does what was shown is asked about in full.
func (e *Engine) Survey(ctx context.Context, questions []*Question) []*Decision {
	return e.answer(ctx, questions)
}

func (e *Engine) answer(ctx context.Context, questions []*Question) []*Decision {
	v, subject, err := e.read(ctx, questions[0].TenantID, questions[0].UserID)
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
			e.decide(d, subject)
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

func (e *Engine) decide(d *Decision, subject *Subject) { d.decide(subject, e.cfg.AnswerTTL) }

// Decide answers a question about a subject of the snapshot's tenant, nil for
// an unknown one, at now. It reads nothing else and records nothing: for
// simulations and tests. The question must have passed [Question.Validate].
func (s *Snapshot) Decide(q *Question, subject *Subject, now time.Time) *Decision {
	d := &Decision{ID: newID(), question: q, now: now, snapshot: s}
	d.decide(subject, 0)
	return d
}

// decide runs the steps that need the graph: subject, roles, candidate
// permissions, conditions, conflict. answerTTL is the longest TTL.
func (d *Decision) decide(subject *Subject, answerTTL time.Duration) {
	s := d.snapshot
	switch {
	case subject == nil:
		d.Code = SubjectUnknown
		return
	case !subject.Usable(d.now):
		d.Code = SubjectInactive
		return
	case !s.Tenant.Active:
		d.Code = TenantInactive
		return
	}
	direct, next := s.direct(subject, d.now)
	d.direct = direct
	d.TTL = ttl(answerTTL, d.now, next)

	var nodeBuf [8]uuid.UUID
	node := s.Find(d.question.Type, d.question.ID)
	t := grants.Target{Type: d.question.Type, Action: d.question.Action, ID: d.question.ID, HasID: d.question.ID != ""}
	if node != nil {
		t.ID = node.Code
	}
	t.Nodes = s.Grants.Relevant(s.chain(node, t.Type, nodeBuf[:0]), nil)

	var candidateBuf [16]*grants.Grant
	candidates := s.candidates(direct, &t, candidateBuf[:0])
	if slices.ContainsFunc(candidates, func(g *grants.Grant) bool { return g.Conditions != nil }) {
		d.env = environment(d, subject, node)
	}
	d.resolve(candidates)
	if d.Allowed && s.beyond(node, t.Type) {
		d.Code, d.Allowed, d.Matched, d.TTL = NotEvaluated, false, nil, 0
	}
}

// candidates appends to dst the permissions of all roles reached from direct
// that match the target.
func (s *Snapshot) candidates(direct []int32, t *grants.Target, dst []*grants.Grant) []*grants.Grant {
	switch len(direct) {
	case 0:
		return dst
	case 1:
		return s.Grants.Candidates(dst, s.Graph.Reach(direct[0]), t)
	}
	// A set of bits, since sorting what several reach would cost more.
	var (
		seenBuf [16]uint64
		roleBuf [64]int32
	)
	seen := seenBuf[:]
	if words := (s.Graph.Len() + 63) / 64; words > len(seen) {
		seen = make([]uint64, words)
	}
	for _, at := range direct {
		for _, i := range s.Graph.Reach(at) {
			seen[i/64] |= 1 << (i % 64)
		}
	}
	roles := roleBuf[:0]
	for word, set := range seen {
		for ; set != 0; set &= set - 1 {
			roles = append(roles, int32(word*64+bits.TrailingZeros64(set))) //nolint:gosec // below Graph.Len
		}
	}
	return s.Grants.Candidates(dst, roles, t)
}

// resolve judges the conditions of the candidates and settles the conflict
// between allows and denies: an allow counts only if its conditions are true, a
// deny counts unless they are false.
func (d *Decision) resolve(candidates []*grants.Grant) {
	var allows, denies, failed []*grants.Grant
	for _, g := range candidates {
		truth := condition.True
		if g.Conditions != nil {
			if g.Conditions.ReadsClock() {
				setClock(d.env, d.now)
				d.TTL = 0
			}
			truth = g.Conditions.Eval(d.env)
		}
		switch {
		case g.Effect == grants.Deny && truth != condition.False:
			denies = append(denies, g)
		case g.Effect == grants.Deny:
		case truth == condition.True:
			allows = append(allows, g)
		default:
			failed = append(failed, g)
		}
	}
	switch {
	case len(denies) > 0:
		d.Code, d.Matched = ExplicitDeny, denies
	case len(allows) > 0:
		d.Code, d.Matched, d.Allowed = Granted, allows, true
	case len(failed) > 0:
		d.Code, d.Matched = ConditionFailed, failed
	default:
		d.Code = NoMatchingPermission
	}
	slices.SortFunc(d.Matched, func(a, b *grants.Grant) int { return slices.Compare(a.ID[:], b.ID[:]) })
}

// ttl is for how many whole seconds an answer holds: until next, at most most.
func ttl(most time.Duration, now, next time.Time) int {
	if !next.IsZero() && next.Sub(now) < most {
		most = next.Sub(now)
	}
	return int(most / time.Second)
}
