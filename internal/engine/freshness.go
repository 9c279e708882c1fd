package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// channel is the one on which the database tells which tenant changed.
const channel = "sentinel_revision"

// Run keeps the tenants in memory fresh until ctx ends: by notification for
// speed, and by polling for correctness, since a notification can be lost. It
// also drains the decision records. It returns when all of that has ended.
func (e *Engine) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.listen(ctx) })
	group.Go(func() error { return e.pollLoop(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Refresh brings every loaded tenant that depends on the given one up to the
// newest revision. A writer calls it after its commit, so that the next check on
// this replica sees the write. A failure leaves the tenants marked as stale, so
// that nothing is answered without the write: it has succeeded all the same.
func (e *Engine) Refresh(ctx context.Context, tenant uuid.UUID) error {
	committed := e.elapsed()
	return e.refresh(ctx, tenant, func(s *slot) { s.outdated.Store(committed) })
}

// refresh calls failed for every slot that it could not bring up to date.
func (e *Engine) refresh(ctx context.Context, tenant uuid.UUID, failed func(*slot)) error {
	var failures []error
	e.slots.Range(func(_, value any) bool {
		s := value.(*slot)
		depends, err := s.dependsOn(ctx, tenant)
		if err == nil && depends {
			_, _, err = e.load(ctx, s, nil)
		}
		if err != nil && !fault.Is(err, fault.NotFoundKind) {
			failed(s)
			failures = append(failures, fmt.Errorf("refresh tenant %s: %w", s.tenant, err))
		}
		return true
	})
	return errors.Join(failures...)
}

// dependsOn reports whether the slot's view is made of that tenant's data. It
// waits for a first view that is being loaded, which may have been read before
// the change.
func (s *slot) dependsOn(ctx context.Context, tenant uuid.UUID) (bool, error) {
	v := s.current.Load()
	if v == nil {
		if err := s.lock(ctx); err != nil {
			return false, err
		}
		v = s.current.Load()
		s.unlock()
	}
	return v != nil && slices.Contains(v.snapshot.sources, tenant), nil
}

func (e *Engine) pollLoop(ctx context.Context) error {
	for {
		interval := e.cfg.PollInterval
		if !e.listening.Load() {
			interval = e.cfg.PollInterval / 4
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if err := e.poll(ctx); err != nil && ctx.Err() == nil {
			e.metrics.PollFailures.Inc()
			e.log.WarnContext(ctx, "poll revisions", "error", err)
		}
	}
}

// pollTimeout bounds one poll, so that a database that hangs is noticed.
const pollTimeout = 5 * time.Second

// poll compares the counters of every loaded tenant with the database's, marks
// those that did not move as verified and refreshes the others. It measures how
// far this machine's clock is from the database's, too.
func (e *Engine) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	started := e.elapsed()
	now := map[uuid.UUID]revision{}
	var epoch uuid.UUID
	err := e.db.InSystemReadTx(ctx, db.RevisionPoll, func(tx *db.Tx) error {
		var clock time.Time
		before := time.Now()
		if err := tx.Raw("SELECT clock_timestamp()").Scan(&clock).Error; err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		after := time.Now()
		e.offset.Store(int64(clock.Sub(before.Add(after.Sub(before) / 2))))
		for chunk := range slices.Chunk(e.sourcesOf(), 10_000) {
			some, at, err := loadRevisions(tx, chunk)
			if err != nil {
				return err
			}
			epoch = at
			for id, r := range some {
				now[id] = r
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var failures []error
	e.slots.Range(func(_, value any) bool {
		s := value.(*slot)
		v := s.current.Load()
		switch {
		case v == nil:
		case v.epoch == epoch && v.fresh(now):
			s.verified.Store(max(started, s.verified.Load()))
		default:
			if _, _, err := e.load(ctx, s, nil); err != nil && !fault.Is(err, fault.NotFoundKind) {
				failures = append(failures, err)
			}
		}
		return true
	})
	return errors.Join(failures...)
}

// fresh reports whether none of the counters that v depends on has moved.
func (v *view) fresh(now map[uuid.UUID]revision) bool {
	return now[v.snapshot.Tenant.ID].all <= v.revisions[v.snapshot.Tenant.ID].all && !graphAhead(v.revisions, now)
}

// graphAhead reports whether a graph counter is newer than the view's. An older
// one is a reading from before the view was made.
func graphAhead(old, now map[uuid.UUID]revision) bool {
	for id, r := range old {
		if n, ok := now[id]; !ok || n.graph > r.graph {
			return true
		}
	}
	return false
}

// listen waits for notifications and refreshes what they name. A lost
// connection is made again; until then polls come faster.
func (e *Engine) listen(ctx context.Context) error {
	for {
		err := e.listenOnce(ctx)
		e.listening.Store(false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.log.WarnContext(ctx, "listen for revisions", "error", err)
		timer := time.NewTimer(e.cfg.PollInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (e *Engine) listenOnce(ctx context.Context) error {
	conn, err := e.db.Pool().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("acquire connection: %w", err)
	}
	// The connection listens, so it never goes back to the pool.
	raw := conn.Hijack()
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = raw.Close(closing) //nolint:errcheck // it is given up either way
	}()
	if _, err := raw.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	e.listening.Store(true)
	for {
		n, err := raw.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for notification: %w", err)
		}
		id, err := uuid.Parse(n.Payload)
		if err != nil {
			continue
		}
		// A failure is the next poll's to mend, within the staleness allowed.
		if err := e.refresh(ctx, id, func(*slot) {}); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "refresh after notification", "error", err)
		}
	}
}

// Forget drops a tenant that was deleted.
func (e *Engine) Forget(tenant uuid.UUID) {
	if value, ok := e.slots.Load(tenant); ok {
		e.drop(value.(*slot))
	}
}
