package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Config is what a [Server] is made of. Zero values take the defaults named.
type Config struct {
	// Title and Version head the OpenAPI document.
	Title, Version string
	// BodyLimit is the largest request body, in bytes. Default 1 MiB.
	BodyLimit int
	// TrustedProxies are the addresses and CIDR ranges of peers whose
	// X-Forwarded-For is believed. Default none. Entries that cannot be read
	// trust nobody and are logged; check them with [ParseProxies] before.
	TrustedProxies []string
	// Logger takes one line a request at level info, and failures. Default
	// discards.
	Logger *slog.Logger
	// Now is the clock. Default [time.Now].
	Now func() time.Time

	// RequestTimeout ends a call's context. Default 30 s; routes can set more.
	RequestTimeout time.Duration
	// ReadTimeout bounds the reading of a request, headers and body. Default
	// 30 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the writing of an answer, not the call. Default 60 s.
	WriteTimeout time.Duration
	// IdleTimeout closes an unused connection. Default 90 s.
	IdleTimeout time.Duration
	// ShutdownTimeout is how long [Server.Serve] waits for calls in flight once
	// its context ends. Default 20 s.
	ShutdownTimeout time.Duration
	// NoDocs leaves out /openapi.json, /openapi.yaml and /docs.
	NoDocs bool

	// Authenticate turns a bearer token, and the X-Tenant-ID header if there is
	// one, into a context that carries the identity. Its failures are faults.
	// Without it every call that needs a token fails.
	Authenticate func(ctx context.Context, bearer, tenantHeader string) (context.Context, error)
	// Authorize returns nil if the caller in ctx may do p, else a fault.
	// Without it every call that needs a permission is denied.
	Authorize func(ctx context.Context, p Permission) error
	// Admit is asked after Authenticate, and for public routes, whether the
	// caller is within its budgets. It returns nil or a fault and may set
	// headers with [SetHeader]. Default all are.
	Admit func(ctx context.Context, r Route) error
	// Charge is asked by [Charge] whether the call may count as n more than the
	// one that Admit counted. It returns nil or a fault. Default it may.
	Charge func(ctx context.Context, r Route, n int) error
	// Idempotency keeps the answers to creations that carry a key. Without it
	// keys are refused.
	Idempotency Idempotency
	// Observe is told of each request: the template of its route or
	// "unmatched", its method, its status and its duration.
	Observe func(route, method string, status int, d time.Duration)
}

func (c Config) withDefaults() Config {
	c.BodyLimit = orDefault(c.BodyLimit, 1<<20)
	c.RequestTimeout = orDefault(c.RequestTimeout, 30*time.Second)
	c.ReadTimeout = orDefault(c.ReadTimeout, 30*time.Second)
	c.WriteTimeout = orDefault(c.WriteTimeout, 60*time.Second)
	c.IdleTimeout = orDefault(c.IdleTimeout, 90*time.Second)
	c.ShutdownTimeout = orDefault(c.ShutdownTimeout, 20*time.Second)
	if c.Title == "" {
		c.Title = "Sentinel"
	}
	if c.Version == "" {
		c.Version = "0.0.0"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDefault[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}

// Server serves the registered routes. All routes are registered before it is
// first asked to serve; it panics on a later one, and on a declaration that is
// wrong, as both are errors of the program.
type Server struct {
	cfg      Config
	proxies  proxies
	app      *fiber.App
	api      huma.API
	registry *registry
	routes   []Route
	// large are the routes, as "POST /path", that read their body themselves.
	large map[string]bool
	// literal are the routes without parameters, by "POST /path".
	literal  map[string]*Route
	room     room
	mounts   []mount
	mounted  sync.Once
	open     connections
	sealed   bool
	inner    fasthttp.RequestHandler
	http     *fasthttp.Server
	document document
}

// New makes a server. It starts nothing.
func New(cfg Config) *Server {
	configureHuma()
	cfg = cfg.withDefaults()
	trusted, err := ParseProxies(cfg.TrustedProxies)
	if err != nil {
		cfg.Logger.Error("no proxy is trusted", "error", err)
	}
	s := &Server{cfg: cfg, proxies: trusted, registry: newRegistry(), large: map[string]bool{}, literal: map[string]*Route{}}
	s.app = fiber.New(fiber.Config{
		Immutable:             true,
		DisableStartupMessage: true,
		StrictRouting:         true,
		CaseSensitive:         true,
		BodyLimit:             cfg.BodyLimit,
		ReadTimeout:           cfg.ReadTimeout,
		WriteTimeout:          cfg.WriteTimeout,
		IdleTimeout:           cfg.IdleTimeout,
		ErrorHandler:          s.routingFailure,
	})
	s.api = humafiber.NewWithGroup(s.app, collector{Router: s.app, server: s}, s.humaConfig())
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.connectionFailure,
		Logger:                       quiet{},
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		MaxRequestBodySize:           cfg.BodyLimit,
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  cfg.ReadTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		CloseOnShutdown:              true,
		ConnState:                    s.open.state,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
	}
	return s
}

// quiet drops what fasthttp would log: it may hold parts of requests.
type quiet struct{}

// Printf drops a line.
func (quiet) Printf(string, ...any) {}

// Section begins a group of routes that share a tag in the document.
func (s *Server) Section(tag, description string) *Section {
	s.api.OpenAPI().Tags = append(s.api.OpenAPI().Tags, &huma.Tag{Name: tag, Description: description})
	s.registry.learnWord(tag)
	return &Section{server: s, tag: tag}
}

// Routes returns every registered route, in the order of registration.
func (s *Server) Routes() []Route { return append([]Route(nil), s.routes...) }

// Fiber returns the router with all routes mounted. Requests do not enter
// through it, but through [Server.Handler], which puts the checks in front.
func (s *Server) Fiber() *fiber.App {
	s.mount()
	return s.app
}

// Handler returns the whole server as a fasthttp handler.
func (s *Server) Handler() fasthttp.RequestHandler {
	s.mount()
	return s.handle
}

// Listen is [Server.Serve] on a TCP address.
func (s *Server) Listen(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return s.Serve(ctx, ln)
}

// Serve answers requests on ln until ctx ends, then lets those in flight
// finish, for at most the shutdown timeout. It closes ln. A server serves
// once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.mount()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	err := s.Shutdown(grace)
	// fasthttp overlooks a listener that it has not begun to accept on.
	_ = ln.Close()
	if served := <-served; err == nil {
		err = served
	}
	return err
}

// Shutdown stops accepting and returns when the requests in flight are
// answered, or with ctx's error when it ends first. Connections without a
// request are closed: idle ones at once, new ones after [headGrace].
func (s *Server) Shutdown(ctx context.Context) error {
	grace := headGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/2)
	}
	defer time.AfterFunc(grace, s.open.end).Stop()
	if err := s.http.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("shut down the HTTP server: %w", err)
	}
	return nil
}

// handle is the outermost step: recovery, the request's id, the size limit,
// the headers that every answer has, the access log.
func (s *Server) handle(fctx *fasthttp.RequestCtx) {
	if !s.open.begin(fctx.Conn()) {
		return
	}
	c := s.newCall(fctx)
	defer s.finish(fctx, c)
	defer func() {
		if p := recover(); p != nil {
			c.panicked = true
			s.cfg.Logger.Error("panic", "request_id", c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			fctx.Response.Reset()
			newFailure(c, fault.New(fault.Internal, "internal error")).write(fctx)
		}
	}()
	var err error
	if large := s.large[string(fctx.Method())+" "+string(fctx.Path())]; large {
		defer leaveBody(fctx)
	} else {
		err = readBody(fctx, s.cfg.BodyLimit)
	}
	if err != nil {
		c.route = s.literalRoute(fctx)
	}
	switch {
	case errors.Is(err, errTooLarge):
		newFailure(c, tooLarge(s.cfg.BodyLimit)).write(fctx)
	case err != nil:
		newFailure(c, fault.InvalidAt("body", "could not be read to its end")).write(fctx)
	case !isMethod(fctx.Method()):
		s.respond(fctx, c, http.StatusMethodNotAllowed, fault.New(fault.Validation, "This server does not know this method."))
	default:
		s.inner(fctx)
	}
}

// literalRoute finds the route of a request that has not been routed, nil where
// its path has parameters or leads nowhere.
func (s *Server) literalRoute(fctx *fasthttp.RequestCtx) *Route {
	return s.literal[string(fctx.Method())+" "+string(fctx.Path())]
}

func isMethod(method []byte) bool {
	switch string(method) {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// respond writes f with a status that its kind does not have.
func (s *Server) respond(fctx *fasthttp.RequestCtx, c *call, status int, f *fault.Error) {
	out := newFailure(c, f)
	out.status = status
	out.write(fctx)
}

// routingFailure answers what Fiber refuses: no route, or none for the method.
func (s *Server) routingFailure(fc *fiber.Ctx, err error) error {
	fctx := fc.Context()
	c, _ := fctx.UserValue(callKey{}).(*call)
	var fe *fiber.Error
	switch {
	case errors.As(err, &fe) && fe.Code == fiber.StatusMethodNotAllowed:
		allowed := string(fctx.Response.Header.Peek(fiber.HeaderAllow))
		s.respond(fctx, c, fe.Code, fault.New(fault.Validation, "This path does not take %s. It takes %s.", fc.Method(), allowed))
	case errors.As(err, &fe) && fe.Code == fiber.StatusNotFound:
		newFailure(c, fault.New(fault.NotFoundKind, "There is nothing at this path. /docs lists what there is.")).write(fctx)
	default:
		newFailure(c, err).write(fctx)
	}
	return nil
}

// connectionFailure answers what fasthttp cannot read as a request.
func (s *Server) connectionFailure(fctx *fasthttp.RequestCtx, err error) {
	c := s.newCall(fctx)
	defer s.finish(fctx, c)
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		drain(fctx.Conn())
		s.respond(fctx, c, http.StatusRequestHeaderFieldsTooLarge, fault.New(fault.PayloadTooLarge, "The headers are larger than this server accepts."))
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		newFailure(c, tooLarge(s.cfg.BodyLimit)).write(fctx)
	case errors.As(err, &timeout) && timeout.Timeout():
		s.respond(fctx, c, http.StatusRequestTimeout, fault.New(fault.Validation, "The request did not arrive in time."))
	default:
		newFailure(c, fault.New(fault.Validation, "This is not a valid HTTP request.")).write(fctx)
	}
}

// drain reads what the client has sent already: closing on unread bytes would
// reset the connection before the client has read the answer.
func drain(conn net.Conn) {
	if conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	}
}

// finish adds the common headers, logs and observes.
func (s *Server) finish(fctx *fasthttp.RequestCtx, c *call) {
	h := &fctx.Response.Header
	h.Set("X-Request-ID", orDefault(c.echo, c.id))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	for name, value := range c.header {
		h.Set(name, value)
	}
	if len(h.Peek("Content-Security-Policy")) == 0 {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
	if len(h.Peek("Cache-Control")) == 0 {
		h.Set("Cache-Control", "no-store")
	}
	route := "unmatched"
	if c.route != nil {
		route = c.route.FullPath()
	}
	status, took := fctx.Response.StatusCode(), s.cfg.Now().Sub(c.start)
	method := string(fctx.Method())
	if !isMethod(fctx.Method()) {
		method = "other"
	}
	if s.cfg.Observe != nil {
		s.cfg.Observe(route, method, status, took)
	}
	s.log(c, route, method, status, took)
}

func (s *Server) log(c *call, route, method string, status int, took time.Duration) {
	attrs := []any{
		"method", method, "route", route, "status", status,
		"duration_ms", float64(took.Microseconds()) / 1000, "request_id", c.id,
	}
	if c.echo != "" && c.echo != c.id {
		attrs = append(attrs, "sent_request_id", c.echo)
	}
	if c.principal != nil {
		attrs = append(attrs, "principal", c.principal.UserID, "tenant", c.tenant)
	}
	var f *fault.Error
	if status >= http.StatusInternalServerError && !c.panicked && errors.As(c.cause, &f) {
		s.cfg.Logger.Error("request failed", "request_id", c.id, "route", route, "status", status, "error", strings.TrimSpace(f.Error()))
	}
	level := slog.LevelInfo
	if c.route != nil && c.route.Quiet && status < http.StatusInternalServerError {
		level = slog.LevelDebug
	}
	s.cfg.Logger.Log(c.ctx, level, "request", attrs...)
}
