package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/internal/platform/limit/limittest"
)

func TestMemory_KeepsTheContract(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(_ *testing.T, now func() time.Time) limit.Counter {
		return limit.NewMemory(limit.MemoryConfig{Now: now})
	})
}

func TestMemory_EvictsTheKeyUsedTheLongestAgo(t *testing.T) {
	t.Parallel()
	clock, evicted := limittest.NewClock(), 0
	m := limit.NewMemory(limit.MemoryConfig{Now: clock.Now, Keys: 3, Evicted: func() { evicted++ }})
	take := func(key string) bool {
		r, err := m.Take(t.Context(), key, 1, 1)
		require.NoError(t, err)
		return r.Allowed
	}
	for _, key := range []string{"a", "b", "c"} {
		require.True(t, take(key))
	}
	require.False(t, take("a"), "and so b is the oldest")
	require.True(t, take("d"))
	require.Equal(t, 1, evicted)
	require.False(t, take("a"))
	require.True(t, take("b"), "begins anew, and evicts c")
	require.Equal(t, 2, evicted)
	clock.Advance(3 * limit.Window)
	require.True(t, take("e"))
	require.Equal(t, 2, evicted, "what no longer counts is no loss")
}

func budgets(t *testing.T, cfg limit.Config) (*limit.Budgets, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	cfg.Registerer = registry
	b, err := limit.New(cfg)
	require.NoError(t, err)
	return b, registry
}

func as(ctx context.Context, user, tenant string) context.Context {
	id := func(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }
	return identity.WithTenant(identity.WithPrincipal(ctx, &identity.Principal{UserID: id(user), HomeTenantID: id("home")}), id(tenant))
}

func from(ctx context.Context, address string) context.Context {
	return identity.WithRequest(ctx, identity.Request{Address: address})
}

var (
	call     = httpapi.Route{Method: http.MethodGet, Access: httpapi.Authenticated("x")}
	question = httpapi.Route{Method: http.MethodPost, Access: httpapi.Authenticated("x"), Charged: true}
	login    = httpapi.Route{Method: http.MethodPost, Access: httpapi.Public()}
	probe    = httpapi.Route{Method: http.MethodGet, Access: httpapi.Public()}
)

func TestBudgets_AreOfAnAccountInATenant(t *testing.T) {
	t.Parallel()
	clock := limittest.NewClock()
	b, registry := budgets(t, limit.Config{Calls: 2, Questions: 5, Now: clock.Now})
	ann := as(t.Context(), "ann", "home")
	require.NoError(t, b.Admit(ann, call))
	require.NoError(t, b.Admit(ann, call))
	err := b.Admit(ann, call)
	require.Equal(t, fault.RateLimited, fault.KindOf(err))
	var refused *fault.Error
	require.ErrorAs(t, err, &refused)
	require.Positive(t, refused.Details["retry_after"])
	require.NoError(t, b.Admit(as(t.Context(), "bob", "home"), call))
	require.NoError(t, b.Admit(as(t.Context(), "ann", "below"), call))

	require.NoError(t, b.Admit(ann, question), "questions are apart")
	require.NoError(t, b.Charge(ann, question, 3))
	require.Error(t, b.Charge(ann, question, 2))
	require.NoError(t, b.Charge(ann, question, 1), "what is refused takes nothing")

	require.ErrorContains(t, b.Charge(ann, question, 5), "Send less at once")

	clock.Advance(2 * limit.Window)
	require.NoError(t, b.Admit(ann, call))
	for range 100 {
		require.NoError(t, b.Admit(t.Context(), probe))
	}
	require.Equal(t, map[string]float64{"calls": 1, "questions": 2, "address": 0, "account": 0}, refusals(t, registry))
}

// refusals are the counts by budget, which is their only label.
func refusals(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "sentinel_rate_limit_refusals_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			require.Len(t, m.GetLabel(), 1)
			counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return counts
}

func TestBudgets_OfAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"", "nonsense", true},
	} {
		b, _ := budgets(t, limit.Config{Address: 1, Now: limittest.NewClock().Now})
		require.NoError(t, b.Admit(from(t.Context(), c.one), login))
		err := b.Admit(from(t.Context(), c.other), login)
		require.Equal(t, c.same, err != nil, "%q and %q", c.one, c.other)
	}
}

func TestBudgets_OfAccounts(t *testing.T) {
	t.Parallel()
	b, _ := budgets(t, limit.Config{Account: 2, Now: limittest.NewClock().Now})
	require.NoError(t, b.Account(from(t.Context(), "192.0.2.1"), "ALPHA\x00ann@alpha.example"))
	require.NoError(t, b.Account(from(t.Context(), "192.0.2.2"), "alpha\x00Ann@alpha.example"))
	require.Equal(t, fault.RateLimited, fault.KindOf(b.Account(from(t.Context(), "192.0.2.3"), "Alpha\x00ANN@alpha.example")))
	require.NoError(t, b.Account(t.Context(), "alpha\x00bob@alpha.example"))
}

func TestBudgets_OfZeroAreNone(t *testing.T) {
	t.Parallel()
	b, _ := budgets(t, limit.Config{})
	for range 1000 {
		require.NoError(t, b.Admit(as(t.Context(), "ann", "home"), call))
		require.NoError(t, b.Account(t.Context(), "ann"))
	}
}

type broken struct{}

func (broken) Take(context.Context, string, int, int) (limit.Result, error) {
	return limit.Result{}, errors.New("down")
}

func TestBudgets_LetThroughWhenTheyCannotCount(t *testing.T) {
	t.Parallel()
	b, _ := budgets(t, limit.Config{Calls: 1, Counter: func(string) limit.Counter { return broken{} }})
	for range 3 {
		require.NoError(t, b.Admit(as(t.Context(), "ann", "home"), call))
	}
}

func BenchmarkMemory(b *testing.B) {
	m := limit.NewMemory(limit.MemoryConfig{})
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _ = m.Take(b.Context(), keys[i%len(keys)], 1, 1_000_000_000)
		}
	})
}
