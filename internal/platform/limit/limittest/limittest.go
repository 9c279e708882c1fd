// Package limittest is what every counter of budgets has to keep to.
package limittest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/limit"
)

// Clock is a clock that a test moves.
type Clock struct{ at atomic.Int64 }

// NewClock returns a clock at the beginning of a window.
func NewClock() *Clock {
	c := &Clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

// Now returns the moment that it is.
func (c *Clock) Now() time.Time { return time.Unix(0, c.at.Load()).UTC() }

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.at.Add(int64(d)) }

// Run holds the counters that make returns to the contract of [limit.Counter].
func Run(t *testing.T, newCounter func(t *testing.T, now func() time.Time) limit.Counter) {
	t.Helper()
	type fixture struct {
		*Clock
		take func(key string, n, limit int) limit.Result
	}
	setup := func(t *testing.T) fixture {
		t.Helper()
		clock := NewClock()
		counter := newCounter(t, clock.Now)
		return fixture{clock, func(key string, n, max int) limit.Result {
			r, err := counter.Take(t.Context(), key, n, max)
			require.NoError(t, err)
			return r
		}}
	}
	t.Run("allows the limit and no more", func(t *testing.T) {
		f := setup(t)
		for left := 2; left >= 0; left-- {
			r := f.take("a", 1, 3)
			require.True(t, r.Allowed)
			require.Equal(t, left, r.Remaining)
			require.Equal(t, f.Now().Add(limit.Window), r.Reset)
		}
		r := f.take("a", 1, 3)
		require.False(t, r.Allowed)
		require.Zero(t, r.Remaining)
		require.Positive(t, r.RetryAfter)
		require.True(t, f.take("b", 1, 3).Allowed, "keys are apart")
	})
	t.Run("takes many at once, or nothing", func(t *testing.T) {
		f := setup(t)
		require.True(t, f.take("a", 7, 10).Allowed)
		r := f.take("a", 4, 10)
		require.False(t, r.Allowed)
		require.Equal(t, 3, r.Remaining)
		require.True(t, f.take("a", 3, 10).Allowed)
		require.False(t, f.take("b", 11, 10).Allowed, "more than there ever is")
	})
	t.Run("gives back after the time it says", func(t *testing.T) {
		f := setup(t)
		f.Advance(20 * time.Second)
		require.True(t, f.take("a", 10, 10).Allowed)
		for _, n := range []int{1, 5, 10} {
			r := f.take("a", n, 10)
			require.False(t, r.Allowed)
			f.Advance(r.RetryAfter - time.Second)
			require.False(t, f.take("a", n, 10).Allowed, "a second too early")
			f.Advance(2 * time.Second)
			require.True(t, f.take("a", n, 10).Allowed)
		}
	})
	t.Run("gives no more around the change of windows", func(t *testing.T) {
		f := setup(t)
		f.Advance(limit.Window - time.Second)
		require.True(t, f.take("a", 60, 60).Allowed)
		f.Advance(2 * time.Second)
		taken := 0
		for f.take("a", 1, 60).Allowed {
			taken++
		}
		require.LessOrEqual(t, taken, 2)
	})
	t.Run("forgets after two windows", func(t *testing.T) {
		f := setup(t)
		require.True(t, f.take("a", 10, 10).Allowed)
		f.Advance(2 * limit.Window)
		require.Equal(t, 9, f.take("a", 1, 10).Remaining)
	})
	t.Run("counts right under many at once", func(t *testing.T) {
		f := setup(t)
		var wait sync.WaitGroup
		var allowed atomic.Int64
		for range 8 {
			wait.Go(func() {
				for range 50 {
					if f.take("a", 1, 100).Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 100, allowed.Load())
	})
}
