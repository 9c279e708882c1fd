// Package guard protects routes of net/http with Sentinel:
//
//	mux.Handle("GET /invoices/{id}", guard.Protect("read", "invoice", client.PathValue("id"))(handler))
//
// Nothing gets through without a decision that allows it. A request without a
// subject is answered with 401, one that is denied with 403 and the reason code,
// one that needs an approval with 403 and the chain, and with 503 while Sentinel
// cannot be asked. A handler finds what is demanded of it, and the fields that it
// may show, with [client.DecisionFrom].
package guard

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/internal/gate"
)

// Options say how to ask. Zero values take the defaults named.
type Options struct {
	// Subject returns the id of the user who makes the request, as the
	// application's own login knows it; an error or an empty id is answered with
	// 401. The client asks with its own account then, which needs a Key, and
	// execute on api/decisions. Default: the bearer token of the request is an
	// access token of Sentinel's, and the question is its account's own.
	Subject func(*http.Request) (string, error)
	// Tenant returns the id of the tenant that the resource of a request is in. A
	// token of another tenant is then denied. A request for which it fails is
	// denied too. Default: the tenant of the account that asks, so a handler looks
	// for the resource among those of that tenant only.
	Tenant func(*http.Request) (string, error)
	// Obligations reports whether the handlers do what an obligation says, judged by
	// its type for instance; they find it with [client.DecisionFrom]. An answer with
	// one that nobody fulfils is denied. Default: none is fulfilled.
	Obligations func(client.Obligation) bool
	// Timeout bounds a decision. Default 3 s.
	Timeout time.Duration
}

// Attributes return what the application knows of the resource that a request is
// about, for permissions with conditions. A request for which they fail is
// denied.
type Attributes func(*http.Request) (map[string]any, error)

// Guard protects routes. It is safe for concurrent use.
type Guard struct {
	gate    *gate.Gate
	options Options
}

// New makes a guard that asks by c. It fails if c cannot ask what the options
// need.
func New(c *client.Client, o Options) (*Guard, error) {
	g, err := gate.New(c, o.Subject != nil, o.Timeout, o.Obligations)
	if err != nil {
		return nil, err
	}
	return &Guard{gate: g, options: o}, nil
}

// Protect is [Guard.Route] for declarations: it panics where that fails, as
// [http.ServeMux.Handle] does for a pattern that is wrong, so that the mistake
// shows when the application starts.
func (g *Guard) Protect(action, resourceType string, id client.Value, attributes ...Attributes) func(http.Handler) http.Handler {
	protect, err := g.Route(action, resourceType, id, attributes...)
	if err != nil {
		panic(err) //nolint:forbidigo // an error of the program, found at its start
	}
	return protect
}

// Route returns what lets a request through to a handler if its subject may do
// action on the resource with that id. It fails if the action or the type can
// never be asked about, without an id, and with attributes that the server would
// not believe.
func (g *Guard) Route(action, resourceType string, id client.Value, attributes ...Attributes) (func(http.Handler) http.Handler, error) {
	if err := g.gate.CheckRoute(action, resourceType, id != nil, len(attributes)); err != nil {
		return nil, fmt.Errorf("protect a route: %w", err)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked := &gate.Request{
				Authorization: r.Header.Values("Authorization"), RequestID: r.Header.Get("X-Request-ID"),
				Action: action, Type: resourceType,
				Subject: func() (string, error) { return g.options.Subject(r) },
				ID:      func() (string, error) { return id(r) },
			}
			if g.options.Tenant != nil {
				asked.Tenant = func() (string, error) { return g.options.Tenant(r) }
			}
			if len(attributes) > 0 {
				asked.Attributes = func() (map[string]any, error) { return attributes[0](r) }
			}
			decision, refusal := g.gate.Judge(r.Context(), asked)
			if refusal == nil {
				next.ServeHTTP(w, r.WithContext(client.WithDecision(r.Context(), decision)))
				return
			}
			for name, value := range refusal.Header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(refusal.Status)
			_, _ = w.Write(refusal.Body)
		})
	}, nil
}
