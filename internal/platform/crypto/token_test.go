package crypto

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func signer() Signer { return Signer{Issuer: "https://sentinel.example", Audience: "sentinel"} }

func validClaims() Claims {
	return Claims{
		Issuer: signer().Issuer, Audience: signer().Audience,
		Subject: uuid.MustParse("0190a000-0000-7000-8000-000000000001"), TenantID: uuid.UUID{},
		Roles: []string{"tenant_admin"}, Type: "access", SessionID: "s", TokenID: "t", Epoch: 3,
		IssuedAt: issued, ExpiresAt: issued.Add(30 * time.Minute),
	}
}

type ring map[string]ed25519.PublicKey

func (r ring) find(kid string) (ed25519.PublicKey, bool) { k, ok := r[kid]; return k, ok }

func newKey() (Key, ring) {
	kid, public, private := NewKey()
	return Key{ID: kid, Private: private}, ring{kid: public}
}

func TestSigner_VerifiesWhatItSigned(t *testing.T) {
	k, keys := newKey()
	for name, change := range map[string]func(*Claims){
		"user":            func(*Claims) {},
		"service account": func(c *Claims) { c.IsServiceAccount = true; c.Scope = "decisions:read" },
		"no roles":        func(c *Claims) { c.Roles = []string{} },
		"many roles":      func(c *Claims) { c.Roles = strings.Split(strings.Repeat("role,", 500), ",") },
	} {
		t.Run(name, func(t *testing.T) {
			want := validClaims()
			change(&want)
			token, err := signer().Sign(want, k)
			require.NoError(t, err)
			got, err := signer().Verify(token, keys.find, issued.Add(29*time.Minute))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestSigner_PayloadIsAsDocumented(t *testing.T) {
	k, _ := newKey()
	claims := validClaims()
	claims.Roles, claims.Issuer, claims.Audience = nil, "ignored", "ignored"
	token, err := signer().Sign(claims, k)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"EdDSA","typ":"at+jwt","kid":"`+k.ID+`"}`, string(header))
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"iss": "https://sentinel.example", "sub": "0190a000-0000-7000-8000-000000000001", "aud": ["sentinel"],
		"tenant_id": "00000000-0000-0000-0000-000000000000", "roles": [], "is_service_account": false,
		"type": "access", "sid": "s", "jti": "t", "epoch": 3, "iat": 1772366400, "exp": 1772368200}`, string(payload))
}

func TestSign_RefusesIncompleteClaims(t *testing.T) {
	k, _ := newKey()
	for name, change := range map[string]func(*Claims, *Signer, *Key){
		"type":       func(c *Claims, _ *Signer, _ *Key) { c.Type = "" },
		"sid":        func(c *Claims, _ *Signer, _ *Key) { c.SessionID = "" },
		"jti":        func(c *Claims, _ *Signer, _ *Key) { c.TokenID = "" },
		"exp":        func(c *Claims, _ *Signer, _ *Key) { c.ExpiresAt = c.IssuedAt },
		"iss":        func(_ *Claims, s *Signer, _ *Key) { s.Issuer = "" },
		"aud":        func(_ *Claims, s *Signer, _ *Key) { s.Audience = "" },
		"key":        func(_ *Claims, _ *Signer, k *Key) { k.Private = nil },
		"kid":        func(_ *Claims, _ *Signer, k *Key) { k.ID = "" },
		"many bytes": func(c *Claims, _ *Signer, _ *Key) { c.Roles = []string{strings.Repeat("x", maxToken)} },
	} {
		t.Run(name, func(t *testing.T) {
			c, s, k := validClaims(), signer(), k
			change(&c, &s, &k)
			_, err := s.Sign(c, k)
			require.ErrorContains(t, err, name[:3])
		})
	}
}

// forge signs any header and payload with a right key.
func forge(t *testing.T, k Key, header, payload map[string]any) string {
	t.Helper()
	part := func(m map[string]any) string {
		b, err := json.Marshal(m)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signing := part(header) + "." + part(payload)
	return signing + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.Private, []byte(signing)))
}

func TestVerify_Refuses(t *testing.T) {
	k, keys := newKey()
	header := map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": k.ID}
	payload := map[string]any{
		"iss": signer().Issuer, "sub": uuid.NewString(), "aud": signer().Audience, "tenant_id": uuid.NewString(),
		"roles": []string{}, "is_service_account": false, "type": "access", "sid": "s", "jti": "t", "epoch": 0,
		"iat": issued.Unix(), "exp": issued.Add(time.Hour).Unix(),
	}
	verify := func(token string) error {
		_, err := signer().Verify(token, keys.find, issued)
		return err
	}
	require.NoError(t, verify(forge(t, k, header, payload)), "what follows fails for the change alone")
	header["typ"] = "application/AT+JWT"
	require.NoError(t, verify(forge(t, k, header, payload)))
	header["typ"] = "at+jwt"

	for name := range payload {
		without := maps.Clone(payload)
		delete(without, name)
		require.True(t, fault.Is(verify(forge(t, k, header, without)), fault.Unauthenticated), "without %s", name)
		without[name] = nil
		require.True(t, fault.Is(verify(forge(t, k, header, without)), fault.Unauthenticated), "null %s", name)
	}
	for name, value := range map[string]any{
		"iss": "https://other.example", "aud": []string{"sentinel", "other"}, "sub": "root", "tenant_id": "x", "exp": "soon",
		"iat": issued.Add(2 * time.Minute).Unix(), "nbf": issued.Add(time.Minute).Unix(), "epoch": "1", "roles": "admin",
	} {
		changed := maps.Clone(payload)
		changed[name] = value
		require.True(t, fault.Is(verify(forge(t, k, header, changed)), fault.Unauthenticated), "%s = %v", name, value)
	}
	for name, value := range map[string]any{"typ": "JWT", "kid": "unknown", "alg": "none", "crit": []string{"exp"}} {
		changed := maps.Clone(header)
		changed[name] = value
		require.True(t, fault.Is(verify(forge(t, k, changed, payload)), fault.Unauthenticated), "%s = %v", name, value)
	}

	other, _ := newKey()
	good := forge(t, k, header, payload)
	hmac := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(payload))
	hmac.Header["typ"], hmac.Header["kid"] = "at+jwt", k.ID
	withPublicKey, err := hmac.SignedString([]byte(keys[k.ID]))
	require.NoError(t, err)
	for name, token := range map[string]string{
		"empty": "", "text": "token", "two parts": good[:strings.LastIndex(good, ".")], "padded": good + "==",
		"no signature": good[:strings.LastIndex(good, ".")+1], "other key": forge(t, Key{ID: k.ID, Private: other.Private}, header, payload),
		"public key as secret": withPublicKey, "too long": strings.Repeat("a", maxToken+1), "space": " " + good,
	} {
		require.True(t, fault.Is(verify(token), fault.Unauthenticated), name)
	}
}

func TestVerify_ExpiresToTheSecond(t *testing.T) {
	k, keys := newKey()
	token, err := signer().Sign(validClaims(), k)
	require.NoError(t, err)
	_, err = signer().Verify(token, keys.find, issued.Add(30*time.Minute-time.Second))
	require.NoError(t, err)
	_, err = signer().Verify(token, keys.find, issued.Add(30*time.Minute))
	require.True(t, fault.Is(err, fault.TokenExpired), "%v", err)
	_, err = signer().Verify(token, keys.find, issued.Add(-30*time.Second))
	require.NoError(t, err, "clocks differ a little")
}

func TestNewJWK_MatchesRFC8037(t *testing.T) {
	// RFC 8037, appendices A.2 and A.3.
	public, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", thumbprint(public))
	b, err := json.Marshal(JWKS{Keys: []JWK{NewJWK("k", public)}})
	require.NoError(t, err)
	require.JSONEq(t, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"kid": "k", "use": "sig", "alg": "EdDSA"}]}`, string(b))
}

func FuzzVerify(f *testing.F) {
	k, keys := newKey()
	good, err := signer().Sign(validClaims(), k)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good[:20], "", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", good + ".", strings.ToUpper(good)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := signer().Verify(token, keys.find, issued)
		switch {
		case token == good:
			require.NoError(t, err)
		case err == nil:
			t.Fatalf("forged: %q", token)
		default:
			require.Equal(t, Claims{}, claims)
			require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
		}
	})
}
