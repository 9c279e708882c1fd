package engine

import (
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
)

// Snapshot is the graph of one tenant at one revision: its roles, groups,
// permissions and resource tree, with the roles of the ancestors from which it
// inherits and the platform's system roles. It never changes; a newer one
// replaces it.
type Snapshot struct {
	Tenant Tenant
	// Graph resolves role and group inheritance.
	Graph *rbac.Graph
	// Grants are the permissions of all roles of Graph.
	Grants *grants.Index
	// roles and groups are indexed by the position of their node in Graph; the
	// one that a node is not stays nil.
	roles  []*Role
	groups []*Group

	nodes map[uuid.UUID]*Resource
	codes map[typeCode]*Resource
	// order is of nodes, nil for no tree.
	order *nodeOrder
	// chains are the active approval chains, in the order in which the first that
	// matches applies.
	chains []*approval.Chain
	// guards are chains by the type that they guard, in the same order.
	guards map[string][]*approval.Chain
	// named are chains by name.
	named map[string]*approval.Chain
	// fields are the active field definitions by entity type.
	fields map[string][]field
	// policies are the tenant's and the platform's, nil for none.
	policies *policySet
	// publication is what policies are still to be compiled from, nil for none.
	publication *Publication
	// document is the tenant as documents and policies have it.
	document policy.Tenant
	// sources are the tenants whose changes make the snapshot stale.
	sources []uuid.UUID
	// weight is a rough number of bytes, for the budget.
	weight int
}

// Tenant is what decisions need of a tenant.
type Tenant struct {
	ID   uuid.UUID
	Code string
	Name string
	// Active is false as well when an ancestor is inactive.
	Active bool
	// TokensValidFrom voids tokens issued before it; the latest of the tenant's
	// own and its ancestors', zero if there is none.
	TokensValidFrom time.Time
	// Features are those that neither the tenant nor an ancestor is without.
	Features entitlement.Set
	Location *time.Location
	// Conflict is the rule between matching allows and denies: [DenyOverrides] or
	// [MostSpecific].
	Conflict string
	// AllowRules is set where the tenant's policies may allow, not only deny.
	AllowRules bool
	// AutoApprove is set where the conditions of chains may approve.
	AutoApprove bool
	// SubjectTypes are what AuthZEN calls the tenant's accounts.
	SubjectTypes []string
	// Ancestors from the parent upwards.
	Ancestors []uuid.UUID
}

// The conflict rules.
const (
	// DenyOverrides is the default: any matching deny wins.
	DenyOverrides = "deny_overrides"
	// MostSpecific lets the permission win that is nearer to what is asked about;
	// of equally near ones the deny.
	MostSpecific = "most_specific"
)

// Role is a role that the snapshot's tenant can use.
type Role struct {
	ID, TenantID uuid.UUID
	Name         string
	Priority     int
	IsAssignable bool
	IsSystem     bool
}

// Group is a group of the snapshot's tenant.
type Group struct {
	ID   uuid.UUID
	Name string
}

// Resource is a registered node of the tree.
type Resource struct {
	ID         uuid.UUID
	Type, Code string
	Path       string
	Parent     *Resource
	Attributes map[string]any
	IsActive   bool
	// workflow is set where the state of the node limits what may be done to it.
	workflow *workflow
	// attributes are Attributes as policies read them.
	attributes converted
}

type typeCode struct{ typ, code string }

// EntityType is the type of the nodes that stand for all instances of the type
// named by their code.
const EntityType = "entity"

// Find returns the registered node that a question names, by id or code, nil
// for an instance that only the application knows.
func (s *Snapshot) Find(typ, id string) *Resource {
	if typ == grants.APIType || id == "" {
		return nil
	}
	if n, ok := s.codes[typeCode{typ, id}]; ok {
		return n
	}
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil {
			if n := s.nodes[u]; n != nil && n.Type == typ {
				return n
			}
		}
	}
	return nil
}

// chain appends the nodes whose permissions flow to an instance, nearest first:
// the node itself and its ancestors, or for an unregistered one the entity
// node of its type and the ancestors of that. An inactive node ends the chain.
func (s *Snapshot) chain(node *Resource, typ string, buf []uuid.UUID) []uuid.UUID {
	if typ == grants.APIType {
		return buf
	}
	if node == nil {
		node = s.codes[typeCode{EntityType, typ}]
	}
	for ; node != nil && node.IsActive; node = node.Parent {
		buf = append(buf, node.ID)
	}
	return buf
}

// RoleAt returns the role at a position of the graph, nil for a group.
func (s *Snapshot) RoleAt(i int32) *Role { return s.roles[i] }

// GroupAt returns the group at a position of the graph, nil for a role.
func (s *Snapshot) GroupAt(i int32) *Group { return s.groups[i] }

// withholds reports whether nobody of the tenant has a role: that of the
// platform's administrators, which other tenants inherit like the other system
// roles.
func (s *Snapshot) withholds(r *Role) bool {
	return r.IsSystem && r.Name == superAdmin && s.Tenant.ID != identity.PlatformTenant
}

// direct returns the positions of the subject's own nodes that count at now,
// and the next moment at which that changes, zero if never.
func (s *Snapshot) direct(subject *Subject, now time.Time) (nodes []int32, next time.Time) {
	nodes = make([]int32, 0, len(subject.Assignments))
	earlier := func(t *time.Time) {
		if t != nil && t.After(now) && (next.IsZero() || t.Before(next)) {
			next = *t
		}
	}
	for i := range subject.Assignments {
		a := &subject.Assignments[i]
		earlier(a.ValidFrom)
		earlier(a.ExpiresAt)
		if !a.Valid(now) {
			continue
		}
		if at, ok := s.Graph.Index(a.Node); ok {
			nodes = append(nodes, at)
		}
	}
	return nodes, next
}

// Label says in words how the subject comes by a node:
// "user > group:apac-team > role:viewer".
func (s *Snapshot) Label(path []int32) string {
	label := "user"
	for _, i := range path {
		if r := s.roles[i]; r != nil {
			label += " > role:" + r.Name
		} else if g := s.groups[i]; g != nil {
			label += " > group:" + g.Name
		}
	}
	return label
}
