package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

const (
	apiKeyPrefix  = "snt_"
	apiKeyIDRunes = 8
	secretBytes   = 32
	// secretRunes is the length of 32 bytes in base64url without padding.
	secretRunes = 43
)

// alphabet is that of the ids of API keys: 32 characters, none of which can be
// taken for another.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// APIKey is a service account's key: "snt_", 8 characters that name it, 43 of
// secret. Text is shown once; ID and Hash are what is stored.
type APIKey struct {
	Text string
	ID   string
	Hash []byte
}

// NewAPIKey makes a key.
func NewAPIKey() APIKey {
	raw := make([]byte, apiKeyIDRunes)
	_, _ = rand.Read(raw) // never fails
	for i, b := range raw {
		raw[i] = alphabet[int(b)%len(alphabet)]
	}
	key, _ := ParseAPIKey(apiKeyPrefix + string(raw) + newSecret())
	return key
}

// ParseAPIKey takes a key apart. That it has the form of a key says nothing of
// whether it is anybody's.
func ParseAPIKey(text string) (APIKey, bool) {
	rest, ok := strings.CutPrefix(text, apiKeyPrefix)
	if !ok || len(rest) != apiKeyIDRunes+secretRunes {
		return APIKey{}, false
	}
	return APIKey{Text: text, ID: rest[:apiKeyIDRunes], Hash: HashSecret(text)}, true
}

// Opaque is a random token that means something to the server only, such as a
// refresh token. It begins with a prefix, so that secret scanners know it, and
// carries its tenant, so that no look-up crosses tenants. Text is shown once;
// Hash is what is stored.
type Opaque struct {
	Text   string
	Tenant uuid.UUID
	Hash   []byte
}

// NewOpaque makes a token of a tenant. The prefix is a constant of the code,
// such as "snr_".
func NewOpaque(prefix string, tenant uuid.UUID) Opaque {
	o, _ := ParseOpaque(prefix, prefix+base64.RawURLEncoding.EncodeToString(tenant[:])+newSecret())
	return o
}

// ParseOpaque takes a token apart. As for an API key, the form says nothing of
// whether it counts.
func ParseOpaque(prefix, text string) (Opaque, bool) {
	const tenantRunes = 22
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != tenantRunes+secretRunes {
		return Opaque{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest[:tenantRunes])
	if err != nil {
		return Opaque{}, false
	}
	return Opaque{Text: text, Tenant: uuid.UUID(raw), Hash: HashSecret(text)}, true
}

// NewSecret makes a random secret that is shared with somebody else's program. It
// begins with a prefix, a constant of the code such as "snw_", so that secret
// scanners know it.
func NewSecret(prefix string) string { return prefix + newSecret() }

func newSecret() string {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// HashSecret is the SHA-256 of a secret that is long and random, for which no
// slow hash is needed.
func HashSecret(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// SameHash compares two hashes in a time that tells nothing.
func SameHash(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
