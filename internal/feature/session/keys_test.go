package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func masterKey(t *testing.T, digit string) *crypto.MasterKey {
	t.Helper()
	key, err := crypto.ParseMasterKey(string(bytes.Repeat([]byte(digit), 64)))
	require.NoError(t, err)
	return key
}

func TestKeys_AreSharedByReplicas(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first, second := NewKeys(d.DB, masterKey(t, "1")), NewKeys(d.DB, masterKey(t, "1"))
	made := make(chan error, 2)
	for _, k := range []*Keys{first, second} {
		go func() { made <- k.Load(t.Context()) }()
	}
	require.NoError(t, <-made)
	require.NoError(t, <-made)
	a, err := first.Active(t.Context())
	require.NoError(t, err)
	b, err := second.Active(t.Context())
	require.NoError(t, err)
	require.Equal(t, a, b, "two that start at once make one key")
	public, ok := second.Verifier(t.Context())(a.ID)
	require.True(t, ok)
	require.True(t, public.Equal(a.Private.Public()))
	set, err := first.Public(t.Context())
	require.NoError(t, err)
	require.Len(t, set.Keys, 1)
	require.Equal(t, a.ID, set.Keys[0].KeyID)
}

func TestKeys_UnknownKeyIsLookedForNowAndThen(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	k := NewKeys(d.DB, masterKey(t, "1"))
	require.NoError(t, k.Load(t.Context()))
	d.Exec(t, "INSERT INTO sentinel.signing_keys (kid, algorithm, public_key, private_key, status, not_before) SELECT 'newer', algorithm, public_key, private_key, 'retired', now() FROM sentinel.signing_keys")
	_, ok := k.Verifier(t.Context())("newer")
	require.False(t, ok, "the keys were read a moment ago")
	r := *k.ring.Load()
	r.read = time.Now().Add(-reloadEvery)
	k.ring.Store(&r)
	_, ok = k.Verifier(t.Context())("newer")
	require.True(t, ok, "another replica's key is found")
}

func TestKeys_AnotherMasterKeyIsAClearRefusal(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.NoError(t, NewKeys(d.DB, masterKey(t, "1")).Load(t.Context()))
	err := NewKeys(d.DB, masterKey(t, "2")).Load(t.Context())
	require.True(t, fault.Is(err, fault.Unavailable))
	require.ErrorContains(t, err, "MASTER_KEY")
	require.ErrorIs(t, err, crypto.ErrWrongKey)
}
