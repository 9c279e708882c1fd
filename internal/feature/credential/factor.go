package credential

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp/hotp"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// period is the length of a time step in seconds (RFC 6238, 4.1).
	period = 30
	// codeDigits is the length of an authenticator's code.
	codeDigits = 6
	// recoveryRunes is the length of a recovery code: 100 bits, in groups.
	recoveryRunes = 20
	recoveryGroup = 5
	recoveryCodes = 10
)

// SecondFactor reports whether code proves an account's second factor, and uses
// it up, in the caller's transaction: six digits of the authenticator of this
// step or one beside it (RFC 6238, 5.2), or a recovery code. Of two that send the
// same code one succeeds. An account without a second factor has no right code.
//
// It does not count failures: whoever takes codes from strangers has to.
func (s *Service) SecondFactor(_ context.Context, w *change.Write, user *models.User, code string) (bool, error) {
	if !user.MFAEnabled {
		return false, nil
	}
	code = strings.TrimSpace(code)
	if len(code) == codeDigits {
		step, ok, err := s.stepOf(user, code, w.Now)
		if err != nil || !ok {
			return false, err
		}
		used := w.Exec(`
UPDATE sentinel.users
SET mfa_last_step = ?
WHERE tenant_id = ?
AND id = ?
AND mfa_enabled
AND mfa_secret = ?
AND mfa_last_step < ?`, step, user.TenantID, user.ID, user.MFASecret, step)
		if used.Error != nil {
			return false, fmt.Errorf("use a step of the second factor: %w", used.Error)
		}
		return used.RowsAffected == 1, nil
	}
	return useRecoveryCode(w, user, code)
}

func useRecoveryCode(w *change.Write, user *models.User, code string) (bool, error) {
	plain := plainCode(code)
	if len(plain) != recoveryRunes {
		return false, nil
	}
	used := w.Exec(`
UPDATE sentinel.mfa_recovery_codes
SET used_at = ?
WHERE tenant_id = ?
AND user_id = ?
AND code_hash = ?
AND used_at IS NULL`, w.Now, user.TenantID, user.ID, crypto.HashSecret(plain))
	if used.Error != nil {
		return false, fmt.Errorf("use a recovery code: %w", used.Error)
	}
	if used.RowsAffected == 0 {
		return false, nil
	}
	return true, w.Record(audit.Event{Action: "credential.use_recovery_code", ResourceType: "user", ResourceID: user.ID})
}

// stepOf returns the time step whose code this is, false if it is of none that
// counts now.
func (s *Service) stepOf(user *models.User, code string, now time.Time) (step int64, ok bool, err error) {
	secret, err := s.cfg.Master.Open(user.MFASecret, MFAPlace(user.ID))
	if err != nil {
		return 0, false, fmt.Errorf("open the secret of a second factor: %w", err)
	}
	current := now.Unix() / period
	for _, candidate := range []int64{current, current - 1, current + 1} {
		want, err := hotp.GenerateCode(string(secret), uint64(candidate)) //nolint:gosec // no time before 1970
		if err != nil {
			return 0, false, fmt.Errorf("make a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok, nil
}

// newRecoveryCode makes a code such as "abcde-fghij-klmno-pqrst".
func newRecoveryCode() string {
	text := strings.ToLower(rand.Text())[:recoveryRunes]
	var groups []string
	for ; text != ""; text = text[recoveryGroup:] {
		groups = append(groups, text[:recoveryGroup])
	}
	return strings.Join(groups, "-")
}

// plainCode is a recovery code without what only helps to read it.
func plainCode(code string) string {
	return strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(code))
}
