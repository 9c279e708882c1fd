package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Self as a question's UserID is the account that asks: that of the client's key,
// or of the token given by [WithToken].
const Self = "self"

// maxBatch is how many questions the server takes at once.
const maxBatch = 1000

// Question asks whether a subject may do something.
type Question struct {
	// UserID is the id of the subject, or [Self]. Empty is refused: an application
	// that does not know yet who its user is would be told of its own account.
	// Naming another needs execute on api/decisions, as do Attributes,
	// ActionProperties and Context.
	UserID string
	// Action is what is to be done, such as "read".
	Action string
	// Type is the type of the resource, such as "invoice".
	Type string
	// ID is the instance as the application knows it. Empty asks about the type,
	// as before a create.
	ID string
	// Attributes are what is known of the instance.
	Attributes map[string]any
	// ActionProperties say more about what is to be done.
	ActionProperties map[string]any
	// Context is of the request: time, ip, anything else.
	Context map[string]any
	// Justification says to those who approve why the subject should be allowed. If
	// the answer needs an approval, it opens an access request, or finds the one
	// that waits. Of [Self] only, and not in [Client.CheckMany].
	Justification string
}

// Decision is the answer to a question. The zero value is a refusal.
type Decision struct {
	Allowed bool
	// ID finds the decision in the server's records.
	ID uuid.UUID
	// ReasonCode says in one word why, such as "granted" or "explicit_deny".
	ReasonCode string
	// Obligations are what whoever lets the subject act has to do. An application
	// that cannot do one of them must not let the subject act.
	Obligations []Obligation
	// RequiresApproval is set if an approval would allow it.
	RequiresApproval bool
	// ApprovalChainID is the chain that is wanted, or that an approval opened; zero
	// for none.
	ApprovalChainID uuid.UUID
	// ApprovalRequestID is the access request that waits for the chain, or that
	// opened it; zero for none.
	ApprovalRequestID uuid.UUID
	// Fields are what the subject may do with each field that is defined for the
	// type, whatever the action: "read", "write" or "hidden" by tier and name.
	Fields map[string]map[string]string
	// Reason says in one sentence why. It names roles and permissions, so it
	// is given to callers with execute on api/decisions alone; so are the members
	// that follow.
	Reason string
	// Revision is a token of the state that the answer holds for.
	Revision string
	// TTL is for how long the answer may be kept if nothing is written.
	TTL time.Duration
	// Stale is set if the answer rests on a state older than it should be.
	Stale bool
}

// Obligation is a demand of a policy, in the policy's own members. By its member
// "type" an application knows what to do.
type Obligation map[string]any

// Type is the member "type", empty if there is none.
func (o Obligation) Type() string {
	typ, _ := o["type"].(string)
	return typ
}

type decisionKey struct{}

// WithDecision returns a context in which [DecisionFrom] finds d: for middleware
// that lets a request through. The obligations of a decision that is there already
// stay beside those of d.
func WithDecision(ctx context.Context, d Decision) context.Context {
	if before, ok := DecisionFrom(ctx); ok {
		d.Obligations = slices.Concat(before.Obligations, d.Obligations)
	}
	return context.WithValue(ctx, decisionKey{}, d)
}

// DecisionFrom returns the decision by which a guard let the request of this
// context through, with the obligations to fulfil and the fields to leave out.
func DecisionFrom(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(Decision)
	return d, ok
}

// errUnlike is an answer that nobody should act on.
var errUnlike = errors.New("the server does not answer like Sentinel")

// Check asks one question. With an error there is no decision: whoever asks must
// not go on.
func (c *Client) Check(ctx context.Context, q Question) (Decision, error) {
	user, err := q.user()
	if err != nil {
		return Decision{}, err
	}
	one, err := q.check()
	if err != nil {
		return Decision{}, err
	}
	body := CheckPermissionsJSONRequestBody{
		UserID: user, Action: one.Action, Resource: one.Resource, ActionProperties: one.ActionProperties, Context: one.Context,
	}
	if q.Justification != "" {
		if !utf8.ValidString(q.Justification) {
			return Decision{}, errors.New("the question's Justification must be valid UTF-8")
		}
		body.Justification = &q.Justification
	}
	got, err := c.CheckPermissionsWithResponse(ctx, body)
	if err != nil {
		return Decision{}, fmt.Errorf("check a permission: %w", err)
	}
	if got.JSON200 == nil {
		return Decision{}, fmt.Errorf("check a permission: %w", errUnlike)
	}
	return read(&got.JSON200.Data)
}

// CheckMany asks many questions and returns the answers in their order. Those
// about one subject are asked together, 1,000 at a time and at one moment. With
// an error there are no decisions at all.
func (c *Client) CheckMany(ctx context.Context, questions []Question) ([]Decision, error) {
	bySubject := map[string][]int{}
	var subjects []string
	for i := range questions {
		subject := questions[i].UserID
		if bySubject[subject] == nil {
			subjects = append(subjects, subject)
		}
		bySubject[subject] = append(bySubject[subject], i)
	}
	decisions := make([]Decision, len(questions))
	for _, subject := range subjects {
		for places := bySubject[subject]; len(places) > 0; {
			n := min(len(places), maxBatch)
			if err := c.checkBatch(ctx, questions, places[:n], decisions); err != nil {
				return nil, err
			}
			places = places[n:]
		}
	}
	return decisions, nil
}

// checkBatch asks the questions at the places, which are about one subject, and
// puts the answers there.
func (c *Client) checkBatch(ctx context.Context, questions []Question, places []int, decisions []Decision) error {
	user, err := questions[places[0]].user()
	if err != nil {
		return err
	}
	body := BatchCheckPermissionsJSONRequestBody{UserID: user, Checks: make([]Check, len(places))}
	for i, place := range places {
		if questions[place].Justification != "" {
			return errors.New("a question with a Justification is asked alone: see Check")
		}
		if body.Checks[i], err = questions[place].check(); err != nil {
			return err
		}
	}
	got, err := c.BatchCheckPermissionsWithResponse(ctx, body)
	if err != nil {
		return fmt.Errorf("check permissions: %w", err)
	}
	if got.JSON200 == nil || len(got.JSON200.Data.Results) != len(places) {
		return fmt.Errorf("check permissions: %w", errUnlike)
	}
	for i, place := range places {
		if decisions[place], err = read(&got.JSON200.Data.Results[i]); err != nil {
			return err
		}
	}
	return nil
}

func (q *Question) user() (*uuid.UUID, error) {
	switch q.UserID {
	case Self:
		return nil, nil
	case "":
		return nil, errors.New("the question's UserID is empty: give the subject's id, or client.Self for the account that asks")
	}
	id, err := uuid.Parse(q.UserID)
	if err != nil {
		return nil, fmt.Errorf("the question's UserID: %w", err)
	}
	return &id, nil
}

// check is the question as it is sent. JSON holds UTF-8 alone: whatever else an
// id holds would reach the server as another id.
func (q *Question) check() (Check, error) {
	if !utf8.ValidString(q.Action) || !utf8.ValidString(q.Type) || !utf8.ValidString(q.ID) {
		return Check{}, errors.New("the question's Action, Type and ID must be valid UTF-8")
	}
	check := Check{Action: q.Action, ActionProperties: q.ActionProperties, Context: q.Context}
	check.Resource = CheckResource{Type: q.Type, Attributes: q.Attributes}
	if q.ID != "" {
		check.Resource.ID = &q.ID
	}
	return check, nil
}

// read takes an answer that has all that every answer has.
func read(a *DecisionAnswer) (Decision, error) {
	if a.DecisionID == uuid.Nil || a.ReasonCode == "" {
		return Decision{}, fmt.Errorf("read a decision: %w", errUnlike)
	}
	obligations := make([]Obligation, len(a.Obligations))
	for i, o := range a.Obligations {
		obligations[i] = o
	}
	return Decision{
		Allowed: a.Allowed, ID: a.DecisionID, ReasonCode: string(a.ReasonCode), Reason: value(a.Reason),
		Obligations: obligations, RequiresApproval: a.RequiresApproval, Fields: a.FieldPermissions,
		ApprovalChainID: value(a.ApprovalChainID), ApprovalRequestID: value(a.ApprovalRequestID),
		Revision: value(a.Revision), TTL: time.Duration(value(a.TTL)) * time.Second, Stale: value(a.Stale),
	}, nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
