package limit

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Attempts bounds how often what proves an account, a password, a code or a key,
// may be guessed by whoever is let in already. It is of this replica and in its
// memory: the login counts for itself, in the database.
type Attempts struct {
	cfg AttemptsConfig

	mu sync.Mutex
	of map[uuid.UUID]attempt
}

// AttemptsConfig says how [Attempts] are counted.
type AttemptsConfig struct {
	// Most is how many attempts an account has in a Window, which begins with the
	// first of them.
	Most   int
	Window time.Duration
	// Accounts bounds how many are counted at once. Beyond it whoever is not
	// counted yet is refused until a window ends, rather than anybody forgotten.
	// Default 10,000.
	Accounts int
	// Now is the clock. Default [time.Now].
	Now func() time.Time
	// Refusal says of what there were too many. The time to wait is added.
	Refusal string
}

type attempt struct {
	n    int
	ends time.Time
}

// NewAttempts makes a counter that has counted nothing.
func NewAttempts(cfg AttemptsConfig) *Attempts {
	if cfg.Accounts <= 0 {
		cfg.Accounts = 10_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Attempts{cfg: cfg, of: map[uuid.UUID]attempt{}}
}

// Begin counts an attempt before it is judged, so that many at once are no more
// than many in turn. It fails with a fault of kind RateLimited.
func (a *Attempts) Begin(account uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.cfg.Now()
	t, known := a.of[account]
	if !known && !a.hasRoom(now) {
		return a.refused(a.cfg.Window)
	}
	if !known || !now.Before(t.ends) {
		t = attempt{ends: now.Add(a.cfg.Window)}
	}
	if t.n >= a.cfg.Most {
		return a.refused(t.ends.Sub(now))
	}
	t.n++
	a.of[account] = t
	return nil
}

// TakeBack uncounts an attempt that was right, or was not judged.
func (a *Attempts) TakeBack(account uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.of[account]; t.n > 0 {
		t.n--
		a.of[account] = t
	}
}

// hasRoom drops what is past where there are too many.
func (a *Attempts) hasRoom(now time.Time) bool {
	if len(a.of) < a.cfg.Accounts {
		return true
	}
	for account, t := range a.of {
		if !now.Before(t.ends) {
			delete(a.of, account)
		}
	}
	return len(a.of) < a.cfg.Accounts
}

func (a *Attempts) refused(wait time.Duration) error {
	seconds := int(math.Ceil(wait.Seconds()))
	f := fault.New(fault.RateLimited, "%s", fmt.Sprintf("%s Wait %d seconds.", a.cfg.Refusal, seconds))
	f.Details = map[string]any{"retry_after": seconds}
	return f
}
