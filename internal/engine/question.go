package engine

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Question asks whether a subject may act on a resource. Numbers inside the
// attribute maps are json.Number, so that they are compared exactly.
type Question struct {
	TenantID uuid.UUID
	UserID   uuid.UUID
	// Type is the resource's type, an identifier.
	Type string
	// ID is the instance as the application knows it, or the id or code of a
	// registered node. Empty asks about the type as a whole.
	ID string
	// Attributes are what the caller knows of the instance. Those stored with a
	// registered node win over them.
	Attributes       map[string]any
	Action           string
	ActionProperties map[string]any
	// Context is of the request; its "time" defaults to now.
	Context map[string]any
	// SubjectAttributes are what a trusted caller says of the subject. They fill
	// gaps in what is stored, and conditions of approval chains never see them.
	SubjectAttributes map[string]any
	// SubjectOverrides are likewise, and replace the stored attributes that have
	// the same names.
	SubjectOverrides map[string]any
}

// Code says why an answer is what it is, in one word for programs.
type Code string

// The reason codes, in the order in which they are decided.
const (
	NotEvaluated         Code = "not_evaluated"
	SubjectUnknown       Code = "subject_unknown"
	SubjectInactive      Code = "subject_inactive"
	TenantInactive       Code = "tenant_inactive"
	ExplicitDeny         Code = "explicit_deny"
	WorkflowState        Code = "workflow_state"
	PolicyDeny           Code = "policy_deny"
	NoMatchingPermission Code = "no_matching_permission"
	ConditionFailed      Code = "condition_failed"
	ApprovalRequired     Code = "approval_required"
	Granted              Code = "granted"
	GrantedByApproval    Code = "granted_by_approval"
)

var codes = [...]Code{
	NotEvaluated, SubjectUnknown, SubjectInactive, TenantInactive, ExplicitDeny, WorkflowState, PolicyDeny,
	NoMatchingPermission, ConditionFailed, ApprovalRequired, Granted, GrantedByApproval,
}

// Decision is the answer to one question.
type Decision struct {
	ID      uuid.UUID
	Allowed bool
	Code    Code
	// Matched are the permissions that decided: the allows of a granted question
	// or of one that waits for an approval, the denies of an explicit deny, the
	// allows whose conditions did not hold of a failed one.
	Matched []*grants.Grant
	// Denials are what policies say against it, ordered by policy and reason.
	Denials []policy.Denial
	// Obligations are what whoever lets the subject act has to do, in the order of
	// their JSON. Only an allowed answer has any.
	Obligations []map[string]any
	// Chain is the approval chain that is wanted, or that an approval opened; nil
	// where none had a say.
	Chain *approval.Chain
	// RequestID is the access request that opened the chain, or that waits for it.
	RequestID *uuid.UUID
	// AutoApproved is set when the chain's conditions opened it.
	AutoApproved bool
	// Fields are what the subject may do with each field of the resource's type:
	// "read", "write" or "hidden" by tier and name; nil for a type without fields.
	// They do not depend on the action asked about.
	Fields map[string]map[string]string
	// Revision is a token of the state the answer is valid for; see [Token].
	Revision string
	// TTL is for how many whole seconds the answer holds if nothing is written:
	// until the next validity change, at most the configured answer TTL, 0 when
	// a condition read the clock.
	TTL int
	// Stale is set when the answer rests on a state older than it should be.
	Stale bool
	// Latency is what deciding took.
	Latency time.Duration

	question *Question
	snapshot *Snapshot
	// opened are the chains that conditions opened, Chain or others.
	opened []*approval.Chain
	// direct are the subject's own nodes that are valid at the moment of the
	// question.
	direct []int32
	// held are those and everything that they imply, ascending.
	held []int32
	now  time.Time
	// env is nil if no candidate has conditions.
	env *condition.Env
}

const maxIDLength = 255

var (
	typePattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	actionPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,99}$`)
)

// CheckType returns what is wrong with a resource type, "" if nothing is.
func CheckType(s string) string {
	if typePattern.MatchString(s) {
		return ""
	}
	return "must be a lower-case identifier of at most 100 characters, such as vessel or sales_order"
}

// CheckAction returns what is wrong with an action, "" if nothing is.
func CheckAction(s string) string {
	if actionPattern.MatchString(s) {
		return ""
	}
	return "must start with a letter and hold only letters, digits and _ . : - (at most 100 characters)"
}

// CheckResourceID returns what is wrong with the id of an instance, "" if
// nothing is. Anything that a path or URL template may hold is fine; what could
// be read in two ways is not.
func CheckResourceID(s string) string {
	switch {
	case len([]rune(s)) > maxIDLength:
		return fmt.Sprintf("must have at most %d characters", maxIDLength)
	case !norm.NFC.IsNormalString(s):
		return "must be in Unicode normalisation form C"
	case strings.ContainsRune(s, '\\'):
		return "must not hold a backslash"
	case strings.ContainsRune(s, '*'):
		return "must name one instance: questions take no *"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "must not hold control characters"
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." {
			return "must not hold the path segments . or .."
		}
	}
	return ""
}

// CheckTime returns what is wrong with the time of a context, "" if nothing is or
// it has none.
func CheckTime(context map[string]any) string {
	t, ok := context["time"]
	if s, isString := t.(string); !ok || isString && condition.IsTime(s) {
		return ""
	}
	return "must be an RFC 3339 time in the years 1678 to 2261, such as 2026-01-31T09:00:00Z"
}

// Validate returns a fault that names every offending member, with prefix
// before each path, or nil.
func (q *Question) Validate(prefix string) error {
	var fields []fault.Field
	add := func(path, message string) {
		if message != "" {
			fields = append(fields, fault.Field{Path: prefix + path, Message: message})
		}
	}
	add("resource.type", CheckType(q.Type))
	add("resource.id", CheckResourceID(q.ID))
	add("action", CheckAction(q.Action))
	add("context.time", CheckTime(q.Context))
	if fields == nil {
		return nil
	}
	return fault.Invalid(fields...)
}
