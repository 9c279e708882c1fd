package engine

import (
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Explanation says why an answer is what it is, step by step, and what is the
// least that would change it. It is complete; [Explanation.Show] leaves of it
// what its reader may see.
type Explanation struct {
	Trimmed     bool                  `json:"trimmed" doc:"True if the caller sees what a subject may see of themselves alone. missing_permissions names what would show more."`
	Missing     []string              `json:"missing_permissions,omitempty" doc:"The permissions of the caller with which more would be shown, such as api/users:read."`
	Summary     string                `json:"summary" doc:"The answer in one sentence."`
	Subject     uuid.UUID             `json:"subject_id"`
	Until       *time.Time            `json:"until,omitempty" doc:"The next moment from which the answer is another if nothing is written, because an assignment or an approval begins or ends."`
	Steps       []ExplainedStep       `json:"steps" doc:"In the order in which they are taken: subject, roles, permissions, conflict, workflow, policies, approval, fields."`
	Roles       []ExplainedHolding    `json:"roles" doc:"Every role that the subject has, those that decided first; at most 200."`
	Groups      []ExplainedHolding    `json:"groups" doc:"Every group that the subject is in; at most 200."`
	NotCounting []ExplainedAssignment `json:"not_counting" doc:"Roles and groups that the subject is given and does not have now; at most 200."`
	Permissions []ExplainedPermission `json:"permissions" doc:"Those of the subject's roles that decided or came near; at most 200."`
	Others      ExplainedOthers       `json:"others" doc:"How many others the subject's roles have, by why they have no say."`
	Workflow    *ExplainedWorkflow    `json:"workflow,omitempty" doc:"The workflow that has a say, if there is one."`
	Policies    []ExplainedPolicy     `json:"policies" doc:"The policies that apply to the type and the action, those too that say nothing."`
	Approval    *ExplainedApproval    `json:"approval,omitempty" doc:"The approval chains that have a say, if there are any."`
	Fields      []ExplainedField      `json:"fields" doc:"Every field that is defined for the type; at most 200."`
	Changes     []ExplainedWay        `json:"changes" doc:"The least that would change the answer: each on its own."`
	Complete    bool                  `json:"complete" doc:"False if there may be other changes as small that were not found: the search is bounded, and policies are not searched."`
	Cut         []string              `json:"cut,omitempty" doc:"The members of which not all is shown."`

	decision *Decision
}

// The steps, in their order.
const (
	StepSubject     = "subject"
	StepRoles       = "roles"
	StepPermissions = "permissions"
	StepConflict    = "conflict"
	StepWorkflow    = "workflow"
	StepPolicies    = "policies"
	StepApproval    = "approval"
	StepFields      = "fields"
)

// What came of a step.
const (
	StepPassed     = "passed"
	StepRefused    = "refused"
	StepSkipped    = "skipped"
	StepNotReached = "not_reached"
)

// ExplainedStep is a step of the decision.
type ExplainedStep struct {
	Step    string `json:"step" enum:"subject,roles,permissions,conflict,workflow,policies,approval,fields"`
	Outcome string `json:"outcome" enum:"passed,refused,skipped,not_reached" doc:"skipped: it has no say in this question. not_reached: the answer was final before."`
	Detail  string `json:"detail,omitempty" doc:"One sentence."`
}

// ExplainedHolding is a role or group that the subject has.
type ExplainedHolding struct {
	ID      uuid.UUID       `json:"id"`
	Name    string          `json:"name"`
	Decided bool            `json:"decided" doc:"True of a role that owns a permission that decided."`
	Paths   []ExplainedPath `json:"paths" doc:"Every path by which the subject has it, at most 20."`
	Cut     bool            `json:"cut,omitempty" doc:"True if there are more paths."`
}

// ExplainedPath is a path by which the subject has a role or group.
type ExplainedPath struct {
	Path      string     `json:"path" doc:"Such as user > group:apac-team > role:inspector > role:viewer."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the subject's own assignment at its beginning ends."`
}

// ExplainedAssignment is a role or group that the subject is given and does not
// have now.
type ExplainedAssignment struct {
	Kind string     `json:"kind" enum:"role,group"`
	ID   uuid.UUID  `json:"id"`
	Name string     `json:"name,omitempty" doc:"Left out for one that is no longer there for the tenant."`
	Why  string     `json:"why" enum:"expired,not_yet_valid,inactive"`
	At   *time.Time `json:"at,omitempty" doc:"When it expired, or begins."`

	Detail string `json:"detail"`
}

// Why a permission that was considered counts or does not.
const (
	WhyCounts     = "counts"
	WhyCondition  = "condition"
	WhyDenyLifted = "deny_condition_false"
	WhyOverruled  = "overruled"
	WhyAction     = "action"
	WhyResource   = "resource"
)

// ExplainedPermission is a permission that was considered.
type ExplainedPermission struct {
	ID         uuid.UUID         `json:"id"`
	Name       string            `json:"name"`
	Effect     string            `json:"effect" enum:"allow,deny"`
	Actions    []string          `json:"actions"`
	Resource   string            `json:"resource" doc:"Its pattern, such as vessel/*, or the registered node that it is on, as type/code."`
	OnNode     bool              `json:"on_node"`
	Roles      []string          `json:"roles" doc:"The subject's roles that own it."`
	Counts     bool              `json:"counts" doc:"True if it has a say after its conditions and the conflict with others."`
	Why        string            `json:"why" enum:"counts,condition,deny_condition_false,overruled,action,resource"`
	Detail     string            `json:"detail"`
	Conditions *condition.Judged `json:"conditions,omitempty" doc:"Its conditions part by part, where they were judged."`
}

// ExplainedOthers counts the permissions that are not listed.
type ExplainedOthers struct {
	Type     int `json:"other_type" doc:"On other types."`
	Action   int `json:"other_action" doc:"On what is asked about, for other actions, and not listed."`
	Resource int `json:"other_resource" doc:"On others of the type."`
	Matching int `json:"matching" doc:"On what is asked about and for the action, and not listed for want of room."`
}

// ExplainedWorkflow is the workflow that has a say.
type ExplainedWorkflow struct {
	NodeID   uuid.UUID `json:"node_id"`
	Node     string    `json:"node" doc:"As type/code."`
	State    string    `json:"state" doc:"Empty if there is none."`
	Source   string    `json:"source" enum:"node,context" doc:"Whether the state is the node's, or context.workflow_state of the question."`
	Known    bool      `json:"known" doc:"Whether the workflow has the state. In an unknown one nothing may be done."`
	Limited  bool      `json:"limited" doc:"Whether the state limits what may be done."`
	Allows   bool      `json:"allows"`
	Everyone bool      `json:"everyone" doc:"Whether everybody may do it in this state."`
	Roles    []string  `json:"roles,omitempty" doc:"The roles that may do it in this state; at most 50."`

	// may are the positions of Roles.
	may []int32
}

// ExplainedPolicy is a policy that applies.
type ExplainedPolicy struct {
	Policy       string           `json:"policy" doc:"Such as tenant.hours."`
	Silent       bool             `json:"silent" doc:"True if it says nothing to this question."`
	Denials      []policy.Denial  `json:"denials,omitempty"`
	Obligations  []map[string]any `json:"obligations,omitempty" doc:"What it obliges to, if the answer is allowed."`
	Chains       []string         `json:"require_approval,omitempty" doc:"The approval chains that it requires, by name."`
	Restrictions []string         `json:"restrict_fields,omitempty" doc:"The fields that it restricts, as field:most."`
	Allows       bool             `json:"allows,omitempty"`
	Failed       bool             `json:"failed,omitempty" doc:"True if it could not be evaluated, or said what no policy may."`
	Error        string           `json:"error,omitempty" doc:"What is wrong with it."`
}

// ExplainedApproval is what approval chains say.
type ExplainedApproval struct {
	Permitted bool             `json:"permitted" doc:"Whether it is permitted but for the chains."`
	Chains    []ExplainedChain `json:"chains" doc:"Those whose pattern matches, in their order, and those that policies require; at most 50."`
}

// ExplainedChain is an approval chain that matches or is required.
type ExplainedChain struct {
	ID       uuid.UUID         `json:"id"`
	Name     string            `json:"name"`
	Mode     string            `json:"mode" enum:"gate,escalation" doc:"gate: a permission and an approval; escalation: one of them."`
	Applies  bool              `json:"applies" doc:"False of one that matches while a more specific, or an older, one applies."`
	Required bool              `json:"required_by_policy" doc:"True if a policy requires it."`
	Needed   bool              `json:"needed" doc:"False of an escalation for what is permitted anyway."`
	Open     bool              `json:"open" doc:"Whether an approval, or its own conditions, open it."`
	Levels   []approval.Level  `json:"levels,omitempty" doc:"Who must approve."`
	Approved *uuid.UUID        `json:"approved_request_id,omitempty" doc:"The request that opens it."`
	Until    *time.Time        `json:"until,omitempty" doc:"When what that request grants ends."`
	Pending  *uuid.UUID        `json:"pending_request_id,omitempty" doc:"The request that waits."`
	Auto     *condition.Judged `json:"auto_approve_conditions,omitempty" doc:"Its own conditions, part by part, where they may approve."`
}

// ExplainedField is a field of the type.
type ExplainedField struct {
	Tier       string   `json:"tier"`
	Name       string   `json:"name"`
	Visibility string   `json:"visibility" enum:"read,write,hidden"`
	Ceiling    string   `json:"default_visibility" doc:"What holds where no permission names it."`
	Because    string   `json:"because" doc:"One sentence."`
	By         []string `json:"by,omitempty" doc:"The ids of the permissions that name it, or the policies that restrict it."`
}

// ExplainedWay is a set of changes that, made together, change the answer.
type ExplainedWay struct {
	Together []ExplainedChange `json:"together" doc:"All of them are needed."`
	Summary  string            `json:"summary" doc:"One sentence."`
	Verified bool              `json:"verified" doc:"True if the question was decided again under the changes. Of policies it is only said that they refuse."`
	Code     string            `json:"reason_code,omitempty" doc:"The answer under the changes."`
}

// The kinds of changes.
const (
	ChangeAssignRole = "assign_role"
	ChangeRemoveRole = "remove_role"
	ChangeLeaveGroup = "leave_group"
	ChangeAttribute  = "set_attribute"
	ChangeActivate   = "activate"
	ChangeState      = "workflow_state"
	ChangeApproval   = "approval"
	ChangeRevoke     = "revoke_approval"
	ChangePolicy     = "policy"
)

// Who supplies what a change sets.
const (
	BySubject  = "subject"
	ByResource = "resource"
	ByCaller   = "caller"
)

// ExplainedChange is one change.
type ExplainedChange struct {
	Kind    string `json:"kind" enum:"assign_role,remove_role,leave_group,set_attribute,activate,workflow_state,approval,revoke_approval,policy"`
	Summary string `json:"summary" doc:"One sentence."`

	RoleID   *uuid.UUID `json:"role_id,omitempty"`
	RoleName string     `json:"role_name,omitempty"`

	GroupID   *uuid.UUID `json:"group_id,omitempty"`
	GroupName string     `json:"group_name,omitempty"`

	Attribute  string           `json:"attribute,omitempty" doc:"The path of the attribute, such as subject.attributes.clearance."`
	Value      *condition.Value `json:"value,omitempty" doc:"A value that would do."`
	Wanted     string           `json:"wanted,omitempty" doc:"What any value that would do has to be, in words."`
	SuppliedBy string           `json:"supplied_by,omitempty" enum:"subject,resource,caller" doc:"Whether the attribute or state is stored with the subject, stored with the registered node, or said by the one who asks."`

	Target  string     `json:"target,omitempty" enum:"subject,tenant" doc:"What is to be activated."`
	State   string     `json:"state,omitempty"`
	NodeID  *uuid.UUID `json:"node_id,omitempty"`
	ChainID *uuid.UUID `json:"chain_id,omitempty"`
	Chain   string     `json:"chain_name,omitempty"`

	Levels    []approval.Level `json:"levels,omitempty" doc:"Who must approve."`
	RequestID *uuid.UUID       `json:"request_id,omitempty" doc:"The access request that waits, or that grants it now."`
	Request   *ChangeRequest   `json:"request,omitempty" doc:"The call that asks for it, as it is."`

	Policy string `json:"policy,omitempty"`
	Reason string `json:"reason,omitempty"`

	// key tells the change from others.
	key string
	// apply supposes the change, nil for one that cannot be supposed.
	apply suppose
	// role is what is to be assigned.
	role        *Role
	beneficiary uuid.UUID
	// wide is set for a role that gives nearly everything.
	wide bool
	// want is what an attribute has to be.
	want *condition.Want
}

// ChangeRequest is a call of the API.
type ChangeRequest struct {
	Method string         `json:"method" enum:"POST"`
	Path   string         `json:"path" doc:"Such as /api/v1/access-requests."`
	Body   map[string]any `json:"body"`
}
