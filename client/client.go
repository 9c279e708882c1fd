package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// idleConns is how many connections are kept for the next calls. All go to one
// server, for which net/http keeps two.
const idleConns = 64

// Options say how to call the server. Zero values take the defaults named.
type Options struct {
	// Key is a service account's API key. The client exchanges it for access
	// tokens and renews them in time. Without a key only calls whose context
	// carries a token ([WithToken]), and public ones, succeed.
	Key string
	// Timeout bounds a call from its first try to the last byte of its answer.
	// Default 10 s.
	Timeout time.Duration
	// Retries is how often a call is made again that the server refused for the
	// moment: with 429, and with 503 if nothing is written twice by it. Negative
	// is never. Default 2.
	Retries int
	// MaxWait is the longest pause before a retry. A server that asks for more in
	// Retry-After is not asked again. Default 2 s.
	MaxWait time.Duration
	// HTTP makes the requests, for certificates and proxies of one's own. It
	// follows no redirects unless it says how: a decision comes from the server
	// that was named. Default: the default transport, which keeps 64
	// connections to the server.
	HTTP *http.Client
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 2
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 2 * time.Second
	}
	hc := http.Client{}
	if o.HTTP != nil {
		hc = *o.HTTP
	} else if shared, ok := http.DefaultTransport.(*http.Transport); ok {
		own := shared.Clone()
		own.MaxIdleConnsPerHost = idleConns
		hc.Transport = own
	}
	if hc.CheckRedirect == nil {
		hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	o.HTTP = &hc
	return o
}

// Client makes the calls of one server. It is safe for concurrent use, and holds
// connections: an application makes one and shares it.
type Client struct {
	*ClientWithResponses
	http *http.Client
	// hasKey is set if the client has an account of its own to ask with.
	hasKey bool
}

// New makes a client of the server at address, such as
// "https://sentinel.example". It calls nobody yet. It fails if the address is
// not one of a server.
func New(address string, o Options) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the server's address must be like https://sentinel.example, without a user, query or fragment")
	}
	o = o.withDefaults()
	t := &transport{options: o}
	calls, err := NewClientWithResponses(strings.TrimRight(address, "/"), WithHTTPClient(t))
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	if o.Key != "" {
		t.tokens = &tokens{timeout: o.Timeout, now: time.Now, fetch: exchange(calls, o.Key)}
	}
	return &Client{ClientWithResponses: calls, http: o.HTTP, hasKey: o.Key != ""}, nil
}

// HasKey reports whether the client has a service account's key, and so can ask
// about other subjects.
func (c *Client) HasKey() bool { return c.hasKey }

// Close gives the connections back that wait for further calls. Calls in flight
// go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

type contextKey int

const (
	tokenKey contextKey = iota
	tenantKey
	requestKey
)

// WithToken makes calls under ctx with an access token instead of the client's
// own account: a user's, to act and to ask as that user. An empty token is a
// call without one, never one by the client's account.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey, token)
}

// WithTenant makes calls under ctx in another tenant, by its id, for callers
// who may act there.
func WithTenant(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, tenantKey, id)
}

// WithRequestID names calls under ctx in the server's log and answers.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}
