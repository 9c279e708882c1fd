package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

// Sight is what the reader of an explanation may see.
type Sight struct {
	// Own is set when the explanation is about the reader.
	Own bool
	// Decisions is execute on api/decisions, the others read on their sections.
	Decisions, Permissions, Users, Resources, Roles, Policies bool
}

func (s Sight) whole() bool { return s.Decisions && s.Permissions }

// hides reports whether the value stored at a path is not the reader's to see.
func (s Sight) hides(path string) (missing string, hidden bool) {
	switch {
	case strings.HasPrefix(path, subjectRoot), path == "subject.email", path == "subject.username", path == "subject.external_id":
		return "api/users:read", !s.Users && !s.Own
	case strings.HasPrefix(path, resourceRoot), path == "resource.path":
		return "api/resources:read", !s.Resources
	default:
		return "", false
	}
}

// Show leaves of an explanation what its reader may see, and says what more would
// take. The explanation is the reader's alone afterwards.
func (x *Explanation) Show(s Sight) {
	if !s.whole() {
		x.trim(s)
		return
	}
	r := &reader{Sight: s}
	for i := range x.Permissions {
		r.judged(x.Permissions[i].Conditions)
	}
	if x.Approval != nil {
		for i := range x.Approval.Chains {
			r.judged(x.Approval.Chains[i].Auto)
		}
	}
	for i := range x.Policies {
		if p := &x.Policies[i]; p.Error != "" && !s.Policies {
			p.Error = ""
			r.lacks("api/policies:read")
		}
	}
	r.obligations(x)
	if x.Workflow != nil && x.Workflow.Roles != nil && !s.Roles {
		x.Workflow.Roles = nil
		r.lacks("api/roles:read")
	}
	x.Changes = slices.DeleteFunc(x.Changes, func(w ExplainedWay) bool {
		ofRoles := slices.ContainsFunc(w.Together, func(c ExplainedChange) bool { return c.RoleID != nil || c.GroupID != nil })
		if ofRoles && !s.Roles {
			x.Complete = false
			r.lacks("api/roles:read")
			return true
		}
		for i := range w.Together {
			r.change(&w.Together[i])
		}
		return false
	})
	x.Missing = r.missing
	x.link(s)
	x.render()
}

// reader hides values and takes down what permissions that was for want of.
type reader struct {
	Sight
	missing []string
}

func (r *reader) lacks(permission string) {
	if !slices.Contains(r.missing, permission) {
		r.missing = append(r.missing, permission)
	}
}

func (r *reader) judged(j *condition.Judged) {
	if j == nil {
		return
	}
	r.value(j.Found, j.Path)
	for i := range j.Wanted {
		r.value(&j.Wanted[i], j.Wanted[i].Ref)
	}
	for _, part := range j.Parts {
		r.judged(part)
	}
}

func (r *reader) value(v *condition.Value, path string) {
	if v == nil || v.Given || v.Kind == "missing" {
		return
	}
	if missing, hidden := r.hides(path); hidden {
		*v = condition.Value{Kind: "hidden", Ref: v.Ref, Hidden: true}
		r.lacks(missing)
	}
}

// obligations hides those that the answer does not have from whoever may not see
// what is stored: a policy may write of it what it likes.
func (r *reader) obligations(x *Explanation) {
	if x.decision.Allowed {
		return
	}
	for i := range x.Policies {
		if x.Policies[i].Obligations == nil {
			continue
		}
		for _, root := range [...]string{subjectRoot, resourceRoot} {
			if missing, hidden := r.hides(root); hidden {
				x.Policies[i].Obligations = nil
				r.lacks(missing)
			}
		}
	}
}

func (r *reader) change(c *ExplainedChange) {
	if c.want == nil {
		return
	}
	want := *c.want
	want.Operands = slices.Clone(want.Operands)
	for i := range want.Operands {
		r.value(&want.Operands[i], want.Operands[i].Ref)
	}
	for _, path := range want.From {
		r.value(c.Value, path)
		// It may be the value of an operand by way of another change.
		for i := range want.Operands {
			if o := &want.Operands[i]; o.Ref != "" {
				o.Given = false
				r.value(o, path)
			}
		}
	}
	c.want = &want
}

// link says how to ask for an approval that a policy requires: by asking again,
// which the subject alone can, with what they may say.
func (x *Explanation) link(s Sight) {
	q := x.decision.question
	if !s.Own || q.Attributes != nil || q.ActionProperties != nil || q.Context != nil || q.SubjectAttributes != nil || q.SubjectOverrides != nil {
		return
	}
	for i := range x.Changes {
		for j := range x.Changes[i].Together {
			c := &x.Changes[i].Together[j]
			if c.Kind != ChangeApproval || c.Request != nil || c.RequestID != nil || x.decision.Chain == nil || *c.ChainID != x.decision.Chain.ID {
				continue
			}
			resource := map[string]any{"type": q.Type}
			if q.ID != "" {
				resource["id"] = q.ID
			}
			c.Request = &ChangeRequest{Method: "POST", Path: "/api/v1/permissions/check", Body: map[string]any{
				"resource": resource, "action": q.Action, "justification": needed(q),
			}}
		}
	}
}

// needed is a justification to begin with.
func needed(q *Question) string {
	return strings.TrimSpace("Needed to "+q.Action+" on "+q.Type+" "+q.ID) + "."
}

// trim leaves what the answer says to whoever may see no more than that: the
// steps by the reason code alone, of oneself the roles, and the approval that
// would do.
func (x *Explanation) trim(s Sight) {
	out := Explanation{
		Trimmed: true, decision: x.decision, Subject: x.Subject, Steps: stepsOf(x.decision.Code),
		Roles: []ExplainedHolding{}, Groups: []ExplainedHolding{}, NotCounting: []ExplainedAssignment{},
		Permissions: []ExplainedPermission{}, Policies: []ExplainedPolicy{}, Fields: []ExplainedField{}, Changes: []ExplainedWay{},
	}
	for _, one := range []struct {
		has        bool
		permission string
	}{{s.Decisions, "api/decisions:execute"}, {s.Permissions, "api/permissions:read"}} {
		if !one.has {
			out.Missing = append(out.Missing, one.permission)
		}
	}
	if s.Own {
		for _, h := range x.Roles {
			h.Decided = false
			out.Roles = append(out.Roles, h)
		}
		slices.SortFunc(out.Roles, func(a, b ExplainedHolding) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
		})
		if slices.Contains(x.Cut, "roles") {
			out.Cut = []string{"roles"}
		}
	}
	for _, w := range x.Changes {
		if slices.ContainsFunc(w.Together, func(c ExplainedChange) bool { return c.Kind != ChangeApproval }) {
			continue
		}
		if !s.Decisions {
			for i := range w.Together {
				w.Together[i].Chain = ""
			}
		}
		out.Changes = append(out.Changes, w)
	}
	*x = out
	x.link(s)
	x.render()
	if !s.Decisions {
		x.Summary = plainly(x.decision.Code)
	}
}

// plainly is the answer in one sentence that names nothing.
func plainly(code Code) string {
	switch code {
	case Granted:
		return "Allowed."
	case GrantedByApproval:
		return "Allowed by an approval."
	case ApprovalRequired:
		return "Not allowed yet: an approval is needed."
	case SubjectInactive, SubjectUnknown, TenantInactive:
		return "Denied: the account or its tenant is inactive."
	case WorkflowState:
		return "Denied in the present state of the workflow."
	case PolicyDeny:
		return "Denied by a policy."
	case NoMatchingPermission, ConditionFailed, ExplicitDeny:
		return "Denied by the permissions of the account."
	default:
		return "Denied: the question could not be evaluated."
	}
}

// render says all in words of what is shown.
func (x *Explanation) render() {
	x.Summary = x.decision.Reason()
	for i := range x.NotCounting {
		x.NotCounting[i].render()
	}
	for i := range x.Permissions {
		x.Permissions[i].render()
	}
	for i := range x.Changes {
		w := &x.Changes[i]
		var parts []string
		for j := range w.Together {
			w.Together[j].render()
			parts = append(parts, w.Together[j].Summary)
		}
		w.Summary = strings.Join(parts, " And: ")
	}
	x.fill()
}

// fill makes empty lists of those that are nil.
func (x *Explanation) fill() {
	x.Roles, x.Groups, x.NotCounting = orEmpty(x.Roles), orEmpty(x.Groups), orEmpty(x.NotCounting)
	x.Permissions, x.Policies, x.Fields, x.Changes = orEmpty(x.Permissions), orEmpty(x.Policies), orEmpty(x.Fields), orEmpty(x.Changes)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *ExplainedChange) render() {
	switch c.Kind {
	case ChangeAssignRole:
		c.Summary = fmt.Sprintf("Give the subject the role %s.", c.RoleName)
	case ChangeRemoveRole:
		c.Summary = fmt.Sprintf("Take the role %s from the subject.", c.RoleName)
	case ChangeLeaveGroup:
		c.Summary = fmt.Sprintf("Take the subject out of the group %s.", c.GroupName)
	case ChangeAttribute:
		c.renderAttribute()
	case ChangeActivate:
		c.Summary = "Activate the account, or unlock it."
		if c.Target != BySubject {
			c.Summary = "Activate the tenant, or the one above it that is inactive."
		}
	case ChangeState:
		c.Summary = fmt.Sprintf("Bring the node into state %s.", c.State)
		if c.SuppliedBy == ByCaller {
			c.Summary = fmt.Sprintf("Have context.workflow_state be %s.", c.State)
		}
	case ChangeApproval:
		c.Summary = "Have it approved."
		if c.Chain != "" {
			c.Summary = fmt.Sprintf("Have approval chain %s approve it.", c.Chain)
		}
		if c.RequestID != nil {
			c.Summary += fmt.Sprintf(" Request %s waits for it.", *c.RequestID)
		}
	case ChangeRevoke:
		c.Summary = fmt.Sprintf("Revoke request %s, which approval chain %s approved.", orNil(c.RequestID), c.Chain)
	default:
		c.Summary = fmt.Sprintf("Policy %s forbids it; what it would take stands in the policy.", c.Policy)
		if c.Reason != "" {
			c.Summary = fmt.Sprintf("Policy %s forbids it (%s); what it would take stands in the policy.", c.Policy, strings.TrimRight(c.Reason, "."))
		}
	}
}

func orNil(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

func (c *ExplainedChange) renderAttribute() {
	c.Wanted = c.want.Words()
	c.Summary = fmt.Sprintf("Have %s be %s", c.Attribute, c.Wanted)
	invented, _ := c.Value.Value.(string)
	if say := c.Value.Say(); !c.Value.Hidden && say != c.Wanted && !strings.HasPrefix(invented, "not ") {
		c.Summary += ", such as " + say
	}
	switch c.SuppliedBy {
	case BySubject:
		c.Summary += "; it is stored with the subject."
	case ByResource:
		c.Summary += "; it is stored with the node."
	default:
		c.Summary += "; whoever asks says it."
	}
}
