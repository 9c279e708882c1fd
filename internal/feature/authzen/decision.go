package authzen

import (
	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Decision is the answer to one question. Without anything to say it has no
// context.
type Decision struct {
	Decision bool             `json:"decision"`
	Context  *DecisionContext `json:"context,omitempty"`
}

// DecisionContext is what there is to say beside the decision.
type DecisionContext struct {
	Obligations []map[string]any `json:"obligations,omitempty" doc:"What whoever lets the subject act has to do, as policies say it. Whoever cannot do one of them must not let the subject act."`
	Approval    *Approval        `json:"approval,omitempty" doc:"An approval would allow it."`
	Error       *ItemError       `json:"error,omitempty" doc:"Why this evaluation of many could not be asked."`
	Code        string           `json:"code,omitempty" doc:"200 beside the reason of the last of many."`
	Reason      string           `json:"reason,omitempty" doc:"Why no further evaluations were answered."`

	DecisionID         *uuid.UUID        `json:"decision_id,omitempty" doc:"Of the record. With options.sentinel.explain, as all that follows."`
	ReasonAdmin        map[string]string `json:"reason_admin,omitempty" doc:"One sentence by the reason's code."`
	MatchedPermissions []string          `json:"matched_permissions,omitempty" doc:"Ids of the permissions that decided."`
	Revision           string            `json:"revision,omitempty" doc:"A token of the state that the answer holds for."`
	TTL                *int              `json:"ttl,omitempty" doc:"Seconds for which the answer may be kept if nothing is written."`
}

// Approval is what an approval has to go through.
type Approval struct {
	Chain   uuid.UUID  `json:"chain" doc:"The approval chain that is wanted."`
	Request *uuid.UUID `json:"request,omitempty" doc:"The access request that waits for it."`
}

// ItemError is why one of many evaluations could not be asked.
type ItemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// context returns the decision's context, made where there was none.
func (d *Decision) context() *DecisionContext {
	if d.Context == nil {
		d.Context = &DecisionContext{}
	}
	return d.Context
}

// view says a decision to its caller. Only trusted callers are told why, and only
// if they ask: others compare answers with one that says nothing.
func view(caller *asking.Caller, d *engine.Decision, explain bool) *Decision {
	out := &Decision{Decision: d.Allowed}
	if list := caller.Obligations(d); len(list) > 0 {
		out.context().Obligations = list
	}
	if d.Code == engine.ApprovalRequired && d.Chain != nil {
		out.context().Approval = &Approval{Chain: d.Chain.ID, Request: d.RequestID}
	}
	if explain && caller.Trusted {
		c, ttl := out.context(), d.TTL
		c.DecisionID, c.Revision, c.TTL, c.MatchedPermissions = &d.ID, d.Revision, &ttl, d.MatchedIDs()
		c.ReasonAdmin = map[string]string{string(d.Code): d.Reason()}
	}
	return out
}

// failed is the decision about what could not be asked.
func failed(f *fault.Error) *Decision {
	return &Decision{Context: &DecisionContext{Error: &ItemError{Status: httpapi.StatusOf(f.Kind), Message: errorText(f)}}}
}
