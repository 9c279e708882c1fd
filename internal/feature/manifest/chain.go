package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// ApprovalChain is an approval chain in a manifest.
type ApprovalChain struct {
	Name                  string         `json:"name" minLength:"1" maxLength:"255" doc:"Unique in the tenant."`
	Description           string         `json:"description,omitempty" maxLength:"2000"`
	ResourceType          string         `json:"resource_type" minLength:"1" maxLength:"100" doc:"The type it guards, * for every type but api, or role for requests for roles."`
	ResourcePattern       string         `json:"resource_pattern,omitempty" maxLength:"512" doc:"Which ids of the type, as type:glob or the glob alone. Default *."`
	Mode                  string         `json:"mode,omitempty" enum:"gate,escalation" doc:"gate: a permission and an approval. escalation: a permission or an approval. Default gate."`
	ApprovalLevels        []ChainLevel   `json:"approval_levels" minItems:"1" maxItems:"20" doc:"Who must agree, level by level."`
	AutoApproveConditions httpapi.Object `json:"auto_approve_conditions,omitempty" doc:"Where they hold, nobody is asked. Default: none."`
	MaxDurationHours      int            `json:"max_duration_hours,omitempty" minimum:"0" maximum:"87600" doc:"The longest time for which an approval grants. Default: no limit."`
	IsActive              *bool          `json:"is_active,omitempty" doc:"Default true."`

	// timeout is how long a level waits that does not say so, in hours.
	timeout int
}

// ChainLevel is a level of a chain in a manifest.
type ChainLevel struct {
	Level           int             `json:"level" minimum:"1" maximum:"20" doc:"1 for the first, each one more than the one before."`
	Approvers       *ChainApprovers `json:"approvers,omitempty" doc:"Who must agree: either all_of or any_of."`
	ApproverRole    string          `json:"approver_role,omitempty" maxLength:"200" doc:"In short for approvers with one role."`
	MinApprovals    int             `json:"min_approvals,omitempty" minimum:"0" maximum:"20" doc:"With approver_role: how many of them. Default 1."`
	TimeoutHours    int             `json:"timeout_hours,omitempty" minimum:"0" maximum:"8760" doc:"How long the level waits. Default: the server's APPROVAL_TIMEOUT_HOURS."`
	EscalateToLevel int             `json:"escalate_to_level,omitempty" minimum:"0" maximum:"20" doc:"A later level, which decides in place of this one when its time is over."`
	Final           bool            `json:"final,omitempty" doc:"Whoever agrees here ends the chain. The last level always does."`
}

// ChainApprovers say who must agree at a level.
type ChainApprovers struct {
	AllOf []ChainApprover `json:"all_of,omitempty" maxItems:"20" doc:"Each of them must be met, a person counting for one only."`
	AnyOf []ChainApprover `json:"any_of,omitempty" maxItems:"20" doc:"One of them must be met."`
}

// ChainApprover names a role or a user.
type ChainApprover struct {
	Role string `json:"role,omitempty" maxLength:"200" doc:"Either a role, named as groups name them, or a user."`
	User string `json:"user,omitempty" maxLength:"320" doc:"The e-mail address of a person of the tenant, or their id."`
	Min  int    `json:"min,omitempty" minimum:"0" maximum:"20" doc:"How many people of the role. Default 1."`
}

// approverKind tells the two kinds of names apart that a level has.
type approverKind string

const (
	roleApprover approverKind = "role"
	userApprover approverKind = "user"
)

// approverName is a role or user as a level names it.
type approverName struct {
	kind approverKind
	text string
}

// specs are the levels as the API takes them, with the ids that id gives for
// names.
func (s *ApprovalChain) specs(id func(approverName) uuid.UUID) []approval.LevelSpec {
	pointer := func(kind approverKind, text string) *uuid.UUID {
		if text == "" {
			return nil
		}
		found := id(approverName{kind, text})
		return &found
	}
	list := func(in []ChainApprover) (out []approval.ApproverSpec) {
		for _, a := range in {
			out = append(out, approval.ApproverSpec{Role: pointer(roleApprover, a.Role), User: pointer(userApprover, a.User), Min: a.Min})
		}
		return out
	}
	out := make([]approval.LevelSpec, len(s.ApprovalLevels))
	for i, l := range s.ApprovalLevels {
		out[i] = approval.LevelSpec{
			Level: l.Level, ApproverRole: pointer(roleApprover, l.ApproverRole), MinApprovals: l.MinApprovals,
			TimeoutHours: l.TimeoutHours, EscalateToLevel: l.EscalateToLevel, Final: l.Final,
		}
		if l.Approvers != nil {
			out[i].Approvers = &approval.ApproversSpec{AllOf: list(l.Approvers.AllOf), AnyOf: list(l.Approvers.AnyOf)}
		}
	}
	return out
}

// input is the chain as the API takes it.
func (s *ApprovalChain) input(id func(approverName) uuid.UUID) *directory.ChainInput {
	in := &directory.ChainInput{
		Name: s.Name, Description: s.Description, ResourceType: s.ResourceType, ResourcePattern: s.ResourcePattern, Mode: s.Mode,
		ApprovalLevels: s.specs(id), AutoApproveConditions: s.AutoApproveConditions, IsActive: s.IsActive,
	}
	if s.MaxDurationHours != 0 {
		in.MaxDurationHours = &s.MaxDurationHours
	}
	return in
}

// standIn is an id for a name: what is to be checked of levels does not depend
// on which it is, as long as equal names have equal ids.
func standIn(n approverName) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(string(n.kind)+" "+n.text))
}

// Validate returns every offending member, with prefix before its path. Whether
// there are such roles and users is not asked.
func (s *ApprovalChain) Validate(prefix string) []fault.Field {
	_, fields := s.input(standIn).Validate(s.timeout, prefix)
	return fields
}

// chainObject brings the levels into their normal form, so that the short form
// and the long one are the same. Levels that are wrong stay as they are written,
// to be told.
func chainObject(s *ApprovalChain) (*object, error) {
	known := map[uuid.UUID]approverName{}
	specs := s.specs(func(n approverName) uuid.UUID {
		id := standIn(n)
		known[id] = n
		return id
	})
	spec, plain := *s, *s
	if levels, wrong := approval.NewLevels(specs, s.timeout, ""); wrong == nil {
		plain.ApprovalLevels = written(levels, func(id uuid.UUID, _ approverKind) string { return known[id].text })
	}
	members, err := membersOf(&plain, map[string]any{"is_active": true, "mode": string(approval.Gate), "resource_pattern": "*"})
	return &object{kind: chainKind, name: s.Name, members: members, spec: &spec}, err
}

// written are levels in the form of the file, with the names that name gives.
func written(levels []approval.Level, name func(uuid.UUID, approverKind) string) []ChainLevel {
	list := func(in []approval.Approver) (out []ChainApprover) {
		for _, a := range in {
			one := ChainApprover{Min: a.Min}
			if a.Role != uuid.Nil {
				one.Role = name(a.Role, roleApprover)
			} else {
				one.User = name(a.User, userApprover)
			}
			out = append(out, one)
		}
		return out
	}
	out := make([]ChainLevel, len(levels))
	for i, l := range levels {
		out[i] = ChainLevel{
			Level: l.Number, TimeoutHours: l.TimeoutHours, EscalateToLevel: l.EscalateTo, Final: l.Final,
			Approvers: &ChainApprovers{AllOf: list(l.Approvers.AllOf), AnyOf: list(l.Approvers.AnyOf)},
		}
	}
	return out
}

// approvers finds the roles and users that the wanted chains name, and has each
// named as an export does.
func (p *planner) approvers(roles *index) {
	for _, w := range p.wanted[chainKind] {
		s, ok := w.spec.(*ApprovalChain)
		if !ok {
			continue
		}
		known := map[approverName]string{}
		for name, path := range s.places(w.at) {
			text, message := p.approver(name, roles)
			if message != "" && !w.names(name) {
				p.refuse(path, "%s", message)
				continue
			}
			known[name] = text
		}
		s.rename(known)
		again, err := chainObject(s)
		if err != nil {
			p.refuse(w.at, "cannot be encoded")
			continue
		}
		w.members = again.members
	}
}

// approver is what an export calls a role or user, or says that there is none.
func (p *planner) approver(name approverName, roles *index) (text, message string) {
	if name.kind == roleApprover {
		role, message := roles.find(name.text)
		if message != "" {
			return name.text, message
		}
		return roles.reference(role), ""
	}
	id, there := p.current.people[strings.ToLower(name.text)]
	if !there {
		return name.text, "names no person of the tenant: " + name.text
	}
	if email := p.current.emails[id]; email != "" {
		return email, ""
	}
	return id.String(), ""
}

// names reports whether the chain that there is names a role or user that is
// gone, by the id that is left of it.
func (o *object) names(name approverName) bool {
	if o.was == nil {
		return false
	}
	s, ok := o.was.spec.(*ApprovalChain)
	if !ok {
		return false
	}
	_, id := looksLikeID(name.text)
	_, there := s.places("")[name]
	return id && there
}

// places are the names that the levels have, each with the path of one place.
func (s *ApprovalChain) places(at string) map[approverName]string {
	out := map[approverName]string{}
	add := func(kind approverKind, text, path string) {
		if text != "" {
			out[approverName{kind, text}] = path
		}
	}
	for i, l := range s.ApprovalLevels {
		level := fmt.Sprintf("%s.approval_levels[%d]", at, i)
		add(roleApprover, l.ApproverRole, level+".approver_role")
		if l.Approvers == nil {
			continue
		}
		for _, list := range []struct {
			name    string
			entries []ChainApprover
		}{{"all_of", l.Approvers.AllOf}, {"any_of", l.Approvers.AnyOf}} {
			for n, a := range list.entries {
				entry := fmt.Sprintf("%s.approvers.%s[%d]", level, list.name, n)
				add(roleApprover, a.Role, entry+".role")
				add(userApprover, a.User, entry+".user")
			}
		}
	}
	return out
}

// rename has the levels say what an export says.
func (s *ApprovalChain) rename(known map[approverName]string) {
	name := func(kind approverKind, text string) string {
		if known[approverName{kind, text}] != "" {
			return known[approverName{kind, text}]
		}
		return text
	}
	list := func(entries []ChainApprover) []ChainApprover {
		out := slices.Clone(entries)
		for i := range out {
			out[i].Role, out[i].User = name(roleApprover, out[i].Role), name(userApprover, out[i].User)
		}
		return out
	}
	s.ApprovalLevels = slices.Clone(s.ApprovalLevels)
	for i := range s.ApprovalLevels {
		l := &s.ApprovalLevels[i]
		l.ApproverRole = name(roleApprover, l.ApproverRole)
		if l.Approvers != nil {
			l.Approvers = &ChainApprovers{AllOf: list(l.Approvers.AllOf), AnyOf: list(l.Approvers.AnyOf)}
		}
	}
}
