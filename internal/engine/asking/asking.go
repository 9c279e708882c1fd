// Package asking owns who may ask what about whom: whether a caller may name
// another subject, and what of a question they are trusted to say. It answers
// nothing itself; that is the engine's.
package asking

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// CheckResource is what a question is about.
type CheckResource struct {
	Type       string         `json:"type" minLength:"1" maxLength:"100"`
	ID         string         `json:"id,omitempty" doc:"The instance as the application knows it, or the id or code of a registered node. Without it the question is about the type, as before a create."`
	Attributes httpapi.Object `json:"attributes,omitempty" doc:"What the caller knows of the instance. Needs execute on api/decisions. Stored attributes of a registered node win."`
}

// Check is one question, without its subject.
type Check struct {
	Resource          CheckResource  `json:"resource"`
	Action            string         `json:"action" minLength:"1" maxLength:"100"`
	ActionProperties  httpapi.Object `json:"action_properties,omitempty" doc:"Needs execute on api/decisions."`
	Context           httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, anything else. Needs execute on api/decisions."`
	SubjectAttributes httpapi.Object `json:"subject_attributes,omitempty" doc:"What the caller knows of the subject. Needs execute on api/decisions and assert_subject on the caller's account. Stored attributes win, but for those in the account's assert_override."`
}

// Caller is who asks, with the subject they ask about and what they are trusted
// to say.
type Caller struct {
	// Tenant is the one in which the question is asked.
	Tenant uuid.UUID
	// User is the subject.
	User uuid.UUID
	// Trusted callers hold execute on api/decisions: enforcement points.
	Trusted bool
	// Named is set when the caller named a subject.
	Named bool
	// Own is set when the subject is the caller, in the caller's own tenant.
	Own bool
	// Asserts is set when the caller is trusted and may also say what attributes
	// the subject has; Overrides are those in which its word replaces what is
	// stored.
	Asserts   bool
	Overrides []string
}

// About returns the caller of ctx asking about a user, nil for themselves. It
// fails with a fault if they may not.
func About(ctx context.Context, e *engine.Engine, user *uuid.UUID) (*Caller, error) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	c := &Caller{Tenant: tenant, User: p.UserID}
	c.Trusted = e.Trusts(ctx, p.HomeTenantID, p.UserID, "decisions", "execute")
	if c.Trusted {
		account, err := e.Account(ctx, p.HomeTenantID, p.UserID)
		if err != nil {
			return nil, err
		}
		c.Asserts, c.Overrides = account.AssertSubject, account.AssertOverride
	}
	if user != nil {
		c.User, c.Named = *user, true
	}
	c.Own = c.User == p.UserID && tenant == p.HomeTenantID
	if !c.Own && !c.Trusted {
		return nil, Required("api/decisions:execute", "Asking about another subject needs execute on api/decisions.")
	}
	return c, nil
}

// Required says which permission the caller lacks.
func Required(permission, message string) error {
	return &fault.Error{Kind: fault.Denied, Message: message, Details: map[string]any{"required_permission": permission}}
}

// Question makes the question that the caller asks. It fails with a fault that
// names, with prefix before each path, what is malformed and what the caller is
// not trusted to say.
func (c *Caller) Question(ask *Check, prefix string) (*engine.Question, error) {
	if !c.Trusted {
		var given []string
		for _, m := range []struct {
			name string
			set  bool
		}{
			{"resource.attributes", ask.Resource.Attributes != nil},
			{"action_properties", ask.ActionProperties != nil},
			{"context", ask.Context != nil},
			{"subject_attributes", ask.SubjectAttributes != nil},
		} {
			if m.set {
				given = append(given, prefix+m.name)
			}
		}
		if given != nil {
			return nil, Required("api/decisions:execute", "Supplying "+strings.Join(given, ", ")+" needs execute on api/decisions. Ask without.")
		}
	}
	q := &engine.Question{
		TenantID: c.Tenant, UserID: c.User, Type: ask.Resource.Type, ID: ask.Resource.ID, Attributes: ask.Resource.Attributes,
		Action: ask.Action, ActionProperties: ask.ActionProperties, Context: ask.Context,
	}
	if ask.SubjectAttributes != nil {
		if err := c.Assert(q, ask.SubjectAttributes, prefix+"subject_attributes"); err != nil {
			return nil, err
		}
	}
	if err := q.Validate(prefix); err != nil {
		return nil, err
	}
	return q, nil
}

// Assert has the question say what attributes its subject has, by the caller's
// word: those in the account's assert_override replace what is stored, all others
// fill gaps. It fails with a fault, which calls them by the member in which they
// were given, if the caller may not.
func (c *Caller) Assert(q *engine.Question, attributes map[string]any, member string) error {
	if !c.Trusted {
		return Required("api/decisions:execute", "Supplying "+member+" needs execute on api/decisions. Ask without.")
	}
	if !c.Asserts {
		return fault.New(fault.Denied,
			"Supplying %s needs assert_subject on the account that asks. An administrator of the tenant sets it; ask without until then.", member)
	}
	for name, value := range attributes {
		of := &q.SubjectAttributes
		if slices.Contains(c.Overrides, name) {
			of = &q.SubjectOverrides
		}
		if *of == nil {
			*of = map[string]any{}
		}
		(*of)[name] = value
	}
	return nil
}

// Obligations are those of a decision as the caller is told them: without the
// policies that they come from if the caller is not trusted.
func (c *Caller) Obligations(d *engine.Decision) []map[string]any {
	if c.Trusted {
		return d.Obligations
	}
	out := make([]map[string]any, len(d.Obligations))
	for i, o := range d.Obligations {
		out[i] = maps.Clone(o)
		delete(out[i], "policy")
	}
	return out
}
