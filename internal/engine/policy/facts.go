package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Attrs are attributes as OPA reads them, converted once and for use with any
// number of questions. nil stands for none.
type Attrs struct{ object ast.Object }

// NewAttrs converts attributes. Numbers must be json.Number.
func NewAttrs(m map[string]any) (*Attrs, error) {
	if len(m) == 0 {
		return nil, nil //nolint:nilnil // stands for no attributes
	}
	value, err := ast.InterfaceToValue(Attributes(m))
	if err != nil {
		return nil, fmt.Errorf("convert attributes: %w", err)
	}
	return &Attrs{value.(ast.Object)}, nil
}

func (a *Attrs) value() ast.Object {
	if a == nil {
		return ast.NewObject()
	}
	return a.object
}

// Facts are a question with what policies read of its surroundings, which is
// data.sentinel.lib to them.
type Facts struct {
	// Question is as it was asked; each action that is judged takes the place of
	// its own.
	Question Question
	Subject  SubjectFacts
	Resource ResourceFacts
	Tenant   Tenant
	// Now is context.time where the question has none.
	Now time.Time
	// AllowRules is set where the tenant's modules may allow.
	AllowRules bool
}

// SubjectFacts are what policies read of the subject.
type SubjectFacts struct {
	// ID is in its canonical form.
	ID string
	// Email is empty unless it is verified.
	Email, Username, ExternalID string
	IsServiceAccount            bool
	// Attributes are the stored ones. What the question says of the subject goes
	// over or under them.
	Attributes *Attrs
	// Roles are the names of all roles that the subject has, ascending, each once.
	Roles []string
}

// ResourceFacts are what policies read of the resource.
type ResourceFacts struct {
	// ID is a registered node's code, or else the id asked about.
	ID string
	// Path is a registered node's.
	Path string
	// Attributes are those stored with a registered node; they win over those of
	// the question.
	Attributes *Attrs
}

type pair = [2]*ast.Term

func member(name string, value ast.Value) pair {
	return pair{ast.InternedTerm(name), ast.NewTerm(value)}
}

func text(name, value string) pair { return member(name, ast.String(value)) }

// document is what the actions of one question share, converted once.
type document struct {
	asked, lib []pair
	properties ast.Object
}

func (f *Facts) document() (*document, error) {
	none := ast.NewObject()
	p := parts{none, none, none, none, none}
	for _, part := range []struct {
		to   *ast.Object
		from map[string]any
	}{
		{&p.attributes, f.Question.Attributes},
		{&p.properties, f.Question.ActionProperties},
		{&p.context, f.Question.Context},
		{&p.supplied, f.Question.SubjectAttributes},
		{&p.overrides, f.Question.SubjectOverrides},
	} {
		attrs, err := NewAttrs(part.from)
		if err != nil {
			return nil, err
		}
		if attrs != nil {
			*part.to = attrs.object
		}
	}
	return &document{f.question(&p), f.lib(&p), p.properties}, nil
}

// parts are what a question says, converted; empty where it says nothing.
type parts struct {
	attributes, properties, context ast.Object
	// supplied and overrides are of the subject.
	supplied, overrides ast.Object
}

// question is the input of one action.
func (d *document) question(action string) ast.Value {
	return ast.NewObject(append(slices.Clip(d.asked), text("action", action))...)
}

// library is data.sentinel.lib of one action.
func (d *document) library(action string) ast.Value {
	of := member("action", ast.NewObject(text("name", action), member("properties", d.properties)))
	return ast.NewObject(append(slices.Clip(d.lib), of)...)
}

// question returns the members of the input but the action, as [Question.Input]
// has them.
func (f *Facts) question(p *parts) []pair {
	resource := []pair{text("type", f.Question.Type)}
	if f.Question.ID != "" {
		resource = append(resource, text("id", f.Question.ID))
	}
	if f.Question.Attributes != nil {
		resource = append(resource, member("attributes", p.attributes))
	}
	out := []pair{text("user_id", f.Question.UserID), member("resource", ast.NewObject(resource...))}
	if f.Question.ActionProperties != nil {
		out = append(out, member("action_properties", p.properties))
	}
	if f.Question.Context != nil {
		out = append(out, member("context", p.context))
	}
	if f.Question.SubjectAttributes != nil {
		out = append(out, member("subject_attributes", p.supplied))
	}
	if f.Question.SubjectOverrides != nil {
		out = append(out, member("subject_overrides", p.overrides))
	}
	return out
}

// lib returns the members of data.sentinel.lib but the action.
func (f *Facts) lib(p *parts) []pair {
	roles := make([]*ast.Term, len(f.Subject.Roles))
	for i, name := range f.Subject.Roles {
		roles[i] = ast.StringTerm(name)
	}
	return []pair{
		member("subject", ast.NewObject(
			text("id", f.Subject.ID), text("email", f.Subject.Email), text("username", f.Subject.Username),
			text("external_id", f.Subject.ExternalID), member("is_service_account", ast.Boolean(f.Subject.IsServiceAccount)),
			member("attributes", over(p.overrides, over(f.Subject.Attributes.value(), p.supplied))), member("roles", ast.NewArray(roles...)),
		)),
		member("resource", ast.NewObject(
			text("id", f.Resource.ID), text("type", f.Question.Type), text("path", f.Resource.Path),
			member("attributes", over(f.Resource.Attributes.value(), p.attributes)),
		)),
		member("context", over(p.context, ast.NewObject(text("time", f.Now.UTC().Format(time.RFC3339Nano))))),
		member("tenant", ast.NewObject(
			text("id", f.Tenant.ID), text("code", f.Tenant.Code), text("name", f.Tenant.Name), text("time_zone", f.Tenant.TimeZone),
		)),
	}
}

// over returns the members of top, and those of bottom that top lacks.
func over(top, bottom ast.Object) ast.Object {
	switch {
	case bottom.Len() == 0:
		return top
	case top.Len() == 0:
		return bottom
	}
	pairs := make([]pair, 0, top.Len()+bottom.Len())
	top.Foreach(func(k, v *ast.Term) { pairs = append(pairs, pair{k, v}) })
	bottom.Foreach(func(k, v *ast.Term) {
		if top.Get(k) == nil {
			pairs = append(pairs, pair{k, v})
		}
	})
	return ast.NewObject(pairs...)
}
