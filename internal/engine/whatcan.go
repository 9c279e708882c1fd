package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// ResourceSearch asks what a subject may do. Of the question ID is ignored, an
// empty Type is every type but the API's sections, and an empty Action every
// action that is known, see [Engine.Actions].
type ResourceSearch struct {
	Question
	// After is where the page begins, as the page before gave it in Next; "" for the
	// first.
	After string
	// Limit is the most nodes wanted, at least 1.
	Limit int
}

// ResourcePage is a part of an answer, in the order of types and codes.
type ResourcePage struct {
	// Unknown is set if the tenant has no such user.
	Unknown bool
	Found   []FoundResource
	// Next is where to go on, "" at the end. A page may have found nothing and not
	// be the last.
	Next string
	// Patterns are what the subject may do with instances that are not registered.
	// They come with the first page, all of them unless PatternsCut is set: there
	// are more than are listed, or finding them took too long.
	Patterns    []FoundPattern
	PatternsCut bool
	// NotEvaluated is of how many questions nothing could be said.
	NotEvaluated int
	Revision     string
}

// FoundResource is a registered node on which the subject may act.
type FoundResource struct {
	// Node has no id if it is a section of the API.
	Node *Resource
	// Name is the node's, "" for a section of the API.
	Name string
	// Decisions are one for each action that is allowed, in the order of actions.
	Decisions []*Decision
}

// nodeOrder is the nodes of a tree by type and code, made when first wanted.
type nodeOrder struct {
	once sync.Once
	list []*Resource
}

// ordered returns the nodes that questions can name, by type and code. Not to be
// changed.
func (s *Snapshot) ordered() []*Resource {
	if s.order == nil {
		return nil
	}
	s.order.once.Do(func() {
		list := make([]*Resource, 0, len(s.nodes))
		for _, n := range s.nodes {
			if n.Type != grants.APIType {
				list = append(list, n)
			}
		}
		slices.SortFunc(list, compareNodes)
		s.order.list = list
	})
	return s.order.list
}

func compareNodes(a, b *Resource) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Code, b.Code))
}

// nodesOf returns the nodes of a type, or all if it is "", by type and code.
func (s *Snapshot) nodesOf(typ string) []*Resource {
	switch typ {
	case "":
		return s.ordered()
	case grants.APIType:
		return s.sections()
	}
	list := s.ordered()
	from, _ := slices.BinarySearchFunc(list, typ, func(n *Resource, typ string) int { return strings.Compare(n.Type, typ) })
	to, _ := slices.BinarySearchFunc(list, typ+"\x00", func(n *Resource, typ string) int { return strings.Compare(n.Type, typ) })
	return list[from:to]
}

// sections are those of the API that any permission names.
func (s *Snapshot) sections() []*Resource {
	var list []*Resource
	for _, g := range s.Grants.All() {
		if g.Pattern == nil || !g.IsAPI() {
			continue
		}
		if id, exact := g.Pattern.Literal(); exact {
			list = append(list, &Resource{Type: grants.APIType, Code: id, IsActive: true})
		}
	}
	slices.SortFunc(list, compareNodes)
	return slices.CompactFunc(list, func(a, b *Resource) bool { return a.Code == b.Code })
}

// WhatCan answers a page of what a subject may do. It leaves no record, and
// proves nothing that conditions approve. Type and Action must have passed
// [CheckType] and [CheckAction], unless they are empty.
func (e *Engine) WhatCan(ctx context.Context, search *ResourceSearch) (*ResourcePage, error) {
	v, subject, err := e.read(ctx, search.TenantID, search.UserID)
	if err != nil {
		return nil, err
	}
	x := &resourceSearch{engine: e, ask: search, s: v.snapshot, subject: subject, now: e.Now(), page: &ResourcePage{Revision: v.token}}
	switch code := x.s.refuses(subject, x.now); code {
	case SubjectUnknown:
		x.page.Unknown = true
		return x.page, nil
	case "":
	default:
		return x.page, nil
	}
	direct, _ := x.s.direct(subject, x.now)
	x.held, x.known = x.s.held(direct), x.s.knownActions(subject)
	if err := x.walk(ctx); err != nil {
		return nil, err
	}
	if search.After == "" {
		x.patterns(direct)
	}
	return x.page, e.name(ctx, search.TenantID, x.page.Found)
}

// Actions returns the decisions that allow among those about all actions that
// are known for what the question is about: those that the tenant's permissions,
// workflows, fields and policies name, in their order. Its Action is ignored. It
// leaves no record.
func (e *Engine) Actions(ctx context.Context, q *Question) ([]*Decision, error) {
	v, subject, err := e.read(ctx, q.TenantID, q.UserID)
	if err != nil {
		return nil, err
	}
	x := &resourceSearch{engine: e, ask: &ResourceSearch{}, s: v.snapshot, subject: subject, now: e.Now(), page: &ResourcePage{Revision: v.token}}
	if x.s.refuses(subject, x.now) != "" {
		return nil, nil
	}
	direct, _ := x.s.direct(subject, x.now)
	x.held, x.known = x.s.held(direct), x.s.knownActions(subject)
	return x.decide(ctx, q)
}

// resourceSearch is one page on its way, from one snapshot at one moment.
type resourceSearch struct {
	engine  *Engine
	ask     *ResourceSearch
	s       *Snapshot
	subject *Subject
	now     time.Time
	held    []int32
	known   *knownActions
	page    *ResourcePage
	// asked is how many questions were decided.
	asked int
}

// walk decides about the nodes until the page is full or has taken too long.
func (x *resourceSearch) walk(ctx context.Context) error {
	list, ends := x.s.nodesOf(x.ask.Type), x.engine.elapsed()+int64(x.engine.bounds.time)
	if x.ask.After != "" {
		typ, code, _ := strings.Cut(x.ask.After, "/")
		at, found := slices.BinarySearchFunc(list, &Resource{Type: typ, Code: code}, compareNodes)
		if found {
			at++
		}
		list = list[at:]
	}
	for i, node := range list {
		q := x.ask.Question
		q.Type, q.ID = node.Type, node.Code
		decisions, err := x.decide(ctx, &q)
		if err != nil {
			return err
		}
		if len(decisions) > 0 {
			x.page.Found = append(x.page.Found, FoundResource{Node: node, Decisions: decisions})
		}
		if full := len(x.page.Found) == x.ask.Limit || x.asked >= x.engine.bounds.decisions || x.engine.elapsed() > ends; full && i < len(list)-1 {
			x.page.Next = node.Type + "/" + node.Code
			return nil
		}
	}
	return nil
}

// decide asks about every action of a node that could be allowed, and returns the
// decisions that allow.
func (x *resourceSearch) decide(ctx context.Context, about *Question) (out []*Decision, err error) {
	at := x.s.aim(about, x.s.Find(about.Type, about.ID))
	actions := []string{x.ask.Action}
	if x.ask.Action == "" {
		actions = x.known.of(at)
	}
	for _, action := range actions {
		if !x.hopeful(at, action) {
			continue
		}
		q := *about
		q.Action, x.asked = action, x.asked+1
		d := &Decision{question: &q, now: x.now, Revision: x.page.Revision, snapshot: x.s}
		d.decide(ctx, x.subject, x.engine.searching(x.s))
		if ctx.Err() != nil {
			return nil, fault.New(fault.Unavailable, "The search was given up before it was done.").Because(ctx.Err())
		}
		switch {
		case d.Allowed:
			d.ID = newID()
			out = append(out, d)
		case d.Code == NotEvaluated:
			x.page.NotEvaluated++
		}
	}
	return out, nil
}

// hopeful reports whether anything could allow an action: what has nothing is
// not asked about. So a large tree is walked fast where the subject has little.
func (x *resourceSearch) hopeful(at *inquiry, action string) bool {
	at.target.Action = action
	var buf [16]*grants.Grant
	for _, g := range x.s.Grants.Candidates(buf[:0], x.held, &at.target) {
		if g.Effect != grants.Deny {
			return true
		}
	}
	if guard := at.guard(); guard != nil && guard.Mode == approval.Escalation {
		return true
	}
	return x.s.mayAllow(at.q.Type, action)
}

// name fills in the names of nodes, which decisions do without.
func (e *Engine) name(ctx context.Context, tenant uuid.UUID, found []FoundResource) error {
	var ids []uuid.UUID
	for i := range found {
		if id := found[i].Node.ID; id != uuid.Nil {
			ids = append(ids, id)
		}
	}
	if ids == nil {
		return nil
	}
	var rows []struct {
		ID   uuid.UUID
		Name string
	}
	err := e.db.InReadTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) error {
		return tx.Raw(`
SELECT id, name
FROM sentinel.resources
WHERE tenant_id = ?
AND id = ANY(CAST(? AS uuid[]))`, tenant, db.UUIDs(ids)).Scan(&rows).Error
	})
	if err != nil {
		return fmt.Errorf("names of resources: %w", err)
	}
	names := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	for i := range found {
		found[i].Name = names[found[i].Node.ID]
	}
	return nil
}
