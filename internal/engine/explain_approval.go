package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

// approval says which chains match, which of them applies and what opens it.
func (e *explainer) approval() {
	if e.q.Type == grants.APIType || e.settled.code == ExplicitDeny {
		return
	}
	var chains []*approval.Chain
	for _, typ := range [...]string{e.q.Type, pattern.AnyType} {
		for _, c := range e.s.guards[typ] {
			if c.Matches(e.q.Type, e.x.target.ID) {
				chains = append(chains, c)
			}
		}
	}
	for _, name := range e.asked.finding.Chains {
		if c := e.s.named[name]; c != nil && !slices.Contains(chains, c) {
			chains = append(chains, c)
		}
	}
	if chains == nil {
		return
	}
	permitted := len(e.asked.counting) > 0 || e.s.Tenant.AllowRules && e.asked.finding.Allows
	e.out.Approval = &ExplainedApproval{Permitted: permitted}
	if len(chains) > mostNamed {
		e.cut("approval")
	}
	guard := e.x.guard()
	for _, c := range chains[:min(len(chains), mostNamed)] {
		out := ExplainedChain{
			ID: c.ID, Name: c.Name, Mode: string(c.Mode), Levels: levelsOf(c), Applies: c == guard, Required: slices.Contains(e.asked.finding.Chains, c.Name),
		}
		if !refusesFinally(e.asked.code) {
			out.Needed = out.Applies && permitted == (c.Mode == approval.Gate)
			out.Needed = out.Needed || out.Required && (permitted || e.asked.code == ApprovalRequired || e.d.Allowed)
		}
		if r := e.x.request(c, e.q.Action, true); r != nil {
			out.Approved, out.Until = &r.ID, r.ExpiresAt
		}
		if r := e.x.request(c, e.q.Action, false); r != nil {
			out.Pending = &r.ID
		}
		auto := e.x.approvesItself(c, e.q.Action)
		if e.x.autoEnv != nil && c.Auto != nil && e.s.Tenant.AutoApprove {
			out.Auto = c.Auto.Explain(e.x.autoEnv)
		}
		out.Open = auto || out.Approved != nil
		e.out.Approval.Chains = append(e.out.Approval.Chains, out)
	}
}

// levelsOf are a chain's levels, nil if they cannot be read.
func levelsOf(c *approval.Chain) (list []approval.Level) {
	if json.Unmarshal(c.RawLevels, &list) != nil {
		return nil
	}
	return list
}

// fields says of each field what may be done with it, and by what.
func (e *explainer) fields() {
	if e.err != nil || e.d.Fields == nil {
		return
	}
	var v visibility
	for i := range e.outcomes {
		v.add(&e.outcomes[i])
	}
	defined := e.defined()
	if len(defined) > mostListed {
		e.cut("fields")
	}
	for i := range defined[:min(len(defined), mostListed)] {
		f := &defined[i]
		out := ExplainedField{Tier: f.tier, Name: f.name, Ceiling: f.ceiling, Visibility: e.d.Fields[f.tier][f.name]}
		out.Because, out.By = e.because(&v, f, out.Visibility)
		e.out.Fields = append(e.out.Fields, out)
	}
}

// because says what makes a field what it is, and which permissions do.
func (e *explainer) because(v *visibility, f *field, visibility string) (text string, by []string) {
	if !v.reads {
		return "Reading is not allowed.", nil
	}
	hiding := false
	for i := range e.outcomes {
		o := &e.outcomes[i]
		if !slices.Contains(fieldActions[:], o.action) || !o.allowed() {
			continue
		}
		for _, g := range o.counting {
			if to := g.Fields[f.name]; to != "" && !slices.Contains(by, g.ID.String()) {
				by = append(by, g.ID.String())
				hiding = hiding || to == HiddenField
			}
		}
	}
	for _, r := range v.restrictions {
		if r.Field == f.name && visibility != WritableField {
			return fmt.Sprintf("A policy lets it be no more than %s.", r.To), by
		}
	}
	switch {
	case hiding:
		return "A permission hides it.", by
	case by != nil:
		return "Permissions name it.", by
	case !v.writes && f.ceiling == WritableField:
		return "No permission names it, so that its default holds; changing is not allowed.", nil
	default:
		return "No permission names it, so that its default holds.", nil
	}
}
