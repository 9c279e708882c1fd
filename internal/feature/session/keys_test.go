package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
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

// older makes a store believe that its keys were read a while ago.
func (k *Keys) older(by time.Duration) {
	r := *k.ring.Load()
	r.read = r.read.Add(-by)
	if !r.due.IsZero() {
		r.due = r.due.Add(-by)
	}
	k.ring.Store(&r)
}

func statuses(t *testing.T, k *Keys) map[string]string {
	t.Helper()
	list, err := k.List(t.Context())
	require.NoError(t, err)
	out := map[string]string{}
	for _, key := range list {
		out[key.Kid] = key.Status
	}
	return out
}

func auditLog(t *testing.T) *audit.Log {
	t.Helper()
	return audit.NewLog([]byte("key"), masterKey(t, "1"), time.Now)
}

func TestRotate_PublishesBeforeItSigns(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first, second := NewKeys(d.DB, masterKey(t, "1")), NewKeys(d.DB, masterKey(t, "1"))
	old, err := first.Active(t.Context())
	require.NoError(t, err)
	_, err = second.Active(t.Context())
	require.NoError(t, err)

	made, err := first.Rotate(t.Context(), auditLog(t), Rotation{})
	require.NoError(t, err)
	require.Equal(t, "next", made.Status)
	require.WithinDuration(t, time.Now().Add(publishedFor), made.NotBefore, time.Minute)
	for _, k := range []*Keys{first, second} {
		k.older(maxAge)
		active, err := k.Active(t.Context())
		require.NoError(t, err)
		require.Equal(t, old.ID, active.ID, "it does not sign yet")
		set, err := k.Public(t.Context())
		require.NoError(t, err)
		require.Len(t, set.Keys, 2)
	}

	d.Exec(t, "UPDATE sentinel.signing_keys SET not_before = now() WHERE status = 'next'")
	for _, k := range []*Keys{first, second} {
		k.older(maxAge)
		active, err := k.Active(t.Context())
		require.NoError(t, err)
		require.Equal(t, made.Kid, active.ID, "on every replica alike")
		_, ok := k.Verifier(t.Context())(old.ID)
		require.True(t, ok, "the old one verifies")
	}
	require.Equal(t, map[string]string{old.ID: "retired", made.Kid: "active"}, statuses(t, first))
	list, err := first.List(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(verifiesFor), *list[0].NotAfter, time.Minute)

	r := *first.ring.Load()
	v := r.public[old.ID]
	v.until = time.Now()
	r.public[old.ID] = v
	first.ring.Store(&r)
	_, ok := r.find(old.ID)
	require.False(t, ok, "until it ends, between two readings too")
	d.Exec(t, "UPDATE sentinel.signing_keys SET not_after = now() WHERE status = 'retired'")
	second.older(maxAge)
	set, err := second.Public(t.Context())
	require.NoError(t, err)
	require.Len(t, set.Keys, 1)
}

func TestRotate_NowAndRevokingTheOld(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	k := NewKeys(d.DB, masterKey(t, "1"))
	old, err := k.Active(t.Context())
	require.NoError(t, err)
	waiting, err := k.Rotate(t.Context(), auditLog(t), Rotation{})
	require.NoError(t, err)
	_, err = k.Rotate(t.Context(), auditLog(t), Rotation{})
	require.ErrorContains(t, err, waiting.Kid)
	_, err = k.Rotate(t.Context(), auditLog(t), Rotation{RevokeOld: true})
	require.ErrorContains(t, err, "--now")

	second, err := k.Rotate(t.Context(), auditLog(t), Rotation{Now: true})
	require.NoError(t, err)
	require.Equal(t, map[string]string{old.ID: "retired", waiting.Kid: "retired", second.Kid: "active"}, statuses(t, k))
	k.older(maxAge)
	_, ok := k.Verifier(t.Context())(old.ID)
	require.True(t, ok)
	_, ok = k.Verifier(t.Context())(waiting.Kid)
	require.False(t, ok, "it has signed nothing")

	third, err := k.Rotate(t.Context(), auditLog(t), Rotation{Now: true, RevokeOld: true})
	require.NoError(t, err)
	k.older(maxAge)
	require.NoError(t, k.Load(t.Context()))
	for _, kid := range []string{old.ID, second.Kid} {
		_, ok := k.Verifier(t.Context())(kid)
		require.False(t, ok)
	}
	active, err := k.Active(t.Context())
	require.NoError(t, err)
	require.Equal(t, third.Kid, active.ID)

	var events []string
	require.NoError(t, d.DB.InReadTx(identity.WithTenant(t.Context(), identity.PlatformTenant), func(tx *db.Tx) error {
		return tx.Raw("SELECT action || ' ' || actor_type || ' ' || (changes->'after'->>'kid') FROM sentinel.audit_logs ORDER BY seq").Scan(&events).Error
	}))
	require.Equal(t, []string{"keys.rotate system " + waiting.Kid, "keys.rotate system " + second.Kid, "keys.rotate system " + third.Kid}, events)
}

func TestKeys_GoOnWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	k := NewKeys(d.DB, masterKey(t, "1"))
	before, err := k.Active(t.Context())
	require.NoError(t, err)
	d.Exec(t, "REVOKE SELECT ON sentinel.signing_keys FROM sentinel_app")
	k.older(maxAge)
	after, err := k.Active(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.False(t, k.ring.Load().old(), "it is not asked again at once")
}
