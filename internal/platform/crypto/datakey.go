package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// DataKey encrypts the data of one person or object, which is gone when the key
// is. It is kept sealed with the master key.
type DataKey struct{ seal cipher.AEAD }

// NewDataKey makes the secret of a [DataKey].
func NewDataKey() []byte {
	secret := make([]byte, masterKeyBytes)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// ParseDataKey takes what [NewDataKey] made.
func ParseDataKey(secret []byte) (*DataKey, error) {
	if len(secret) != masterKeyBytes {
		return nil, fmt.Errorf("a data key is %d bytes, not %d", masterKeyBytes, len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("set up GCM: %w", err)
	}
	return &DataKey{seal: seal}, nil
}

// Seal encrypts data (AES-256-GCM). [DataKey.Open] wants the same place.
func (k *DataKey) Seal(data []byte, place string) []byte {
	return k.seal.Seal(nil, nil, data, []byte(place)) //nolint:gosec // nil: the cipher draws a random nonce itself
}

// Open returns what [DataKey.Seal] took, or fails with [ErrTampered].
func (k *DataKey) Open(sealed []byte, place string) ([]byte, error) {
	data, err := k.seal.Open(nil, nil, sealed, []byte(place))
	if err != nil {
		return nil, ErrTampered
	}
	return data, nil
}
