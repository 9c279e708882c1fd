package decision

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// explanationCost is how many questions an explanation counts as: it decides
// again under each change that it considers.
const explanationCost = 10

// ExplainIn asks one question, and why the answer is what it is.
type ExplainIn struct {
	Body struct {
		UserID *uuid.UUID `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		asking.Check
	}
}

// Explained is an answer with its explanation.
type Explained struct {
	Answer *Answer `json:"answer" doc:"As POST /permissions/check gives it."`
	engine.Explanation
}

func (s *Service) explain(ctx context.Context, in *ExplainIn) (*Explained, error) {
	caller, err := asking.About(ctx, s.Engine, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	q, err := caller.Question(&in.Body.Check, "")
	if err != nil {
		return nil, err
	}
	x, err := s.explained(ctx, caller, q)
	if err != nil {
		return nil, err
	}
	return &Explained{Answer: view(caller, x.Decision()), Explanation: *x}, nil
}

// explained answers a question with what the caller may see of the reasons.
func (s *Service) explained(ctx context.Context, caller *asking.Caller, q *engine.Question) (*engine.Explanation, error) {
	if err := httpapi.Charge(ctx, explanationCost); err != nil {
		return nil, err
	}
	x, err := s.Engine.Explain(ctx, q)
	if err != nil {
		return nil, err
	}
	d := x.Decision()
	if d.Code == engine.SubjectUnknown && caller.Named {
		return nil, fault.NotFound("user")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", d.Revision)
	p, _ := identity.PrincipalFrom(ctx)
	reads := func(section string) bool { return s.Engine.Trusts(ctx, p.HomeTenantID, p.UserID, section, "read") }
	x.Show(engine.Sight{
		Own: caller.Own, Decisions: caller.Trusted, Permissions: reads("permissions"), Users: reads("users"),
		Resources: reads("resources"), Roles: reads("roles"), Policies: reads("policies"),
	})
	return x, nil
}

// mayExplain refuses to add to a check what its caller may not see whole: whoever
// asks for it there goes by it.
func (s *Service) mayExplain(ctx context.Context, caller *asking.Caller) error {
	p, _ := identity.PrincipalFrom(ctx)
	switch {
	case !caller.Trusted:
		return asking.Required("api/decisions:execute", "explain needs execute on api/decisions and read on api/permissions. Ask without, or POST /permissions/explain for what you may see.")
	case !s.Engine.Permits(ctx, p.HomeTenantID, p.UserID, "permissions", "read"):
		return asking.Required("api/permissions:read", "explain needs read on api/permissions. Ask without, or POST /permissions/explain for what you may see.")
	default:
		return nil
	}
}
