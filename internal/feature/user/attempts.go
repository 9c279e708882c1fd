package user

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// mostWrong passwords may be given for an account within attemptWindow.
	mostWrong     = 5
	attemptWindow = 15 * time.Minute
	// mostAttempted is for how many accounts attempts are counted at once.
	mostAttempted = 10_000
)

// attempts bounds how often a caller may guess the password of the own account.
// It is of this replica, and in memory: whoever calls has a session already, and
// the login counts for itself. The zero value is ready.
type attempts struct {
	mu sync.Mutex
	of map[uuid.UUID]*attempt
}

type attempt struct {
	count int
	ends  time.Time
}

// begin counts an attempt before the password is looked at, so that many at once
// are no more than many in turn. Where attempts of too many accounts are counted
// it refuses, rather than forget one.
func (a *attempts) begin(account uuid.UUID, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[uuid.UUID]*attempt{}
	}
	t := a.of[account]
	if t == nil || !now.Before(t.ends) {
		if t == nil && !a.roomFor(now) {
			return tooMany(attemptWindow)
		}
		t = &attempt{ends: now.Add(attemptWindow)}
		a.of[account] = t
	}
	if t.count >= mostWrong {
		return tooMany(t.ends.Sub(now))
	}
	t.count++
	return nil
}

// roomFor drops what is past when there are too many.
func (a *attempts) roomFor(now time.Time) bool {
	if len(a.of) < mostAttempted {
		return true
	}
	for id, t := range a.of {
		if !now.Before(t.ends) {
			delete(a.of, id)
		}
	}
	return len(a.of) < mostAttempted
}

// forgive forgets the attempts of an account whose password was right.
func (a *attempts) forgive(account uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.of, account)
}

// takeBack uncounts an attempt that was not judged.
func (a *attempts) takeBack(account uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.of[account]; t != nil && t.count > 0 {
		t.count--
	}
}

func tooMany(wait time.Duration) error {
	f := fault.New(fault.RateLimited, "Too many wrong passwords. Wait, or have the password reset.")
	f.Details = map[string]any{"retry_after": int((wait + time.Second - 1) / time.Second)}
	return f
}
