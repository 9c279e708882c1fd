package authzen

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// SubjectKind is the subjects that are looked for. An id is ignored.
type SubjectKind struct {
	_          struct{}       `additionalProperties:"true"`
	Type       string         `json:"type" minLength:"1" doc:"One of settings.authzen_subject_types; default user and identity."`
	Properties httpapi.Object `json:"properties,omitempty" doc:"Attributes of every subject; see access evaluation."`
}

// ResourceKind is the resources that are looked for. An id is ignored.
type ResourceKind struct {
	_          struct{}       `additionalProperties:"true"`
	Type       string         `json:"type" minLength:"1"`
	Properties httpapi.Object `json:"properties,omitempty" doc:"Attributes of every resource; stored ones win."`
}

// SubjectSearchBody asks who may do something.
type SubjectSearchBody struct {
	_        struct{}       `additionalProperties:"true"`
	Subject  SubjectKind    `json:"subject"`
	Action   Action         `json:"action"`
	Resource Resource       `json:"resource"`
	Context  httpapi.Object `json:"context,omitempty"`
	Page     Page           `json:"page,omitempty"`
}

// ResourceSearchBody asks on what a subject may do something.
type ResourceSearchBody struct {
	_        struct{}       `additionalProperties:"true"`
	Subject  Subject        `json:"subject"`
	Action   Action         `json:"action"`
	Resource ResourceKind   `json:"resource"`
	Context  httpapi.Object `json:"context,omitempty"`
	Page     Page           `json:"page,omitempty"`
}

// ActionSearchBody asks what a subject may do.
type ActionSearchBody struct {
	_        struct{}       `additionalProperties:"true"`
	Subject  Subject        `json:"subject"`
	Resource Resource       `json:"resource"`
	Context  httpapi.Object `json:"context,omitempty"`
	Page     Page           `json:"page,omitempty"`
}

// SubjectSearchIn asks who may do something.
type SubjectSearchIn struct {
	In
	Body SubjectSearchBody
}

// ResourceSearchIn asks on what a subject may do something.
type ResourceSearchIn struct {
	In
	Body ResourceSearchBody
}

// ActionSearchIn asks what a subject may do.
type ActionSearchIn struct {
	In
	Body ActionSearchBody
}

// Found is a subject or a resource, by a name that evaluates to true.
type Found struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// FoundAction is an action.
type FoundAction struct {
	Name string `json:"name"`
}

func (s *Service) searchSubject(ctx context.Context, in *SubjectSearchIn) (*httpapi.Reply[Results[Found]], error) {
	b := &in.Body
	tenant, p, err := s.begin(ctx, in.In, &b.Page, searchSubjectPath, b.Subject, b.Action, b.Resource, b.Context)
	if err != nil {
		return nil, err
	}
	me, _ := identity.PrincipalFrom(ctx)
	if !s.Engine.Permits(ctx, me.HomeTenantID, me.UserID, "users", "read") {
		return nil, httpapi.Denied(httpapi.Permission{Section: "users", Action: "read"})
	}
	q, err := s.searched(ctx, nil, &asks{
		subject: b.Subject.Properties, typ: b.Resource.Type, id: b.Resource.ID, resource: b.Resource.Properties,
		action: b.Action.Name, properties: b.Action.Properties, context: b.Context,
	})
	if err != nil {
		return nil, err
	}
	search := &engine.SubjectSearch{Question: *q, Limit: p.limit}
	if p.after != "" {
		if search.After, err = uuid.Parse(p.after); err != nil {
			return nil, badToken()
		}
	}
	called, err := s.calls(ctx, tenant, b.Subject.Type)
	if err != nil {
		return nil, err
	}
	if !called || p.limit == 0 {
		return reply[Found](p, nil, "", nil), nil
	}
	page, err := s.Engine.WhoCan(ctx, search)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(page.Found))
	for i := range page.Found {
		found[i] = Found{Type: b.Subject.Type, ID: nameOf(page.Found[i].Subject)}
	}
	next := ""
	if page.Next != uuid.Nil {
		next = page.Next.String()
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", page.Revision)
	return reply(p, found, next, beside(&SearchContext{DependsOn: page.DependsOn, NotEvaluated: page.NotEvaluated})), nil
}

func (s *Service) searchResource(ctx context.Context, in *ResourceSearchIn) (*httpapi.Reply[Results[Found]], error) {
	b := &in.Body
	tenant, p, err := s.begin(ctx, in.In, &b.Page, searchResourcePath, b.Subject, b.Action, b.Resource, b.Context)
	if err != nil {
		return nil, err
	}
	users, err := s.subjects(ctx, tenant, []*Subject{&b.Subject})
	if err != nil {
		return nil, err
	}
	q, err := s.searched(ctx, &users[0], &asks{
		subject: b.Subject.Properties, typ: b.Resource.Type, resource: b.Resource.Properties,
		action: b.Action.Name, properties: b.Action.Properties, context: b.Context,
	})
	if err != nil {
		return nil, err
	}
	if q.UserID == uuid.Nil || p.limit == 0 {
		return reply[Found](p, nil, "", nil), nil
	}
	page, err := s.Engine.WhatCan(ctx, &engine.ResourceSearch{Question: *q, After: p.after, Limit: p.limit})
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(page.Found))
	for i := range page.Found {
		found[i] = Found{Type: page.Found[i].Node.Type, ID: page.Found[i].Node.Code}
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", page.Revision)
	return reply(p, found, page.Next, beside(&SearchContext{
		NotEvaluated: page.NotEvaluated, Patterns: patterns(page.Patterns), PatternsCut: page.PatternsCut,
	})), nil
}

func (s *Service) searchAction(ctx context.Context, in *ActionSearchIn) (*httpapi.Reply[Results[FoundAction]], error) {
	b := &in.Body
	tenant, p, err := s.begin(ctx, in.In, &b.Page, searchActionPath, b.Subject, b.Resource, b.Context)
	if err != nil {
		return nil, err
	}
	users, err := s.subjects(ctx, tenant, []*Subject{&b.Subject})
	if err != nil {
		return nil, err
	}
	q, err := s.searched(ctx, &users[0], &asks{
		subject: b.Subject.Properties, typ: b.Resource.Type, id: b.Resource.ID, resource: b.Resource.Properties,
		action: "any", context: b.Context, // the action is ignored
	})
	if err != nil {
		return nil, err
	}
	if q.UserID == uuid.Nil || p.limit == 0 {
		return reply[FoundAction](p, nil, "", nil), nil
	}
	decisions, err := s.Engine.Actions(ctx, q)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range decisions {
		if name := d.Question().Action; name > p.after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	next := ""
	if len(names) > p.limit {
		names = names[:p.limit]
		next = names[len(names)-1]
	}
	found := make([]FoundAction, len(names))
	for i, name := range names {
		found[i].Name = name
	}
	return reply(p, found, next, nil), nil
}

// begin reads the page and charges for it.
func (s *Service) begin(ctx context.Context, in In, page *Page, question ...any) (uuid.UUID, *part, error) {
	tenant, err := s.tenant(ctx, in)
	if err != nil {
		return uuid.Nil, nil, err
	}
	p, err := page.part(append(question, tenant)...)
	if err != nil {
		return uuid.Nil, nil, err
	}
	return tenant, p, httpapi.Charge(ctx, p.limit)
}

// searched makes the question of a search, about a user if one is given.
func (s *Service) searched(ctx context.Context, user *uuid.UUID, a *asks) (*engine.Question, error) {
	caller, err := asking.About(ctx, s.Engine, user)
	if err != nil {
		return nil, err
	}
	return question(caller, a)
}

// nameOf is what an account is called by: the first of its names that it is found
// by.
func nameOf(subject *engine.Subject) string {
	switch {
	case subject.ExternalID != "":
		return subject.ExternalID
	case subject.EmailVerified && subject.Email != "":
		return subject.Email
	default:
		return subject.ID.String()
	}
}

func patterns(list []engine.FoundPattern) []Pattern {
	out := make([]Pattern, len(list))
	for i, p := range list {
		out[i] = Pattern{Type: p.Type, Pattern: p.Pattern, Conditional: p.Conditional}
		for _, why := range p.Because {
			out[i].Because = append(out[i].Because, string(why))
		}
	}
	return out
}

// beside is a context, nil where there is nothing to say.
func beside(c *SearchContext) *SearchContext {
	if len(c.DependsOn) == 0 && c.NotEvaluated == 0 && len(c.Patterns) == 0 && !c.PatternsCut {
		return nil
	}
	return c
}
