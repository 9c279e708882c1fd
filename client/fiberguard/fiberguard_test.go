package fiberguard_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/fiberguard"
	"github.com/sentinel-access/sentinel/client/internal/live"
)

// site is an application whose handler counts the requests that reach it.
type site struct {
	listener *fasthttputil.InmemoryListener
	client   *fasthttp.HostClient
	reached  atomic.Int64
	saw      atomic.Value
}

func newSite(t *testing.T, g *fiberguard.Guard, config fiber.Config, attributes ...fiberguard.Attributes) *site {
	t.Helper()
	config.DisableStartupMessage = true
	s := &site{listener: fasthttputil.NewInmemoryListener()}
	app := fiber.New(config)
	handler := func(c *fiber.Ctx) error {
		s.reached.Add(1)
		s.saw.Store(strings.Clone(c.Params("id")))
		return c.SendStatus(http.StatusOK)
	}
	app.Get("/invoices/:id", g.Protect("read", "invoice", fiberguard.Param("id")), handler)
	app.Get("/files/:id?", g.Protect("read", "invoice", fiberguard.Param("id")), handler)
	app.Get("/unnamed", g.Protect("read", "invoice", fiberguard.Param("id")), handler)
	app.Post("/invoices", g.Protect("create", "invoice", fiberguard.NoID), handler)
	if len(attributes) > 0 {
		app.Get("/drafts/:id", g.Protect("read", "draft", fiberguard.Param("id"), attributes...), handler)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(s.listener) }()
	s.client = &fasthttp.HostClient{Addr: "site", Dial: func(string) (net.Conn, error) { return s.listener.Dial() }}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		require.NoError(t, app.Shutdown())
		require.NoError(t, <-served)
	})
	return s
}

type reply struct {
	status int
	header map[string]string
	Error  struct {
		Code    string         `json:"code"`
		Details map[string]any `json:"details"`
	} `json:"error"`
	Meta struct {
		RequestID string `json:"request_id"`
	} `json:"meta"`
}

// call requests a path, which is sent as it is written.
func (s *site) call(method, path string, header ...string) (*reply, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(method)
	req.URI().DisablePathNormalizing = true
	req.SetRequestURI("http://site" + path)
	req.URI().DisablePathNormalizing = true
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if err := s.client.Do(req, resp); err != nil {
		return nil, err
	}
	r := &reply{status: resp.StatusCode(), header: map[string]string{}}
	for key, value := range resp.Header.All() {
		r.header[string(key)] = string(value)
	}
	if strings.HasPrefix(r.header["Content-Type"], "application/json") {
		return r, json.Unmarshal(resp.Body(), r)
	}
	return r, nil
}

func (s *site) get(t *testing.T, path, token string) *reply {
	t.Helper()
	r, err := s.call(http.MethodGet, path, "Authorization", "Bearer "+token)
	require.NoError(t, err)
	return r
}

func passing(t *testing.T, url string, o fiberguard.Options) *fiberguard.Guard {
	t.Helper()
	c, err := client.New(url, client.Options{Retries: -1})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	g, err := fiberguard.New(c, o)
	require.NoError(t, err)
	return g
}

func naming(t *testing.T, w *live.World) *fiberguard.Guard {
	t.Helper()
	c, err := client.New(server.URL, client.Options{Key: w.Key})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	g, err := fiberguard.New(c, fiberguard.Options{Subject: func(c *fiber.Ctx) (string, error) {
		if c.Get("X-User") == "broken" {
			return w.Ann.ID.String(), errors.New("the session store is away")
		}
		return c.Get("X-User"), nil
	}})
	require.NoError(t, err)
	return g
}

func TestProtect_AsksForTheCaller(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, fiberguard.Options{}), fiber.Config{})
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/4711", w.Ann.Token).status)
	created, err := s.call(http.MethodPost, "/invoices", "Authorization", "Bearer "+w.Ann.Token)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, created.status)

	denied := s.get(t, "/invoices/4711", w.Ben.Token)
	require.Equal(t, http.StatusForbidden, denied.status)
	require.Equal(t, "PERMISSION_DENIED", denied.Error.Code)
	require.Equal(t, "no_matching_permission", denied.Error.Details["reason_code"])
	require.NotEmpty(t, denied.Error.Details["decision_id"])
	require.NotEmpty(t, denied.Meta.RequestID)
	require.Equal(t, denied.Meta.RequestID, denied.header["X-Request-Id"])

	w.Revoke(t)
	require.Equal(t, http.StatusForbidden, s.get(t, "/invoices/4711", w.Ann.Token).status, "the next request after a revocation")
	require.EqualValues(t, 2, s.reached.Load())
}

func TestProtect_NobodyGetsThrough(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, fiberguard.Options{}), fiber.Config{})
	for name, header := range map[string][]string{
		"no token":            nil,
		"no scheme":           {"Authorization", w.Ann.Token},
		"an empty token":      {"Authorization", "Bearer "},
		"two headers":         {"Authorization", "Bearer " + w.Ann.Token, "Authorization", "Bearer " + w.Ben.Token},
		"a token that is not": {"Authorization", "Bearer abc"},
	} {
		r, err := s.call(http.MethodGet, "/invoices/4711", header...)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusUnauthorized, r.status, name)
		require.Equal(t, "Bearer", r.header["Www-Authenticate"], name)
	}
	require.Zero(t, s.reached.Load())
}

// TestProtect_AsksAboutWhatTheHandlerSees sends ids that can be read in more
// than one way, to an application that decodes parameters and to one that leaves
// that to its handlers.
func TestProtect_AsksAboutWhatTheHandlerSees(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	g := passing(t, server.URL, fiberguard.Options{})
	raw, decoded := newSite(t, g, fiber.Config{}), newSite(t, g, fiber.Config{UnescapePath: true})
	for path, saw := range map[string]string{ // what the decoding site lets through, "" for nothing
		"/invoices/a%20b":           "a b",
		"/invoices/%73ecret":        "", // the deny on "secret", written otherwise
		"/invoices/..":              "",
		"/invoices/%2e%2e":          "",
		"/invoices/..%2Fsecret":     "",
		"/invoices/a%2F..%2Fsecret": "",
		"/invoices/*":               "",
		"/invoices/%2A":             "",
		"/invoices/%00":             "",
		"/invoices/secret%00":       "",
		"/invoices/a%5Cb":           "",
		"/invoices/%ff":             "",
		"/files/":                   "", // the parameter is optional and not there
		"/unnamed":                  "", // a route without the parameter
	} {
		before := raw.reached.Load()
		r := raw.get(t, path, w.Ann.Token)
		require.Contains(t, []int{403, 404}, r.status, path)
		require.Equal(t, before, raw.reached.Load(), path)

		before = decoded.reached.Load()
		r = decoded.get(t, path, w.Ann.Token)
		if saw == "" {
			require.Contains(t, []int{403, 404}, r.status, path)
			require.Equal(t, before, decoded.reached.Load(), path)
			continue
		}
		require.Equal(t, http.StatusOK, r.status, path)
		require.Equal(t, saw, decoded.saw.Load(), path)
	}
}

func TestProtect_AsksAboutTheNamedUser(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, naming(t, w), fiber.Config{}, func(c *fiber.Ctx) (map[string]any, error) {
		if c.Params("id") == "lost" {
			return nil, errors.New("no such draft")
		}
		return map[string]any{"owner": c.Get("X-Owner")}, nil
	})
	for name, c := range map[string]struct {
		path, user, owner string
		status            int
	}{
		"allowed":               {"/invoices/1", w.Ann.ID.String(), "", 200},
		"denied":                {"/invoices/1", w.Ben.ID.String(), "", 403},
		"nobody":                {"/invoices/1", "", "", 401},
		"a subject that fails":  {"/invoices/1", "broken", "", 401},
		"attributes that fit":   {"/drafts/1", w.Ann.ID.String(), "ann", 200},
		"attributes that don't": {"/drafts/1", w.Ann.ID.String(), "ben", 403},
		"attributes that fail":  {"/drafts/lost", w.Ann.ID.String(), "ann", 403},
	} {
		before := s.reached.Load()
		r, err := s.call(http.MethodGet, c.path, "X-User", c.user, "X-Owner", c.owner)
		require.NoError(t, err, name)
		require.Equal(t, c.status, r.status, name)
		require.Equal(t, c.status == 200, s.reached.Load() > before, name)
	}
}

func TestProtect_HoldsTokensToATenant(t *testing.T) {
	t.Parallel()
	here, elsewhere := server.World(t), server.World(t)
	s := newSite(t, passing(t, server.URL, fiberguard.Options{Tenant: func(*fiber.Ctx) (string, error) { return here.Tenant.String(), nil }}), fiber.Config{})
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/1", here.Ann.Token).status)
	require.Equal(t, http.StatusForbidden, s.get(t, "/invoices/1", elsewhere.Ann.Token).status)
	require.EqualValues(t, 1, s.reached.Load())
}

func TestProtect_IsClosedWhileSentinelIsGone(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	front := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	s := newSite(t, passing(t, front.URL, fiberguard.Options{}), fiber.Config{})
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/1", w.Ann.Token).status)
	front.CloseClientConnections()
	front.Close()
	r := s.get(t, "/invoices/1", w.Ann.Token)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "SERVICE_UNAVAILABLE", r.Error.Code)
	require.EqualValues(t, 1, s.reached.Load())
}

func TestProtect_ServesManyAtOnce(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, fiberguard.Options{}), fiber.Config{})
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			want, token := http.StatusOK, w.Ann.Token
			if i%2 == 1 {
				want, token = http.StatusForbidden, w.Ben.Token
			}
			r, err := s.call(http.MethodGet, "/invoices/1", "Authorization", "Bearer "+token)
			if err != nil || r.status != want {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 30, s.reached.Load())
}

func TestRoute_RefusesAtTheStartWhatCanNeverBeAsked(t *testing.T) {
	t.Parallel()
	g := passing(t, server.URL, fiberguard.Options{})
	for name, c := range map[string]struct {
		action, typ string
		id          fiberguard.Value
	}{
		"an action":        {"read it", "invoice", fiberguard.NoID},
		"a type":           {"read", "Invoice", fiberguard.NoID},
		"an id is missing": {"read", "invoice", nil},
	} {
		_, err := g.Route(c.action, c.typ, c.id)
		require.Error(t, err, name)
		require.Panics(t, func() { g.Protect(c.action, c.typ, c.id) }, name)
	}
	_, err := fiberguard.New(nil, fiberguard.Options{})
	require.Error(t, err)
}
