package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Document returns what the Rego library needs to answer as this snapshot does
// about the given subjects, which must be of its tenant and read in the same
// transaction. It shares attribute maps with the snapshot: not to be changed.
func (s *Snapshot) Document(subjects []*Subject) (*policy.Document, error) {
	doc := &policy.Document{
		Tenant:        s.document,
		Subjects:      make(map[string]policy.Subject, len(subjects)),
		Edges:         make(map[string][]string, s.Graph.Len()),
		Roles:         map[string]policy.Role{},
		Grants:        map[string][]policy.Grant{},
		Resources:     make(map[string]policy.Resource, len(s.nodes)),
		ResourceCodes: map[string]map[string]string{},
		Tree:          make(map[string][]string, len(s.nodes)),
		Fields:        make(map[string]map[string]policy.Field, len(s.fields)),
		Policies:      []policy.Module{},
	}
	if s.policies != nil {
		if s.policies.err != nil {
			return nil, fmt.Errorf("policies: %w", s.policies.err)
		}
		if s.policies.modules != nil {
			doc.Policies = s.policies.modules.Index()
		}
	}
	for _, subject := range subjects {
		doc.Subjects[subject.ID.String()] = documentSubject(subject)
	}
	if err := s.documentRoles(doc); err != nil {
		return nil, err
	}
	for typ, list := range s.fields {
		doc.Fields[typ] = make(map[string]policy.Field, len(list))
		for _, f := range list {
			doc.Fields[typ][f.name] = policy.Field{Tier: f.tier, Default: f.ceiling}
		}
	}
	var err error
	if doc.Chains, err = s.documentChains(); err != nil {
		return nil, err
	}
	s.documentTree(doc)
	return doc, nil
}

// documentTree writes the registered nodes.
func (s *Snapshot) documentTree(doc *policy.Document) {
	for id, n := range s.nodes {
		key := id.String()
		resource := policy.Resource{Type: n.Type, Code: n.Code, Path: n.Path, Attributes: policy.Attributes(n.Attributes)}
		if n.workflow != nil {
			resource.Workflow = &n.workflow.stored
		}
		doc.Resources[key] = resource
		if doc.ResourceCodes[n.Type] == nil {
			doc.ResourceCodes[n.Type] = map[string]string{}
		}
		doc.ResourceCodes[n.Type][n.Code] = key
		if !n.IsActive {
			continue
		}
		doc.Tree[key] = []string{}
		if n.Parent != nil {
			doc.Tree[key] = []string{n.Parent.ID.String()}
		}
	}
}

// documentChains writes the chains, in the order in which the first that matches
// applies.
func (s *Snapshot) documentChains() ([]policy.Chain, error) {
	out := make([]policy.Chain, len(s.chains))
	for i, c := range s.chains {
		typ, glob := c.Pattern.Normalised()
		out[i] = policy.Chain{ID: c.ID.String(), Name: c.Name, Type: typ, Glob: glob, TypeWide: c.Pattern.TypeWide(), Mode: string(c.Mode)}
		levels, err := decodeExact(c.RawLevels)
		if err != nil {
			return nil, fmt.Errorf("approval_levels of chain %s: %w", c.ID, err)
		}
		out[i].Levels = levels
		if c.Auto == nil {
			continue
		}
		if out[i].Auto, err = DecodeObject(c.RawAuto); err != nil {
			return nil, fmt.Errorf("auto_approve_conditions of chain %s: %w", c.ID, err)
		}
	}
	return out, nil
}

// decodeExact decodes JSON, keeping numbers exact.
func decodeExact(raw []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// documentTenant returns the tenant as documents have it.
func documentTenant(t *Tenant) policy.Tenant {
	return policy.Tenant{
		ID: t.ID.String(), Code: t.Code, Name: t.Name, TimeZone: t.Location.String(), IsActive: t.Active,
		Conflict: t.Conflict, AllowRules: t.AllowRules, AutoApprove: t.AutoApprove,
	}
}

// documentRoles writes the groups and roles, what leads from one to another and
// what they own.
func (s *Snapshot) documentRoles(doc *policy.Document) error {
	for i := range int32(s.Graph.Len()) { //nolint:gosec // positions of the graph are int32
		key := s.Graph.Node(i).Key
		doc.Edges[key] = []string{}
		for _, next := range s.Graph.Next(i) {
			doc.Edges[key] = append(doc.Edges[key], s.Graph.Node(next).Key)
		}
		if s.roles[i] == nil {
			continue
		}
		doc.Roles[key] = policy.Role{Name: s.roles[i].Name, Priority: s.roles[i].Priority}
		for _, g := range s.Grants.OfRole(i) {
			grant, err := documentGrant(g)
			if err != nil {
				return err
			}
			doc.Grants[key] = append(doc.Grants[key], grant)
		}
	}
	return nil
}

func documentGrant(g *grants.Grant) (policy.Grant, error) {
	out := policy.Grant{ID: g.ID.String(), Name: g.Name, Effect: string(g.Effect), Actions: g.Actions, Fields: g.Fields}
	out.Class, out.Literals = g.Specificity()
	if g.Pattern == nil {
		out.Node = g.Node.String()
	} else {
		out.Type, out.Glob = g.Pattern.Normalised()
		out.TypeWide = g.Pattern.TypeWide()
	}
	if g.Unconditional() {
		return out, nil
	}
	conditions, err := DecodeObject(g.RawConditions)
	if err != nil {
		return out, fmt.Errorf("conditions of permission %s: %w", g.ID, err)
	}
	out.Conditions = conditions
	return out, nil
}

func documentSubject(s *Subject) policy.Subject {
	out := policy.Subject{
		Email: s.Email, EmailVerified: s.EmailVerified, Username: s.Username, ExternalID: s.ExternalID,
		IsServiceAccount: s.IsServiceAccount, IsActive: s.IsActive, LockedUntil: nanoseconds(s.LockedUntil),
		Attributes: policy.Attributes(s.Attributes), Assignments: make([]policy.Assignment, len(s.Assignments)),
		Requests: make([]policy.Request, len(s.Requests)),
	}
	for i := range s.Requests {
		out.Requests[i] = documentRequest(&s.Requests[i])
	}
	for i, a := range s.Assignments {
		out.Assignments[i] = policy.Assignment{Node: a.Node, ValidFrom: nanoseconds(a.ValidFrom), ExpiresAt: nanoseconds(a.ExpiresAt)}
	}
	return out
}

func documentRequest(r *Request) policy.Request {
	out := policy.Request{
		ID: r.ID.String(), Status: "pending", Chain: r.Chain.String(), Type: r.Type, ResourceID: r.ResourceID, Action: r.Action,
		ExpiresAt: nanoseconds(r.ExpiresAt),
	}
	if r.Approved {
		out.Status = "approved"
	}
	if r.Node != uuid.Nil {
		out.Node = r.Node.String()
	}
	return out
}

// nanoseconds since 1970. What lies beyond the years 1678 to 2261, as the year
// 9999 does in which much data ends, becomes their first or last moment: no
// clock shows anything outside.
func nanoseconds(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	ns := t.UnixNano()
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		ns = math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		ns = math.MaxInt64
	}
	return &ns
}

// Document reads a tenant with all its subjects, of which there may be at most
// most, in one transaction and returns it for the Rego library.
func (e *Engine) Document(ctx context.Context, tenant uuid.UUID, most int) (*policy.Document, error) {
	x, err := e.Extract(ctx, tenant, most)
	if err != nil {
		return nil, err
	}
	return x.Document, nil
}

// loaded returns the policies of a tenant that is in memory, nil of others.
func (e *Engine) loaded(tenant uuid.UUID) *policySet {
	if s, ok := e.slots.Load(tenant); ok {
		if v := s.(*slot).current.Load(); v != nil {
			return v.snapshot.policies
		}
	}
	return nil
}
