package credential

import (
	"math"
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
)

const (
	// mostFailures is how many wrong passwords and codes an account may send to
	// the routes of its own second factor within failureWindow.
	mostFailures  = 5
	failureWindow = 15 * time.Minute
)

func newAttempts(now func() time.Time) *limit.Attempts {
	return limit.NewAttempts(limit.AttemptsConfig{
		Most: mostFailures, Window: failureWindow, Now: now, Refusal: "Too many wrong passwords or codes were sent for this account.",
	})
}

// limited is the fault of whoever asks too often, and says when to come back.
func limited(wait time.Duration, format string, args ...any) error {
	e := fault.New(fault.RateLimited, format+" Try again later.", args...)
	e.Details = map[string]any{"retry_after": int(math.Ceil(wait.Seconds()))}
	return e
}
