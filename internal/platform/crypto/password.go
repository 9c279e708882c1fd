package crypto

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// queuePerSlot is how many may wait for each hash that runs: at some 30 ms a
// hash, the last waits for a quarter of a second.
const queuePerSlot = 8

// unknownUser is a well-formed hash, with the parameters of all others, of a
// password that nobody knows.
const unknownUser = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Passwords hashes passwords with Argon2id, with as many at once as there are
// processors and a short queue, since each takes 19 MiB: a flood of logins must
// not take the memory and time of everything else. Whoever finds the queue full
// gets a fault of kind Unavailable at once.
type Passwords struct {
	params argon2id.Params
	queue  chan struct{} // holds one for each that waits or runs
	slots  chan struct{} // holds one for each that runs
}

// NewPasswords returns the hasher. One process has one.
func NewPasswords() *Passwords { return newPasswords(runtime.NumCPU(), queuePerSlot) }

func newPasswords(slots, waiting int) *Passwords {
	return &Passwords{
		// OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
		params: argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		queue:  make(chan struct{}, slots*(1+waiting)),
		slots:  make(chan struct{}, slots),
	}
}

// Hash returns the encoded hash of a password, with parameters and salt.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	hash, err := argon2id.CreateHash(password, &p.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Verify reports whether hash is of password. A malformed hash is an error, not
// a mismatch. For users without a password there is [Passwords.VerifyDummy].
func (p *Passwords) Verify(ctx context.Context, password, hash string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("verify a password: %w", err)
	}
	return match, nil
}

// VerifyDummy takes the time of [Passwords.Verify] and fails like it when the
// queue is full, so that a login cannot tell whether the user exists.
func (p *Passwords) VerifyDummy(ctx context.Context, password string) error {
	_, err := p.Verify(ctx, password, unknownUser)
	return err
}

// NeedsRehash reports whether hash was made with weaker parameters than today's
// and should be replaced at the next successful login.
func (p *Passwords) NeedsRehash(hash string) bool {
	params, _, _, err := argon2id.DecodeHash(hash)
	return err == nil && (params.Memory < p.params.Memory || params.Iterations < p.params.Iterations)
}

// enter waits for a slot. The caller must call what it returns.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, fault.New(fault.Unavailable, "Too many passwords are being checked. Try again in a moment.")
	}
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots; <-p.queue }, nil
	case <-ctx.Done():
		<-p.queue
		return nil, errors.Join(errors.New("wait to hash a password"), ctx.Err())
	}
}
