package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// SetClock replaces the monotonic clock, before anything runs.
func (e *Engine) SetClock(clock func() time.Duration) { e.clock = clock }

// Loaded returns the tenant's graph and the subjects in memory, nil if the
// tenant is not loaded.
func (e *Engine) Loaded(tenant uuid.UUID) (graph *Snapshot, subjects []uuid.UUID) {
	value, ok := e.slots.Load(tenant)
	if !ok || value.(*slot).current.Load() == nil {
		return nil, nil
	}
	value.(*slot).subjects.Range(func(id, _ any) bool {
		subjects = append(subjects, id.(uuid.UUID))
		return true
	})
	return value.(*slot).current.Load().snapshot, subjects
}

// Slots returns how many tenants have a slot, and whether the account of their
// weights is right.
func (e *Engine) Slots() (n int, balanced bool) {
	var sum int64
	e.slots.Range(func(_, value any) bool {
		n++
		sum += value.(*slot).weight.Load()
		return true
	})
	return n, sum == e.weight.Load()
}

// MaxSubjects bounds the subjects of a tenant in memory.
const MaxSubjects = maxSubjects

// CloneSubject and CloneResource are the copies in which explanations suppose
// something.
func CloneSubject(s *Subject) *Subject { return s.clone() }

// CloneResource is [CloneSubject] of a node.
func CloneResource(r *Resource) *Resource { return r.clone() }

// Plainly is the answer in a sentence that names nothing.
func Plainly(code Code) string { return plainly(code) }

// SetSearchBounds bounds the pages of searches, before anything runs.
func (e *Engine) SetSearchBounds(candidates, decisions int, duration time.Duration) {
	e.bounds = searchBounds{candidates: candidates, decisions: decisions, time: duration, page: duration}
}

// SetPageTime bounds for how long subjects are read for a page, before anything
// runs.
func (e *Engine) SetPageTime(duration time.Duration) { e.bounds.page = duration }

// WhoCanSettled is [Engine.WhoCan] of a graph that moves each time after it was
// loaded: write is called then.
func (e *Engine) WhoCanSettled(ctx context.Context, search *SubjectSearch, write func()) (*SubjectPage, error) {
	v, err := e.view(ctx, search.TenantID)
	if err != nil {
		return nil, err
	}
	write()
	x := &subjectSearch{engine: e, ask: search, view: v}
	run := func(tx *db.Tx) error { return x.run(ctx, tx) }
	if err := e.db.InReadTx(identity.WithTenant(ctx, search.TenantID), run); !errors.Is(err, errMoved) {
		return nil, fmt.Errorf("the graph has not moved: %w", err)
	}
	x.settle = true
	err = e.db.InReadTx(identity.WithTenant(ctx, search.TenantID), run)
	return x.page, err
}

// FilterFor is [Snapshot.Filter] of an engine whose answers hold for as long.
func (s *Snapshot) FilterFor(ctx context.Context, q *Question, subject *Subject, now time.Time, answerTTL time.Duration) (*RowFilter, error) {
	return (&Decision{question: q, now: now, snapshot: s}).filter(ctx, subject, asking{answerTTL: answerTTL})
}
