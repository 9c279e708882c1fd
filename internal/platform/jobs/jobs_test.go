package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

type greet struct {
	Tenant uuid.UUID `json:"tenant_id"`
	Name   string    `json:"name"`
}

func (greet) Kind() string          { return "greet" }
func (g greet) TenantID() uuid.UUID { return g.Tenant }

// queue runs one until the test ends.
func queue(t *testing.T, d *dbtest.Database, fn func(context.Context, greet) error) *jobs.Queue {
	t.Helper()
	q, err := jobs.New(jobs.Config{DB: d.DB, Workers: 2, Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	jobs.Handle(q, fn)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return q
}

func insert(t *testing.T, d *dbtest.Database, q *jobs.Queue, job greet, o jobs.Options, fail error) {
	t.Helper()
	ctx := identity.WithTenant(t.Context(), job.Tenant)
	err := d.DB.InTx(ctx, func(tx *db.Tx) error {
		if err := q.Insert(ctx, tx, job, o); err != nil {
			return err
		}
		return fail
	})
	require.ErrorIs(t, err, fail)
}

func TestQueue_DoesOnceWhatIsCommitted(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tenant := uuid.New()
	done := make(chan string, 100)
	work := func(ctx context.Context, g greet) error {
		acting, ok := identity.TenantFrom(ctx)
		if !ok || acting != tenant || g.Tenant != tenant {
			return errors.New("in no tenant, or another")
		}
		done <- g.Name
		return nil
	}
	one := queue(t, d, work)
	queue(t, d, work) // another replica
	failed := errors.New("rolled back")
	insert(t, d, one, greet{tenant, "never"}, jobs.Options{}, failed)
	insert(t, d, one, greet{tenant, "later"}, jobs.Options{At: time.Now().Add(time.Hour)}, nil)
	want := map[string]bool{}
	for _, name := range []string{"ann", "bob", "eve", "joe", "kim"} {
		insert(t, d, one, greet{tenant, name}, jobs.Options{}, nil)
		want[name] = true
	}
	got := map[string]bool{}
	for range want {
		name := <-done
		require.False(t, got[name], "%s twice", name)
		got[name] = true
	}
	require.Equal(t, want, got)
	require.Empty(t, done)
	require.Eventually(t, func() bool { return !one.Health().Seen.IsZero() }, 10*time.Second, 10*time.Millisecond)
	require.Empty(t, one.Health().Problem)
}

func TestQueue_GivesTurnsAndTriesAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var turns atomic.Int32
	done := make(chan bool, 1)
	q := queue(t, d, func(ctx context.Context, _ greet) error {
		switch turns.Add(1) {
		case 1:
			if !jobs.MayGoOn(ctx) {
				return errors.New("no time at all")
			}
			return jobs.ErrAgain
		case 2:
			return errors.New("for once")
		default:
			done <- jobs.IsLastAttempt(ctx)
			return nil
		}
	})
	insert(t, d, q, greet{Tenant: uuid.New()}, jobs.Options{}, nil)
	require.False(t, <-done, "turns are no attempts")
	require.EqualValues(t, 3, turns.Load())
	require.True(t, jobs.MayGoOn(t.Context()), "outside of jobs nobody waits")
	require.False(t, jobs.IsLastAttempt(t.Context()))
}

// visit is a kind that is done by a plan, in a lane.
type visit struct {
	Tenant uuid.UUID `json:"tenant_id"`
	N      int       `json:"n"`
}

func (visit) Kind() string          { return "visit" }
func (v visit) TenantID() uuid.UUID { return v.Tenant }

// TestQueue_KeepsToThePlan lets a job fail until it has no more attempts.
func TestQueue_KeepsToThePlan(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	q, err := jobs.New(jobs.Config{DB: d.DB, Lanes: map[string]int{"aside": 1}})
	require.NoError(t, err)
	type try struct {
		wait        time.Duration
		known, last bool
	}
	tries := make(chan try, 10)
	later := true
	jobs.HandleAs(q, jobs.Plan{Lane: "aside", Retries: []time.Duration{time.Millisecond, 2 * time.Millisecond}}, func(ctx context.Context, _ visit) error {
		if later {
			later = false
			return jobs.After(time.Millisecond)
		}
		var t try
		t.wait, t.known = jobs.RetryWait(ctx)
		t.last = jobs.IsLastAttempt(ctx)
		tries <- t
		return errors.New("never")
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	acting := identity.WithTenant(t.Context(), uuid.New())
	require.NoError(t, d.DB.InTx(acting, func(tx *db.Tx) error {
		return q.InsertAll(acting, tx, []jobs.Args{visit{Tenant: uuid.New()}})
	}))
	require.Equal(t, try{time.Millisecond, true, false}, <-tries)
	require.Equal(t, try{2 * time.Millisecond, true, false}, <-tries)
	require.Equal(t, try{0, false, true}, <-tries)
	require.Eventually(t, func() bool {
		var state, lane string
		err := d.DB.Pool().QueryRow(t.Context(), "SELECT state, queue FROM sentinel.river_job").Scan(&state, &lane)
		return err == nil && state == "discarded" && lane == "aside"
	}, 10*time.Second, 10*time.Millisecond)
	_, known := jobs.RetryWait(t.Context())
	require.False(t, known)
	require.EqualError(t, jobs.After(time.Second), "the job cannot be done for another 1s")
}

// TestQueue_TakesManyJobsAtOnce adds more than one statement does.
func TestQueue_TakesManyJobsAtOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	q, err := jobs.New(jobs.Config{DB: d.DB, Lanes: map[string]int{"aside": 1}})
	require.NoError(t, err)
	jobs.HandleAs(q, jobs.Plan{Lane: "aside", Retries: make([]time.Duration, 7)}, func(context.Context, visit) error { return nil })
	all := make([]jobs.Args, 1_234)
	for i := range all {
		all[i] = visit{Tenant: uuid.New(), N: i}
	}
	ctx := identity.WithTenant(t.Context(), uuid.New())
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return q.InsertAll(ctx, tx, all) }))
	var n, ns, attempts int
	require.NoError(t, d.DB.Pool().QueryRow(ctx, "SELECT count(*), count(DISTINCT args->>'n'), max(max_attempts) FROM sentinel.river_job WHERE queue = 'aside'").Scan(&n, &ns, &attempts))
	require.Equal(t, []int{1_234, 1_234, 8}, []int{n, ns, attempts})
	d.Exec(t, "REVOKE INSERT ON sentinel.river_job FROM sentinel_app")
	err = d.DB.InTx(ctx, func(tx *db.Tx) error { return q.InsertAll(ctx, tx, all[:2]) })
	require.ErrorContains(t, err, "add 2 jobs")
}

// TestQueue_LeavesWorkToTheNextProcess stops one in the middle of a job.
func TestQueue_LeavesWorkToTheNextProcess(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	begun := make(chan struct{})
	first, err := jobs.New(jobs.Config{DB: d.DB})
	require.NoError(t, err)
	jobs.Handle(first, func(ctx context.Context, _ greet) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	insert(t, d, first, greet{Tenant: uuid.New()}, jobs.Options{}, nil)
	<-begun
	stop()
	require.NoError(t, <-ended)
	done := make(chan struct{})
	queue(t, d, func(context.Context, greet) error {
		close(done)
		return nil
	})
	<-done
}

func TestQueue_SaysThatItCannotBeRead(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "INSERT INTO sentinel.river_job (max_attempts, args, kind, scheduled_at, queue) VALUES (1, '{}', 'greet', now() - interval '1 hour', 'other')")
	q := queue(t, d, func(context.Context, greet) error { return nil })
	require.Eventually(t, func() bool { return q.Health().Problem != "" }, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, q.Health().Problem, "1 jobs wait, the first since 1h0m")

	broken := dbtest.New(t)
	broken.Exec(t, "REVOKE SELECT ON sentinel.river_job FROM sentinel_app")
	q = queue(t, broken, func(context.Context, greet) error { return nil })
	require.Eventually(t, func() bool { return q.Health().Problem == "the queue cannot be read: jobs wait" }, 10*time.Second, 10*time.Millisecond)
	err := broken.DB.InTx(identity.WithTenant(t.Context(), uuid.New()), func(tx *db.Tx) error {
		return q.Insert(t.Context(), tx, greet{}, jobs.Options{})
	})
	require.ErrorContains(t, err, "add a job greet")
}
