package engine

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// approve says whether the chains that guard the resource, and those that
// policies name, let through what is permitted, or what is not. The outcome has
// no code yet and gets its last.
func (x *inquiry) approve(o *outcome) {
	permitted := len(o.counting) > 0 || x.s.Tenant.AllowRules && o.finding.Allows
	guard := x.guard()
	switch {
	case guard == nil || permitted && guard.Mode == approval.Escalation:
	case permitted || guard.Mode == approval.Escalation:
		if !x.opens(o, guard) {
			return
		}
		permitted = true
	}
	if !permitted {
		o.code = NoMatchingPermission
		if len(o.matched) > 0 {
			o.code = ConditionFailed
		}
		return
	}
	for _, chain := range x.required(o, guard) {
		if !x.opens(o, chain) {
			return
		}
	}
	o.matched = o.counting
	o.code = Granted
	if o.chain != nil {
		o.code = GrantedByApproval
	}
}

// required returns the chains that policies name, but for guard if that was asked
// for an approval already.
func (x *inquiry) required(o *outcome, guard *approval.Chain) []*approval.Chain {
	var out []*approval.Chain
	for _, name := range o.finding.Chains {
		if chain := x.s.named[name]; chain != guard || guard.Mode != approval.Gate {
			out = append(out, chain)
		}
	}
	slices.SortFunc(out, func(a, b *approval.Chain) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}

// guard returns the chain that guards what is asked about, nil for none. Chains
// for every type are the least specific, so they come after those of the type.
func (x *inquiry) guard() *approval.Chain {
	if x.q.Type == grants.APIType {
		return nil
	}
	for _, typ := range [...]string{x.q.Type, pattern.AnyType} {
		for _, c := range x.s.guards[typ] {
			if c.Matches(x.q.Type, x.target.ID) {
				return c
			}
		}
	}
	return nil
}

// opens reports whether an approval, or the chain's own conditions, open a chain.
// If not, the answer waits for that chain.
func (x *inquiry) opens(o *outcome, c *approval.Chain) bool {
	request := x.request(c, o.action, true)
	auto := request == nil && x.approvesItself(c, o.action)
	if request == nil && !auto {
		o.code, o.chain, o.request, o.auto = ApprovalRequired, c, x.request(c, o.action, false), false
		o.matched = o.counting
		return false
	}
	if o.chain == nil {
		o.chain, o.request, o.auto = c, request, auto
	}
	if auto {
		o.opened = append(o.opened, c)
	}
	return true
}

// request returns the subject's oldest request for a chain, this resource and
// action that is approved and has not ended, or that waits; nil for none.
func (x *inquiry) request(c *approval.Chain, action string, approved bool) *Request {
	for i := range x.subject.Requests {
		r := &x.subject.Requests[i]
		if r.Approved == approved && r.isFor(c, action) && x.isAbout(r) && (!approved || r.stands(x.d.now)) {
			return r
		}
	}
	return nil
}

// isFor reports whether a request is for a chain and an action.
func (r *Request) isFor(c *approval.Chain, action string) bool {
	return r.Chain == c.ID && (r.Action == action || r.Action == grants.AnyAction)
}

// stands reports whether what was approved has not ended.
func (r *Request) stands(now time.Time) bool { return r.ExpiresAt == nil || now.Before(*r.ExpiresAt) }

// isAbout reports whether a request names exactly what is asked about.
func (x *inquiry) isAbout(r *Request) bool {
	if r.Type != x.q.Type {
		return false
	}
	if r.Node != uuid.Nil {
		return x.node != nil && x.node.ID == r.Node
	}
	return x.node == nil && r.ResourceID == x.q.ID
}

// approvesItself reports whether a chain's conditions approve. They are judged on
// what is stored and on the evaluator's clock alone: whoever asks must not be able
// to approve by what they say.
func (x *inquiry) approvesItself(c *approval.Chain, action string) bool {
	if c.Auto == nil || !x.s.Tenant.AutoApprove {
		return false
	}
	if c.Auto.ReadsClock() {
		x.d.TTL = 0
	}
	return c.Auto.Eval(x.storedEnvironment(action)) == condition.True
}

// storedEnvironment is what the conditions of chains may read.
func (x *inquiry) storedEnvironment(action string) *condition.Env {
	if x.autoEnv == nil {
		stored := *x.environment(x.q.Action)
		stored.Subject.Attributes, stored.Subject.Supplied = x.subject.Attributes, nil
		stored.Resource.Supplied = nil
		stored.Action.Properties = nil
		stored.Context = map[string]any{"time": x.d.now.UTC().Format(time.RFC3339Nano)}
		x.autoEnv = &stored
	}
	x.autoEnv.Action.Name = action
	return x.autoEnv
}

// nextEnd returns the earlier of next, zero for none, and the next end of what
// was approved.
func (s *Subject) nextEnd(now, next time.Time) time.Time {
	for i := range s.Requests {
		if end := s.Requests[i].ExpiresAt; end != nil && end.After(now) && (next.IsZero() || end.Before(next)) {
			next = *end
		}
	}
	return next
}
