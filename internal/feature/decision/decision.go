// Package decision owns the calls that ask who may do what. Who may ask what
// about whom is package asking's, and the answer the engine's.
package decision

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Service answers the section's calls.
type Service struct {
	Engine *engine.Engine
	// Open opens an access request of the caller for what a question of theirs asks
	// about, to go through a chain, or finds the one that waits already. It fails
	// with a fault where too many wait.
	Open func(ctx context.Context, q *engine.Question, chain uuid.UUID, justification string) (uuid.UUID, error)
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Decisions", "Who may do what, and why.")
	why := "one's own questions need a token only; naming another subject, and supplying attributes or context, needs execute on api/decisions"
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/check", Summary: "May this subject do this?", Access: httpapi.Authenticated(why), Errors: []int{403, 404, 409}, Charged: true,
		Description: "A refusal is a successful answer: 200 with allowed false. What cannot be evaluated is refused as not_evaluated. With a justification, an answer that needs an approval opens one access request, or names the one that waits.",
	}, s.check)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/explain", Summary: "Why, and what would change it", Access: httpapi.Authenticated(why), Errors: []int{403, 404}, Charged: true,
		Description: "The answer of a check with each role path, each permission considered, each rule that fired, and the least changes that would make the answer another; every one was decided under. The whole needs execute on api/decisions and read on api/permissions, and values, roles and failures of policies read on their sections; others get what they may know, and trimmed says so. It is recorded as a check and counts as ten questions.",
	}, s.explain)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/batch-check", Summary: "Many questions about one subject", Access: httpapi.Authenticated(why), Errors: []int{403, 404}, Charged: true,
		Description: "Up to 1,000, answered in order, all at one moment. Each counts as a question.",
	}, s.batch)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/filter", Summary: "Which rows may this subject act on?", Access: httpapi.Authenticated(why), Errors: []int{403, 404, 422}, Charged: true,
		Description: "A condition that selects, of the rows of a type, just those of which a check would say that they are allowed, told the row's id and attributes. What cannot be stated about rows is 422, never a wider set. Rows of registered resources are found by code or id. It counts as a question and leaves no record.",
	}, s.filter)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/who-can", Summary: "Who may do this?", Access: httpapi.Requires("decisions", "execute"), Errors: []int{404}, Charged: true,
		Description: "Every account that a check would allow, page by page, each with what allows it. Needs read on api/users besides. Accounts that change between pages may be missed or listed as they were; nobody is listed twice. It counts as as many questions as a page may hold, and leaves no record.",
	}, s.whoCan)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/what-can", Summary: "What may this subject do?", Access: httpapi.Authenticated(why), Errors: []int{403, 404}, Charged: true,
		Description: "The registered resources on which a check would allow something, page by page, and on the first page the patterns of what is not registered. It counts as as many questions as a page may hold, and leaves no record.",
	}, s.whatCan)
	httpapi.Get(sec, httpapi.Route{
		Path: "/field-permissions", Summary: "Which fields may this subject see and change?", Access: httpapi.Authenticated(why), Errors: []int{403, 404}, Charged: true,
		Description: "Of every field that is defined for the type, by tier. It counts as a question, and is recorded as one, about action read.",
	}, s.fields)
	s.registerSimulation(sec)
	httpapi.List(sec, httpapi.Route{
		Path: "/users/{id}/permissions", Summary: "What a user may do", Access: httpapi.Authenticated("one's own; another's needs read on api/users"), Errors: []int{403, 404},
		Description: "Every permission of every role the user has now, with the path by which they have it: what the checks decide by. An account that is inactive or locked has none.",
	}, s.effective)
}

// CheckIn asks one question.
type CheckIn struct {
	Body struct {
		UserID *uuid.UUID `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		asking.Check
		Explain       bool    `json:"explain,omitempty" doc:"The answer carries its explanation, as POST /permissions/explain gives it. Needs execute on api/decisions and read on api/permissions. It counts as ten questions."`
		Justification *string `json:"justification,omitempty" minLength:"1" maxLength:"4000" doc:"Why the caller should be allowed, for those who decide. If the answer needs an approval, one access request is opened, or the one that waits is returned; with any other answer nothing happens. In questions about oneself only."`
	}
}

func (s *Service) check(ctx context.Context, in *CheckIn) (*Answer, error) {
	caller, err := asking.About(ctx, s.Engine, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	if in.Body.Justification != nil {
		if err := mayJustify(ctx, caller); err != nil {
			return nil, err
		}
	}
	q, err := caller.Question(&in.Body.Check, "")
	if err != nil {
		return nil, err
	}
	d, x, err := s.decide(ctx, caller, q, in.Body.Explain)
	if err != nil {
		return nil, err
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", d.Revision)
	if in.Body.Justification != nil && d.Code == engine.ApprovalRequired && d.RequestID == nil {
		request, err := s.Open(ctx, q, d.Chain.ID, *in.Body.Justification)
		if err != nil {
			return nil, err
		}
		opened := *d
		opened.RequestID = &request
		d = &opened
	}
	out := view(caller, d)
	out.Explanation = x
	return out, nil
}

// decide answers a question, with its explanation if that is asked for.
func (s *Service) decide(ctx context.Context, caller *asking.Caller, q *engine.Question, explain bool) (*engine.Decision, *engine.Explanation, error) {
	if explain {
		if err := s.mayExplain(ctx, caller); err != nil {
			return nil, nil, err
		}
		x, err := s.explained(ctx, caller, q)
		if err != nil {
			return nil, nil, err
		}
		return x.Decision(), x, nil
	}
	d := s.Engine.Decide(ctx, q)
	if d.Code == engine.SubjectUnknown && caller.Named {
		return nil, nil, fault.NotFound("user")
	}
	return d, nil, nil
}

// BatchIn asks many questions about one subject.
type BatchIn struct {
	Body struct {
		UserID *uuid.UUID     `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		Checks []asking.Check `json:"checks" minItems:"1" maxItems:"1000"`
	}
}

// Answers are in the order of the questions.
type Answers struct {
	Results []Answer `json:"results"`
}

func (s *Service) batch(ctx context.Context, in *BatchIn) (*Answers, error) {
	if err := httpapi.Charge(ctx, len(in.Body.Checks)); err != nil {
		return nil, err
	}
	caller, err := asking.About(ctx, s.Engine, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	questions, err := every(len(in.Body.Checks), nil, func(i int) (*engine.Question, error) {
		return caller.Question(&in.Body.Checks[i], fmt.Sprintf("checks[%d].", i))
	})
	if err != nil {
		return nil, err
	}
	decisions := s.Engine.DecideAll(ctx, questions)
	out := &Answers{Results: make([]Answer, len(decisions))}
	for i, d := range decisions {
		if d.Code == engine.SubjectUnknown && caller.Named {
			return nil, fault.NotFound("user")
		}
		out.Results[i] = *view(caller, d)
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", decisions[0].Revision)
	return out, nil
}

// every makes the questions of a list. The fault of one names the members at fault
// of all, after those that the caller has found.
func every(n int, fields []fault.Field, question func(i int) (*engine.Question, error)) ([]*engine.Question, error) {
	out := make([]*engine.Question, n)
	for i := range out {
		q, err := question(i)
		if f, ok := err.(*fault.Error); ok && f.Kind == fault.Validation { //nolint:errorlint // made by the question itself
			fields = append(fields, f.Fields...)
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = q
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	return out, nil
}

// mayJustify refuses a justification that would open a request in another's name,
// or with a token that is there for other things.
func mayJustify(ctx context.Context, caller *asking.Caller) error {
	if !caller.Own {
		return fault.New(fault.Denied, "A justification is the subject's own to give. Ask without, or open an access request for them.")
	}
	if p, _ := identity.PrincipalFrom(ctx); p.IsScoped() {
		return fault.New(fault.Denied, "The scope of this token does not include opening access requests. Ask without a justification, or use a token without a scope.")
	}
	return nil
}
