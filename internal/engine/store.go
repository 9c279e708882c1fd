package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// view is what a decision reads: a graph and the revisions at which it and
// every subject entry beside it are valid. It never changes; subjects are added
// to the slot's map, and a change of a subject removes its entry before the
// view of the new revision appears.
type view struct {
	snapshot *Snapshot
	// revisions of the snapshot's sources.
	revisions map[uuid.UUID]revision
	token     string
	// epoch of the database the view was read from.
	epoch uuid.UUID
}

// revision is a tenant's pair of counters.
type revision struct {
	// all moves with any change that can alter a decision.
	all int64
	// graph moves with roles, groups, permissions, tree and settings only.
	graph int64
}

// slot holds one tenant in memory. Reading takes no lock: one atomic load for
// the view and one map look-up for the subject.
type slot struct {
	tenant  uuid.UUID
	current atomic.Pointer[view]
	// subjects maps a user's id to its *Subject, valid at the current view.
	subjects sync.Map
	count    atomic.Int64
	// verified is when the view was last known to be the newest, in
	// nanoseconds of the engine's monotonic clock.
	verified atomic.Int64
	// outdated is the moment before which having been verified does not count,
	// on the same clock: a write committed then that the view may lack.
	outdated atomic.Int64
	used     atomic.Int64
	// weight is what the slot counts for in the engine's sum.
	weight atomic.Int64
	// turn holds one token, for loads and refreshes of this tenant. Not a mutex,
	// since whoever waits for a database that hangs must be able to give up.
	turn chan struct{}
}

func newSlot(tenant uuid.UUID) *slot { return &slot{tenant: tenant, turn: make(chan struct{}, 1)} }

// lock waits for the slot's turn. The caller gives it back by calling unlock.
func (s *slot) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "The decision data was not loaded in time.").Because(ctx.Err())
	}
}

func (s *slot) unlock() { <-s.turn }

// maxSubjects bounds the subjects kept for one tenant. Past it the map is
// emptied: the next questions load their subjects again.
const maxSubjects = 100_000

// slotOf returns the tenant's slot, a new and empty one if there is none.
func (e *Engine) slotOf(tenant uuid.UUID) *slot {
	if s, ok := e.slots.Load(tenant); ok {
		return s.(*slot)
	}
	s, _ := e.slots.LoadOrStore(tenant, newSlot(tenant))
	return s.(*slot)
}

// read returns a view of the tenant and the subject in it, loading what is not
// in memory. The subject is nil if the tenant has no such user.
func (e *Engine) read(ctx context.Context, tenant, user uuid.UUID) (*view, *Subject, error) {
	s := e.slotOf(tenant)
	s.used.Store(e.elapsed())
	if v := s.current.Load(); v != nil {
		if e.stale(s) {
			return nil, nil, fault.New(fault.Unavailable, "The decision data is older than %s and the database does not answer.", e.cfg.MaxStaleness)
		}
		// An entry is stored after the view at which it was read. So the one that
		// is found is valid at v if v is still the current view afterwards.
		if subject, ok := s.subjects.Load(user); ok && s.current.Load() == v {
			return v, subject.(*Subject), nil
		}
	}
	return e.load(ctx, s, &user)
}

// stale reports whether the slot's view may not be used any more.
func (e *Engine) stale(s *slot) bool {
	verified := s.verified.Load()
	return verified < s.outdated.Load() || e.elapsed()-verified > int64(e.cfg.MaxStaleness)
}

// view returns the tenant's view alone.
func (e *Engine) view(ctx context.Context, tenant uuid.UUID) (*view, error) {
	s := e.slotOf(tenant)
	s.used.Store(e.elapsed())
	if v := s.current.Load(); v != nil && !e.stale(s) {
		return v, nil
	}
	v, _, err := e.load(ctx, s, nil)
	return v, err
}

// load brings the slot up to the newest revision and, if user is given, that
// subject with it, in one read of the database.
func (e *Engine) load(ctx context.Context, s *slot, user *uuid.UUID) (*view, *Subject, error) {
	if err := s.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer s.unlock()
	if user != nil {
		if v := s.current.Load(); v != nil {
			if subject, ok := s.subjects.Load(*user); ok {
				return v, subject.(*Subject), nil
			}
		}
	}
	var (
		next    *view
		subject *Subject
	)
	started := e.elapsed()
	err := e.db.InReadTx(identity.WithTenant(ctx, s.tenant), func(tx *db.Tx) error {
		var err error
		if next, err = e.advance(tx, s); err != nil {
			return err
		}
		if user != nil {
			subject, err = LoadSubject(tx, s.tenant, *user)
		}
		return err
	})
	if errors.Is(err, errNoTenant) {
		e.drop(s)
		return nil, nil, fault.NotFound("tenant").Because(err)
	}
	if err != nil {
		return nil, nil, err
	}
	if s.current.Load() != next {
		e.compile(ctx, next.snapshot)
		s.current.Store(next)
		e.metrics.Loads.Inc()
	}
	s.verified.Store(started)
	if subject != nil {
		if s.count.Add(1) > maxSubjects {
			s.subjects.Clear()
			s.count.Store(1)
		}
		s.subjects.Store(*user, subject)
	}
	e.weigh(s)
	return next, subject, nil
}

// advance returns a view at the revision the transaction sees: the current one
// if nothing changed, one with the same graph if only subjects did. Entries of
// changed subjects are removed before it returns.
func (e *Engine) advance(tx *db.Tx, s *slot) (*view, error) {
	old := s.current.Load()
	sources := []uuid.UUID{s.tenant}
	if old != nil {
		sources = old.snapshot.sources
	}
	revisions, epoch, err := loadRevisions(tx, sources)
	if err != nil {
		return nil, err
	}
	if old == nil || old.epoch != epoch || graphMoved(old.revisions, revisions) {
		var known *policySet
		if old != nil && old.epoch == epoch {
			known = old.snapshot.policies
		}
		snapshot, err := LoadSnapshot(tx, s.tenant, e.loadOptions(known))
		if err != nil {
			return nil, err
		}
		if depth := snapshot.Graph.Depth(); depth > rbac.MaxDepth {
			// Casbin would cut the path without a word, and a deny at its end.
			return nil, fmt.Errorf("tenant %s: a path of %d roles and groups, at most %d are resolved", s.tenant, depth, rbac.MaxDepth)
		}
		if revisions, _, err = loadRevisions(tx, snapshot.sources); err != nil {
			return nil, err
		}
		if old == nil || old.epoch != epoch {
			s.subjects.Clear()
			s.count.Store(0)
		} else if err := dropChanged(tx, s, old, revisions); err != nil {
			return nil, err
		}
		return newView(snapshot, revisions, epoch), nil
	}
	if old.revisions[s.tenant].all == revisions[s.tenant].all {
		return old, nil
	}
	if err := dropChanged(tx, s, old, revisions); err != nil {
		return nil, err
	}
	return newView(old.snapshot, revisions, epoch), nil
}

// dropChanged removes the entries of the subjects that changed since old. The
// record of changes is kept for a while only; where it does not reach back to
// old, all entries go.
func dropChanged(tx *db.Tx, s *slot, old *view, revisions map[uuid.UUID]revision) error {
	from, to := old.revisions[s.tenant].all, revisions[s.tenant].all
	if from == to {
		return nil
	}
	changed, complete, err := loadSubjectChanges(tx, s.tenant, from)
	if err != nil {
		return err
	}
	if !complete {
		s.subjects.Clear()
		s.count.Store(0)
		return nil
	}
	for _, id := range changed {
		if _, ok := s.subjects.LoadAndDelete(id); ok {
			s.count.Add(-1)
		}
	}
	return nil
}

// weigh brings the account of the slot's bytes up to date, and drops the least
// recently used other tenants while all together weigh more than the budget.
func (e *Engine) weigh(s *slot) {
	weight := int64(s.current.Load().snapshot.weight) + s.count.Load()*subjectWeight
	total := e.weight.Add(weight - s.weight.Swap(weight))
	if at, ok := e.slots.Load(s.tenant); !ok || at != s {
		// Dropped while it was loading: it weighs nothing any more.
		e.weight.Add(-s.weight.Swap(0))
		return
	}
	if total <= e.cfg.SnapshotBytes {
		return
	}
	e.evictMu.Lock()
	defer e.evictMu.Unlock()
	for e.weight.Load() > e.cfg.SnapshotBytes {
		var oldest *slot
		e.slots.Range(func(_, value any) bool {
			if o := value.(*slot); o != s && o.current.Load() != nil && (oldest == nil || o.used.Load() < oldest.used.Load()) {
				oldest = o
			}
			return true
		})
		if oldest == nil {
			return
		}
		e.drop(oldest)
		e.metrics.Evictions.Inc()
	}
}

// drop forgets the slot. Who is reading it still finishes.
func (e *Engine) drop(s *slot) {
	e.slots.CompareAndDelete(s.tenant, s)
	e.weight.Add(-s.weight.Swap(0))
}

// subjectWeight is a rough number of bytes of a subject entry.
const subjectWeight = 1024

// elapsed reads the engine's monotonic clock, in nanoseconds.
func (e *Engine) elapsed() int64 { return int64(e.clock()) }
