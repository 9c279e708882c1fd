package serviceaccount

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// maxAttempts is how often a minute one account's key can be asked about.
	maxAttempts = 20
	// attemptWindow begins with the first of them.
	attemptWindow = time.Minute
	// maxCounted bounds the accounts counted at once. Past it, whoever is not
	// counted yet is refused until a window ends.
	maxCounted = 10_000
)

// attempts counts on this replica how often keys are asked about, so that
// nobody finds one by asking.
type attempts struct {
	now func() time.Time

	mu      sync.Mutex
	windows map[uuid.UUID]*window
}

type window struct {
	ends time.Time
	used int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, windows: map[uuid.UUID]*window{}}
}

// take uses up an attempt at an account's key. It fails with a fault of kind
// RateLimited once there are none left.
func (a *attempts) take(account uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	w := a.windows[account]
	if w == nil || !now.Before(w.ends) {
		if w == nil && !a.room(now) {
			return limited(attemptWindow)
		}
		w = &window{ends: now.Add(attemptWindow)}
		a.windows[account] = w
	}
	if w.used >= maxAttempts {
		return limited(w.ends.Sub(now))
	}
	w.used++
	return nil
}

// room makes place for one more account by forgetting those whose window has
// ended.
func (a *attempts) room(now time.Time) bool {
	if len(a.windows) < maxCounted {
		return true
	}
	for id, w := range a.windows {
		if !now.Before(w.ends) {
			delete(a.windows, id)
		}
	}
	return len(a.windows) < maxCounted
}

func limited(wait time.Duration) error {
	f := fault.New(fault.RateLimited, "The keys of this account were asked about %d times within a minute. Try again later.", maxAttempts)
	f.Details = map[string]any{"retry_after": int(wait/time.Second) + 1}
	return f
}
