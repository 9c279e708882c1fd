package session

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// turn refreshes with success.
func (f *fixture) turn(token string) *Pair {
	f.t.Helper()
	pair, err := f.refresh(token)
	require.NoError(f.t, err)
	require.NotEqual(f.t, token, pair.RefreshToken)
	require.True(f.t, f.works(pair.AccessToken))
	return pair
}

func (f *fixture) dead(token string) {
	f.t.Helper()
	_, err := f.refresh(token)
	f.refused(err, fault.TokenRevoked)
}

func TestRefresh_OfAUsedTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	other := f.in("a@x")
	first := f.in("a@x")
	second := f.turn(first.RefreshToken)
	require.Equal(t, "session.refresh success", f.tail())
	f.pass(retryWithin + time.Second)
	f.dead(first.RefreshToken)
	require.Equal(t, "session.reuse failure", f.tail())
	f.dead(second.RefreshToken)
	for _, token := range []string{first.AccessToken, second.AccessToken} {
		require.False(t, f.works(token), "the session's access tokens end too")
	}
	require.True(t, f.works(other.AccessToken), "another session goes on")
	f.turn(other.RefreshToken)
}

func TestRefresh_OnceMoreAfterALostAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	first := f.in("a@x")
	lost := f.turn(first.RefreshToken)
	f.pass(4 * time.Second)
	alsoLost := f.turn(first.RefreshToken)
	f.pass(4 * time.Second)
	f.turn(first.RefreshToken)
	// Whoever got one of the replaced answers can go on, for as long.
	got := f.turn(alsoLost.RefreshToken)
	require.Equal(t, 1, f.Count("SELECT count(*)::int FROM sentinel.refresh_tokens WHERE replaced_by IS NULL AND revoked_at IS NULL"), "one token is good")
	next := f.turn(got.RefreshToken)
	f.dead(first.RefreshToken) // its successor was used
	require.Equal(t, "session.reuse failure", f.tail())
	f.dead(next.RefreshToken)
	f.dead(lost.RefreshToken)
}

func TestRefresh_TwoAtOnceEndNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	token := f.in("a@x").RefreshToken
	for range 5 {
		pairs, errs := make([]*Pair, 3), make([]error, 3)
		var turns sync.WaitGroup
		for i := range pairs {
			turns.Go(func() { pairs[i], errs[i] = f.refresh(token) })
		}
		turns.Wait()
		for i := range pairs {
			require.NoError(t, errs[i])
			require.True(t, f.works(pairs[i].AccessToken))
		}
		token = pairs[1].RefreshToken
	}
	require.Zero(t, f.Count("SELECT count(*)::int FROM sentinel.refresh_tokens WHERE revoked_at IS NOT NULL"))
	require.Zero(t, f.Count("SELECT count(*)::int FROM sentinel.token_blacklist"))
}

// TestRefresh_CannotOutrunALogout ends the session while it is refreshed: no
// token of it is left, whichever came first.
func TestRefresh_CannotOutrunALogout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	for range 8 {
		out := f.in("a@x")
		ctx, err := f.s.Authenticate(f.from(here), out.AccessToken, "")
		require.NoError(t, err)
		var both sync.WaitGroup
		var refused error
		both.Go(func() { _, _ = f.refresh(out.RefreshToken) })
		both.Go(func() { _, refused = f.s.logout(ctx, nil) })
		both.Wait()
		require.NoError(t, refused)
		require.Zero(t, f.Count("SELECT count(*)::int FROM sentinel.refresh_tokens WHERE revoked_at IS NULL AND replaced_by IS NULL"))
		require.False(t, f.works(out.AccessToken))
	}
}

func TestRefresh_EndsWithTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	idle := f.in("a@x")
	f.pass(refreshLifetime)
	_, err := f.refresh(idle.RefreshToken)
	f.refused(err, fault.TokenExpired)
	require.Zero(t, f.Count("SELECT count(*)::int FROM sentinel.refresh_tokens WHERE revoked_at IS NOT NULL"), "a late one is no theft")
	used := f.in("a@x").RefreshToken
	for range 4 {
		f.pass(7 * 24 * time.Hour)
		used = f.turn(used).RefreshToken
	}
	f.pass(2 * 24 * time.Hour)
	_, err = f.refresh(used)
	f.refused(err, fault.TokenExpired)
}

func TestRefresh_EndsWithWhatItStandsFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := f.user("a@x")
	for name, end := range map[string]func(*Login){
		"deactivated":               func(*Login) { f.set(user, "is_active = false") },
		"deactivated and activated": func(*Login) { f.set(user, "is_active = true, token_epoch = token_epoch + 1") },
		"password changed":          func(*Login) { f.set(user, "token_epoch = token_epoch + 1") },
		"locked":                    func(*Login) { f.set(user, "locked_until = ?", f.now().Add(time.Hour)) },
		"another address":           func(*Login) { f.set(user, "allowed_ips = '{10.0.0.1}'") },
		"logged out": func(l *Login) {
			ctx, err := f.s.Authenticate(f.from(here), l.AccessToken, "")
			require.NoError(t, err)
			_, err = f.s.logout(ctx, nil)
			require.NoError(t, err)
		},
		"revoked": func(l *Login) {
			ctx, err := f.s.Authenticate(f.from(here), l.AccessToken, "")
			require.NoError(t, err)
			in := &RevokeIn{}
			in.Body.Token = l.RefreshToken
			_, err = f.s.revoke(ctx, in)
			require.NoError(t, err)
		},
	} {
		out := f.in("a@x")
		require.True(t, f.works(out.AccessToken), name) // the token is in the cache
		_, cached := f.s.verified.GetIfPresent([32]byte(crypto.HashSecret(out.AccessToken)))
		require.True(t, cached, name)
		end(out)
		require.False(t, f.works(out.AccessToken), name)
		f.dead(out.RefreshToken)
		f.set(user, "is_active = true, locked_until = NULL, allowed_ips = '{}'")
	}
}

func TestRefresh_EndsWithTheTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	out := f.in("a@x")
	require.True(t, f.works(out.AccessToken))
	for _, active := range []bool{false, true} { // and does not come back with it
		f.SQL("UPDATE sentinel.tenants SET is_active = $1 WHERE id = $2", active, f.tenant)
		require.NoError(t, f.Engine.Refresh(t.Context(), f.tenant))
		require.False(t, f.works(out.AccessToken))
		f.dead(out.RefreshToken)
	}
}

func TestRefresh_OfAnotherTenantIsUnknown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	out := f.in("a@x")
	elsewhere := f.Tenant()
	moved := crypto.NewOpaque(refreshPrefix, elsewhere).Text[:26] + out.RefreshToken[26:]
	for _, token := range []string{moved, crypto.NewOpaque(refreshPrefix, f.tenant).Text, crypto.NewOpaque(refreshPrefix, uuid.New()).Text, out.AccessToken, ""} {
		f.dead(token)
	}
	f.turn(out.RefreshToken)
}

func TestAuthenticate_ForgetsAKeyThatLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	out := f.in("a@x")
	require.True(t, f.works(out.AccessToken))
	keys := f.s.Keys
	other := newFixture(t)
	f.s.Keys = other.s.Keys
	require.False(t, f.works(out.AccessToken))
	f.s.Keys = keys
	require.True(t, f.works(out.AccessToken))
	f.pass(TokenLifetime)
	_, err := f.s.Authenticate(f.from(here), out.AccessToken, "")
	f.refused(err, fault.TokenExpired)
}

func TestRevoke_OfOneAccessTokenLeavesTheSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("a@x")
	admin := f.user("admin@x")
	f.SQL("INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)", f.tenant, admin, tenanttest.TenantAdmin, identity.PlatformTenant)
	require.NoError(t, f.Engine.Refresh(t.Context(), f.tenant))
	revoke := func(as *Login, token, jti string) {
		ctx, err := f.s.Authenticate(f.from(here), as.AccessToken, "")
		require.NoError(t, err)
		in := &RevokeIn{}
		in.Body.Token, in.Body.JTI = token, jti
		_, err = f.s.revoke(ctx, in)
		require.NoError(t, err)
	}
	a, boss := f.in("a@x"), f.in("admin@x")
	claims, err := f.s.verify(t.Context(), a.AccessToken)
	require.NoError(t, err)
	user, ok := accountOf(claims.TokenID)
	require.True(t, ok)
	require.Equal(t, claims.Subject, user)

	theirs, err := f.s.verify(t.Context(), boss.AccessToken)
	require.NoError(t, err)
	revoke(a, boss.AccessToken, "")
	revoke(a, "", theirs.TokenID)
	revoke(a, "", theirs.SessionID)
	require.True(t, f.works(boss.AccessToken), "without permission it is as unknown")
	madeUp := newTokenID(claims.Subject)
	revoke(a, "", madeUp)
	account, err := f.Engine.Account(t.Context(), f.tenant, claims.Subject)
	require.NoError(t, err)
	require.Empty(t, account.Revoked, "an id that one makes up is not kept")

	revoke(boss, "", claims.TokenID)
	require.False(t, f.works(a.AccessToken))
	next := f.turn(a.RefreshToken)
	revoke(boss, next.AccessToken, "")
	require.False(t, f.works(next.AccessToken))
	last := f.turn(next.RefreshToken)
	revoke(boss, "", claims.SessionID)
	require.False(t, f.works(last.AccessToken))
	f.dead(last.RefreshToken)
}

func TestAllows_ReadsAddressesAndRanges(t *testing.T) {
	t.Parallel()
	require.True(t, allows(nil, ""))
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "192.0.2.7": true, "192.0.2.8": false, "2001:db8::1": true, "2001:db9::1": false, "": false,
	} {
		require.Equal(t, want, allows([]string{"nonsense", "10.0.0.0/8", "192.0.2.7", "2001:db8::/32"}, address), address)
	}
}

// BenchmarkAuthenticate measures a call with a token that was seen before, and
// what its first one costs on top.
func BenchmarkAuthenticate(b *testing.B) {
	f := newFixture(b)
	f.user("a@x")
	token := f.in("a@x").AccessToken
	ctx := f.from(here)
	b.Run("cached", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.s.Authenticate(ctx, token, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signature", func(b *testing.B) { // what the cache saves
		keys, now := f.s.Keys.Verifier(ctx), f.now()
		for b.Loop() {
			if _, err := f.s.Signer.Verify(token, keys, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
