package authzen

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// The semantics in which not all evaluations are answered.
const (
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

// EvaluationIn asks one question.
type EvaluationIn struct {
	In
	Body EvaluationBody
}

// EvaluationsIn asks many.
type EvaluationsIn struct {
	In
	Body EvaluationsBody
}

// Answers are in the order of the evaluations. They end early where the
// semantic says so. Without evaluations the answer is that of the one question.
type Answers struct {
	Decision    *bool            `json:"decision,omitempty" doc:"Only of a call without evaluations."`
	Context     *DecisionContext `json:"context,omitempty" doc:"Only of a call without evaluations."`
	Evaluations []Decision       `json:"evaluations,omitempty"`
}

func (s *Service) evaluation(ctx context.Context, in *EvaluationIn) (*httpapi.Reply[Decision], error) {
	b := &in.Body
	d, err := s.one(ctx, in.In, &Evaluation{Subject: &b.Subject, Action: &b.Action, Resource: &b.Resource, Context: b.Context}, &b.Options)
	if err != nil {
		return nil, err
	}
	return &httpapi.Reply[Decision]{Body: *d}, nil
}

// one answers a question that is asked alone.
func (s *Service) one(ctx context.Context, in In, e *Evaluation, o *Options) (*Decision, error) {
	tenant, err := s.tenant(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := s.parse(ctx, tenant, []Evaluation{*e})
	if err != nil {
		return nil, err
	}
	if p[0].wrong != nil {
		return nil, p[0].wrong
	}
	d := s.Engine.Decide(ctx, p[0].question)
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", d.Revision)
	return view(p[0].caller, d, o.Sentinel.Explain), nil
}

func (s *Service) evaluations(ctx context.Context, in *EvaluationsIn) (*httpapi.Reply[Answers], error) {
	b := &in.Body
	list := make([]Evaluation, max(len(b.Evaluations), 1))
	for i := range b.Evaluations {
		list[i] = b.Evaluations[i]
	}
	for i := range list {
		list[i] = list[i].or(b)
	}
	if err := complete(list, len(b.Evaluations) > 0); err != nil {
		return nil, err
	}
	if len(b.Evaluations) == 0 {
		d, err := s.one(ctx, in.In, &list[0], &b.Options)
		if err != nil {
			return nil, err
		}
		return &httpapi.Reply[Answers]{Body: Answers{Decision: &d.Decision, Context: d.Context}}, nil
	}
	if err := httpapi.Charge(ctx, len(list)); err != nil {
		return nil, err
	}
	tenant, err := s.tenant(ctx, in.In)
	if err != nil {
		return nil, err
	}
	p, err := s.parse(ctx, tenant, list)
	if err != nil {
		return nil, err
	}
	var out []Decision
	if b.Options.Semantic == denyOnFirstDeny || b.Options.Semantic == permitOnFirstPermit {
		out = s.untilFirst(ctx, p, &b.Options)
	} else {
		out = s.all(ctx, p, &b.Options)
	}
	return &httpapi.Reply[Answers]{Body: Answers{Evaluations: out}}, nil
}

// complete refuses questions that lack an entity, which theirs did not supply.
func complete(list []Evaluation, many bool) error {
	var fields []fault.Field
	for i := range list {
		prefix := ""
		if many {
			prefix = fmt.Sprintf("evaluations[%d].", i)
		}
		for _, m := range []struct {
			name  string
			given bool
		}{{"subject", list[i].Subject != nil}, {"action", list[i].Action != nil}, {"resource", list[i].Resource != nil}} {
			if !m.given {
				fields = append(fields, fault.Field{Path: prefix + m.name, Message: "is required"})
			}
		}
	}
	if fields != nil {
		return fault.Invalid(fields...)
	}
	return nil
}

// asked is a question as the engine takes it, or what is wrong with it.
type asked struct {
	caller   *asking.Caller
	question *engine.Question
	wrong    *fault.Error
}

// parse makes questions of evaluations that have all entities. It fails where the
// caller may not ask one of them.
func (s *Service) parse(ctx context.Context, tenant uuid.UUID, list []Evaluation) ([]asked, error) {
	subjects := make([]*Subject, len(list))
	for i := range list {
		subjects[i] = list[i].Subject
	}
	users, err := s.subjects(ctx, tenant, subjects)
	if err != nil {
		return nil, err
	}
	callers := map[uuid.UUID]*asking.Caller{}
	out := make([]asked, len(list))
	for i := range list {
		user := users[i]
		if callers[user] == nil {
			if callers[user], err = asking.About(ctx, s.Engine, &user); err != nil {
				return nil, err
			}
		}
		e := &list[i]
		out[i].caller = callers[user]
		out[i].question, err = question(callers[user], &asks{
			subject: e.Subject.Properties, typ: e.Resource.Type, id: e.Resource.ID, resource: e.Resource.Properties,
			action: e.Action.Name, properties: e.Action.Properties, context: e.Context,
		})
		if errors.As(err, &out[i].wrong) && out[i].wrong.Kind == fault.Validation {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// subjects finds the accounts that are meant, uuid.Nil for one that nobody is.
func (s *Service) subjects(ctx context.Context, tenant uuid.UUID, list []*Subject) ([]uuid.UUID, error) {
	snapshot, err := s.Engine.Snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, subject := range list {
		if slices.Contains(snapshot.Tenant.SubjectTypes, subject.Type) && storable(subject.ID) && !seen[subject.ID] {
			seen[subject.ID], names = true, append(names, subject.ID)
		}
	}
	found := map[string]uuid.UUID{}
	if names != nil {
		if found, err = s.accounts(ctx, tenant, names); err != nil {
			return nil, err
		}
	}
	out := make([]uuid.UUID, len(list))
	for i, subject := range list {
		if slices.Contains(snapshot.Tenant.SubjectTypes, subject.Type) {
			out[i] = found[subject.ID]
		}
	}
	return out, nil
}

// all answers every question, those about one subject together.
func (s *Service) all(ctx context.Context, list []asked, o *Options) []Decision {
	out := make([]Decision, len(list))
	var order []uuid.UUID
	bySubject := map[uuid.UUID][]int{}
	for i := range list {
		if list[i].wrong != nil {
			out[i] = *failed(list[i].wrong)
			continue
		}
		user := list[i].question.UserID
		if bySubject[user] == nil {
			order = append(order, user)
		}
		bySubject[user] = append(bySubject[user], i)
	}
	for _, user := range order {
		questions := make([]*engine.Question, len(bySubject[user]))
		for j, i := range bySubject[user] {
			questions[j] = list[i].question
		}
		for j, d := range s.Engine.DecideAll(ctx, questions) {
			i := bySubject[user][j]
			out[i] = *view(list[i].caller, d, o.Sentinel.Explain)
		}
	}
	return out
}

// untilFirst answers questions in their order up to the one that ends them. They
// are decided one by one, so that none is recorded that is not answered.
func (s *Service) untilFirst(ctx context.Context, list []asked, o *Options) []Decision {
	var out []Decision
	for i := range list {
		if list[i].wrong != nil {
			out = append(out, *failed(list[i].wrong))
		} else {
			out = append(out, *view(list[i].caller, s.Engine.Decide(ctx, list[i].question), o.Sentinel.Explain))
		}
		last := &out[len(out)-1]
		if last.Decision != (o.Semantic == permitOnFirstPermit) {
			continue
		}
		if !last.Decision {
			last.context().Code, last.context().Reason = "200", denyOnFirstDeny
		}
		break
	}
	return out
}
