package credential

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// mostFailures is how many wrong passwords and codes an account may send to
	// the routes of its own second factor within failureWindow.
	mostFailures  = 5
	failureWindow = 15 * time.Minute
	// mostAccounts bounds the memory. When it is full the account whose window
	// ends first is forgotten: whoever wants to be forgotten needs as many other
	// accounts.
	mostAccounts = 10_000
)

// attempts counts failures by account, in the memory of this replica.
type attempts struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[uuid.UUID]window
}

// window is when an account's failures are forgotten, and how many there are.
type window struct {
	ends time.Time
	n    int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, by: map[uuid.UUID]window{}}
}

// begin counts an attempt before it is judged, so that many at once are no more
// than one after the other. One that turns out right is given back: see
// [attempts.succeed].
func (a *attempts) begin(account uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	w, known := a.by[account]
	if known && !now.Before(w.ends) {
		w, known = window{}, false
	}
	if w.n >= mostFailures {
		return limited(w.ends.Sub(now), "Too many wrong passwords or codes were sent for this account.")
	}
	if !known {
		a.makeRoom(now)
		w.ends = now.Add(failureWindow)
	}
	w.n++
	a.by[account] = w
	return nil
}

func (a *attempts) succeed(account uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w, ok := a.by[account]; ok && w.n > 0 {
		w.n--
		a.by[account] = w
	}
}

// makeRoom forgets, when the memory is full, what is over, or else the window
// that ends first.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.by) < mostAccounts {
		return
	}
	var first uuid.UUID
	var ends time.Time
	for account, w := range a.by {
		if !now.Before(w.ends) {
			delete(a.by, account)
			continue
		}
		if ends.IsZero() || w.ends.Before(ends) {
			first, ends = account, w.ends
		}
	}
	if len(a.by) >= mostAccounts {
		delete(a.by, first)
	}
}

// limited is the fault of whoever asks too often, and says when to come back.
func limited(wait time.Duration, format string, args ...any) error {
	e := fault.New(fault.RateLimited, format+" Try again later.", args...)
	e.Details = map[string]any{"retry_after": int(math.Ceil(wait.Seconds()))}
	return e
}
