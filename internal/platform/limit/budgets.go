package limit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Config says how much may be taken a minute. Zero is no limit.
type Config struct {
	// Calls is for one account in one tenant, all routes but those that are
	// charged as questions.
	Calls int
	// Questions is for one account in one tenant; a batch takes one for each item.
	Questions int
	// Address is for one client address at all public writes together: logins,
	// resets of passwords. An IPv6 client counts by its first 64 bits.
	Address int
	// Account is for tries to log in to one account, from wherever they come.
	Account int

	// Now is the clock. Default [time.Now].
	Now func() time.Time
	// Counter makes the counter of a budget. Default a [Memory] for each.
	Counter func(budget string) Counter
	// Registerer takes the counts of refusals and evictions, by budget. Default
	// nobody.
	Registerer prometheus.Registerer
	// Logger is told when a counter fails: the call is let through then. Default
	// discards.
	Logger *slog.Logger
}

// Budgets are all that the API has.
type Budgets struct {
	cfg                                Config
	calls, questions, address, account budget
	refusals                           *prometheus.CounterVec
}

type budget struct {
	name    string
	limit   int
	counter Counter
}

// New makes budgets of which nothing is taken. It fails if the metrics are
// registered already.
func New(cfg Config) (*Budgets, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Budgets{cfg: cfg, refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_rate_limit_refusals_total", Help: "Calls refused because a budget was spent.",
	}, []string{"budget"})}
	evictions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_rate_limit_evictions_total", Help: "Keys that were dropped before their time, as too many were in use: their budgets began anew.",
	}, []string{"budget"})
	if cfg.Registerer != nil {
		for _, c := range []prometheus.Collector{b.refusals, evictions} {
			if err := cfg.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("register the metrics of the budgets: %w", err)
			}
		}
	}
	if b.cfg.Counter == nil {
		b.cfg.Counter = func(name string) Counter {
			return NewMemory(MemoryConfig{Now: cfg.Now, Evicted: evictions.WithLabelValues(name).Inc})
		}
	}
	b.calls, b.questions = b.budget("calls", cfg.Calls), b.budget("questions", cfg.Questions)
	b.address, b.account = b.budget("address", cfg.Address), b.budget("account", cfg.Account)
	return b, nil
}

func (b *Budgets) budget(name string, limit int) budget {
	b.refusals.WithLabelValues(name) // is there from the start, as 0
	return budget{name: name, limit: limit, counter: b.cfg.Counter(name)}
}

// Admit counts a call as one. It is the server's Admit.
func (b *Budgets) Admit(ctx context.Context, r httpapi.Route) error {
	switch {
	case r.Access.IsPublic() && r.Method == http.MethodGet:
		return nil
	case r.Access.IsPublic():
		return b.take(ctx, &b.address, network(identity.RequestFrom(ctx).Address), 1)
	case r.Charged:
		return b.take(ctx, &b.questions, caller(ctx), 1)
	default:
		return b.take(ctx, &b.calls, caller(ctx), 1)
	}
}

// Charge counts a call as n more than the one of Admit. It is the server's
// Charge.
func (b *Budgets) Charge(ctx context.Context, r httpapi.Route, n int) error {
	from := &b.calls
	if r.Charged {
		from = &b.questions
	}
	err := b.take(ctx, from, caller(ctx), n)
	var refused *fault.Error
	if errors.As(err, &refused) && n >= from.limit {
		refused.Message = fmt.Sprintf("This counts as %d, more than the %d a minute that are allowed: no waiting helps. Send less at once.", n+1, from.limit)
	}
	return err
}

// Account counts one try to log in to an account, named as the client named it,
// which need not exist. Only a hash of the name is kept.
func (b *Budgets) Account(ctx context.Context, account string) error {
	sum := sha256.Sum256([]byte(strings.ToLower(account)))
	return b.take(ctx, &b.account, string(sum[:]), 1)
}

// take lets a call through where the counter itself fails: whoever is at the
// door has to prove who they are all the same.
func (b *Budgets) take(ctx context.Context, from *budget, key string, n int) error {
	if from.limit <= 0 {
		return nil
	}
	r, err := from.counter.Take(ctx, key, n, from.limit)
	if err != nil {
		b.cfg.Logger.WarnContext(ctx, "a budget could not be counted", "budget", from.name, "error", err)
		return nil
	}
	httpapi.SetHeader(ctx, "X-RateLimit-Limit", strconv.Itoa(from.limit))
	httpapi.SetHeader(ctx, "X-RateLimit-Remaining", strconv.Itoa(r.Remaining))
	httpapi.SetHeader(ctx, "X-RateLimit-Reset", strconv.FormatInt(r.Reset.Unix(), 10))
	if tenant, ok := identity.TenantFrom(ctx); ok {
		httpapi.SetHeader(ctx, "X-RateLimit-Tenant", tenant.String())
	}
	if r.Allowed {
		return nil
	}
	b.refusals.WithLabelValues(from.name).Inc()
	seconds := max(1, int(math.Ceil(r.RetryAfter.Seconds())))
	f := fault.New(fault.RateLimited, "This is more than the %d a minute that are allowed. Wait %d seconds, then go on more slowly.", from.limit, seconds)
	f.Details = map[string]any{"retry_after": seconds, "limit": from.limit}
	return f
}

// caller is whose budget it is: the account's, in the tenant it acts in.
func caller(ctx context.Context) string {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	if p == nil {
		return string(tenant[:])
	}
	return string(tenant[:]) + string(p.HomeTenantID[:]) + string(p.UserID[:])
}

// network is what counts as one client: an IPv4 address, or the /64 of an IPv6
// one, within which a single host has all addresses it likes.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	bits := 32
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
