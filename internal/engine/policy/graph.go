package policy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// Document is what the library knows of one tenant: data.sentinel_graph. Ids are
// UUIDs in lower case; groups and roles go by their node, "group:<id>" or
// "role:<id>". It holds no secrets and may be shipped in a bundle.
type Document struct {
	Tenant Tenant `json:"tenant"`
	// Subjects by user id.
	Subjects map[string]Subject `json:"subjects"`
	// Edges lead from a group or role to the groups and roles that its members
	// have too. The keys are all active groups and roles, those without edges
	// with an empty list: a node that is not a key is not passed through.
	Edges map[string][]string `json:"edges"`
	// Roles by node; what answers name.
	Roles map[string]Role `json:"roles"`
	// Grants are the active permissions that a role owns directly, by node.
	Grants map[string][]Grant `json:"grants"`
	// Resources are the registered nodes by id.
	Resources map[string]Resource `json:"resources"`
	// ResourceCodes are the ids of Resources by type and code.
	ResourceCodes map[string]map[string]string `json:"resource_codes"`
	// Tree leads from a registered node to its parent: a list of one, of none
	// for a root. The keys are the active nodes: an inactive one cuts off what
	// would flow through it.
	Tree map[string][]string `json:"tree"`
	// Chains are the active approval chains that guard resources, in the order in
	// which the first that matches applies.
	Chains []Chain `json:"chains"`
	// Fields are the active field definitions, the platform's and the tenant's, by
	// entity type and field.
	Fields map[string]map[string]Field `json:"fields"`
	// Policies are the modules that are asked, and when.
	Policies []Module `json:"policies"`
}

// Tenant is the tenant in which questions are asked.
type Tenant struct {
	ID       string `json:"id"`
	Code     string `json:"code"`
	Name     string `json:"name"`
	TimeZone string `json:"time_zone"`
	// IsActive is false as well when an ancestor is inactive.
	IsActive bool `json:"is_active"`
	// Conflict is the rule between matching allows and denies: "deny_overrides" or
	// "most_specific".
	Conflict string `json:"conflict"`
	// AllowRules is set where the tenant's policies may allow, not only deny.
	AllowRules bool `json:"allow_rules"`
	// AutoApprove is set where chains' conditions may approve: the server's
	// AUTO_APPROVE_ENABLED.
	AutoApprove bool `json:"auto_approve"`
}

// Subject is one account.
type Subject struct {
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"email_verified"`
	Username      string `json:"username,omitempty"`
	ExternalID    string `json:"external_id,omitempty"`
	// IsServiceAccount tells machines from people.
	IsServiceAccount bool `json:"is_service_account"`
	IsActive         bool `json:"is_active"`
	// LockedUntil is in nanoseconds since 1970, nil for never locked.
	LockedUntil *int64         `json:"locked_until_ns"`
	Attributes  map[string]any `json:"attributes,omitempty"`
	Assignments []Assignment   `json:"assignments"`
	// Requests are the subject's pending and approved access requests for
	// resources, oldest first.
	Requests []Request `json:"requests"`
}

// Request is an access request that waits or was approved.
type Request struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	// Chain is the id of the chain it went through.
	Chain string `json:"chain"`
	// Type and ResourceID name the resource: a registered node by its code, with
	// its id in Node. An empty ResourceID is the type as a whole.
	Type       string `json:"type"`
	ResourceID string `json:"resource_id"`
	Node       string `json:"node"`
	// Action is the action asked for, or "*" for every one.
	Action string `json:"action"`
	// ExpiresAt ends what an approved request grants, in nanoseconds since 1970,
	// nil for never; the end is excluded.
	ExpiresAt *int64 `json:"expires_at_ns"`
}

// Assignment binds a subject to a group or role.
type Assignment struct {
	Node string `json:"node"`
	// ValidFrom and ExpiresAt are in nanoseconds since 1970, nil for open; the
	// end is excluded.
	ValidFrom *int64 `json:"valid_from_ns"`
	ExpiresAt *int64 `json:"expires_at_ns"`
}

// Role is what answers say of a role.
type Role struct {
	Name     string `json:"name"`
	Priority int    `json:"priority"`
}

// Grant is one permission: on a registered node, or on what a pattern matches.
type Grant struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Effect  string   `json:"effect"`
	Actions []string `json:"actions"`
	// Node is the registered node; empty for a pattern.
	Node string `json:"node,omitempty"`
	// Type, Glob and TypeWide are of the compiled pattern.
	Type     string `json:"type,omitempty"`
	Glob     string `json:"glob,omitempty"`
	TypeWide bool   `json:"type_wide,omitempty"`
	// Conditions is the decoded object, nil for none. It must have passed
	// condition.Compile.
	Conditions any `json:"conditions,omitempty"`
	// Fields are what the permission says of fields: "read", "write" or "hidden".
	Fields map[string]string `json:"fields,omitempty"`
	// Class and Literals say how specific a pattern is: 5 for one id of one type, 3
	// for a glob, 2 for a whole type, 1 for every type; then the more literal
	// segments the more specific. Both are 0 for a permission on a node.
	Class    int `json:"class"`
	Literals int `json:"literals"`
}

// Resource is one registered node.
type Resource struct {
	Type       string         `json:"type"`
	Code       string         `json:"code"`
	Path       string         `json:"path"`
	Attributes map[string]any `json:"attributes,omitempty"`
	// Workflow is nil where no state limits what may be done.
	Workflow *Workflow `json:"workflow,omitempty"`
}

// Workflow limits what may be done in a state of a node.
type Workflow struct {
	// State is the node's own, empty for none.
	State  string   `json:"state"`
	States []string `json:"states"`
	// Actions are by state and action the roles that may, as "role:<id>", or "*"
	// for everybody. A state that is no key limits nothing.
	Actions map[string]map[string][]string `json:"state_actions"`
}

// Chain is an approval chain.
type Chain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Type, Glob and TypeWide are of the compiled pattern.
	Type     string `json:"type"`
	Glob     string `json:"glob"`
	TypeWide bool   `json:"type_wide"`
	Mode     string `json:"mode"`
	// Levels are what answers say of them.
	Levels any `json:"levels"`
	// Auto are the conditions that approve, nil for none.
	Auto any `json:"auto,omitempty"`
}

// Field is a field definition.
type Field struct {
	// Tier is "core", "platform_dynamic" or "tenant_specific".
	Tier string `json:"tier"`
	// Default is the visibility where no permission names the field: "read",
	// "write" or "hidden".
	Default string `json:"default"`
}

// Module is a policy: a package of its own.
type Module struct {
	// Root is "platform" for data.sentinel.platform.<name>, "tenant" for
	// data.tenant.<name>.
	Root string `json:"root"`
	Name string `json:"name"`
	// ResourceTypes and Actions tell when it matters; empty for always.
	ResourceTypes []string `json:"resource_types"`
	Actions       []string `json:"actions"`
}

// Graph is a document made ready for evaluation. It never changes and is safe
// for concurrent use.
type Graph struct {
	store storage.Store
	// last is the query as prepared for the library that asked last. Preparing
	// anew is correct, only slow, so a lost race costs nothing else.
	last atomic.Pointer[prepared]
}

type prepared struct {
	library *Library
	query   rego.PreparedEvalQuery
}

// NewGraph converts a document once: a [Document], or whatever has the same
// JSON. Numbers in maps must be json.Number to stay exact.
func NewGraph(doc any) (*Graph, error) {
	value, err := ast.InterfaceToValue(doc)
	if err != nil {
		return nil, fmt.Errorf("convert graph document: %w", err)
	}
	if _, ok := value.(ast.Object); !ok {
		return nil, errors.New("convert graph document: not an object")
	}
	root := ast.NewObject([2]*ast.Term{ast.StringTerm("sentinel_graph"), ast.NewTerm(value)})
	return &Graph{store: inmem.NewFromASTObject(root)}, nil
}

func (g *Graph) query(ctx context.Context, l *Library) (rego.PreparedEvalQuery, error) {
	if p := g.last.Load(); p != nil && p.library == l {
		return p.query, nil
	}
	query, err := rego.New(
		rego.Query("data.sentinel.authz.decision"),
		rego.Compiler(l.compiler),
		rego.Store(g.store),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return query, fmt.Errorf("prepare decision query: %w", err)
	}
	g.last.Store(&prepared{l, query})
	return query, nil
}
