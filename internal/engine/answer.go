package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// MatchedRole is a role that owns a permission that decided.
type MatchedRole struct {
	Name string `json:"name"`
	// Path says how the subject comes by it:
	// "user > group:apac-team > role:port_inspector > role:viewer".
	Path string `json:"path"`
}

// MatchedRoles returns the subject's roles that own the matched permissions
// directly, ordered by name. It is made when asked for, not while deciding.
func (d *Decision) MatchedRoles() []MatchedRole {
	if len(d.Matched) == 0 || d.snapshot == nil {
		return nil
	}
	var owners []int32
	for _, g := range d.Matched {
		for _, o := range g.Owners {
			if _, has := slices.BinarySearch(d.held, o); has && !slices.Contains(owners, o) {
				owners = append(owners, o)
			}
		}
	}
	out := make([]MatchedRole, 0, len(owners))
	for _, o := range owners {
		out = append(out, MatchedRole{
			Name: d.snapshot.roles[o].Name,
			Path: d.snapshot.Label(d.snapshot.Graph.Path(d.direct, o)),
		})
	}
	slices.SortFunc(out, func(a, b MatchedRole) int { return strings.Compare(a.Name+a.Path, b.Name+b.Path) })
	return out
}

// MatchedConditions returns the values that the conditions of the matched
// permissions were compared with, by path, where they held.
func (d *Decision) MatchedConditions() map[string]any {
	out := map[string]any{}
	for _, g := range d.Matched {
		if g.Conditions == nil || d.Code == ConditionFailed {
			continue
		}
		for path, value := range g.Conditions.Matched(d.env) {
			out[path] = value
		}
	}
	return out
}

// Reason says in one sentence, for people, why the answer is what it is.
func (d *Decision) Reason() string {
	what := d.question.Action + " on " + d.question.Type
	if d.question.ID != "" {
		what += " " + d.question.ID
	}
	switch d.Code {
	case Granted:
		return fmt.Sprintf("Allowed: %s, by %s.", what, d.allower())
	case GrantedByApproval:
		return fmt.Sprintf("Allowed: %s, since %s.", what, d.opener())
	case ApprovalRequired:
		return fmt.Sprintf("Not allowed yet: %s, since approval chain %s must approve. %s", what, d.Chain.Name, d.waiting())
	case PolicyDeny:
		return fmt.Sprintf("Denied: %s, since %s.", what, objections(d.Denials))
	case WorkflowState:
		return fmt.Sprintf("Denied: %s, since the workflow does not let the subject's roles do that in its present state.", what)
	case ExplicitDeny:
		return fmt.Sprintf("Denied: %s, since %s %s it.", what, d.granting(), verb(len(d.Matched), "forbids", "forbid"))
	case ConditionFailed:
		return fmt.Sprintf("Denied: %s, since the conditions of %s do not hold.", what, listing("permission", names(d.Matched)))
	case NoMatchingPermission:
		return fmt.Sprintf("Denied: %s, since none of the subject's roles has a permission for it.", what)
	case SubjectUnknown:
		return "Denied: there is no such user in this tenant."
	case SubjectInactive:
		return "Denied: the account is inactive or locked."
	case TenantInactive:
		return "Denied: the tenant, or one above it, is inactive."
	default:
		return "Denied: the question could not be evaluated. Ask again; if it lasts, see the health of the server."
	}
}

// allower says what allows.
func (d *Decision) allower() string {
	if len(d.Matched) == 0 {
		return "a policy of the tenant"
	}
	return d.granting()
}

// granting names the permissions that decided and the roles that they are of.
func (d *Decision) granting() string {
	return listing("permission", names(d.Matched)) + " of " + listing("role", d.roleNames())
}

// listing is a list of names with what they are of before it.
func listing(what string, list []string) string {
	if len(list) != 1 {
		what += "s"
	}
	return what + " " + strings.Join(list, ", ")
}

// opener says what opened the chain.
func (d *Decision) opener() string {
	if d.AutoApproved {
		return "the conditions of approval chain " + d.Chain.Name + " approve it"
	}
	return "approval chain " + d.Chain.Name + " approved it by request " + d.RequestID.String()
}

// waiting says what to do about an approval that is wanted.
func (d *Decision) waiting() string {
	if d.RequestID != nil {
		return "Request " + d.RequestID.String() + " waits for it."
	}
	return "Ask again with a justification to request it."
}

// maxObjections is how many denials of policies a sentence names.
const maxObjections = 3

func objections(denials []policy.Denial) string {
	var out []string
	for _, d := range denials[:min(len(denials), maxObjections)] {
		text := "policy " + d.Policy + " forbids it"
		if d.Reason != "" {
			text += " (" + strings.TrimRight(d.Reason, ".") + ")"
		}
		out = append(out, text)
	}
	if n := len(denials) - maxObjections; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

func names(list []*grants.Grant) []string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = g.Name
	}
	return out
}

func (d *Decision) roleNames() []string {
	var out []string
	for _, r := range d.MatchedRoles() {
		if !slices.Contains(out, r.Name) {
			out = append(out, r.Name)
		}
	}
	return out
}

// MatchedIDs returns the ids of the matched permissions, ascending.
func (d *Decision) MatchedIDs() []string {
	out := make([]string, len(d.Matched))
	for i, g := range d.Matched {
		out[i] = g.ID.String()
	}
	return out
}

// record makes the decision's record for the log. Of the question it keeps what
// identifies it and no attribute values.
func (d *Decision) record(requestID string) audit.Record {
	return audit.Record{
		ID: d.ID, TenantID: d.question.TenantID, DecidedAt: d.now, Revision: d.Revision,
		SubjectID: d.question.UserID, Allowed: d.Allowed, Code: string(d.Code),
		Latency: d.Latency, RequestID: requestID,
		Question: func() []byte {
			return document(map[string]any{
				"resource": map[string]string{"type": d.question.Type, "id": d.question.ID},
				"action":   d.question.Action,
			})
		},
		Answer: func() []byte { return document(d.recorded()) },
	}
}

// recorded is what the log keeps of the answer. What most answers lack is left
// out of them.
func (d *Decision) recorded() map[string]any {
	out := map[string]any{
		"allowed": d.Allowed, "reason_code": d.Code, "matched_permissions": d.MatchedIDs(), "matched_roles": d.MatchedRoles(),
	}
	if len(d.Denials) > 0 {
		out["denials"] = d.Denials
	}
	if len(d.Obligations) > 0 {
		out["obligations"] = d.Obligations
	}
	if d.Chain != nil {
		out["approval_chain_id"] = d.Chain.ID
	}
	if d.RequestID != nil {
		out["approval_request_id"] = d.RequestID
	}
	if d.AutoApproved {
		out["auto_approved"] = true
	}
	return out
}

func document(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`)
	}
	return raw
}
