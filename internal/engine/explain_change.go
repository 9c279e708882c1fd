package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

// changes looks for the least that would change the answer.
func (e *explainer) changes(ctx context.Context) {
	s := &search{
		ctx: ctx, now: e.d.now, allowed: e.d.Allowed, left: max(leastSupposed, min(mostSupposed, mostWork/max(1, len(e.candidates)))), complete: true, seen: map[string]bool{},
		start: supposed{s: e.s, q: e.q, subject: e.subject},
	}
	start := state{supposed: s.start, d: e.d}
	switch {
	case e.d.Code == NotEvaluated:
		s.complete = false
	case e.d.Allowed:
		s.losses(start)
	default:
		s.run(start, (*search).steps)
		s.narrow()
	}
	if e.d.Code == PolicyDeny {
		s.complete = false
		for _, denial := range e.d.Denials[:min(len(e.d.Denials), mostWays)] {
			s.ways = append(s.ways, ExplainedWay{Together: []ExplainedChange{{Kind: ChangePolicy, Policy: denial.Policy, Reason: denial.Reason}}})
		}
	}
	e.out.Changes, e.out.Complete = s.ways, s.complete && len(s.ways) > 0
	if e.out.Changes == nil {
		e.out.Changes = []ExplainedWay{}
	}
}

// until finds the next moment at which the answer is another by itself.
func (e *explainer) until(ctx context.Context) {
	var moments []time.Time
	add := func(t *time.Time) {
		if t != nil && t.After(e.d.now) {
			moments = append(moments, *t)
		}
	}
	for i := range e.subject.Assignments {
		add(e.subject.Assignments[i].ValidFrom)
		add(e.subject.Assignments[i].ExpiresAt)
	}
	for i := range e.subject.Requests {
		add(e.subject.Requests[i].ExpiresAt)
	}
	if e.d.Code != SubjectUnknown && e.subject.IsActive {
		add(e.subject.LockedUntil)
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	if len(moments) > mostMoments {
		e.cut("until")
	}
	for _, t := range moments[:min(len(moments), mostMoments)] {
		if ctx.Err() != nil {
			e.cut("until")
			return
		}
		d := supposed{s: e.s, q: e.q, subject: e.subject}.decide(ctx, t)
		if d.Allowed != e.d.Allowed && d.Code != NotEvaluated {
			e.out.Until = &t
			return
		}
	}
}

// steps are the changes that may bring a refusal nearer to its opposite.
func (s *search) steps(from state) [][]ExplainedChange {
	switch from.d.Code {
	case SubjectInactive:
		return [][]ExplainedChange{{activate(BySubject, usable())}}
	case TenantInactive:
		return [][]ExplainedChange{{activate("tenant", activeTenant)}}
	case ExplicitDeny:
		return s.lift(from)
	case WorkflowState:
		return append(s.states(from), s.gain(from, from.may())...)
	case NoMatchingPermission:
		return s.permit(from)
	case ConditionFailed:
		return append(s.hold(from), s.permit(from)...)
	case ApprovalRequired:
		out := [][]ExplainedChange{{from.approve()}}
		out = append(out, s.approveItself(from)...)
		if len(from.d.Matched) == 0 {
			out = append(append(out, s.hold(from)...), s.permit(from)...)
		}
		return out
	default:
		s.complete = false
		return nil
	}
}

func activate(target string, apply suppose) ExplainedChange {
	return ExplainedChange{Kind: ChangeActivate, Target: target, key: ChangeActivate + target, apply: apply}
}

// inquiry is the question as the steps see it.
func (w state) inquiry() *inquiry {
	x := w.s.aim(w.q, w.asked())
	x.d, x.subject = w.d, w.subject
	x.env = environment(w.d, w.subject, x.node)
	setClock(x.env, w.d.now)
	return x
}

// lift are the ways to be rid of each deny: to lose what brings it, or values by
// which it does not hold.
func (s *search) lift(from state) [][]ExplainedChange {
	var out [][]ExplainedChange
	var all []ExplainedChange
	x := from.inquiry()
	for i, g := range from.d.Matched {
		if i == mostTried || s.over() {
			s.complete = false
			break
		}
		var losses []ExplainedChange
		for _, at := range unique(from.d.direct) {
			if !from.s.brings(at, g) {
				continue
			}
			c := from.lose(at)
			losses = append(losses, c)
			if !slices.ContainsFunc(all, func(o ExplainedChange) bool { return o.key == c.key }) {
				all = append(all, c)
			}
		}
		out = append(out, losses)
		out = append(out, s.solve(from, g.Conditions, x.env, condition.False, settable)...)
	}
	return append(out, all)
}

// brings reports whether whoever has a role or group has a permission by it.
func (s *Snapshot) brings(at int32, g *grants.Grant) bool {
	return slices.ContainsFunc(g.Owners, func(owner int32) bool {
		_, reached := slices.BinarySearch(s.Graph.Reach(at), owner)
		return reached
	})
}

func unique(list []int32) []int32 {
	seen := map[int32]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(at int32) bool {
		was := seen[at]
		seen[at] = true
		return was
	})
}

// lose takes a role or group from the subject.
func (w state) lose(at int32) ExplainedChange {
	key := w.s.Graph.Node(at).Key
	c := ExplainedChange{Kind: ChangeRemoveRole, key: "without " + key, apply: without(key)}
	if r := w.s.roles[at]; r != nil {
		c.RoleID, c.RoleName = &r.ID, r.Name
	} else {
		g := w.s.groups[at]
		c.Kind, c.GroupID, c.GroupName = ChangeLeaveGroup, &g.ID, g.Name
	}
	return c
}

// solve are the changes by which conditions are want. There may be more values
// than are tried, where there are conditions at all.
func (s *search) solve(from state, c *condition.Program, env *condition.Env, want condition.Truth, settable func(string) bool) [][]ExplainedChange {
	solutions := c.Solve(env, want, settable)
	if c != nil && solutions == nil {
		s.complete = false
	}
	return from.set(solutions)
}

// set makes the changes of solutions of conditions.
func (w state) set(solutions [][]condition.Want) [][]ExplainedChange {
	var out [][]ExplainedChange
	for _, wants := range solutions {
		var together []ExplainedChange
		for i := range wants {
			want := &wants[i]
			want.From = w.origins(want.From)
			shown := condition.Show(want.Value)
			c := ExplainedChange{Kind: ChangeAttribute, Attribute: want.Path, Value: &shown, want: want}
			c.apply, c.SuppliedBy = w.setting(want.Path, want.Value)
			if c.SuppliedBy == ByResource {
				c.NodeID = &w.asked().ID
			}
			text, err := json.Marshal(want.Value)
			if err != nil {
				continue
			}
			c.key = want.Path + "=" + string(text)
			together = append(together, c)
		}
		if together != nil {
			out = append(out, together)
		}
	}
	return out
}

// origins adds to the paths that a value was made of those that earlier changes
// made the values of these of: what may not be seen there may not be seen here.
func (w state) origins(from []string) []string {
	for i := 0; i < len(from); i++ {
		for _, c := range w.changes {
			if c.want == nil || !overlap(c.Attribute, from[i]) {
				continue
			}
			for _, path := range c.want.From {
				if !slices.Contains(from, path) {
					from = append(slices.Clip(from), path)
				}
			}
		}
	}
	return from
}

// overlap reports whether one of two paths leads to the other's value, or into it.
func overlap(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// states are the states of the workflow in which it may be another.
func (s *search) states(from state) [][]ExplainedChange {
	x := from.inquiry()
	w, state := x.workflow()
	if w == nil {
		return nil
	}
	var out [][]ExplainedChange
	for _, name := range w.stored.States {
		if name == state || name == "" {
			continue
		}
		actions, limited := w.actions[name]
		if limited && !actions[from.q.Action].includes(from.d.held) && !actions[grants.AnyAction].includes(from.d.held) {
			continue
		}
		if len(out) == mostRoles {
			s.complete = false
			break
		}
		c := ExplainedChange{Kind: ChangeState, State: name, SuppliedBy: ByCaller, key: "state " + name, apply: inStateOf(name, x.node != nil)}
		if x.node != nil {
			c.SuppliedBy, c.NodeID = ByResource, &x.node.ID
		}
		out = append(out, []ExplainedChange{c})
	}
	return out
}

// hold are the values by which permissions of the subject's would allow it.
func (s *search) hold(from state) [][]ExplainedChange {
	x := from.inquiry()
	var out [][]ExplainedChange
	tried := 0
	for _, g := range from.s.Grants.Candidates(nil, from.d.held, &x.target) {
		if g.Effect == grants.Deny || g.Conditions.Eval(x.env) == condition.True {
			continue
		}
		if tried++; tried > mostTried || s.over() {
			s.complete = false
			break
		}
		out = append(out, s.solve(from, g.Conditions, x.env, condition.True, settable)...)
	}
	return out
}

// approve is the approval that an answer waits for, with the call that asks for
// it where one works for whoever makes it.
func (w state) approve() ExplainedChange {
	chain := w.d.Chain
	c := ExplainedChange{
		Kind: ChangeApproval, ChainID: &chain.ID, Chain: chain.Name, Levels: levelsOf(chain), RequestID: w.d.RequestID,
		key: "approval " + chain.ID.String(), apply: approved(chain.ID),
	}
	if w.d.RequestID == nil && w.inquiry().guard() == chain && w.s.Tenant.Features.Has(entitlement.Approvals) {
		details := map[string]any{"resource_type": w.q.Type, "action": w.q.Action}
		if w.q.ID != "" {
			details["resource_id"] = w.q.ID
		}
		c.Request = asksFor("permission", details, w.q.UserID, needed(w.q))
	}
	return c
}

// requestsPath is the call that opens access requests.
const requestsPath = "/api/v1/access-requests"

func asksFor(typ string, details map[string]any, beneficiary uuid.UUID, why string) *ChangeRequest {
	return &ChangeRequest{Method: "POST", Path: requestsPath, Body: map[string]any{
		"request_type": typ, "request_details": details, "justification": why, "beneficiary_id": beneficiary.String(),
	}}
}

// approveItself are the values by which a chain's own conditions would open it.
func (s *search) approveItself(from state) [][]ExplainedChange {
	chain := from.d.Chain
	if chain.Auto == nil || !from.s.Tenant.AutoApprove {
		return nil
	}
	x := from.inquiry()
	x.approvesItself(chain, from.q.Action)
	var out [][]ExplainedChange
	for _, step := range s.solve(from, chain.Auto, x.autoEnv, condition.True, func(path string) bool { return settable(path) && approval.AutoForbidden(path) == "" }) {
		// What the caller says is not listened to here.
		if !slices.ContainsFunc(step, func(c ExplainedChange) bool { return c.SuppliedBy == ByCaller }) {
			out = append(out, step)
		}
	}
	return out
}

// losses looks for what would take away what is allowed: each role, group and
// approval on its own, else all together, as few as do.
func (s *search) losses(start state) {
	var all []ExplainedChange
	for _, at := range unique(start.d.direct) {
		if slices.ContainsFunc(start.d.Matched, func(g *grants.Grant) bool { return start.s.brings(at, g) }) {
			all = append(all, start.lose(at))
		}
	}
	if id := start.d.RequestID; id != nil {
		all = append(all, ExplainedChange{Kind: ChangeRevoke, RequestID: id, ChainID: &start.d.Chain.ID, Chain: start.d.Chain.Name, key: "revoke " + id.String(), apply: revoked(*id)})
	}
	for _, c := range all {
		s.take(start, []ExplainedChange{c})
	}
	switch {
	case len(s.ways) > 0 || len(all) < 2:
	case len(all) > mostNamed:
		s.complete = false
	default:
		s.take(start, all)
	}
}
