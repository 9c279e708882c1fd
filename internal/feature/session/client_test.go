package session

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// robot makes a service account and returns its key.
func (f *fixture) robot(name string) (uuid.UUID, crypto.APIKey) {
	f.t.Helper()
	id, key := uuid.Must(uuid.NewV7()), crypto.NewAPIKey()
	f.SQL(`
INSERT INTO sentinel.users (id, tenant_id, display_name, is_service_account, service_account_key_id, service_account_key_hash)
VALUES ($1, $2, $3, true, $4, $5)`, id, f.tenant, name, key.ID, key.Hash)
	return id, key
}

func (f *fixture) client(address string, fill func(*ClientIn)) (*ClientToken, error) {
	in := &ClientIn{}
	fill(in)
	return f.s.clientToken(f.from(address), in)
}

func byKey(key crypto.APIKey) func(*ClientIn) {
	return func(in *ClientIn) { in.Body.APIKey = key.Text }
}

func TestClient_GetsATokenForItsKeyOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, key := f.robot("robot")
	_, other := f.robot("other")
	out, err := f.client(here, byKey(key))
	require.NoError(t, err)
	require.Equal(t, id, out.ServiceAccount.ID)
	require.True(t, f.works(out.AccessToken))
	require.Empty(t, f.waits)
	require.Zero(t, f.Count("SELECT count(*)::int FROM sentinel.refresh_tokens"))

	forged := key
	forged.Text = key.Text[:len(key.Text)-1] + "_"
	for name, fill := range map[string]func(*ClientIn){
		"unknown":        byKey(crypto.NewAPIKey()),
		"another secret": byKey(forged),
		"no key":         func(in *ClientIn) { in.Body.APIKey = "snt_" },
		"another's id":   func(in *ClientIn) { in.Body.ClientID, in.Body.ClientSecret = other.ID, key.Text },
		"another tenant": func(in *ClientIn) { in.Body.APIKey, in.Body.TenantID = key.Text, "PLATFORM" },
	} {
		f.waits = nil
		start := f.now()
		_, err := f.client(here, fill)
		f.refused(err, fault.ServiceAccountInvalid)
		require.Equal(t, []time.Time{start.Add(defaultFloor)}, f.waits, name)
	}
	_, err = f.login(here, "", key.Text, "")
	f.refused(err, fault.InvalidCredentials)

	f.set(id, "allowed_ips = '{198.51.100.0/24}'")
	require.False(t, f.works(out.AccessToken), "the address is asked about on every call")
	_, err = f.client(here, byKey(key))
	f.refused(err, fault.ServiceAccountInvalid)
	require.Equal(t, "session.token failure", f.tail())
	_, err = f.client(there, byKey(key))
	require.NoError(t, err)
	f.set(id, "allowed_ips = '{}'")
	require.True(t, f.works(out.AccessToken))
	f.set(id, "is_active = false")
	require.False(t, f.works(out.AccessToken))
	_, err = f.client(here, byKey(key))
	f.refused(err, fault.ServiceAccountInvalid)
}

func TestClient_OldKeyLivesOnForAWhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, old := f.robot("robot")
	key := crypto.NewAPIKey()
	f.set(id, `service_account_key_id = ?, service_account_key_hash = ?, previous_key_id = ?, previous_key_hash = ?, previous_key_expires_at = ?`,
		key.ID, key.Hash, old.ID, old.Hash, f.now().Add(time.Hour))
	for range 2 {
		for _, one := range []crypto.APIKey{old, key} {
			_, err := f.client(here, byKey(one))
			require.NoError(t, err)
		}
		f.pass(59 * time.Minute)
	}
	f.pass(time.Minute)
	_, err := f.client(here, byKey(old))
	f.refused(err, fault.ServiceAccountInvalid)
	_, err = f.client(here, byKey(key))
	require.NoError(t, err)
}

func TestClient_LogsOutItsTokenAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, key := f.robot("robot")
	first, err := f.client(here, byKey(key))
	require.NoError(t, err)
	second, err := f.client(here, byKey(key))
	require.NoError(t, err)
	ctx, err := f.s.Authenticate(f.from(here), first.AccessToken, "")
	require.NoError(t, err)
	_, err = f.s.logout(ctx, nil)
	require.NoError(t, err)
	require.False(t, f.works(first.AccessToken))
	require.True(t, f.works(second.AccessToken))
}

func TestCredentials_AreReadAsOAuthWritesThem(t *testing.T) {
	t.Parallel()
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape("a:b c")+":"+url.QueryEscape("x%y:z")))
	in := &ClientIn{Authorization: header}
	in.Body.GrantType = "client_credentials"
	secret, id, err := in.credentials(true)
	require.NoError(t, err)
	require.Equal(t, []string{"a:b c", "x%y:z"}, []string{id, secret})

	_, _, err = in.credentials(false)
	require.True(t, fault.Is(err, fault.Validation), "JSON has no use for the header")
	in.Body.ClientID = "twice"
	_, _, err = in.credentials(true)
	require.True(t, fault.Is(err, fault.Validation))
	for _, bad := range []string{"Basic !", "Basic " + base64.StdEncoding.EncodeToString([]byte(":secret")), "Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:x"))} {
		in := &ClientIn{Authorization: bad}
		in.Body.GrantType = "client_credentials"
		_, _, err = in.credentials(true)
		require.True(t, fault.Is(err, fault.ServiceAccountInvalid), bad)
	}
}

func TestScope_HasKnownWordsOnly(t *testing.T) {
	t.Parallel()
	s := New(Config{KnowsSection: func(section string) bool { return section == "users" }})
	for text, want := range map[string]string{"": "", " users:read ": "users:read", "users:read users:* users:read": "users:* users:read"} {
		got, err := s.scope(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"users", "users:", "users:sail", "ships:read", "*:*", scopePassword, "users:read:all", "USERS:READ"} {
		_, err := s.scope(text)
		require.True(t, fault.Is(err, fault.Validation), text)
		require.Equal(t, "invalid_scope", oauthError(http.StatusBadRequest, asFault(t, err)).(oauthErrorBody).Error)
	}
	for f, want := range map[*fault.Error]string{
		fault.New(fault.ServiceAccountInvalid, "x"): "invalid_client", fault.New(fault.Unavailable, "x"): "temporarily_unavailable",
		fault.New(fault.Internal, "x"): "server_error", fault.InvalidAt("client_id", "x"): "invalid_request", fault.InvalidAt("grant_type", "x"): "unsupported_grant_type",
	} {
		status := map[fault.Kind]int{fault.Unavailable: 503, fault.Internal: 500}[f.Kind]
		require.Equal(t, want, oauthError(status, f).(oauthErrorBody).Error)
	}
}

func asFault(t *testing.T, err error) *fault.Error {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	return f
}

func TestClient_RefusesAKeyThatWasReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, key := f.robot("robot")
	ctx := identity.WithTenant(f.from(here), f.tenant)
	// Read before the key is replaced, as by a call that a rotation overtakes.
	user, _, err := f.s.byKey(ctx, key.ID)
	require.NoError(t, err)
	before, err := f.Engine.Account(ctx, f.tenant, id)
	require.NoError(t, err)
	f.set(id, "service_account_key_id = ?, service_account_key_hash = ?, token_epoch = token_epoch + 1", "other", crypto.NewAPIKey().Hash)
	after, err := f.Engine.Account(ctx, f.tenant, id)
	require.NoError(t, err)
	for _, account := range []engine.Account{before, after} {
		f.refused(f.s.admitKey(ctx, key, user, account, ""), fault.ServiceAccountInvalid)
		require.Equal(t, "session.token failure", f.tail())
	}
	require.Zero(t, f.Count("SELECT login_count::int FROM sentinel.users WHERE id = $1", id))
}
