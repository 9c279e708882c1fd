package user

import (
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/limit"
)

const (
	// mostWrong passwords may be given for an account within attemptWindow.
	mostWrong     = 5
	attemptWindow = 15 * time.Minute
)

// NewAttempts makes the [Service]'s Attempts.
func NewAttempts(now func() time.Time) *limit.Attempts {
	return limit.NewAttempts(limit.AttemptsConfig{
		Most: mostWrong, Window: attemptWindow, Now: now, Refusal: "Too many wrong passwords were given. Have the password reset, or wait.",
	})
}
