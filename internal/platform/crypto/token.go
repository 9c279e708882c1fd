package crypto

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// tokenType is the "typ" header of access tokens (RFC 9068). It keeps JWTs
	// made for other ends from being taken for them.
	tokenType = "at+jwt"
	// maxToken is the length of the longest token looked at, in bytes.
	maxToken = 16 << 10
	// clockSkew is how far ahead another replica's clock may be.
	clockSkew = time.Minute
)

// Claims are what an access token says. All are required but Scope.
type Claims struct {
	// Issuer and Audience are the Signer's own: Sign overwrites them.
	Issuer   string
	Audience string
	// Subject is the user or the service account.
	Subject  uuid.UUID
	TenantID uuid.UUID
	// Roles are for the client's eyes; decisions ask the database.
	Roles            []string
	IsServiceAccount bool
	// Type is the kind of token, such as "access".
	Type string
	// SessionID is the family of refresh tokens behind it.
	SessionID string
	TokenID   string
	// Epoch is the account's counter at the time of issue; a later one voids the
	// token.
	Epoch int64
	// Scope narrows what the token may do; empty for no limit.
	Scope string
	// IssuedAt and ExpiresAt are kept in whole seconds, rounded down.
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Key signs tokens. ID says which, in their header.
type Key struct {
	ID      string
	Private ed25519.PrivateKey
}

// NewKey makes a key pair. Its id is the RFC 7638 thumbprint of the public key,
// so that no two keys share one.
func NewKey() (kid string, public ed25519.PublicKey, private ed25519.PrivateKey) {
	// A nil source is the system's, which never fails.
	public, private, _ = ed25519.GenerateKey(nil)
	return thumbprint(public), public, private
}

func thumbprint(public ed25519.PublicKey) string {
	// Members in this order, without spaces: RFC 8037, appendix A.3.
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Signer makes and checks the access tokens of one issuer for one audience:
// EdDSA with Ed25519 (RFC 8037) and nothing else.
type Signer struct {
	Issuer   string
	Audience string
}

// wire is the payload. Pointers tell a missing member from a zero one.
type wire struct {
	jwt.RegisteredClaims
	TenantID         *uuid.UUID `json:"tenant_id"`
	Roles            *[]string  `json:"roles"`
	IsServiceAccount *bool      `json:"is_service_account"`
	Type             string     `json:"type"`
	SessionID        string     `json:"sid"`
	Epoch            *int64     `json:"epoch"`
	Scope            string     `json:"scope,omitempty"`
}

// Sign returns the token. It refuses claims that [Signer.Verify] would refuse.
func (s Signer) Sign(c Claims, key Key) (string, error) {
	roles := append([]string{}, c.Roles...) // [] and not null
	w := wire{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.Issuer,
			Subject:   c.Subject.String(),
			Audience:  jwt.ClaimStrings{s.Audience},
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ID:        c.TokenID,
		},
		TenantID:         &c.TenantID,
		Roles:            &roles,
		IsServiceAccount: &c.IsServiceAccount,
		Type:             c.Type,
		SessionID:        c.SessionID,
		Epoch:            &c.Epoch,
		Scope:            c.Scope,
	}
	if _, err := w.claims(); err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	if key.ID == "" || len(key.Private) != ed25519.PrivateKeySize {
		return "", errors.New("sign a token: the key has no kid or no private part")
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, w)
	token.Header["typ"], token.Header["kid"] = tokenType, key.ID
	signed, err := token.SignedString(key.Private)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	if len(signed) > maxToken {
		return "", fmt.Errorf("sign a token: %d bytes are too many", len(signed))
	}
	return signed, nil
}

// Verify returns the claims of a token that this issuer made for this audience,
// with a key that keys knows, and that has not expired at now. It fails with a
// fault of kind TokenExpired or Unauthenticated. That the token was not revoked
// is for the caller to find out.
func (s Signer) Verify(token string, keys func(kid string) (ed25519.PublicKey, bool), now time.Time) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, invalid(errors.New("token too long"))
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(s.Issuer),
		jwt.WithAudience(s.Audience),
	)
	var w wire
	_, err := parser.ParseWithClaims(token, &w, func(t *jwt.Token) (any, error) { return publicKey(t, keys) })
	if errors.Is(err, jwt.ErrTokenExpired) {
		return Claims{}, fault.New(fault.TokenExpired, "The access token has expired. Refresh it or sign in again.").Because(err)
	}
	if err != nil {
		return Claims{}, invalid(err)
	}
	claims, err := w.claims()
	if err != nil {
		return Claims{}, invalid(err)
	}
	if claims.IssuedAt.After(now.Add(clockSkew)) {
		return Claims{}, invalid(errors.New("token of the future"))
	}
	return claims, nil
}

func invalid(cause error) error {
	return fault.New(fault.Unauthenticated, "The access token is not valid. Sign in again.").Because(cause)
}

func publicKey(t *jwt.Token, keys func(string) (ed25519.PublicKey, bool)) (any, error) {
	typ, _ := t.Header["typ"].(string)
	// RFC 9068, section 4: with or without the prefix, in any case.
	if !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), tokenType) {
		return nil, fmt.Errorf("token of type %q", typ)
	}
	if _, ok := t.Header["crit"]; ok {
		// RFC 7515, section 4.1.11: what is not understood must be refused.
		return nil, errors.New("token with critical extensions")
	}
	kid, _ := t.Header["kid"].(string)
	key, ok := keys(kid)
	if kid == "" || !ok {
		return nil, fmt.Errorf("token with unknown key %q", kid)
	}
	return key, nil
}

// claims checks that everything is there.
func (w *wire) claims() (Claims, error) {
	for _, member := range []struct {
		name    string
		present bool
	}{
		{"iss", w.Issuer != ""},
		{"aud", len(w.Audience) == 1 && w.Audience[0] != ""},
		{"tenant_id", w.TenantID != nil},
		{"roles", w.Roles != nil},
		{"is_service_account", w.IsServiceAccount != nil},
		{"type", w.Type != ""},
		{"sid", w.SessionID != ""},
		{"jti", w.ID != ""},
		{"epoch", w.Epoch != nil},
		{"iat", w.IssuedAt != nil},
		{"exp", w.ExpiresAt != nil},
	} {
		if !member.present {
			return Claims{}, fmt.Errorf("claim %s is missing", member.name)
		}
	}
	subject, err := uuid.Parse(w.Subject)
	if err != nil {
		return Claims{}, fmt.Errorf("claim sub: %w", err)
	}
	if !w.IssuedAt.Before(w.ExpiresAt.Time) {
		return Claims{}, errors.New("claim exp is not after iat")
	}
	return Claims{
		Issuer: w.Issuer, Audience: w.Audience[0], Subject: subject, TenantID: *w.TenantID,
		Roles: *w.Roles, IsServiceAccount: *w.IsServiceAccount, Type: w.Type, SessionID: w.SessionID,
		TokenID: w.ID, Epoch: *w.Epoch, Scope: w.Scope,
		IssuedAt: w.IssuedAt.UTC(), ExpiresAt: w.ExpiresAt.UTC(),
	}, nil
}

// JWKS is a JSON Web Key Set (RFC 7517) of public keys.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWK is an Ed25519 public key (RFC 8037).
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

// NewJWK describes a public key to those who verify tokens.
func NewJWK(kid string, public ed25519.PublicKey) JWK {
	return JWK{
		KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(public),
		KeyID: kid, Use: "sig", Algorithm: jwt.SigningMethodEdDSA.Alg(),
	}
}
