// Package fiberguard protects routes of Fiber with Sentinel:
//
//	app.Get("/invoices/:id", guard.Protect("read", "invoice", fiberguard.Param("id")), handler)
//
// Nothing gets through without a decision that allows it. A request without a
// subject is answered with 401, one that is denied with 403 and the reason code,
// one that needs an approval with 403 and the chain, and with 503 while Sentinel
// cannot be asked. A handler finds what is demanded of it, and the fields that it
// may show, with [client.DecisionFrom].
package fiberguard

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

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
	Subject func(*fiber.Ctx) (string, error)
	// Tenant returns the id of the tenant that the resource of a request is in. A
	// token of another tenant is then denied. A request for which it fails is
	// denied too. Default: the tenant of the account that asks, so a handler looks
	// for the resource among those of that tenant only.
	Tenant func(*fiber.Ctx) (string, error)
	// Obligations reports whether the handlers do what an obligation says, judged by
	// its type for instance; they find it with [client.DecisionFrom]. An answer with
	// one that nobody fulfils is denied. Default: none is fulfilled.
	Obligations func(client.Obligation) bool
	// Timeout bounds a decision. Default 3 s.
	Timeout time.Duration
}

// Value takes the id of the resource out of a request. An empty id without an
// error asks about the type as a whole; see [NoID].
type Value func(*fiber.Ctx) (string, error)

// Attributes return what the application knows of the resource that a request is
// about, for permissions with conditions. A request for which they fail is
// denied.
type Attributes func(*fiber.Ctx) (map[string]any, error)

// errEncoded is a parameter that the handler can read in two ways.
var errEncoded = errors.New("the parameter is percent-encoded: set UnescapePath in the application's fiber.Config")

// Param is the parameter of that name in the route. A request without it is
// denied. So is one that writes it with percent-encoding, unless the application
// sets UnescapePath: Fiber hands such a parameter on as it is written, and a
// handler that decodes it would act on another id than the one asked about.
func Param(name string) Value {
	return func(c *fiber.Ctx) (string, error) {
		id := strings.Clone(c.Params(name)) // Fiber uses its memory again
		switch {
		case id == "":
			return "", fmt.Errorf("parameter %q: %w", name, client.ErrNoValue)
		case strings.Contains(id, "%") && !c.App().Config().UnescapePath:
			return "", fmt.Errorf("parameter %q: %w", name, errEncoded)
		}
		return id, nil
	}
}

// NoID asks about the type of the resource as a whole, as before a create.
func NoID(*fiber.Ctx) (string, error) { return "", nil }

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

// Protect is [Guard.Route] for declarations: it panics where that fails, so that
// the mistake shows when the application starts.
func (g *Guard) Protect(action, resourceType string, id Value, attributes ...Attributes) fiber.Handler {
	protect, err := g.Route(action, resourceType, id, attributes...)
	if err != nil {
		panic(err) //nolint:forbidigo // an error of the program, found at its start
	}
	return protect
}

// Route returns a handler that calls the next one if the request's subject may
// do action on the resource with that id. It fails if the action or the type can
// never be asked about, without an id, and with attributes that the server would
// not believe.
func (g *Guard) Route(action, resourceType string, id Value, attributes ...Attributes) (fiber.Handler, error) {
	if err := g.gate.CheckRoute(action, resourceType, id != nil, len(attributes)); err != nil {
		return nil, fmt.Errorf("protect a route: %w", err)
	}
	return func(c *fiber.Ctx) error {
		asked := &gate.Request{
			RequestID: strings.Clone(c.Get("X-Request-ID")), Action: action, Type: resourceType,
			Subject: func() (string, error) {
				user, err := g.options.Subject(c)
				return strings.Clone(user), err
			},
			ID: func() (string, error) { return id(c) },
		}
		for _, value := range c.Request().Header.PeekAll(fiber.HeaderAuthorization) {
			asked.Authorization = append(asked.Authorization, string(value))
		}
		if g.options.Tenant != nil {
			asked.Tenant = func() (string, error) {
				tenant, err := g.options.Tenant(c)
				return strings.Clone(tenant), err
			}
		}
		if len(attributes) > 0 {
			asked.Attributes = func() (map[string]any, error) { return attributes[0](c) }
		}
		decision, refusal := g.gate.Judge(c.UserContext(), asked)
		if refusal == nil {
			c.SetUserContext(client.WithDecision(c.UserContext(), decision))
			return c.Next()
		}
		for name, value := range refusal.Header {
			c.Set(name, value)
		}
		return c.Status(refusal.Status).Send(refusal.Body)
	}, nil
}
