package engine

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// environment gathers what the conditions of one question may read. An
// unverified e-mail address is not there: whoever can write it could be anybody.
func environment(d *Decision, subject *Subject, node *Resource) *condition.Env {
	q, t := d.question, &d.snapshot.Tenant
	env := &condition.Env{
		Subject: condition.Subject{
			ID: subject.ID.String(), Username: subject.Username, ExternalID: subject.ExternalID,
			IsServiceAccount: subject.IsServiceAccount, Attributes: subject.Attributes, Supplied: q.SubjectAttributes,
		},
		Resource: condition.Resource{ID: q.ID, Type: q.Type, Supplied: q.Attributes},
		Action:   condition.Action{Name: q.Action, Properties: q.ActionProperties},
		Context:  q.Context,
		Tenant:   condition.Tenant{ID: t.ID.String(), Code: t.Code, Name: t.Name, TimeZone: t.Location.String(), Location: t.Location},
	}
	if len(q.SubjectOverrides) > 0 {
		env.Subject.Attributes = replaced(subject.Attributes, q.SubjectOverrides)
	}
	if subject.EmailVerified {
		env.Subject.Email = subject.Email
	}
	if node != nil {
		env.Resource.ID, env.Resource.Path, env.Resource.Attributes = node.Code, node.Path, node.Attributes
	}
	return env
}

// replaced returns the stored attributes with those of overrides in place of the
// ones that have the same names.
func replaced(stored, overrides map[string]any) map[string]any {
	out := make(map[string]any, len(stored)+len(overrides))
	maps.Copy(out, stored)
	maps.Copy(out, overrides)
	return out
}

// setClock gives conditions that read the clock the moment of the question,
// unless the caller named another.
func setClock(env *condition.Env, now time.Time) {
	if _, ok := env.Context["time"]; ok {
		return
	}
	context := maps.Clone(env.Context)
	if context == nil {
		context = map[string]any{}
	}
	context["time"] = now.UTC().Format(time.RFC3339Nano)
	env.Context = context
}

// converted are attributes as policies read them, converted when first asked for.
type converted struct{ attrs atomic.Pointer[policy.Attrs] }

func (c *converted) of(attributes map[string]any) (*policy.Attrs, error) {
	if len(attributes) == 0 {
		return nil, nil //nolint:nilnil // stands for no attributes
	}
	if attrs := c.attrs.Load(); attrs != nil {
		return attrs, nil
	}
	attrs, err := policy.NewAttrs(attributes)
	if err == nil {
		c.attrs.Store(attrs)
	}
	return attrs, err
}
