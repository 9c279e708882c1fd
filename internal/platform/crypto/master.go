// Package crypto holds the platform's cryptography: the master key that
// protects secrets in the database, passwords, and access tokens. It decides
// algorithms and parameters, so that features choose none, and knows neither
// the database nor who may do what.
package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	masterKeyBytes = 32
	// sealVersion is the first byte of what Seal returns: AES-256-GCM with a
	// random nonce, in the layout version, key id, nonce, ciphertext, tag.
	sealVersion = 1
	keyIDBytes  = 4
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

// LoadOrCreate reads the master key in a file, or makes one there, which only
// the file's owner may read. Of several processes that start at once, all get
// the same key. Whoever loses the file loses every secret sealed with it.
func LoadOrCreate(path string) (*MasterKey, error) {
	key, err := load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create the master key: %w", err)
	}
	return load(path)
}

func load(path string) (*MasterKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the master key in %s can be read by others (mode %o): run chmod 600 on it, and replace it if they did", path, mode)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator's choice
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	key, err := ParseMasterKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// create writes the whole key before it gives it its name, and never over
// another.
func create(path string) error {
	dir := filepath.Dir(path)
	// The folder may hold a database that another user runs, who must pass.
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the key itself is 0600
		return err
	}
	f, err := os.CreateTemp(dir, ".master-key-") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	secret := make([]byte, masterKeyBytes)
	_, _ = rand.Read(secret) // never fails
	_, err = fmt.Fprintln(f, hex.EncodeToString(secret))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
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

// String keeps the key out of logs.
func (k *MasterKey) String() string { return "master key " + k.ID() }

// GoString keeps the key out of %#v.
func (k *MasterKey) GoString() string { return k.String() }

// Seal encrypts a secret. place says where it will be kept, such as
// "signing_keys/<kid>": [MasterKey.Open] wants the same, so that a ciphertext
// moved to another row does not open there.
func (k *MasterKey) Seal(secret []byte, place string) []byte {
	header := append([]byte{sealVersion}, k.id[:]...)
	return k.seal.Seal(header, nil, secret, associated(header, place)) //nolint:gosec // nil: the cipher draws a random nonce itself
}

// Open returns what [MasterKey.Seal] took. It fails with [ErrWrongKey] or
// [ErrTampered].
func (k *MasterKey) Open(sealed []byte, place string) ([]byte, error) {
	const headerBytes = 1 + keyIDBytes
	if len(sealed) < headerBytes || sealed[0] != sealVersion {
		return nil, ErrTampered
	}
	header, body := sealed[:headerBytes], sealed[headerBytes:]
	if [keyIDBytes]byte(header[1:]) != k.id {
		return nil, fmt.Errorf("%w: %x, and this is %s", ErrWrongKey, header[1:], k.ID())
	}
	secret, err := k.seal.Open(nil, nil, body, associated(header, place))
	if err != nil {
		return nil, ErrTampered
	}
	return secret, nil
}

func associated(header []byte, place string) []byte {
	return append(append(make([]byte, 0, len(header)+len(place)), header...), place...)
}
