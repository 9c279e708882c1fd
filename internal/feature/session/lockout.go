package session

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// failuresToLock lock an account for one network.
	failuresToLock = 5
	firstLock      = 15 * time.Minute
	longestLock    = 24 * time.Hour
	// forgetNetworks is how long the failures of a network from which nobody got
	// in are kept.
	forgetNetworks = 30 * 24 * time.Hour
)

// network is the part of an address that one subscriber commonly has: a /24 of
// IPv4, a /64 of IPv6.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// fail counts a failed login, for the account and for its network, and records
// it. Each count is one statement, so that guesses made at once all count.
func (a *attempt) fail(w *change.Write, reason string) error {
	err := w.Exec(`
UPDATE sentinel.users
SET failed_login_count = failed_login_count + 1
WHERE tenant_id = ?
AND id = ?`, a.tenant.ID, a.user.ID).Error
	if err != nil {
		return fmt.Errorf("count a failed login: %w", err)
	}
	err = w.Exec(`
INSERT INTO sentinel.login_failures AS f (tenant_id, user_id, network, failed_count)
VALUES (@tenant, @user, @network, 1)
ON CONFLICT ON CONSTRAINT login_failures_user_network_key DO UPDATE
SET failed_count = CASE WHEN f.failed_count + 1 >= @most THEN 0 ELSE f.failed_count + 1 END,
  lock_count = CASE WHEN f.failed_count + 1 >= @most THEN f.lock_count + 1 ELSE f.lock_count END,
  locked_until = CASE
    WHEN f.failed_count + 1 >= @most THEN CAST(@now AS timestamptz) + make_interval(secs => least(@first * power(2, least(f.lock_count, 20)), @longest))
    ELSE f.locked_until
  END`, map[string]any{
		"tenant": a.tenant.ID, "user": a.user.ID, "network": a.network, "now": w.Now,
		"most": failuresToLock, "first": firstLock.Seconds(), "longest": longestLock.Seconds(),
	}).Error
	if err != nil {
		return fmt.Errorf("count a failed login of a network: %w", err)
	}
	return a.record(w, reason)
}

// record leaves a failed login in the audit log of the account's tenant.
func (a *attempt) record(w *change.Write, reason string) error {
	return w.Record(audit.Event{
		Action: "session.login", ResourceType: "user", ResourceID: a.user.ID, Result: audit.Failure,
		Detail: map[string]any{"reason": reason, "network": a.network},
	})
}

// lockedUntil returns until when the account is locked for the network, nil if
// it is not.
func (a *attempt) lockedUntil(w *change.Write) (*time.Time, error) {
	var until []time.Time
	err := w.Raw(`
SELECT locked_until
FROM sentinel.login_failures
WHERE tenant_id = ?
AND user_id = ?
AND network = ?
AND locked_until > ?`, a.tenant.ID, a.user.ID, a.network, w.Now).Scan(&until).Error
	if err != nil {
		return nil, fmt.Errorf("look for a lock: %w", err)
	}
	if len(until) == 0 {
		return nil, nil //nolint:nilnil // not locked is no failure
	}
	return &until[0], nil
}

// succeed counts a login and forgets the failures before it.
func (a *attempt) succeed(w *change.Write) error {
	err := w.Exec(`
UPDATE sentinel.users
SET last_login = ?, login_count = login_count + 1, failed_login_count = 0, password_hash = COALESCE(?, password_hash)
WHERE tenant_id = ?
AND id = ?`, w.Now, a.rehashed, a.tenant.ID, a.user.ID).Error
	if err != nil {
		return fmt.Errorf("count login: %w", err)
	}
	err = w.Exec(`
DELETE FROM sentinel.login_failures
WHERE tenant_id = ?
AND user_id = ?
AND (network = ? OR updated_at < ?)`, a.tenant.ID, a.user.ID, a.network, w.Now.Add(-forgetNetworks)).Error
	if err != nil {
		return fmt.Errorf("forget failed logins: %w", err)
	}
	return a.sweep(w)
}

// sweep drops what is left of the account's sessions that ended by time.
func (a *attempt) sweep(w *change.Write) error {
	err := w.Exec(`
DELETE FROM sentinel.refresh_tokens
WHERE tenant_id = ?
AND user_id = ?
AND family_expires_at < ?`, a.tenant.ID, a.user.ID, w.Now).Error
	if err != nil {
		return fmt.Errorf("drop old sessions: %w", err)
	}
	err = w.Exec(`
DELETE FROM sentinel.token_blacklist
WHERE tenant_id = ?
AND user_id = ?
AND expires_at < ?`, a.tenant.ID, a.user.ID, w.Now.Add(-TokenLifetime)).Error
	if err != nil {
		return fmt.Errorf("drop old revocations: %w", err)
	}
	return nil
}

const (
	// patientFailures is how many failures since the last success slow an account
	// down, wherever they come from.
	patientFailures = 10
	firstDelay      = 100 * time.Millisecond
	longestDelay    = 2 * time.Second
	// maxWaiting bounds the logins that are held back at once; further ones are
	// refused.
	maxWaiting = 256
	// maxCounted bounds the accounts whose failures are counted.
	maxCounted = 100_000
	// quiet is after how long without a failure the count begins anew.
	quiet = time.Hour
)

// patience slows down the logins of an account at which many guess, from
// however many networks, without ever locking it. It counts in memory, whether
// the account exists or not, so that the delay tells nothing.
type patience struct {
	counts  *otter.Cache[[32]byte, failures]
	waiting chan struct{}
}

type failures struct {
	count int
	last  time.Time
}

func newPatience() *patience {
	return &patience{
		counts:  otter.Must(&otter.Options[[32]byte, failures]{MaximumSize: maxCounted}),
		waiting: make(chan struct{}, maxWaiting),
	}
}

// delay is for how long a login of the account is held back.
func (p *patience) delay(key [32]byte, now time.Time) time.Duration {
	f, ok := p.counts.GetIfPresent(key)
	if !ok || f.count < patientFailures || now.Sub(f.last) > quiet {
		return 0
	}
	return min(firstDelay<<min(f.count-patientFailures, 10), longestDelay)
}

// wait holds a login back, or refuses it if too many wait already.
func (p *patience) wait(ctx context.Context, t time.Time, until func(context.Context, time.Time) error) error {
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		f := fault.New(fault.RateLimited, "Too many logins of accounts at which somebody guesses. Try again in a moment.")
		f.Details = map[string]any{"retry_after": int(longestDelay / time.Second)}
		return f
	}
	if err := until(ctx, t); err != nil {
		return fmt.Errorf("hold back a login: %w", err)
	}
	return nil
}

func (p *patience) failed(key [32]byte, now time.Time) {
	p.counts.Compute(key, func(f failures, _ bool) (failures, otter.ComputeOp) {
		if now.Sub(f.last) > quiet {
			f.count = 0
		}
		return failures{count: f.count + 1, last: now}, otter.WriteOp
	})
}

func (p *patience) succeeded(key [32]byte) { p.counts.Invalidate(key) }
