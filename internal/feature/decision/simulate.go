package decision

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func (s *Service) registerSimulation(sec *httpapi.Section) {
	httpapi.Call(sec, httpapi.Route{
		Path: "/permissions/simulate-change", Summary: "What would be answered after a change?", Access: httpapi.Requires("permissions", "read"),
		Errors: []int{404, 409}, Charged: true,
		Description: "Nothing is changed and nothing recorded. The changes are made one after the other, in thought, and refused where the writes would be " +
			"refused for what they are; whether the caller may make them is not asked. Needs execute on api/decisions besides. Each check counts as two questions.",
	}, s.simulate)
}

// SimulateIn asks many questions before and after changes.
type SimulateIn struct {
	Body struct {
		Changes []simulation.Change `json:"changes" minItems:"1" maxItems:"100" doc:"Made in order."`
		Checks  []SupposedCheck     `json:"checks" minItems:"1" maxItems:"1000"`
	}
}

// SupposedCheck is a question with its subject.
type SupposedCheck struct {
	UserID uuid.UUID `json:"user_id" doc:"The subject."`
	asking.Check
}

// Simulated says what the changes would change.
type Simulated struct {
	Summary  SimulatedSummary `json:"summary"`
	Results  []Comparison     `json:"results" nullable:"false" doc:"In the order of the checks."`
	Created  []uuid.UUID      `json:"created_permission_ids" nullable:"false" doc:"What the answers call the permissions that the changes create, in their order."`
	Revision string           `json:"revision" doc:"A token of the state that both answers start from."`
}

// SimulatedSummary counts the answers that change.
type SimulatedSummary struct {
	Checks       int `json:"checks"`
	Changed      int `json:"changed" doc:"Those of which allowed or reason_code are not the same."`
	NewlyAllowed int `json:"newly_allowed"`
	NewlyDenied  int `json:"newly_denied"`
}

// Comparison is an answer as it is and as it would be.
type Comparison struct {
	Changed bool     `json:"changed" doc:"Whether allowed or reason_code differ."`
	Before  Supposed `json:"before"`
	After   Supposed `json:"after"`
}

// Supposed is an answer that nobody acts by: it has no id and no record.
type Supposed struct {
	Allowed            bool                         `json:"allowed"`
	ReasonCode         string                       `json:"reason_code"`
	Reason             string                       `json:"reason" doc:"One sentence for people."`
	MatchedPermissions []string                     `json:"matched_permissions,omitempty"`
	MatchedRoles       []engine.MatchedRole         `json:"matched_roles,omitempty"`
	MatchedConditions  map[string]any               `json:"matched_conditions,omitempty"`
	Denials            []policy.Denial              `json:"denials,omitempty"`
	Obligations        []map[string]any             `json:"obligations,omitempty"`
	RequiresApproval   bool                         `json:"requires_approval"`
	ApprovalChainID    *uuid.UUID                   `json:"approval_chain_id,omitempty"`
	ApprovalRequestID  *uuid.UUID                   `json:"approval_request_id,omitempty" doc:"Made up where an approval is supposed that nobody asked for."`
	ApprovalLevels     []approval.Level             `json:"approval_levels,omitempty"`
	AutoApproved       bool                         `json:"auto_approved,omitempty"`
	FieldPermissions   map[string]map[string]string `json:"field_permissions,omitempty"`
}

func suppose(caller *asking.Caller, d *engine.Decision) Supposed {
	a := view(caller, d)
	return Supposed{
		Allowed: a.Allowed, ReasonCode: a.ReasonCode, Reason: a.Reason, MatchedPermissions: a.MatchedPermissions, MatchedRoles: a.MatchedRoles,
		MatchedConditions: a.MatchedConditions, Denials: a.Denials, Obligations: a.Obligations, RequiresApproval: a.RequiresApproval,
		ApprovalChainID: a.ApprovalChainID, ApprovalRequestID: a.ApprovalRequestID, ApprovalLevels: a.ApprovalLevels,
		AutoApproved: a.AutoApproved, FieldPermissions: a.FieldPermissions,
	}
}

func (s *Service) simulate(ctx context.Context, in *SimulateIn) (*Simulated, error) {
	if err := httpapi.Charge(ctx, 2*len(in.Body.Checks)); err != nil {
		return nil, err
	}
	caller, err := asking.About(ctx, s.Engine, &in.Body.Checks[0].UserID)
	if err != nil {
		return nil, err
	}
	if !caller.Trusted {
		return nil, asking.Required("api/decisions:execute", "Simulating a change needs execute on api/decisions.")
	}
	questions, err := in.questions(caller)
	if err != nil {
		return nil, err
	}
	out := &Simulated{Created: []uuid.UUID{}}
	answers, err := s.Engine.Simulate(ctx, caller.Tenant, questions, func(state *engine.State) error {
		created, err := simulation.Apply(state, in.Body.Changes, "changes")
		out.Created = append(out.Created, created...)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Revision = answers.Revision
	out.Summary.Checks = len(questions)
	for i := range questions {
		before, after := answers.Before[i], answers.After[i]
		if before.Code == engine.SubjectUnknown {
			e := fault.NotFound("user")
			e.Fields = []fault.Field{{Path: fmt.Sprintf("checks[%d].user_id", i), Message: e.Message}}
			return nil, e
		}
		out.add(Comparison{Before: suppose(caller, before), After: suppose(caller, after)})
	}
	return out, nil
}

// questions are the checks of a caller, with every member at fault at once, those
// of the changes too.
func (in *SimulateIn) questions(caller *asking.Caller) ([]*engine.Question, error) {
	return every(len(in.Body.Checks), simulation.Validate(in.Body.Changes, "changes"), func(i int) (*engine.Question, error) {
		about := *caller
		about.User = in.Body.Checks[i].UserID
		return about.Question(&in.Body.Checks[i].Check, fmt.Sprintf("checks[%d].", i))
	})
}

func (s *Simulated) add(c Comparison) {
	c.Changed = c.Before.Allowed != c.After.Allowed || c.Before.ReasonCode != c.After.ReasonCode
	switch {
	case c.After.Allowed && !c.Before.Allowed:
		s.Summary.NewlyAllowed++
	case c.Before.Allowed && !c.After.Allowed:
		s.Summary.NewlyDenied++
	}
	if c.Changed {
		s.Summary.Changed++
	}
	s.Results = append(s.Results, c)
}
