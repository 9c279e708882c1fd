package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
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
	reach := d.snapshot.reach(d.direct)
	var owners []int32
	for _, g := range d.Matched {
		for _, o := range g.Owners {
			if _, has := slices.BinarySearch(reach, o); has && !slices.Contains(owners, o) {
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
		return fmt.Sprintf("Allowed to %s by permission %s of role %s.", what, names(d.Matched), d.roleNames())
	case ExplicitDeny:
		return fmt.Sprintf("Denied to %s: permission %s of role %s forbids it.", what, names(d.Matched), d.roleNames())
	case ConditionFailed:
		return fmt.Sprintf("Denied to %s: permission %s would allow it, but its conditions do not hold.", what, names(d.Matched))
	case NoMatchingPermission:
		return fmt.Sprintf("Denied to %s: none of the subject's roles has a permission for it.", what)
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

func names(list []*grants.Grant) string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = g.Name
	}
	return strings.Join(out, ", ")
}

func (d *Decision) roleNames() string {
	var out []string
	for _, r := range d.MatchedRoles() {
		if !slices.Contains(out, r.Name) {
			out = append(out, r.Name)
		}
	}
	return strings.Join(out, ", ")
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
		Answer: func() []byte {
			return document(map[string]any{
				"allowed": d.Allowed, "reason_code": d.Code, "matched_permissions": d.MatchedIDs(), "matched_roles": d.MatchedRoles(),
			})
		},
	}
}

func document(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`)
	}
	return raw
}
