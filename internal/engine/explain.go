package engine

import (
	"context"
	"fmt"
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
	e.changes(ctx)
	e.until(ctx)
	out.render()
	return out
}

// inquire takes the steps again, as [Decision.decide] does.
func (e *explainer) inquire(ctx context.Context) {
	again := &Decision{question: e.q, now: e.d.now, snapshot: e.s}
	again.direct, _ = e.s.direct(e.subject, e.d.now)
	again.held = e.s.held(again.direct)
	x := &inquiry{d: again, s: e.s, q: e.q, subject: e.subject, node: e.s.Find(e.q.Type, e.q.ID)}
	x.target = grants.Target{Type: e.q.Type, ID: e.q.ID, HasID: e.q.ID != "", Action: e.q.Action}
	if x.node != nil {
		x.target.ID = x.node.Code
	}
	// All nodes, not only those that permissions name: what is left out here is
	// looked at too.
	x.target.Nodes = e.s.chain(x.node, e.q.Type, nil)
	e.x = x

	e.candidates = e.s.Grants.Candidates(nil, again.held, &x.target)
	e.settled = &outcome{action: e.q.Action}
	x.settle(e.settled, e.candidates)

	e.outcomes = []outcome{{action: e.q.Action}}
	if len(e.defined()) > 0 {
		for _, action := range fieldActions {
			if action != e.q.Action {
				e.outcomes = append(e.outcomes, outcome{action: action})
			}
		}
	}
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

// steps says of each step what came of it.
func (e *explainer) steps() {
	if e.x == nil {
		e.out.Steps = stepsOf(e.d.Code)
		return
	}
	final := e.asked.code
	if e.settled.code == ExplicitDeny {
		final = ExplicitDeny
	}
	e.step(StepSubject, StepPassed, "The account is active, not locked, and in an active tenant.")
	e.step(StepRoles, StepPassed, e.rolesDetail())
	outcome, detail := e.permissionStep()
	e.step(StepPermissions, outcome, detail)
	outcome, detail = e.conflictStep()
	e.step(StepConflict, outcome, detail)
	rest := []struct {
		name string
		take func() (outcome, detail string)
	}{{StepWorkflow, e.workflowStep}, {StepPolicies, e.policyStep}, {StepApproval, e.approvalStep}}
	reached := []bool{final != ExplicitDeny, final != ExplicitDeny && final != WorkflowState, e.err == nil && !refusesFinally(final)}
	for i, step := range rest {
		outcome, detail = step.take()
		if !reached[i] && outcome != StepSkipped {
			outcome, detail = StepNotReached, ""
		}
		e.step(step.name, outcome, detail)
	}
	outcome, detail = e.fieldStep()
	e.step(StepFields, outcome, detail)
}

func refusesFinally(code Code) bool {
	return code == NotEvaluated || code == ExplicitDeny || code == WorkflowState || code == PolicyDeny
}

func (e *explainer) step(name, outcome, detail string) {
	e.out.Steps = append(e.out.Steps, ExplainedStep{Step: name, Outcome: outcome, Detail: detail})
}

func (e *explainer) rolesDetail() string {
	text := fmt.Sprintf("The subject has %s and is in %s.", counted(e.heldRoles(), "role"), counted(len(e.x.d.held)-e.heldRoles(), "group"))
	if n := len(e.out.NotCounting); n > 0 {
		text += fmt.Sprintf(" Of what it is given, %d %s not count now.", n, verb(n, "does", "do"))
	}
	return text
}

func (e *explainer) heldRoles() (n int) {
	for _, at := range e.x.d.held {
		if e.s.roles[at] != nil {
			n++
		}
	}
	return n
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// verb is the form of a verb for so many.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (e *explainer) permissionStep() (outcome, detail string) {
	allows, failed := len(e.settled.counting), 0
	if e.settled.code == "" && allows == 0 {
		failed = len(e.settled.matched)
	}
	switch {
	case allows > 0:
		return StepPassed, counted(allows, "permission") + verb(allows, " allows it.", " allow it.")
	case e.settled.code == ExplicitDeny:
		return StepPassed, counted(len(e.candidates), "permission") + verb(len(e.candidates), " matches.", " match.")
	case e.d.Allowed:
		return StepSkipped, "No permission allows it: an approval, or a policy that may, stands in."
	case failed > 0:
		return StepRefused, counted(failed, "permission") + " would allow it, but" + verb(failed, " its", " their") + " conditions do not hold."
	default:
		return StepRefused, "No permission of the subject's roles is for it."
	}
}

func (e *explainer) conflictStep() (outcome, detail string) {
	denies := 0
	for _, g := range e.candidates {
		if g.Effect == grants.Deny {
			denies++
		}
	}
	switch {
	case e.settled.code == ExplicitDeny:
		return StepRefused, fmt.Sprintf("%s it (%s).", counted(len(e.settled.matched), "permission")+verb(len(e.settled.matched), " forbids", " forbid"), e.s.Tenant.Conflict)
	case denies > 0:
		return StepPassed, fmt.Sprintf("%s not count, or not win (%s).", counted(denies, "permission")+verb(denies, " that denies does", " that deny do"), e.s.Tenant.Conflict)
	default:
		return StepSkipped, "No permission is to the contrary."
	}
}

func (e *explainer) workflowStep() (outcome, detail string) {
	w := e.out.Workflow
	switch {
	case w == nil:
		return StepSkipped, "No workflow has a say."
	case w.Allows && !w.Limited:
		return StepPassed, fmt.Sprintf("The workflow of %s limits nothing in state %s.", w.Node, w.State)
	case w.Allows:
		return StepPassed, fmt.Sprintf("The workflow of %s lets the subject's roles do it in state %s.", w.Node, w.State)
	case w.State == "":
		return StepRefused, fmt.Sprintf("The workflow of %s lets nothing be done without a state.", w.Node)
	case !w.Known:
		return StepRefused, fmt.Sprintf("The workflow of %s has no state %s.", w.Node, w.State)
	default:
		return StepRefused, fmt.Sprintf("The workflow of %s does not let the subject's roles do it in state %s.", w.Node, w.State)
	}
}

func (e *explainer) policyStep() (outcome, detail string) {
	silent, failed := 0, 0
	for i := range e.out.Policies {
		if e.out.Policies[i].Silent {
			silent++
		}
		if e.out.Policies[i].Failed {
			failed++
		}
	}
	switch {
	case e.err != nil || e.asked.code == NotEvaluated || failed > 0:
		return StepRefused, "The policies could not be evaluated."
	case e.d.Code == NotEvaluated:
		return StepRefused, "The answer could not be given in time, or what conditions approved could not be written down."
	case len(e.out.Policies) == 0:
		return StepSkipped, "No policy applies."
	case e.asked.code == PolicyDeny:
		return StepRefused, "It is forbidden: " + objections(e.asked.finding.Denials) + "."
	default:
		return StepPassed, fmt.Sprintf("Of %d policies that apply %d say something, and none forbids it.", len(e.out.Policies), len(e.out.Policies)-silent)
	}
}

func (e *explainer) approvalStep() (outcome, detail string) {
	a := e.out.Approval
	if a == nil {
		return StepSkipped, "No approval chain has a say."
	}
	opened := ""
	for i := range a.Chains {
		switch c := &a.Chains[i]; {
		case !c.Needed:
		case !c.Open && e.asked.code == ApprovalRequired:
			return StepRefused, fmt.Sprintf("Approval chain %s must approve.", c.Name)
		case c.Open && opened == "":
			opened = c.Name
		}
	}
	if opened == "" {
		return StepSkipped, "No approval is needed, or none would help."
	}
	return StepPassed, fmt.Sprintf("Approval chain %s is open.", opened)
}

func (e *explainer) fieldStep() (outcome, detail string) {
	switch {
	case len(e.defined()) == 0:
		return StepSkipped, "The type has no fields."
	case e.d.Code == NotEvaluated:
		return StepNotReached, ""
	default:
		return StepPassed, fmt.Sprintf("What may be done with %s does not depend on the action.", counted(len(e.defined()), "field"))
	}
}

// stepsOf is what a reason code alone says of the steps: what somebody may know
// who sees the code and nothing else.
func stepsOf(code Code) []ExplainedStep {
	refusing := map[Code]string{
		SubjectUnknown: StepSubject, SubjectInactive: StepSubject, TenantInactive: StepSubject, ExplicitDeny: StepConflict,
		WorkflowState: StepWorkflow, PolicyDeny: StepPolicies, NotEvaluated: StepPolicies, NoMatchingPermission: StepPermissions,
		ConditionFailed: StepPermissions, ApprovalRequired: StepApproval,
	}[code]
	var out []ExplainedStep
	before := true
	for _, name := range [...]string{StepSubject, StepRoles, StepPermissions, StepConflict, StepWorkflow, StepPolicies, StepApproval, StepFields} {
		step := ExplainedStep{Step: name, Outcome: StepPassed}
		switch {
		case name == refusing:
			step.Outcome, before = StepRefused, false
		case !before:
			step.Outcome = StepNotReached
		}
		out = append(out, step)
	}
	return out
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
	for _, said := range p.modules.Trace(ctx, facts, e.q.Action) {
		e.out.Policies = append(e.out.Policies, e.policy(&said))
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
