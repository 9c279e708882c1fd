// Package crypto holds the platform's cryptography: the master key that
// protects secrets in the database, passwords, and access tokens. It decides
// algorithms and parameters, so that features choose none, and knows neither
// the database nor who may do what.
package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	masterKeyBytes = 32
	// sealVersion is the first byte of what Seal returns: AES-256-GCM with a
	// random nonce, in the layout version, key id, nonce, ciphertext, tag.
	sealVersion = 1
	keyIDBytes  = 4
	headerBytes = 1 + keyIDBytes
)

var (
	// ErrWrongKey says that something was sealed with another master key.
	ErrWrongKey = errors.New("sealed with another master key")
	// ErrTampered says that sealed bytes were changed, cut, or are not those of
	// the row they were found in.
	ErrTampered = errors.New("sealed value is damaged or belongs elsewhere")
)

// MasterKey protects the secrets at rest. It is never used itself: every
// purpose has a key derived from it. It does not show itself when printed.
type MasterKey struct {
	secret [masterKeyBytes]byte
	id     [keyIDBytes]byte
	seal   cipher.AEAD
	// previous open what they sealed, and seal nothing any more.
	previous []*MasterKey
}

// ParseMasterKey reads 32 bytes from 64 hexadecimal digits or from base64, of
// either alphabet, padded or not.
func ParseMasterKey(text string) (*MasterKey, error) {
	text = strings.TrimSpace(text)
	if b, err := hex.DecodeString(text); err == nil && len(b) == masterKeyBytes {
		return newMasterKey(b)
	}
	unified := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	if b, err := base64.RawStdEncoding.DecodeString(unified); err == nil && len(b) == masterKeyBytes {
		return newMasterKey(b)
	}
	return nil, fmt.Errorf("a master key is %d bytes as %d hexadecimal digits or as base64; make one with: openssl rand -hex %[1]d",
		masterKeyBytes, 2*masterKeyBytes)
}

func newMasterKey(secret []byte) (*MasterKey, error) {
	k := &MasterKey{secret: [masterKeyBytes]byte(secret)}
	copy(k.id[:], k.DeriveKey("key id"))
	block, err := aes.NewCipher(k.DeriveKey("seal"))
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	if k.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("set up GCM: %w", err)
	}
	return k, nil
}

// DeriveKey returns 32 bytes for one purpose (HKDF with SHA-256, RFC 5869).
// They say nothing about the master key or other purposes. The purpose is a
// constant of the code and never input.
func (k *MasterKey) DeriveKey(purpose string) []byte {
	// Fails for lengths above 255 hashes only; this is one.
	key, _ := hkdf.Key(sha256.New, k.secret[:], nil, "sentinel/"+purpose, masterKeyBytes)
	return key
}

// ID names the key without giving it away, for messages and for telling which
// key sealed what.
func (k *MasterKey) ID() string { return hex.EncodeToString(k.id[:]) }

// WithPrevious returns the key with others beside it that still open what they
// sealed. It seals with k alone. Others that are k itself count for nothing.
func (k *MasterKey) WithPrevious(others ...*MasterKey) *MasterKey {
	out := *k
	out.previous = append([]*MasterKey(nil), k.previous...)
	for _, o := range others {
		if o.id != k.id {
			out.previous = append(out.previous, o)
		}
	}
	return &out
}

// Sealer returns the key, this one or a previous one, that sealed something;
// false if it is none of them.
func (k *MasterKey) Sealer(sealed []byte) (*MasterKey, bool) {
	if len(sealed) < headerBytes || sealed[0] != sealVersion {
		return nil, false
	}
	id := [keyIDBytes]byte(sealed[1:headerBytes])
	if id == k.id {
		return k, true
	}
	for _, p := range k.previous {
		if p.id == id {
			return p, true
		}
	}
	return nil, false
}

// Mark is how everything begins that this key seals, and nothing that another
// one does.
func (k *MasterKey) Mark() []byte { return append([]byte{sealVersion}, k.id[:]...) }

// String keeps the key out of logs.
func (k *MasterKey) String() string { return "master key " + k.ID() }

// GoString keeps the key out of %#v.
func (k *MasterKey) GoString() string { return k.String() }

// Seal encrypts a secret. place says where it will be kept, such as
// "signing_keys/<kid>": [MasterKey.Open] wants the same, so that a ciphertext
// moved to another row does not open there.
func (k *MasterKey) Seal(secret []byte, place string) []byte {
	header := k.Mark()
	return k.seal.Seal(header, nil, secret, associated(header, place)) //nolint:gosec // nil: the cipher draws a random nonce itself
}

// Open returns what [MasterKey.Seal], of this key or a previous one, took. It
// fails with [ErrWrongKey] or [ErrTampered].
func (k *MasterKey) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) < headerBytes || sealed[0] != sealVersion {
		return nil, ErrTampered
	}
	header, body := sealed[:headerBytes], sealed[headerBytes:]
	by, ok := k.Sealer(sealed)
	if !ok {
		return nil, fmt.Errorf("%w: %x, and this is %s", ErrWrongKey, header[1:], k.ID())
	}
	secret, err := by.seal.Open(nil, nil, body, associated(header, place))
	if err != nil {
		return nil, ErrTampered
	}
	return secret, nil
}

func associated(header []byte, place string) []byte {
	return append(append(make([]byte, 0, len(header)+len(place)), header...), place...)
}
