package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi/httpapitest"
)

// memory keeps answers for one caller.
type memory struct {
	mu     sync.Mutex
	claims map[uuid.UUID]httpapi.Attempt
	kept   map[uuid.UUID]httpapi.Answer
	causes []error
}

func (m *memory) Claim(_ context.Context, a httpapi.Attempt) (uuid.UUID, *httpapi.Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, claimed := range m.claims {
		if claimed.Route != a.Route || claimed.Key != a.Key {
			continue
		}
		answer, ok := m.kept[id]
		switch {
		case !bytes.Equal(claimed.Hash, a.Hash):
			return uuid.Nil, nil, fault.New(fault.ConflictKind, "Another.")
		case !ok:
			return uuid.Nil, nil, &fault.Error{Kind: fault.ConflictKind, Message: "Under way.", Details: map[string]any{"retry_after": 3}}
		}
		return uuid.Nil, &answer, nil
	}
	id := uuid.New()
	m.claims[id] = a
	return id, nil, nil
}

func (m *memory) Keep(_ context.Context, claim uuid.UUID, answer httpapi.Answer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[claim] = answer
	return nil
}

func (m *memory) Free(_ context.Context, claim uuid.UUID, cause error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.claims, claim)
	m.causes = append(m.causes, cause)
	return nil
}

type account struct {
	ID   string  `json:"id"`
	Key  *string `json:"key"`
	Keys []key   `json:"keys"`
}

type key struct {
	Name   string  `json:"name"`
	Secret *string `json:"secret"`
}

// repeatable is a server whose creation shows secrets, and does what its body
// says.
func repeatable(t *testing.T) (*httpapitest.Client, *memory, *int) {
	t.Helper()
	m := &memory{claims: map[uuid.UUID]httpapi.Attempt{}, kept: map[uuid.UUID]httpapi.Answer{}}
	made := 0
	s := httpapi.New(httpapi.Config{Authenticate: authenticate, Idempotency: m})
	sec := s.Section("Accounts", "")
	httpapi.Create(sec, httpapi.Route{
		Path: "/accounts/{group}", Summary: "Create", Access: httpapi.Authenticated("a test"), ShownOnce: []string{"key", "keys.secret", "no.such"},
	}, func(_ context.Context, in *struct {
		Group string `path:"group"`
		Dry   bool   `query:"dry"`
		Body  struct {
			Do string `json:"do,omitempty"`
		}
	},
	) (httpapi.Created[account], error) {
		switch in.Body.Do {
		case "panic":
			panic("halfway") //nolint:forbidigo // what is tested
		case "fail":
			return httpapi.Created[account]{}, fault.Conflict("do", "taken")
		}
		made++
		secret := "hush-1"
		return httpapi.Created[account]{Location: "/accounts/1", Data: account{ID: fmt.Sprint(made), Key: &secret, Keys: []key{{"a", &secret}, {"b", &secret}}}}, nil
	})
	httpapi.Create(sec, httpapi.Route{Path: "/open", Summary: "Create", Access: httpapi.Public()},
		func(context.Context, *none) (httpapi.Created[account], error) { return httpapi.Created[account]{}, nil })
	return httpapitest.Start(t, s).As("good"), m, &made
}

func TestIdempotency_KeepsNoSecrets(t *testing.T) {
	t.Parallel()
	c, m, made := repeatable(t)
	c = c.With("Idempotency-Key", "k")
	require.Contains(t, string(c.Do("POST", "/api/v1/accounts/a", `{}`).Want(201).Body), "hush-1")
	again := c.Do("POST", "/api/v1/accounts/a", `{}`).Want(201)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, "/api/v1/accounts/1", again.Header.Get("Location"))
	require.Equal(t, "application/json", again.Header.Get("Content-Type"))
	var data account
	again.Data(&data)
	require.Equal(t, account{ID: "1", Keys: []key{{Name: "a"}, {Name: "b"}}}, data)
	require.Equal(t, 1, *made)
	for _, answer := range m.kept {
		require.NotContains(t, string(answer.Data), "hush")
	}
}

func TestIdempotency_TellsRequestsApart(t *testing.T) {
	t.Parallel()
	c, _, made := repeatable(t)
	c = c.With("Idempotency-Key", "k")
	c.Do("POST", "/api/v1/accounts/a", `{}`).Want(201)
	for _, other := range []struct{ path, body string }{
		{"/api/v1/accounts/b", `{}`}, {"/api/v1/accounts/a?dry=true", `{}`}, {"/api/v1/accounts/a", `{ }`},
	} {
		require.Equal(t, "CONFLICT", c.Do("POST", other.path, other.body).Want(409).Code(), other.path)
	}
	require.Equal(t, 1, *made)
	c.As("").Do("POST", "/api/v1/accounts/a", `{}`).Want(http.StatusUnauthorized)
	c.As("old").Do("POST", "/api/v1/accounts/a", `{}`).Want(http.StatusUnauthorized)
}

func TestIdempotency_OfFailures(t *testing.T) {
	t.Parallel()
	c, m, _ := repeatable(t)
	c = c.With("Idempotency-Key", "k")
	c.Do("POST", "/api/v1/accounts/a", `{"do":"fail"}`).Want(409)
	c.Do("POST", "/api/v1/accounts/a", `{"nonsense":1}`).Want(400)
	require.NotEmpty(t, m.causes)
	require.Equal(t, fault.ConflictKind, fault.KindOf(m.causes[0]))
	require.Empty(t, m.claims)

	c.Do("POST", "/api/v1/accounts/a", `{"do":"panic"}`).Want(500)
	answer := c.Do("POST", "/api/v1/accounts/a", `{"do":"panic"}`).Want(409)
	require.Equal(t, "3", answer.Header.Get("Retry-After"), "nobody knows what was made")
}

func TestIdempotency_IsRefusedWhereNothingIsKept(t *testing.T) {
	t.Parallel()
	c, _, _ := repeatable(t)
	c = c.With("Idempotency-Key", "k")
	require.Equal(t, []string{"header.Idempotency-Key"}, c.Do("POST", "/api/v1/open", nil).Want(400).Paths())
	without := setup(t)
	require.Equal(t, []string{"header.Idempotency-Key"}, without.With("Idempotency-Key", "k").Do("POST", "/api/v1/widgets", `{"name":"one"}`).Want(400).Paths())
	without.With("Idempotency-Key", "k").Do("GET", "/api/v1/widgets", nil).Want(200)
}
