package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// earliest is how long before its end a token is renewed, or a tenth of its
	// life if that is shorter.
	earliest = time.Minute
	// holdOff is how long a refused key is not tried again, so that many calls do
	// not become as many logins.
	holdOff = time.Second
)

// exchange trades a service account's key for an access token.
func exchange(calls *ClientWithResponses, key string) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		ctx = WithToken(ctx, "") // proves who it is by the key alone
		got, err := calls.AuthServiceAccountTokenWithResponse(ctx, AuthServiceAccountTokenJSONRequestBody{APIKey: &key})
		if err != nil {
			return "", 0, fmt.Errorf("get a token for the service account's key: %w", err)
		}
		if got.JSON200 == nil || got.JSON200.Data.AccessToken == "" {
			return "", 0, errors.New("get a token for the service account's key: the server does not answer like Sentinel")
		}
		return got.JSON200.Data.AccessToken, time.Duration(got.JSON200.Data.ExpiresIn) * time.Second, nil
	}
}

// tokens keep one access token and renew it, once for all who wait for it.
type tokens struct {
	fetch   func(context.Context) (token string, life time.Duration, err error)
	timeout time.Duration
	now     func() time.Time

	mu    sync.Mutex
	token string
	// renew is when the token is replaced, end when it stops to count.
	renew, end time.Time
	flight     *flight
	// refused is the last refusal of the key, which counts until heldOff.
	refused error
	heldOff time.Time
}

// flight is a renewal that is under way.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

// current returns a token that counts. It waits for a renewal, at most until ctx
// ends; the renewal itself goes on for others.
func (s *tokens) current(ctx context.Context) (string, error) {
	s.mu.Lock()
	now := s.now()
	if s.token != "" && now.Before(s.renew) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	if s.refused != nil && now.Before(s.heldOff) {
		defer s.mu.Unlock()
		return "", s.refused
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", fmt.Errorf("wait for a token: %w", ctx.Err())
	}
}

// fly renews the token and tells all who wait. If that fails, the old one
// serves as long as it counts.
func (s *tokens) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	token, life, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight = nil
	now := s.now()
	if err == nil {
		s.token, s.end, s.refused = token, now.Add(life), nil
		s.renew = s.end.Add(-min(earliest, life/10))
		f.token = token
		return
	}
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusUnauthorized {
		s.refused, s.heldOff = err, now.Add(holdOff)
	}
	if s.token != "" && now.Before(s.end) && s.refused == nil {
		f.token = s.token
		return
	}
	f.err = err
}

// forget drops a token that the server refused, unless it is replaced already.
func (s *tokens) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}
