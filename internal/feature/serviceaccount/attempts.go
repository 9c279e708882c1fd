package serviceaccount

import (
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/limit"
)

// maxAttempts is how often a minute one account's key can be asked about, so
// that nobody finds one by asking.
const maxAttempts = 20

func newAttempts(now func() time.Time) *limit.Attempts {
	return limit.NewAttempts(limit.AttemptsConfig{
		Most: maxAttempts, Window: time.Minute, Now: now, Refusal: "The key of this account was asked about too often.",
	})
}
