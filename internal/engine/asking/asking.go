// Package asking owns who may ask what about whom: whether a caller may name
// another subject, and what of a question they are trusted to say. It answers
// nothing itself; that is the engine's.
package asking

import (
	"context"
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
	Resource         CheckResource  `json:"resource"`
	Action           string         `json:"action" minLength:"1" maxLength:"100"`
	ActionProperties httpapi.Object `json:"action_properties,omitempty" doc:"Needs execute on api/decisions."`
	Context          httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, anything else. Needs execute on api/decisions."`
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
}

// About returns the caller of ctx asking about a user, nil for themselves. It
// fails with a fault if they may not.
func About(ctx context.Context, e *engine.Engine, user *uuid.UUID) (*Caller, error) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	c := &Caller{Tenant: tenant, User: p.UserID}
	c.Trusted = e.Trusts(ctx, p.HomeTenantID, p.UserID, "decisions", "execute")
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
	if err := q.Validate(prefix); err != nil {
		return nil, err
	}
	return q, nil
}
