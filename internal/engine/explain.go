package engine

import (
	"context"
	"slices"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Explain answers a question as [Engine.Decide] does, with its record, and says
// why. It fails if what is to be named could not be read.
func (e *Engine) Explain(ctx context.Context, q *Question) (*Explanation, error) {
	v, subject, err := e.read(ctx, q.TenantID, q.UserID)
	out := e.answerBy(ctx, []*Question{q}, true, v, subject, err)
	e.publish(ctx, out)
	d := out[0]
	if err != nil || subject == nil {
		return unexplained(d), nil
	}
	x := v.snapshot.explain(ctx, d, subject)
	return x, e.complete(ctx, v.snapshot, x)
}

// Explain is [Snapshot.Decide] with the reasons. What is inactive has no name in
// it.
func (s *Snapshot) Explain(ctx context.Context, q *Question, subject *Subject, now time.Time) *Explanation {
	d := s.Decide(ctx, q, subject, now)
	if subject == nil {
		return unexplained(d)
	}
	return s.explain(ctx, d, subject)
}

// Decision is the answer that is explained.
func (x *Explanation) Decision() *Decision { return x.decision }

// unexplained is of an answer about a subject of whom nothing is known.
func unexplained(d *Decision) *Explanation {
	x := &Explanation{decision: d, Subject: d.question.UserID}
	x.Steps = stepsOf(d.Code)
	x.render()
	return x
}

// explainer takes an answer apart. It decides again with all that deciding leaves
// behind, so that deciding itself need not keep anything.
type explainer struct {
	out     *Explanation
	d       *Decision
	s       *Snapshot
	q       *Question
	subject *Subject
	// x is the question as the steps see it, nil where the subject may do nothing
	// at all.
	x *inquiry
	// asked is the outcome of the action, of all its steps; settled that of the
	// permissions alone.
	asked, settled *outcome
	outcomes       []outcome
	// err says why the policies could not be judged.
	err error
	// candidates are the permissions that match.
	candidates  []*grants.Grant
	comparisons int
}

func (s *Snapshot) explain(ctx context.Context, d *Decision, subject *Subject) *Explanation {
	out := &Explanation{decision: d, Subject: d.question.UserID}
	e := &explainer{out: out, d: d, s: s, q: d.question, subject: subject}
	e.absences()
	if s.refuses(subject, d.now) == "" {
		e.inquire(ctx)
		e.holdings()
		e.permissions()
		e.workflow()
		e.policies(ctx)
		e.approval()
		e.fields()
	}
	e.steps()
	bounded, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	e.changes(bounded)
	e.until(bounded)
	out.render()
	return out
}

// inquire takes the steps again, as [Decision.decide] does.
func (e *explainer) inquire(ctx context.Context) {
	again := &Decision{question: e.q, now: e.d.now, snapshot: e.s}
	again.direct, _ = e.s.direct(e.subject, e.d.now)
	again.held = e.s.held(again.direct)
	x := e.s.aim(e.q, e.s.Find(e.q.Type, e.q.ID))
	x.d, x.subject = again, e.subject
	e.x = x

	e.candidates = e.s.Grants.Candidates(nil, again.held, &x.target)
	e.settled = &outcome{action: e.q.Action}
	x.settle(e.settled, e.candidates)

	e.outcomes = outcomes(nil, e.q.Action, len(e.defined()) > 0)
	e.err = x.run(ctx, e.outcomes)
	e.asked = &e.outcomes[0]
	x.target.Action = e.q.Action
}

// defined are the fields of the type.
func (e *explainer) defined() []field {
	if e.q.Type == grants.APIType {
		return nil
	}
	return e.s.fields[e.q.Type]
}

// The bounds of an explanation.
const (
	mostListed      = 200
	mostPaths       = 20
	mostNamed       = 50
	mostComparisons = 2_000
)

// cut takes down that not all of a member is shown.
func (e *explainer) cut(member string) {
	if !slices.Contains(e.out.Cut, member) {
		e.out.Cut = append(e.out.Cut, member)
	}
}

// workflow says what the workflow that has a say is and lets be done.
func (e *explainer) workflow() {
	if e.q.Type == grants.APIType {
		return
	}
	w, state := e.x.workflow()
	if w == nil {
		return
	}
	node, source := e.x.node, "node"
	if node == nil {
		node, source = e.s.codes[typeCode{EntityType, e.q.Type}], "context"
	}
	out := &ExplainedWorkflow{NodeID: node.ID, Node: node.Type + "/" + node.Code, State: state, Source: source}
	out.Known = state != "" && w.states[state]
	out.Allows = e.x.inState(e.q.Action)
	actions, limited := w.actions[state]
	out.Limited = limited
	for _, action := range [...]string{e.q.Action, grants.AnyAction} {
		out.Everyone = out.Everyone || actions[action].everyone
		out.may = append(out.may, actions[action].roles...)
	}
	slices.Sort(out.may)
	out.may = slices.Compact(out.may)
	for _, at := range out.may[:min(len(out.may), mostNamed)] {
		out.Roles = append(out.Roles, e.s.roles[at].Name)
	}
	e.out.Workflow = out
}

// policies says what each policy that applies says, unless the answer was final
// before.
func (e *explainer) policies(ctx context.Context) {
	p := e.s.policies
	if p == nil || e.q.Type == grants.APIType || e.settled.code != "" || e.asked.code == WorkflowState {
		return
	}
	if p.err != nil {
		e.out.Policies = []ExplainedPolicy{{Policy: "tenant", Failed: true, Error: p.err.Error()}}
		return
	}
	if p.modules == nil || !p.modules.Applies(e.q.Type, e.q.Action) {
		return
	}
	facts, err := e.x.facts()
	if err != nil {
		e.out.Policies = []ExplainedPolicy{{Policy: "tenant", Failed: true, Error: err.Error()}}
		return
	}
	bounded, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	for _, said := range p.modules.Trace(bounded, facts, e.q.Action) {
		e.out.Policies = append(e.out.Policies, e.policy(&said))
	}
	if bounded.Err() != nil {
		e.cut("policies")
	}
}

func (e *explainer) policy(said *policy.Said) ExplainedPolicy {
	f := &said.Finding
	out := ExplainedPolicy{
		Policy: said.Policy, Denials: f.Denials, Obligations: f.Obligations, Chains: f.Chains, Allows: f.Allows,
	}
	for _, r := range f.Restrictions {
		out.Restrictions = append(out.Restrictions, r.Field+":"+r.To)
	}
	if said.Err != nil {
		out.Failed, out.Error = true, said.Err.Error()
	} else if wrong := e.x.malformed(f); wrong != "" {
		out.Failed, out.Error = true, wrong
	}
	out.Silent = !out.Failed && !out.Allows && len(out.Denials)+len(out.Obligations)+len(out.Chains)+len(out.Restrictions) == 0
	return out
}
