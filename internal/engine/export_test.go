package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
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

// FilterFor is [Snapshot.Filter] of an engine whose answers hold for as long.
func (s *Snapshot) FilterFor(ctx context.Context, q *Question, subject *Subject, now time.Time, answerTTL time.Duration) (*RowFilter, error) {
	return (&Decision{question: q, now: now, snapshot: s}).filter(ctx, subject, asking{answerTTL: answerTTL})
}

// CloneSubject and CloneResource are the copies in which explanations suppose
// something.
func CloneSubject(s *Subject) *Subject { return s.clone() }

// CloneResource is [CloneSubject] of a node.
func CloneResource(r *Resource) *Resource { return r.clone() }

// Plainly is the answer in a sentence that names nothing.
func Plainly(code Code) string { return plainly(code) }
