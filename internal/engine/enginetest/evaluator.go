package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/policies"
)

// Evaluator answers the questions of cases.
type Evaluator interface {
	// Name says in failures which one it is.
	Name() string
	// Decide answers one case. It may fail with [ErrRefused].
	Decide(t testing.TB, c *Case) (*Verdict, error)
}

// Run asks every evaluator every question of the file. The first is the one
// with which the others have to agree in what the file leaves out; its verdicts
// are returned.
func Run(t *testing.T, f *File, evaluators ...Evaluator) map[*Case]*Verdict {
	t.Helper()
	verdicts := make(map[*Case]*Verdict, len(f.Cases))
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var first *Verdict
			for _, e := range evaluators {
				got, err := e.Decide(t, c)
				if errors.Is(err, ErrRefused) && c.HTTP != 0 {
					continue
				}
				require.NoError(t, err, e.Name())
				if first == nil {
					first, verdicts[c] = got, got
				}
				c.Check(named{t, e.Name()}, first, got)
			}
		})
	}
	return verdicts
}

// named says which evaluator a failure is of.
type named struct {
	testing.TB
	evaluator string
}

// Errorf implements [testing.TB].
func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.TB.Errorf("%s: "+format, append([]any{n.evaluator}, args...)...)
}

// Clock is set to the moment of each case.
type Clock struct{ now atomic.Pointer[time.Time] }

// Set makes it now.
func (c *Clock) Set(now time.Time) { c.now.Store(&now) }

// Now is the moment last set, [Now] at first.
func (c *Clock) Now() time.Time {
	if now := c.now.Load(); now != nil {
		return *now
	}
	return Now()
}

// Go returns the evaluators of the engine: one that knows nothing at each case,
// one that was just asked the same, one that has read every tenant again after
// an unrelated write, one that had and lost every subject.
func Go(d *db.DB) []Evaluator {
	return []Evaluator{
		newGo(d, "engine, cold", (*goEvaluator).restart), newGo(d, "engine, warm", (*goEvaluator).ask),
		newGo(d, "engine, reloaded", (*goEvaluator).reload), newGo(d, "engine, subjects dropped", (*goEvaluator).drop),
	}
}

type goEvaluator struct {
	name   string
	db     *db.DB
	clock  *Clock
	engine *engine.Engine
	// prepare brings the engine into the state in which it is asked.
	prepare func(*goEvaluator, testing.TB, *Case)
	// done are the tenants or subjects for which that has happened.
	done map[uuid.UUID]bool
}

func newGo(d *db.DB, name string, prepare func(*goEvaluator, testing.TB, *Case)) *goEvaluator {
	e := &goEvaluator{name: name, db: d, clock: &Clock{}, prepare: prepare, done: map[uuid.UUID]bool{}}
	e.engine = engine.New(engine.Config{DB: d, Now: e.clock.Now})
	return e
}

// Name implements [Evaluator].
func (e *goEvaluator) Name() string { return e.name }

// Decide implements [Evaluator].
func (e *goEvaluator) Decide(t testing.TB, c *Case) (*Verdict, error) {
	e.clock.Set(c.Now)
	q := c.Question()
	if q.Validate("") != nil {
		return NotEvaluated(), nil
	}
	e.prepare(e, t, c)
	return Answer(e.engine.Decide(t.Context(), q)), nil
}

func (e *goEvaluator) restart(testing.TB, *Case) {
	e.engine = engine.New(engine.Config{DB: e.db, Now: e.clock.Now})
}

func (e *goEvaluator) ask(t testing.TB, c *Case) { e.engine.Decide(t.Context(), c.Question()) }

// reload sees to it that the engine reads the tenant again.
func (e *goEvaluator) reload(t testing.TB, c *Case) {
	if e.done[c.TenantID()] {
		return
	}
	e.done[c.TenantID()] = true
	before := e.engine.Decide(t.Context(), c.Question()).Revision
	e.write(t, c, `UPDATE sentinel.roles SET priority = priority + 1 WHERE tenant_id = ? AND name = ?`, c.TenantID(), Asker)
	require.NotEqual(t, before, e.engine.Decide(t.Context(), c.Question()).Revision)
}

// drop writes something of a subject and loses the record of it, so that the
// engine cannot know which one changed.
func (e *goEvaluator) drop(t testing.TB, c *Case) {
	if e.done[c.UserID()] {
		return
	}
	e.done[c.UserID()] = true
	before := e.engine.Decide(t.Context(), c.Question()).Revision
	e.write(t, c, `UPDATE sentinel.users SET token_epoch = token_epoch + 1 WHERE tenant_id = ? AND email LIKE ?`, c.TenantID(), Asker+"@%")
	require.NotEqual(t, before, e.engine.Decide(t.Context(), c.Question()).Revision)
}

func (e *goEvaluator) write(t testing.TB, c *Case, sql string, args ...any) {
	t.Helper()
	err := e.db.InSystemTx(t.Context(), db.Retention, func(tx *db.Tx) error {
		if err := tx.Exec(sql, args...).Error; err != nil {
			return err
		}
		return tx.Exec("SELECT sentinel.prune_subject_changes(interval '-1 minute')").Error
	})
	require.NoError(t, err)
	require.NoError(t, e.engine.Refresh(t.Context(), c.TenantID()))
}

// Answer is the verdict that a decision is.
func Answer(d *engine.Decision) *Verdict {
	v := &Verdict{Allowed: d.Allowed, Code: string(d.Code), Paths: []string{}, Reason: d.Reason()}
	v.Permissions = append(v.Permissions, d.MatchedIDs()...)
	for _, r := range d.MatchedRoles() {
		v.Roles, v.Paths = append(v.Roles, r.Name), append(v.Paths, r.Path)
	}
	v.Roles = slices.Compact(v.Roles)
	extra := policy.Extra{Denials: d.Denials, Obligations: d.Obligations, AutoApproved: d.AutoApproved, Fields: d.Fields}
	if d.Chain != nil {
		extra.Chain, extra.Levels = d.Chain.ID.String(), d.Chain.RawLevels
	}
	if d.RequestID != nil {
		extra.Request = d.RequestID.String()
	}
	v.fill(&extra)
	return v
}

// Rego returns the evaluator of the decision library, every step of it, over
// the document of the tenant.
func Rego(t testing.TB, d *db.DB) Evaluator {
	t.Helper()
	library, err := policy.Load(t.Context(), policies.FS, policy.Config{Timeout: 10 * time.Second})
	require.NoError(t, err)
	return &regoEvaluator{library: library, engine: engine.New(engine.Config{DB: d}), graphs: map[uuid.UUID]*policy.Graph{}}
}

type regoEvaluator struct {
	library *policy.Library
	engine  *engine.Engine
	graphs  map[uuid.UUID]*policy.Graph
}

// Name implements [Evaluator].
func (e *regoEvaluator) Name() string { return "rego" }

// Decide implements [Evaluator].
func (e *regoEvaluator) Decide(t testing.TB, c *Case) (*Verdict, error) {
	graph, err := e.graph(t.Context(), c.TenantID())
	if err != nil {
		return nil, err
	}
	v, err := Ask(t.Context(), e.library, graph, c.Question(), c.Now)
	if err != nil && c.Fails {
		return NotEvaluated(), nil
	}
	return v, err
}

func (e *regoEvaluator) graph(ctx context.Context, tenant uuid.UUID) (*policy.Graph, error) {
	if g, ok := e.graphs[tenant]; ok {
		return g, nil
	}
	doc, err := e.engine.Document(ctx, tenant, 1000)
	if err != nil {
		return nil, err
	}
	g, err := policy.NewGraph(doc)
	if err != nil {
		return nil, fmt.Errorf("graph of tenant %s: %w", tenant, err)
	}
	e.graphs[tenant] = g
	return g, nil
}

// Ask puts a question of the engine to the library.
func Ask(ctx context.Context, l *policy.Library, g *policy.Graph, q *engine.Question, now time.Time) (*Verdict, error) {
	answer, err := l.Decide(ctx, g, policy.Question{
		UserID: q.UserID.String(), Type: q.Type, ID: q.ID, Attributes: q.Attributes,
		Action: q.Action, ActionProperties: q.ActionProperties, Context: q.Context,
	}, now)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Allowed: answer.Allowed, Code: answer.ReasonCode}
	v.Permissions = append(v.Permissions, answer.MatchedPermissions...)
	v.Roles = append(v.Roles, answer.MatchedRoles...)
	v.fill(&answer.Extra)
	return v, nil
}
