package crypto

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestPasswords_VerifiesWhatItHashed(t *testing.T) {
	p := NewPasswords()
	hash, err := p.Hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), hash)
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false} {
		match, err := p.Verify(t.Context(), password, hash)
		require.NoError(t, err)
		require.Equal(t, want, match, password)
	}
	again, err := p.Hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.NotEqual(t, hash, again, "salted")
}

func TestPasswords_MalformedHashIsAnError(t *testing.T) {
	_, err := NewPasswords().Verify(t.Context(), "x", "plain")
	require.Error(t, err)
	require.False(t, NewPasswords().NeedsRehash("plain"))
}

func TestPasswords_DummyHasTheParametersOfAllOthers(t *testing.T) {
	p := NewPasswords()
	require.NoError(t, p.VerifyDummy(t.Context(), "x"))
	hash, err := p.Hash(t.Context(), "x")
	require.NoError(t, err)
	parameters := func(h string) string { return h[:strings.LastIndex(h[:strings.LastIndex(h, "$")], "$")] }
	require.Equal(t, parameters(hash), parameters(unknownUser))
	require.Len(t, unknownUser, len(hash))
	require.False(t, p.NeedsRehash(hash))
	require.True(t, p.NeedsRehash(strings.Replace(hash, "t=2", "t=1", 1)))
}

func TestPasswords_FullQueueIsUnavailable(t *testing.T) {
	p := newPasswords(1, 1)
	leave, err := p.enter(t.Context())
	require.NoError(t, err)

	waiting, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { _, err := p.Hash(waiting, "x"); waited <- err }()
	require.Eventually(t, func() bool { return len(p.queue) == cap(p.queue) }, 5*time.Second, time.Millisecond)

	_, err = p.Hash(t.Context(), "x")
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	_, err = p.Verify(t.Context(), "x", unknownUser)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.True(t, fault.Is(p.VerifyDummy(t.Context(), "x"), fault.Unavailable))

	cancel()
	require.ErrorIs(t, <-waited, context.Canceled)
	leave()
	require.NoError(t, p.VerifyDummy(t.Context(), "x"), "free again")
	require.Empty(t, p.queue)
	require.Empty(t, p.slots)
}

func BenchmarkPasswords_Verify(b *testing.B) {
	p := NewPasswords()
	for b.Loop() {
		if err := p.VerifyDummy(b.Context(), "x"); err != nil {
			b.Fatal(err)
		}
	}
}
