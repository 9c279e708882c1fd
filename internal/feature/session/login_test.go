package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestLogin_AnswersEveryFailureAtOneMoment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.s.SecondFactor = secondFactor
	known := f.user("known@x")
	f.set(f.user("off@x"), "is_active = false")
	f.set(f.user("mute@x"), "password_hash = NULL")
	f.set(f.user("far@x"), "allowed_ips = '{10.0.0.0/8}'")
	f.set(f.user("held@x"), "locked_until = ?", f.now().Add(time.Hour))
	f.set(f.user("two@x"), "mfa_enabled = true, mfa_secret = '\\x00'")
	f.SQL("INSERT INTO sentinel.login_failures (tenant_id, user_id, network, locked_until) VALUES ($1, $2, $3, $4)", f.tenant, known, "198.51.100.0/24", f.now().Add(time.Hour))
	for name, row := range map[string]struct {
		address, tenant, email, password, code string
		kind                                   fault.Kind
	}{
		"unknown tenant":      {here, "NOWHERE", "known@x", secret, "", fault.InvalidCredentials},
		"unknown account":     {here, "", "nobody@x", secret, "", fault.InvalidCredentials},
		"no address":          {here, "", "", secret, "", fault.InvalidCredentials},
		"wrong password":      {here, "", "known@x", "wrong", "", fault.InvalidCredentials},
		"no password":         {here, "", "mute@x", secret, "", fault.InvalidCredentials},
		"inactive":            {here, "", "off@x", secret, "", fault.InvalidCredentials},
		"another address":     {here, "", "far@x", secret, "", fault.InvalidCredentials},
		"wrong second factor": {here, "", "two@x", secret, "654321", fault.InvalidCredentials},
		"no second factor":    {here, "", "two@x", secret, "", fault.MFARequired},
		"locked":              {there, "", "known@x", secret, "", fault.AccountLocked},
		"locked by hand":      {here, "", "held@x", secret, "", fault.AccountLocked},
		"that, and wrong":     {here, "", "held@x", "wrong", "", fault.InvalidCredentials},
		"locked and wrong":    {there, "", "known@x", "wrong", "", fault.InvalidCredentials},
	} {
		f.waits = nil
		in := &LoginIn{}
		in.Body.Email, in.Body.Password, in.Body.MFACode, in.Body.TenantID = row.email, row.password, row.code, row.tenant
		if row.tenant == "" {
			in.Body.TenantID = f.tenant.String()
		}
		start := f.now()
		_, err := f.s.login(f.from(row.address), in)
		require.True(t, fault.Is(err, row.kind), "%s: %v", name, err)
		require.Equal(t, []time.Time{start.Add(defaultFloor)}, f.waits, name)
	}
	f.waits = nil
	f.in("known@x")
	require.Empty(t, f.waits, "who gets in need not wait")
}

func TestLogin_LocksTheNetworkThatGuesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	fail := func(times int) {
		for range times {
			_, err := f.login(here, "a@x", "wrong", "")
			f.refused(err, fault.InvalidCredentials)
		}
	}
	locked := func(d time.Duration) {
		_, err := f.login(here, "a@x", secret, "")
		var refused *fault.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, fault.AccountLocked, refused.Kind)
		require.WithinDuration(t, f.now().Add(d), refused.Details["locked_until"].(time.Time), time.Millisecond)
		require.Equal(t, "session.login failure", f.tail())
	}
	fail(4)
	f.in("a@x")
	fail(4)
	f.in("a@x") // the count began anew
	fail(5)
	locked(15 * time.Minute)
	_, err := f.login("192.0.2.200", "a@x", secret, "")
	f.refused(err, fault.AccountLocked) // the same /24
	out, err := f.login(there, "a@x", secret, "")
	require.NoError(t, err, "another network is not locked")
	require.NotEmpty(t, out.RefreshToken)
	f.pass(15*time.Minute + time.Second)
	fail(5)
	locked(30 * time.Minute)
	for range 8 {
		f.pass(25 * time.Hour)
		fail(5)
	}
	locked(24 * time.Hour)
	f.pass(24*time.Hour + time.Second)
	f.in("a@x")
	fail(5)
	locked(15 * time.Minute)
}

func TestLogin_CountsGuessesMadeAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := f.user("a@x")
	var guesses sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		guesses.Go(func() { _, errs[i] = f.login(here, "a@x", fmt.Sprint("guess ", i), "") })
	}
	guesses.Wait()
	for _, err := range errs {
		f.refused(err, fault.InvalidCredentials)
	}
	require.Equal(t, 8, f.Count("SELECT failed_login_count FROM sentinel.users WHERE id = $1", user))
	require.Equal(t, 5*1+3, f.Count("SELECT lock_count * 5 + failed_count FROM sentinel.login_failures WHERE user_id = $1", user))
}

func TestLogin_SlowsDownWhereManyGuess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("known@x")
	for _, email := range []string{"known@x", "nobody@x"} {
		for i := range 17 {
			f.waits = nil
			start := f.now()
			_, err := f.login(fmt.Sprintf("203.0.%d.1", i), email, "wrong", "")
			f.refused(err, fault.InvalidCredentials)
			if i < patientFailures {
				require.Equal(t, []time.Time{start.Add(defaultFloor)}, f.waits)
				continue
			}
			delay := min(firstDelay<<(i-patientFailures), longestDelay)
			require.Equal(t, []time.Time{start.Add(delay), start.Add(delay + defaultFloor)}, f.waits, "%s %d", email, i)
		}
	}
	f.in("known@x")
	f.waits = nil
	f.in("known@x")
	require.Empty(t, f.waits, "a success ends it")

	p := newPatience()
	for range maxWaiting {
		p.waiting <- struct{}{}
	}
	err := p.wait(t.Context(), f.now(), func(context.Context, time.Time) error { return nil })
	f.refused(err, fault.RateLimited)
}

func TestLogin_AsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := f.user("a@x")
	f.set(user, "mfa_enabled = true, mfa_secret = '\\x00'")
	_, err := f.login(here, "a@x", secret, "123456")
	f.refused(err, fault.InvalidCredentials) // nobody there to check it
	f.s.SecondFactor = secondFactor
	_, err = f.login(here, "a@x", secret, "")
	f.refused(err, fault.MFARequired)
	_, err = f.login(here, "a@x", "wrong", "")
	f.refused(err, fault.InvalidCredentials)
	_, err = f.login(here, "a@x", secret, "000000")
	f.refused(err, fault.InvalidCredentials)
	require.Equal(t, 3, f.Count("SELECT failed_count FROM sentinel.login_failures WHERE user_id = $1", user))
	out, err := f.login(here, "a@x", secret, "123456")
	require.NoError(t, err)
	require.True(t, f.works(out.AccessToken))
}

func TestLogin_WithAPasswordToChangeIsGoodForThatOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set(f.user("a@x"), "must_change_password = true")
	out := f.in("a@x")
	require.True(t, out.MustChangePassword)
	claims, err := f.s.verify(t.Context(), out.AccessToken)
	require.NoError(t, err)
	require.Equal(t, scopePassword, claims.Scope)
	pair, err := f.refresh(out.RefreshToken)
	require.NoError(t, err)
	claims, err = f.s.verify(t.Context(), pair.AccessToken)
	require.NoError(t, err)
	require.Equal(t, scopePassword, claims.Scope, "a refresh widens nothing")
}

func TestLogin_RehashesAWeakHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := f.user("a@x")
	// Argon2id of the password with half the memory.
	weak := "$argon2id$v=19$m=9728,t=2,p=1$gBSa/HSZPv/QBgCQVGD6aA$5DzFVfVpnr7cvgpP5k9UBURfTwKhLgyfO6kSl7tWNFA"
	f.SQL("UPDATE sentinel.users SET password_hash = $1 WHERE id = $2", weak, user)
	f.in("a@x")
	var hash string
	f.Scan([]any{&hash}, "SELECT password_hash FROM sentinel.users WHERE id = $1", user)
	require.NotEqual(t, weak, hash)
	require.False(t, f.s.Passwords.NeedsRehash(hash))
	f.in("a@x")
}

func TestNetwork_IsTheSubscribers(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.7": "192.0.2.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "pipe": "unknown",
	} {
		require.Equal(t, want, network(address), address)
	}
}

func TestLogin_CountsOneAccountHoweverItIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	names := map[string]bool{}
	f.s.Limit = func(_ context.Context, account string) error {
		names[account] = true
		return nil
	}
	var code string
	f.Scan([]any{&code}, "SELECT code FROM sentinel.tenants WHERE id = $1", f.tenant)
	id := f.tenant.String()
	for _, tenant := range []string{id, strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), code, strings.ToLower(code)} {
		in := &LoginIn{}
		in.Body.TenantID, in.Body.Email, in.Body.Password = tenant, "a@x", secret
		_, err := f.s.login(f.from(here), in)
		require.NoError(t, err, tenant)
	}
	require.Len(t, names, 1)
}
