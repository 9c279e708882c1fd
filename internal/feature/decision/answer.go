package decision

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Answer is the decision. Callers without execute on api/decisions get what
// they need to act by it: neither the reason nor what matched.
type Answer struct {
	Allowed            bool                         `json:"allowed"`
	DecisionID         uuid.UUID                    `json:"decision_id"`
	ReasonCode         string                       `json:"reason_code" enum:"not_evaluated,subject_unknown,subject_inactive,tenant_inactive,explicit_deny,workflow_state,policy_deny,no_matching_permission,condition_failed,approval_required,granted,granted_by_approval"`
	Reason             string                       `json:"reason,omitempty" doc:"One sentence for people."`
	MatchedPermissions []string                     `json:"matched_permissions,omitempty" doc:"Ids of the permissions that decided."`
	MatchedRoles       []engine.MatchedRole         `json:"matched_roles,omitempty" doc:"The roles that own them, with the path by which the subject has each."`
	MatchedConditions  map[string]any               `json:"matched_conditions,omitempty" doc:"The attribute values on which they rested, by path."`
	Denials            []policy.Denial              `json:"denials,omitempty" doc:"What policies say against it."`
	Obligations        []map[string]any             `json:"obligations,omitempty" doc:"What whoever lets the subject act has to do, as policies say it. An application that cannot do one of them must not let the subject act."`
	RequiresApproval   bool                         `json:"requires_approval" doc:"True if an approval would allow it."`
	ApprovalChainID    *uuid.UUID                   `json:"approval_chain_id,omitempty" doc:"The approval chain that is wanted, or that an approval opened."`
	ApprovalRequestID  *uuid.UUID                   `json:"approval_request_id,omitempty" doc:"The access request that waits for the chain, or that opened it."`
	ApprovalLevels     []approval.Level             `json:"approval_levels,omitempty" doc:"Who must approve, level by level: roles and users by their ids."`
	AutoApproved       bool                         `json:"auto_approved,omitempty" doc:"True if the conditions of the chain opened it."`
	FieldPermissions   map[string]map[string]string `json:"field_permissions,omitempty" doc:"read, write or hidden for every field that is defined for the type, by tier and name. It does not depend on the action."`
	Revision           string                       `json:"revision,omitempty" doc:"A token of the state that the answer holds for."`
	TTL                *int                         `json:"ttl,omitempty" doc:"Seconds for which the answer may be kept if nothing is written."`
	Stale              bool                         `json:"stale,omitempty"`
	Explanation        *engine.Explanation          `json:"explanation,omitempty" doc:"With explain: why."`
}

func view(caller *asking.Caller, d *engine.Decision) *Answer {
	out := &Answer{
		Allowed: d.Allowed, DecisionID: d.ID, ReasonCode: string(d.Code), Obligations: caller.Obligations(d), FieldPermissions: d.Fields,
		RequiresApproval: d.Code == engine.ApprovalRequired, ApprovalRequestID: d.RequestID, AutoApproved: d.AutoApproved,
	}
	if d.Chain != nil {
		out.ApprovalChainID, out.ApprovalLevels = &d.Chain.ID, levels(d.Chain)
	}
	if !caller.Trusted {
		return out
	}
	ttl := d.TTL
	out.Reason, out.Revision, out.TTL, out.Stale, out.Denials = d.Reason(), d.Revision, &ttl, d.Stale, d.Denials
	out.MatchedPermissions, out.MatchedRoles, out.MatchedConditions = d.MatchedIDs(), d.MatchedRoles(), d.MatchedConditions()
	return out
}

// levels are a chain's in the normal form in which they are stored.
func levels(c *approval.Chain) (list []approval.Level) {
	if err := json.Unmarshal(c.RawLevels, &list); err != nil {
		return nil // the answer goes without: it does not depend on them
	}
	return list
}
