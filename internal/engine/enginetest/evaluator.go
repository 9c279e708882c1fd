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
				if errors.Is(err, ErrRefused) && (c.HTTP != 0 || c.Strict) {
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
func Go(t testing.TB, d *db.DB, f *File) []Evaluator {
	t.Helper()
	library := Library(t)
	var out []Evaluator
	for _, state := range []struct {
		name    string
		prepare func(*goEvaluator, testing.TB, *Case)
	}{
		{"engine, cold", (*goEvaluator).restart},
		{"engine, warm", (*goEvaluator).ask},
		{"engine, reloaded", (*goEvaluator).reload},
		{"engine, subjects dropped", (*goEvaluator).drop},
	} {
		clock := &Clock{}
		cfg := config(d, f, library)
		cfg.Now = clock.Now
		out = append(out, &goEvaluator{
			name: state.name, db: d, clock: clock, cfg: cfg, engine: engine.New(cfg), prepare: state.prepare, done: map[uuid.UUID]bool{},
		})
	}
	return out
}

// Library is the decision library, given the time that a busy machine needs.
func Library(t testing.TB) *policy.Library {
	t.Helper()
	library, err := policy.Load(t.Context(), policies.FS, policy.Config{Timeout: 10 * time.Second})
	require.NoError(t, err)
	return library
}

func config(d *db.DB, f *File, library *policy.Library) engine.Config {
	// Nothing polls here, and a file can take long on a busy machine.
	return engine.Config{DB: d, Library: library, AutoApprove: !f.World.NoAutoApprove, MaxStaleness: time.Hour}
}

type goEvaluator struct {
	name   string
	db     *db.DB
	clock  *Clock
	cfg    engine.Config
	engine *engine.Engine
	// prepare brings the engine into the state in which it is asked.
	prepare func(*goEvaluator, testing.TB, *Case)
	// done are the tenants or subjects for which that has happened.
	done map[uuid.UUID]bool
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
	e.engine = engine.New(e.cfg)
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
func Rego(t testing.TB, d *db.DB, f *File) Evaluator {
	t.Helper()
	library := Library(t)
	return &regoEvaluator{library: library, engine: engine.New(config(d, f, library)), tenants: map[uuid.UUID]*regoTenant{}}
}

type regoEvaluator struct {
	library *policy.Library
	engine  *engine.Engine
	tenants map[uuid.UUID]*regoTenant
}

// regoTenant is the library with a tenant's modules, and what it knows of the
// tenant.
type regoTenant struct {
	library *policy.Library
	graph   *policy.Graph
}

// Name implements [Evaluator].
func (e *regoEvaluator) Name() string { return "rego" }

// Decide implements [Evaluator].
func (e *regoEvaluator) Decide(t testing.TB, c *Case) (*Verdict, error) {
	tenant, err := e.tenant(t.Context(), c)
	if err != nil {
		return nil, err
	}
	v, err := Ask(t.Context(), tenant.library, tenant.graph, c.Question(), c.Now)
	if err != nil && c.Fails {
		return NotEvaluated(), nil
	}
	return v, err
}

func (e *regoEvaluator) tenant(ctx context.Context, c *Case) (*regoTenant, error) {
	if x, ok := e.tenants[c.TenantID()]; ok {
		return x, nil
	}
	doc, err := e.engine.Document(ctx, c.TenantID(), 1000)
	if err != nil {
		return nil, err
	}
	x := &regoTenant{}
	if x.library, err = e.library.With(ctx, c.file.World.tenant(c.Tenant).texts()); err != nil {
		return nil, fmt.Errorf("policies of tenant %s: %w", c.Tenant, err)
	}
	if x.graph, err = policy.NewGraph(doc); err != nil {
		return nil, fmt.Errorf("graph of tenant %s: %w", c.Tenant, err)
	}
	e.tenants[c.TenantID()] = x
	return x, nil
}

// Ask puts a question of the engine to the library.
func Ask(ctx context.Context, l *policy.Library, g *policy.Graph, q *engine.Question, now time.Time) (*Verdict, error) {
	answer, err := l.Decide(ctx, g, input(q), now)
	if err != nil {
		return nil, err
	}
	return verdict(&answer), nil
}

// input is a question as the library takes it.
func input(q *engine.Question) policy.Question {
	return policy.Question{
		UserID: q.UserID.String(), Type: q.Type, ID: q.ID, Attributes: q.Attributes,
		Action: q.Action, ActionProperties: q.ActionProperties, Context: q.Context,
		SubjectAttributes: q.SubjectAttributes, SubjectOverrides: q.SubjectOverrides,
	}
}

// verdict is what the library answered.
func verdict(answer *policy.Verdict) *Verdict {
	v := &Verdict{Allowed: answer.Allowed, Code: answer.ReasonCode, Permissions: answer.MatchedPermissions, Roles: answer.MatchedRoles}
	v.fill(&answer.Extra)
	return v
}
