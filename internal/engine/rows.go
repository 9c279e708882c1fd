package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// MaxFilterNodes is how many registered nodes of the type a filter can tell
	// apart. Each is decided by itself, so that this bounds the time.
	MaxFilterNodes = 10_000
	// MaxFilterTests is how many comparisons a filter can have.
	MaxFilterTests = 10_000
)

// RowFilter is the condition that selects, of the rows of a type, just those on
// which a subject may act: those of which [Snapshot.Decide], told the row's id
// and its attributes, says that it is allowed.
type RowFilter struct {
	// Expr holds of the rows that are selected.
	Expr filter.Expr
	// Code says why there are none, if the reason lies in no row: the subject, the
	// tenant, or what policies say. Empty otherwise.
	Code Code
	// Obligations are those of every answer that allows.
	Obligations []map[string]any
	// NamesDenied is set when Expr names registered nodes on which the subject may
	// not act at all.
	NamesDenied bool
	// Places are where rows hold the fields that are defined for the type.
	Places map[string]filter.Place
	// Revision and TTL are as those of a [Decision].
	Revision string
	TTL      int
}

// NotTranslatable says why a question has no filter.
type NotTranslatable struct {
	// Permission, Policy or Chain is what stands in the way; the others are empty.
	Permission *grants.Grant
	Policy     string
	Chain      string
	// Path is the attribute that cannot be stated about rows, "" for none.
	Path string
	// Why in words.
	Why string
}

func (n *NotTranslatable) Error() string {
	return fmt.Sprintf("no filter: %s %s: %s", n.Policy+n.Chain, n.Path, n.Why)
}

// Filter makes the condition under which the subject of q may do its action on a
// row of its type; the question's id and attributes are the rows' and must be
// empty. Like [Engine.Survey] it leaves no record. The error is a
// [*NotTranslatable]; what cannot be loaded or evaluated selects nothing.
func (e *Engine) Filter(ctx context.Context, q *Question) (*RowFilter, error) {
	v, subject, err := e.read(ctx, q.TenantID, q.UserID)
	switch {
	case fault.Is(err, fault.NotFoundKind):
		return &RowFilter{Expr: filter.Any{}, Code: SubjectUnknown}, nil
	case err != nil:
		e.log.ErrorContext(ctx, "load decision data", "error", err, "tenant_id", q.TenantID)
		return &RowFilter{Expr: filter.Any{}, Code: NotEvaluated}, nil
	}
	d := &Decision{question: q, now: e.Now(), snapshot: v.snapshot}
	out, err := d.filter(ctx, subject, asking{answerTTL: e.cfg.AnswerTTL, engine: e})
	if err != nil {
		return nil, err
	}
	out.Revision = v.token
	return out, nil
}

// Filter is [Engine.Filter] of the snapshot, about a subject of its tenant, nil
// for an unknown one, at now: for simulations and tests.
func (s *Snapshot) Filter(ctx context.Context, q *Question, subject *Subject, now time.Time) (*RowFilter, error) {
	return (&Decision{question: q, now: now, snapshot: s}).filter(ctx, subject, asking{})
}

// filter takes the steps for all rows at once.
func (d *Decision) filter(ctx context.Context, subject *Subject, a asking) (*RowFilter, error) {
	s, q := d.snapshot, d.question
	out := &RowFilter{Expr: filter.Any{}, Places: s.places(q.Type)}
	if out.Code = s.refuses(subject, d.now); out.Code != "" {
		return out, nil
	}
	direct, next := s.direct(subject, d.now)
	d.direct, d.held = direct, s.held(direct)
	d.TTL = ttl(a.answerTTL, d.now, subject.nextEnd(d.now, next))
	nodes := s.nodesOf(q.Type)
	if len(nodes) > MaxFilterNodes {
		return nil, &NotTranslatable{Why: fmt.Sprintf("there are %d registered nodes of the type, and a filter tells at most %d apart", len(nodes), MaxFilterNodes)}
	}
	sel := &selection{d: d, ask: a, subject: subject, nodes: nodes}
	if a.engine != nil {
		sel.ends = a.engine.elapsed() + int64(a.engine.bounds.time)
	}
	var err error
	if out.Expr, err = sel.compose(ctx); err != nil {
		return nil, err
	}
	if err := sel.judge(ctx, out); err != nil {
		return nil, err
	}
	if err := sel.check(out.Expr); err != nil {
		return nil, err
	}
	if holdsNever(out.Expr) {
		out.Obligations = nil
	}
	out.TTL, out.NamesDenied = d.TTL, sel.namesDenied && !holdsNever(out.Expr)
	return out, nil
}

// judge asks the policies, and composes the filter again where they say more
// than yes. They take away, unless the tenant's may allow: where nothing is
// selected they need not be asked.
func (sel *selection) judge(ctx context.Context, out *RowFilter) error {
	x := sel.about(nil)
	p := x.s.policies
	if p == nil || p.err == nil && p.modules == nil || holdsNever(out.Expr) && !x.s.Tenant.AllowRules {
		return nil
	}
	// A policy that fails for one of the actions that fields depend on fails the
	// whole check.
	outcomes := outcomes(nil, x.q.Action, x.s.fields[x.q.Type] != nil)
	if p.err == nil {
		for i := range outcomes {
			if name := p.modules.ReadsResource(x.q.Type, outcomes[i].action); name != "" {
				return &NotTranslatable{Policy: name, Why: "the policy reads the resource for action " + outcomes[i].action + ", so that each row has to be checked by itself"}
			}
		}
	}
	if err := x.judge(ctx, outcomes); err != nil {
		x.failed(ctx, policy.FailureKind(err), err)
		outcomes[0].code = NotEvaluated
	}
	switch sel.finding = outcomes[0].finding; {
	case outcomes[0].code != "":
		out.Code, out.Expr = outcomes[0].code, filter.Any{}
		if out.Code == NotEvaluated {
			x.d.TTL = 0
		}
	case sel.finding.Allows || len(sel.finding.Chains) > 0:
		var err error
		if out.Expr, err = sel.compose(ctx); err != nil {
			return err
		}
	}
	out.Obligations = sel.finding.Obligations
	return nil
}

// selection is a filter while it is composed.
type selection struct {
	d       *Decision
	ask     asking
	subject *Subject
	// nodes are the registered ones of the type.
	nodes []*Resource
	// ends is when the engine's clock has run too long, 0 for never.
	ends int64
	// finding is what policies say of every row.
	finding policy.Finding
	// holes are what could not be stated about rows, in the order of the tests
	// that stand in for it: it matters only if one of those is left in the end.
	holes []*NotTranslatable
	// known are the holes by what they are of.
	known map[reduction]int

	namesDenied bool
}

// about returns the inquiry about a registered node, or about whatever has none.
func (sel *selection) about(node *Resource) *inquiry {
	x := sel.d.snapshot.aim(sel.d.question, node)
	x.ask, x.d, x.subject = sel.ask, sel.d, sel.subject
	return x
}

// compose returns the condition on all rows: those of registered nodes, each by
// its names, and all others. It gives up when the request has ended, or when it
// takes too long: what it costs grows with the nodes times the permissions.
func (sel *selection) compose(ctx context.Context) (filter.Expr, error) {
	sel.holes, sel.known, sel.namesDenied = nil, nil, false
	rest := sel.part(nil)
	restKey := key(nil, rest)
	// What asks for the id asks for a node's code, by whatever name the row has it.
	alike := !readsID(rest)
	var (
		groups []*rowGroup
		byKey  = map[string]*rowGroup{}
		buf    []byte
		named  []*Resource
	)
	for _, node := range sel.nodes {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Unavailable, "The filter was given up before it was made.").Because(ctx.Err())
		}
		if sel.ends != 0 && sel.ask.engine.elapsed() > sel.ends {
			return nil, &NotTranslatable{Why: fmt.Sprintf("the subject has too many permissions to tell %d registered nodes of the type apart in time", len(sel.nodes))}
		}
		expr := sel.part(node)
		buf = key(buf[:0], expr)
		if alike && string(buf) == string(restKey) {
			continue
		}
		named = append(named, node)
		if holdsNever(expr) {
			sel.namesDenied = sel.namesDenied || !holdsNever(rest)
			continue
		}
		g := byKey[string(buf)]
		if g == nil {
			g = &rowGroup{expr: expr}
			byKey[string(buf)], groups = g, append(groups, g)
		}
		g.nodes = append(g.nodes, node)
	}
	parts := make([]filter.Expr, 0, len(groups)+1)
	if !holdsNever(rest) {
		parts = append(parts, allOf(unnamed(named), rest))
	}
	for _, g := range groups {
		parts = append(parts, allOf(namesOf(g.nodes), g.expr))
	}
	return anyOf(parts...), nil
}

// rowGroup is registered nodes of which the same has to hold.
type rowGroup struct {
	expr  filter.Expr
	nodes []*Resource
}

// namesOf holds of the rows that are registered nodes: by code, or by id in small
// letters or capitals.
func namesOf(nodes []*Resource) filter.Expr {
	values := make([]any, 0, 3*len(nodes))
	for _, n := range nodes {
		id := n.ID.String()
		values = append(values, n.Code, id)
		if upper := strings.ToUpper(id); upper != id {
			values = append(values, upper)
		}
	}
	return &filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Values: values}
}

// unnamed holds of the rows that are none of nodes, by code or by id in whatever
// letters.
func unnamed(nodes []*Resource) filter.Expr {
	if len(nodes) == 0 {
		return filter.All{}
	}
	codes, ids := make([]any, len(nodes)), make([]any, len(nodes))
	for i, n := range nodes {
		codes[i], ids[i] = n.Code, n.ID.String()
	}
	return filter.All{
		&filter.Test{Op: filter.Eq, Field: filter.Field{ID: true}, Negated: true, Values: codes},
		&filter.Test{Op: filter.EqFold, Field: filter.Field{ID: true}, Negated: true, Values: ids},
	}
}

// check returns what stands in the way of a filter, nil if nothing does.
func (sel *selection) check(expr filter.Expr) error {
	var first *NotTranslatable
	tests := 0
	walk(expr, func(t *filter.Test) {
		tests++
		if t.Op == opHole && first == nil {
			first = sel.holes[t.Values[0].(int)]
		}
	})
	if first != nil {
		return first
	}
	if tests > MaxFilterTests {
		return &NotTranslatable{Why: fmt.Sprintf("it would have %d comparisons, and may have at most %d", tests, MaxFilterTests)}
	}
	return nil
}
