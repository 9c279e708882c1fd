package serviceaccount

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestAttempts_AreCountedByAccountAndMinute(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	a := newAttempts(func() time.Time { return now })
	one, other := uuid.New(), uuid.New()
	for range maxAttempts {
		require.NoError(t, a.take(one))
	}
	err := a.take(one)
	require.True(t, fault.Is(err, fault.RateLimited))
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, 61, f.Details["retry_after"])
	require.NoError(t, a.take(other))
	now = now.Add(attemptWindow - time.Nanosecond)
	require.Error(t, a.take(one))
	now = now.Add(time.Nanosecond)
	require.NoError(t, a.take(one))
}

func TestAttempts_AreBoundedInAll(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	a := newAttempts(func() time.Time { return now })
	first := uuid.New()
	require.NoError(t, a.take(first))
	for range maxCounted - 1 {
		require.NoError(t, a.take(uuid.New()))
	}
	require.True(t, fault.Is(a.take(uuid.New()), fault.RateLimited), "no room")
	require.NoError(t, a.take(first), "whoever is counted goes on")
	now = now.Add(attemptWindow)
	require.NoError(t, a.take(uuid.New()))
	require.Len(t, a.windows, 1)
}
