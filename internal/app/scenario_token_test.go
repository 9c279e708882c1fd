package app_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// signingKeyOf opens the key with which the server signs.
func (w *world) signingKeyOf() crypto.Key {
	w.t.Helper()
	master, err := crypto.ParseMasterKey(w.cfg.MasterKey)
	require.NoError(w.t, err)
	k := w.signingKeys()[0]
	private, err := master.Open(k.sealed, "signing_keys/"+k.kid)
	require.NoError(w.t, err)
	return crypto.Key{ID: k.kid, Private: private}
}

// claims are those of a good token.
func (w *world) claims(user, tenant string) crypto.Claims {
	now := time.Now()
	return crypto.Claims{
		Subject: uuid.MustParse(w.ids[user]), TenantID: uuid.MustParse(w.ids[tenant]), Type: "access", SessionID: uuid.NewString(), TokenID: uuid.NewString(),
		IssuedAt: now, ExpiresAt: now.Add(time.Minute),
	}
}

func (w *world) me(token string) *response {
	w.t.Helper()
	return w.send(request{method: http.MethodGet, path: "/users/me"}, token)
}

func TestToken_ThatIsNotTheServersIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.signingKeyOf()
	signer := crypto.Signer{Issuer: "sentinel", Audience: "sentinel"}
	sign := func(s crypto.Signer, k crypto.Key, change func(*crypto.Claims)) string {
		c := w.claims("plain", "alpha")
		change(&c)
		token, err := s.Sign(c, k)
		require.NoError(t, err)
		return token
	}
	nothing := func(*crypto.Claims) {}
	good := sign(signer, key, nothing)
	require.Equal(t, http.StatusOK, w.me(good).status, "the test signs as the server does")

	parts := strings.Split(good, ".")
	header := func(h map[string]string) string { return base64.RawURLEncoding.EncodeToString([]byte(jsonOf(h))) }
	public := key.Private.Public().(ed25519.PublicKey)
	kid, _, stranger := crypto.NewKey()
	hmacToken := func(secret []byte) string {
		var payload jwt.MapClaims
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &payload))
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, payload)
		token.Header["kid"], token.Header["typ"] = key.ID, "at+jwt"
		signed, err := token.SignedString(secret)
		require.NoError(t, err)
		return signed
	}
	flipped := []byte(parts[2])
	flipped[10] ^= 1
	other := strings.Split(sign(signer, key, func(c *crypto.Claims) { c.Subject = uuid.MustParse(w.ids["admin"]) }), ".")
	for name, token := range map[string]string{
		"another signature":          parts[0] + "." + parts[1] + "." + string(flipped),
		"another payload":            parts[0] + "." + other[1] + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"alg none":                   header(map[string]string{"alg": "none", "typ": "at+jwt", "kid": key.ID}) + "." + parts[1] + ".",
		"alg none, signed":           header(map[string]string{"alg": "none", "typ": "at+jwt", "kid": key.ID}) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key":  hmacToken(public),
		"HS256 with the encoded key": hmacToken([]byte(base64.RawURLEncoding.EncodeToString(public))),
		"a stranger's key":           sign(signer, crypto.Key{ID: kid, Private: stranger}, nothing),
		"a stranger's key, our kid":  sign(signer, crypto.Key{ID: key.ID, Private: stranger}, nothing),
		"another issuer":             sign(crypto.Signer{Issuer: "https://elsewhere.example", Audience: "sentinel"}, key, nothing),
		"another audience":           sign(crypto.Signer{Issuer: "sentinel", Audience: "elsewhere"}, key, nothing),
		"another type":               sign(signer, key, func(c *crypto.Claims) { c.Type = "refresh" }),
		"issued tomorrow": sign(signer, key, func(c *crypto.Claims) {
			c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(24*time.Hour), c.ExpiresAt.Add(24*time.Hour)
		}),
		"no token":                 "nonsense",
		"two dots":                 "..",
		"nine thousand characters": strings.Repeat("a", 9000),
	} {
		got := w.me(token)
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", name, got.body)
		require.Equal(t, "AUTHENTICATION_REQUIRED", got.at("error.code"), name)
	}
	for name, revoked := range map[string]string{
		"of nobody":             sign(signer, key, func(c *crypto.Claims) { c.Subject = uuid.MustParse(absent) }),
		"of another tenant":     sign(signer, key, func(c *crypto.Claims) { c.TenantID = uuid.MustParse(w.ids["beta"]) }),
		"of no tenant":          sign(signer, key, func(c *crypto.Claims) { c.TenantID = uuid.MustParse(absent) }),
		"of another generation": sign(signer, key, func(c *crypto.Claims) { c.Epoch = 7 }),
	} {
		got := w.me(revoked)
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", name, got.body)
		require.Equal(t, "TOKEN_REVOKED", got.at("error.code"), name)
	}
	got := w.me(sign(signer, key, func(c *crypto.Claims) {
		c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(-time.Hour), c.IssuedAt.Add(-time.Second)
	}))
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.Equal(t, "TOKEN_EXPIRED", got.at("error.code"))
	// The roles in a token decide nothing.
	forged := sign(signer, key, func(c *crypto.Claims) { c.Roles = []string{"tenant_admin", "super_admin"} })
	require.Equal(t, http.StatusForbidden, w.send(request{method: http.MethodGet, path: "/users"}, forged).status)
	for _, scheme := range []string{"Basic ", "bearer\t", "", "Bearer " + good + " Bearer "} {
		got := w.send(request{method: http.MethodGet, path: "/users/me", header: map[string]string{"Authorization": scheme + good}}, "")
		require.Equal(t, http.StatusUnauthorized, got.status, "%q", scheme)
	}
}

func TestToken_EndsWithWhatItStandsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patch := func(user, body string) {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$" + user, body: body})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	revoked := func(as string) {
		got := w.do(request{as: as, method: http.MethodGet, path: "/users/me"})
		require.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
		require.Equal(t, "TOKEN_REVOKED", got.at("error.code"))
	}
	w.token("plain")
	patch("plain", `{"display_name":"still in"}`)
	require.Equal(t, http.StatusOK, w.do(request{as: "plain", method: http.MethodGet, path: "/users/me"}).status)

	patch("plain", `{"password":"`+otherPassword+`"}`)
	revoked("plain")
	w.tokens["plain"] = w.login("ALPHA", "plain@alpha.example", otherPassword)
	patch("plain", `{"is_active":false}`)
	revoked("plain")
	patch("plain", `{"is_active":true}`)
	revoked("plain") // a token does not come back to life
	w.tokens["plain"] = w.login("ALPHA", "plain@alpha.example", otherPassword)
	w.database.Exec(t, "UPDATE sentinel.users SET locked_until = now() + interval '1 hour' WHERE id = $1", w.ids["plain"])
	require.Eventually(t, func() bool {
		return w.do(request{as: "plain", method: http.MethodGet, path: "/users/me"}).status == http.StatusUnauthorized
	}, 10*time.Second, 10*time.Millisecond, "a lock set behind the server's back is noticed")

	w.token("manager")
	got := w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$manager"})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	revoked("manager")
}

// TestLogin_TellsNothing gives one answer to whatever is wrong, and counts and
// records it for accounts that exist.
func TestLogin_TellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("sleeper", "admin", "", "/users", `{"email":"sleeper@alpha.example","password":"`+password+`"}`)
	w.make("mute", "admin", "", "/users", `{"email":"mute@alpha.example"}`)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$sleeper", body: `{"is_active":false}`}).status)
	answers := map[string]string{}
	for name, in := range map[string]struct {
		tenant, email, secret string
		known                 bool
	}{
		"wrong password":      {"ALPHA", "plain@alpha.example", otherPassword, true},
		"unknown user":        {"ALPHA", "nobody@alpha.example", password, false},
		"no address at all":   {"ALPHA", "nobody", password, false},
		"unknown tenant":      {"OMEGA", "plain@alpha.example", password, false},
		"unknown tenant's id": {absent, "plain@alpha.example", password, false},
		"another tenant":      {"BETA", "plain@alpha.example", password, false},
		"inactive user":       {"ALPHA", "sleeper@alpha.example", password, true},
		"no password is set":  {"ALPHA", "mute@alpha.example", password, true},
		"wildcards":           {"%", "%", "%", false},
	} {
		before := w.state(t)
		got := w.do(request{method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": in.tenant, "email": in.email, "password": in.secret})})
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", name, got.body)
		written := []string{}
		if in.known {
			written = []string{"audit_heads", "audit_logs", "login_failures", "users"}
		}
		require.Equal(t, written, changes(before, w.state(t)), name)
		got.header.Del("X-Request-ID")
		got.header.Del("Date")
		got.header.Del("Content-Length") // it differs with the noughts at the end of the time
		answers[name] = got.plain() + jsonOf(got.header)
	}
	for name, answer := range answers {
		require.Equal(t, answers["wrong password"], answer, name)
	}
}
