package policy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// Question is the library's input. Numbers in maps must be json.Number.
type Question struct {
	UserID           string
	Type             string
	ID               string
	Attributes       map[string]any
	Action           string
	ActionProperties map[string]any
	Context          map[string]any
	// SubjectAttributes fill gaps in what is stored of the subject;
	// SubjectOverrides replace what has the same names.
	SubjectAttributes map[string]any
	SubjectOverrides  map[string]any
}

// Input returns the question as the library reads it, absent members left out.
func (q *Question) Input() map[string]any {
	resource := map[string]any{"type": q.Type}
	in := map[string]any{"user_id": q.UserID, "resource": resource, "action": q.Action}
	if q.ID != "" {
		resource["id"] = q.ID
	}
	if q.Attributes != nil {
		resource["attributes"] = Attributes(q.Attributes)
	}
	if q.ActionProperties != nil {
		in["action_properties"] = Attributes(q.ActionProperties)
	}
	if q.Context != nil {
		in["context"] = Attributes(q.Context)
	}
	if q.SubjectAttributes != nil {
		in["subject_attributes"] = Attributes(q.SubjectAttributes)
	}
	if q.SubjectOverrides != nil {
		in["subject_overrides"] = Attributes(q.SubjectOverrides)
	}
	return in
}

// Verdict is the library's answer.
type Verdict struct {
	Allowed    bool
	ReasonCode string
	// MatchedPermissions are the ids of the permissions that decided, ascending.
	MatchedPermissions []string
	// MatchedRoles are the names of the subject's roles that own them directly,
	// ascending.
	MatchedRoles []string
	Extra
}

// Extra is what steps 6 to 9 add to an answer.
type Extra struct {
	// Denials are what policies say against it, ordered by policy and reason.
	Denials []Denial
	// Obligations are ordered by their JSON.
	Obligations []map[string]any
	// Chain is the id of the approval chain wanted, or that an approval opened;
	// empty where none had a say.
	Chain string
	// Levels are that chain's.
	Levels any
	// Request is the id of the access request that opened the chain, or that waits
	// for it; empty for none.
	Request string
	// AutoApproved is set when the chain's conditions opened it.
	AutoApproved bool
	// Fields are "read", "write" or "hidden" by tier and name.
	Fields map[string]map[string]string
}

// Denial is what a policy says against a question.
type Denial struct {
	// Policy is the module, such as "tenant.hours".
	Policy string `json:"policy"`
	Reason string `json:"reason"`
}

// Decide answers one question at now. An error means that the question was not
// evaluated: a built-in failed, the deadline passed, or the library gave no
// answer. It must be taken for a denial and not be cached.
func (l *Library) Decide(ctx context.Context, g *Graph, q Question, now time.Time) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	// A short evaluation ends before OPA looks at the context.
	if err := ctx.Err(); err != nil {
		return Verdict{}, fmt.Errorf("evaluate decision: %w", err)
	}
	query, err := g.query(ctx, l)
	if err != nil {
		return Verdict{}, err
	}
	input, err := ast.InterfaceToValue(q.Input())
	if err != nil {
		return Verdict{}, fmt.Errorf("convert question: %w", err)
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalTime(now))
	if err != nil {
		return Verdict{}, fmt.Errorf("evaluate decision: %w", err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return Verdict{}, errors.New("evaluate decision: no answer")
	}
	return ReadVerdict(results[0].Expressions[0].Value)
}
