package idempotency_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/idempotency"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

type fixture struct {
	*dbtest.Database
	idempotency.Store
	ctx    context.Context
	first  httpapi.Attempt
	tenant uuid.UUID
}

// setup is two tenants and a request of an account of the first.
func setup(t *testing.T) *fixture {
	t.Helper()
	d := dbtest.New(t)
	f := &fixture{Database: d, Store: idempotency.Store{DB: d.DB}, tenant: uuid.New()}
	d.Exec(t, "INSERT INTO sentinel.tenants (id, name, code, type) VALUES ($1, 'T', 'T1', 'root')", f.tenant)
	f.ctx = identity.WithPrincipal(t.Context(), &identity.Principal{UserID: uuid.New(), HomeTenantID: f.tenant})
	f.first = httpapi.Attempt{Route: "POST /api/v1/users", Key: "k", Hash: []byte("hash"), Timeout: time.Minute}
	return f
}

var kept = httpapi.Answer{Status: 201, Header: map[string]string{"Location": "/x"}, Data: []byte(`{"id":7}`)}

func TestStore_AnswersAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	claim, answer, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.Nil(t, answer)
	require.NoError(t, f.Keep(f.ctx, claim, kept))
	again, answer, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, again)
	require.Equal(t, &kept, answer)
	// An answer is not freed any more.
	require.NoError(t, f.Free(f.ctx, claim, errors.New("late")))
	_, answer, err = f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.Equal(t, &kept, answer)
}

func TestStore_KeepsKeysApart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := uuid.New()
	f.Exec(t, "INSERT INTO sentinel.tenants (id, name, code, type) VALUES ($1, 'U', 'U1', 'root')", other)
	claim, _, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.NoError(t, f.Keep(f.ctx, claim, kept))
	someone := identity.WithPrincipal(t.Context(), &identity.Principal{UserID: uuid.New(), HomeTenantID: f.tenant})
	elsewhere := identity.WithTenant(f.ctx, other)
	otherKey, otherRoute, otherBody := f.first, f.first, f.first
	otherKey.Key, otherRoute.Route, otherBody.Hash = "K", "POST /api/v1/roles", []byte("another")
	for name, c := range map[string]struct {
		ctx context.Context
		a   httpapi.Attempt
	}{
		"another caller": {someone, f.first}, "another tenant": {elsewhere, f.first}, "another key": {f.ctx, otherKey}, "another route": {f.ctx, otherRoute},
	} {
		claim, answer, err := f.Claim(c.ctx, c.a)
		require.NoError(t, err, name)
		require.Nil(t, answer, name)
		require.NotEqual(t, uuid.Nil, claim, name)
	}
	_, answer, err := f.Claim(f.ctx, otherBody)
	require.Nil(t, answer)
	require.ErrorContains(t, err, "was used for another request")
	require.Equal(t, fault.ConflictKind, fault.KindOf(err))
	// One tenant's claim is out of the other's reach.
	require.NoError(t, f.Keep(elsewhere, claim, httpapi.Answer{Status: 299, Header: map[string]string{}}))
	_, answer, err = f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.Equal(t, &kept, answer)
}

func TestStore_SaysHowTheFirstRequestStands(t *testing.T) {
	t.Parallel()
	f := setup(t)
	claim, _, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)

	_, _, err = f.Claim(f.ctx, f.first)
	require.ErrorContains(t, err, "still under way")
	var refused *fault.Error
	require.ErrorAs(t, err, &refused)
	require.Positive(t, refused.Details["retry_after"])

	past := f.first
	past.Timeout = 0 // the request is over
	_, _, err = f.Claim(f.ctx, past)
	require.ErrorContains(t, err, "outcome of the first request")
	require.Equal(t, fault.ConflictKind, fault.KindOf(err))

	require.NoError(t, f.Free(f.ctx, claim, fault.New(fault.Unavailable, "lost").Because(db.ErrOutcomeUnknown)))
	_, _, err = f.Claim(f.ctx, past)
	require.ErrorContains(t, err, "outcome of the first request", "nobody knows whether it was made")

	require.NoError(t, f.Free(f.ctx, claim, errors.New("refused")))
	next, _, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.NotEqual(t, uuid.Nil, next)

	f.Exec(t, "UPDATE sentinel.idempotency_keys SET expires_at = now()")
	last, _, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err, "a key past its time is free")
	require.NotEqual(t, next, last)
	require.NoError(t, f.Keep(f.ctx, next, kept), "the first one comes too late")
	_, _, err = f.Claim(f.ctx, f.first)
	require.ErrorContains(t, err, "still under way")
}

func TestStore_GivesOneOfManyTheClaim(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var wait sync.WaitGroup
	claims, refusals := make(chan uuid.UUID, 16), make(chan error, 16)
	for range 16 {
		wait.Go(func() {
			claim, _, err := f.Claim(f.ctx, f.first)
			if err != nil {
				refusals <- err
				return
			}
			claims <- claim
		})
	}
	wait.Wait()
	require.Len(t, claims, 1)
	require.Len(t, refusals, 15)
	for range 15 {
		require.ErrorContains(t, <-refusals, "still under way")
	}
}

func TestStore_KeepsNoHashThatCanBeGuessed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.Key = []byte("key")
	claim, _, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.NoError(t, f.Keep(f.ctx, claim, kept))
	var stored []byte
	require.NoError(t, f.Store.DB.InReadTx(f.ctx, func(tx *db.Tx) error {
		return tx.Pgx.QueryRow(f.ctx, "SELECT request_hash FROM sentinel.idempotency_keys").Scan(&stored)
	}))
	require.NotEqual(t, f.first.Hash, stored)
	_, answer, err := f.Claim(f.ctx, f.first)
	require.NoError(t, err)
	require.Equal(t, &kept, answer)
	f.Key = []byte("another")
	_, _, err = f.Claim(f.ctx, f.first)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
}
