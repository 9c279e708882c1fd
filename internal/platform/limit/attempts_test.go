package limit_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
)

func TestAttempts_AreCountedByAccountAndWindow(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	a := limit.NewAttempts(limit.AttemptsConfig{Most: 2, Window: time.Minute, Now: func() time.Time { return now }, Refusal: "Too many."})
	one, other := uuid.New(), uuid.New()
	require.NoError(t, a.Begin(one))
	require.NoError(t, a.Begin(one))
	now = now.Add(time.Second / 2)
	err := a.Begin(one)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.RateLimited, f.Kind)
	require.Equal(t, "Too many. Wait 60 seconds.", f.Message)
	require.Equal(t, map[string]any{"retry_after": 60}, f.Details)
	require.NoError(t, a.Begin(other), "another's are counted apart")
	a.TakeBack(one)
	require.NoError(t, a.Begin(one), "one that was right is given back")
	require.Error(t, a.Begin(one))
	now = now.Add(time.Minute)
	require.NoError(t, a.Begin(one), "the window has ended")
	for range 3 {
		a.TakeBack(one)
	}
	a.TakeBack(uuid.New())
	require.NoError(t, a.Begin(one))
	require.NoError(t, a.Begin(one))
	require.Error(t, a.Begin(one), "no more is given back than was counted")
}

func TestAttempts_AreBoundedInAll(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	a := limit.NewAttempts(limit.AttemptsConfig{Most: 2, Window: time.Minute, Accounts: 2, Now: func() time.Time { return now }})
	one := uuid.New()
	require.NoError(t, a.Begin(one))
	require.NoError(t, a.Begin(uuid.New()))
	require.True(t, fault.Is(a.Begin(uuid.New()), fault.RateLimited), "no room")
	require.NoError(t, a.Begin(one), "whoever is counted goes on")
	now = now.Add(time.Minute)
	require.NoError(t, a.Begin(uuid.New()), "what is past makes room")
}
