package engine

import (
	"fmt"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

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
