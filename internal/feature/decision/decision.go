// Package decision owns the calls that ask who may do what. It decides who may
// ask what about whom, and leaves the answer to the engine.
package decision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Service answers the section's calls.
type Service struct {
	Engine *engine.Engine
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Decisions", "Who may do what, and why.")
	why := "one's own questions need a token only; naming another subject, and supplying attributes or context, needs execute on api/decisions"
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/check", Summary: "May this subject do this?", Access: httpapi.Authenticated(why), Errors: []int{403}, Charged: true,
		Description: "A refusal is a successful answer: 200 with allowed false. What cannot be evaluated is refused as not_evaluated.",
	}, s.check)
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/batch-check", Summary: "Many questions about one subject", Access: httpapi.Authenticated(why), Errors: []int{403}, Charged: true,
		Description: "Up to 1,000, answered in order, all at one moment. Each counts as a question.",
	}, s.batch)
	httpapi.List(sec, httpapi.Route{
		Path: "/users/{id}/permissions", Summary: "What a user may do", Access: httpapi.Authenticated("one's own; another's needs read on api/users"), Errors: []int{403, 404},
		Description: "Every permission of every role the user has now, with the path by which they have it: what the checks decide by. An account that is inactive or locked has none.",
	}, s.effective)
}

// Resource is what a question is about.
type Resource struct {
	Type       string         `json:"type" minLength:"1" maxLength:"100"`
	ID         string         `json:"id,omitempty" doc:"The instance as the application knows it, or the id or code of a registered node. Without it the question is about the type, as before a create."`
	Attributes httpapi.Object `json:"attributes,omitempty" doc:"What the caller knows of the instance. Needs execute on api/decisions. Stored attributes of a registered node win."`
}

// Check is one question.
type Check struct {
	Resource         Resource       `json:"resource"`
	Action           string         `json:"action" minLength:"1" maxLength:"100"`
	ActionProperties httpapi.Object `json:"action_properties,omitempty" doc:"Needs execute on api/decisions."`
	Context          httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, anything else. Needs execute on api/decisions."`
}

// Answer is the decision. Callers without execute on api/decisions get allowed,
// decision_id and reason_code alone.
type Answer struct {
	Allowed            bool                 `json:"allowed"`
	DecisionID         uuid.UUID            `json:"decision_id"`
	ReasonCode         string               `json:"reason_code" enum:"not_evaluated,subject_unknown,subject_inactive,tenant_inactive,explicit_deny,no_matching_permission,condition_failed,granted"`
	Reason             string               `json:"reason,omitempty" doc:"One sentence for people."`
	MatchedPermissions []string             `json:"matched_permissions,omitempty" doc:"Ids of the permissions that decided."`
	MatchedRoles       []engine.MatchedRole `json:"matched_roles,omitempty" doc:"The roles that own them, with the path by which the subject has each."`
	MatchedConditions  map[string]any       `json:"matched_conditions,omitempty" doc:"The attribute values on which they rested, by path."`
	Revision           string               `json:"revision,omitempty" doc:"A token of the state that the answer holds for."`
	TTL                *int                 `json:"ttl,omitempty" doc:"Seconds for which the answer may be kept if nothing is written."`
	Stale              bool                 `json:"stale,omitempty"`
}

// CheckIn asks one question.
type CheckIn struct {
	Body struct {
		UserID *uuid.UUID `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		Check
	}
}

func (s *Service) check(ctx context.Context, in *CheckIn) (*Answer, error) {
	asker, err := s.asker(ctx, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	q, err := asker.question(&in.Body.Check, "")
	if err != nil {
		return nil, err
	}
	d := s.Engine.Decide(ctx, q)
	if d.Code == engine.SubjectUnknown && asker.named {
		return nil, fault.NotFound("user")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", d.Revision)
	return asker.answer(d), nil
}

// BatchIn asks many questions about one subject.
type BatchIn struct {
	Body struct {
		UserID *uuid.UUID `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		Checks []Check    `json:"checks" minItems:"1" maxItems:"1000"`
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
	asker, err := s.asker(ctx, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	questions := make([]*engine.Question, len(in.Body.Checks))
	var fields []fault.Field
	for i := range in.Body.Checks {
		q, err := asker.question(&in.Body.Checks[i], fmt.Sprintf("checks[%d].", i))
		if f, ok := err.(*fault.Error); ok && f.Kind == fault.Validation { //nolint:errorlint // made right here
			fields = append(fields, f.Fields...)
			continue
		}
		if err != nil {
			return nil, err
		}
		questions[i] = q
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	decisions := s.Engine.DecideAll(ctx, questions)
	out := &Answers{Results: make([]Answer, len(decisions))}
	for i, d := range decisions {
		if d.Code == engine.SubjectUnknown && asker.named {
			return nil, fault.NotFound("user")
		}
		out.Results[i] = *asker.answer(d)
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", decisions[0].Revision)
	return out, nil
}

// asker is a caller with what they are trusted to say.
type asker struct {
	tenant uuid.UUID
	user   uuid.UUID
	// trusted callers hold execute on api/decisions: enforcement points.
	trusted bool
	// named is set when the question names a subject.
	named bool
}

func (s *Service) asker(ctx context.Context, user *uuid.UUID) (*asker, error) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	a := &asker{tenant: tenant, user: p.UserID}
	a.trusted = s.Engine.Trusts(ctx, p.HomeTenantID, p.UserID, "decisions", "execute")
	if user != nil {
		a.user, a.named = *user, true
	}
	if (a.user != p.UserID || tenant != p.HomeTenantID) && !a.trusted {
		return nil, required("api/decisions:execute", "Asking about another subject needs execute on api/decisions.")
	}
	return a, nil
}

func required(permission, message string) error {
	return &fault.Error{Kind: fault.Denied, Message: message, Details: map[string]any{"required_permission": permission}}
}

func (a *asker) question(c *Check, prefix string) (*engine.Question, error) {
	if !a.trusted {
		var given []string
		for _, m := range []struct {
			name string
			set  bool
		}{
			{"resource.attributes", c.Resource.Attributes != nil},
			{"action_properties", c.ActionProperties != nil},
			{"context", c.Context != nil},
		} {
			if m.set {
				given = append(given, prefix+m.name)
			}
		}
		if given != nil {
			return nil, required("api/decisions:execute", "Supplying "+strings.Join(given, ", ")+" needs execute on api/decisions. Ask without.")
		}
	}
	q := &engine.Question{
		TenantID: a.tenant, UserID: a.user, Type: c.Resource.Type, ID: c.Resource.ID, Attributes: c.Resource.Attributes,
		Action: c.Action, ActionProperties: c.ActionProperties, Context: c.Context,
	}
	if err := q.Validate(prefix); err != nil {
		return nil, err
	}
	return q, nil
}

func (a *asker) answer(d *engine.Decision) *Answer {
	out := &Answer{Allowed: d.Allowed, DecisionID: d.ID, ReasonCode: string(d.Code)}
	if !a.trusted {
		return out
	}
	ttl := d.TTL
	out.Reason, out.Revision, out.TTL, out.Stale = d.Reason(), d.Revision, &ttl, d.Stale
	out.MatchedPermissions, out.MatchedRoles, out.MatchedConditions = d.MatchedIDs(), d.MatchedRoles(), d.MatchedConditions()
	return out
}

// EffectiveIn asks what a user may do.
type EffectiveIn struct {
	ID uuid.UUID `path:"id" doc:"The user's id."`
	httpapi.PageIn
	ResourceType      string            `query:"resource_type" maxLength:"100" doc:"Only permissions on this type, or on all. What flows down from a registered node of another type is left out."`
	IncludeInherited  httpapi.Opt[bool] `query:"include_inherited" doc:"Default true: also what comes by groups and parents."`
	IncludeConditions httpapi.Opt[bool] `query:"include_conditions" doc:"Default true."`
	IncludeFields     bool              `query:"include_field_permissions" doc:"Default false: also what each permission says of fields."`
}

// Effective is a permission with the path by which the user has it.
type Effective struct {
	directory.Permission
	Role      string `json:"role"`
	Path      string `json:"path" doc:"Such as user > group:apac-team > role:inspector > role:viewer."`
	Inherited bool   `json:"inherited"`
}

// isOn reports whether a permission is on a type, or on all: the platform's own
// sections are in no "all".
func isOn(g *grants.Grant, typ string) bool {
	return g.ResourceType == typ || g.ResourceType == "*" && typ != grants.APIType
}

func (s *Service) effective(ctx context.Context, in *EffectiveIn) (page httpapi.Page[Effective], err error) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	if (in.ID != p.UserID || tenant != p.HomeTenantID) && !s.Engine.Permits(ctx, p.HomeTenantID, p.UserID, "users", "read") {
		return page, required("api/users:read", "Reading what another user may do needs read on api/users.")
	}
	list, ok, err := s.Engine.Effective(ctx, tenant, in.ID)
	if err != nil {
		return page, err
	}
	if !ok {
		return page, fault.NotFound("user")
	}
	// Whoever may do nothing at all has no permission that counts.
	if _, err := s.Engine.Account(ctx, tenant, in.ID); fault.Is(err, fault.TokenRevoked) {
		list = nil
	} else if err != nil {
		return page, err
	}
	all := []Effective{}
	for _, e := range list {
		if in.IncludeInherited.Set && !in.IncludeInherited.Value && e.Inherited {
			continue
		}
		if in.ResourceType != "" && !isOn(e.Grant, in.ResourceType) {
			continue
		}
		view := Effective{Permission: directory.ViewGrant(e.Grant), Role: e.Role, Path: e.Path, Inherited: e.Inherited}
		if in.IncludeConditions.Set && !in.IncludeConditions.Value {
			view.Conditions = nil
		}
		if !in.IncludeFields {
			view.FieldPermissions = nil
		}
		all = append(all, view)
	}
	slices.SortStableFunc(all, func(a, b Effective) int { return strings.Compare(a.ID.String()+a.Path, b.ID.String()+b.Path) })
	from := min(in.Offset(), len(all))
	page.Items, page.Total = all[from:min(from+in.Limit, len(all))], int64(len(all))
	return page, nil
}
