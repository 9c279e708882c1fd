package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// issuer gives the tokens 1, 2, 3, …
type issuer struct {
	mu     sync.Mutex
	now    time.Time
	issued atomic.Int64
	fail   error
	gate   chan struct{}
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *issuer) pass(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

func (i *issuer) tokens() *tokens {
	return &tokens{now: i.clock, timeout: time.Minute, fetch: func(context.Context) (string, time.Duration, error) {
		if i.gate != nil {
			<-i.gate
		}
		n := i.issued.Add(1)
		return fmt.Sprint(n), 30 * time.Minute, i.fail
	}}
}

func TestTokens_RenewBeforeTheEnd(t *testing.T) {
	t.Parallel()
	i := &issuer{now: time.Unix(0, 0)}
	s := i.tokens()
	for _, step := range []struct {
		pass time.Duration
		want string
	}{{0, "1"}, {28 * time.Minute, "1"}, {time.Minute, "2"}, {28 * time.Minute, "2"}, {time.Hour, "3"}} {
		i.pass(step.pass)
		token, err := s.current(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.want, token)
	}
	s.forget("2")
	token, err := s.current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "3", token, "one that was replaced long ago is nobody's to drop")
	s.forget("3")
	token, err = s.current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "4", token)
}

func TestTokens_AFailedRenewalLeavesTheOldOneWhileItCounts(t *testing.T) {
	t.Parallel()
	i := &issuer{now: time.Unix(0, 0)}
	s := i.tokens()
	_, err := s.current(t.Context())
	require.NoError(t, err)
	i.fail = errors.New("away")
	i.pass(29*time.Minute + 30*time.Second)
	token, err := s.current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1", token)
	i.pass(31 * time.Second)
	_, err = s.current(t.Context())
	require.ErrorContains(t, err, "away", "never one that has expired")
}

func TestTokens_ARefusedKeyIsHeldOff(t *testing.T) {
	t.Parallel()
	i := &issuer{now: time.Unix(0, 0)}
	s := i.tokens()
	_, err := s.current(t.Context())
	require.NoError(t, err)
	i.fail = &Error{Status: http.StatusUnauthorized, Code: "SERVICE_ACCOUNT_INVALID"}
	i.pass(29*time.Minute + 30*time.Second)
	for range 5 {
		_, err := s.current(t.Context())
		require.ErrorIs(t, err, i.fail, "the account is gone: its old token is not tried either")
	}
	require.EqualValues(t, 2, i.issued.Load())
	i.fail = nil
	i.pass(holdOff)
	token, err := s.current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "3", token)
}

func TestTokens_OneRenewalServesAllWhoWait(t *testing.T) {
	t.Parallel()
	i := &issuer{now: time.Unix(0, 0), gate: make(chan struct{})}
	s := i.tokens()
	impatient, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.current(impatient)
		left <- err
	}()
	cancel()
	require.ErrorIs(t, <-left, context.Canceled, "who began the renewal may leave")
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			token, err := s.current(t.Context())
			if err != nil || token != "1" {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
	close(i.gate)
	wait.Wait()
	require.EqualValues(t, 1, i.issued.Load())
}
