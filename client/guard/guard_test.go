package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/guard"
	"github.com/sentinel-access/sentinel/client/internal/live"
)

// site is an application whose handler counts the requests that reach it.
type site struct {
	*httptest.Server
	reached atomic.Int64
	saw     atomic.Value
}

// newSite protects GET /invoices/{id} and POST /invoices.
func newSite(t *testing.T, g *guard.Guard, attributes ...guard.Attributes) *site {
	t.Helper()
	s := &site{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reached.Add(1)
		s.saw.Store(r.PathValue("id"))
		w.WriteHeader(http.StatusOK)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /invoices/{id}", g.Protect("read", "invoice", client.PathValue("id"))(handler))
	mux.Handle("GET /files/{id...}", g.Protect("read", "invoice", client.PathValue("id"))(handler))
	mux.Handle("GET /unnamed", g.Protect("read", "invoice", client.PathValue("id"))(handler))
	mux.Handle("POST /invoices", g.Protect("create", "invoice", client.NoID)(handler))
	if len(attributes) > 0 {
		mux.Handle("GET /drafts/{id}", g.Protect("read", "draft", client.PathValue("id"), attributes...)(handler))
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

type reply struct {
	status int
	header http.Header
	Error  struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	} `json:"error"`
	Meta struct {
		RequestID string `json:"request_id"`
	} `json:"meta"`
}

// call requests a path, which is sent as it is written.
func (s *site) call(ctx context.Context, method, path string, header http.Header) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.URL.Opaque = strings.TrimPrefix(s.URL, "http:") + path
	req.Header = header.Clone()
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode >= 400 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(raw, r)
	}
	return r, err
}

func (s *site) get(t *testing.T, path, token string) *reply {
	t.Helper()
	r, err := s.call(t.Context(), http.MethodGet, path, bearer(token))
	require.NoError(t, err)
	return r
}

func bearer(token string) http.Header {
	if token == "" {
		return http.Header{}
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// passing is a guard that lets callers ask for themselves.
func passing(t *testing.T, url string, o guard.Options) *guard.Guard {
	t.Helper()
	c, err := client.New(url, client.Options{Retries: -1})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	g, err := guard.New(c, o)
	require.NoError(t, err)
	return g
}

// naming is a guard that asks about the user that a header names.
func naming(t *testing.T, w *live.World) *guard.Guard {
	t.Helper()
	c, err := client.New(server.URL, client.Options{Key: w.Key})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	g, err := guard.New(c, guard.Options{Subject: func(r *http.Request) (string, error) {
		if r.Header.Get("X-User") == "broken" {
			return w.Ann.ID.String(), errors.New("the session store is away")
		}
		return r.Header.Get("X-User"), nil
	}})
	require.NoError(t, err)
	return g
}

func TestProtect_AsksForTheCaller(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, guard.Options{}))

	require.Equal(t, http.StatusOK, s.get(t, "/invoices/4711", w.Ann.Token).status)
	created, err := s.call(t.Context(), http.MethodPost, "/invoices", bearer(w.Ann.Token))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, created.status)
	require.EqualValues(t, 2, s.reached.Load())

	denied := s.get(t, "/invoices/4711", w.Ben.Token)
	require.Equal(t, http.StatusForbidden, denied.status)
	require.Equal(t, "PERMISSION_DENIED", denied.Error.Code)
	require.Equal(t, "no_matching_permission", denied.Error.Details["reason_code"])
	require.NotEmpty(t, denied.Error.Details["decision_id"])
	require.NotEmpty(t, denied.Meta.RequestID)
	require.Equal(t, denied.Meta.RequestID, denied.header.Get("X-Request-ID"))
	require.NotContains(t, denied.Error.Message, "role", "a caller is not told of roles")
	require.Equal(t, "explicit_deny", s.get(t, "/invoices/secret", w.Ann.Token).Error.Details["reason_code"])

	w.Revoke(t)
	require.Equal(t, http.StatusForbidden, s.get(t, "/invoices/4711", w.Ann.Token).status, "the next request after a revocation")
	require.EqualValues(t, 2, s.reached.Load())
}

func TestProtect_NobodyGetsThrough(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, guard.Options{}))
	for name, header := range map[string]http.Header{
		"no token":            {},
		"an empty header":     {"Authorization": {""}},
		"no scheme":           {"Authorization": {w.Ann.Token}},
		"another scheme":      {"Authorization": {"Basic " + w.Ann.Token}},
		"an empty token":      {"Authorization": {"Bearer "}},
		"two headers":         {"Authorization": {"Bearer " + w.Ann.Token, "Bearer " + w.Ben.Token}},
		"two tokens":          {"Authorization": {"Bearer " + w.Ann.Token + ", " + w.Ben.Token}},
		"a token that is not": {"Authorization": {"Bearer abc"}},
		"a token that is cut": {"Authorization": {"Bearer " + w.Ann.Token[:len(w.Ann.Token)-4]}},
	} {
		r, err := s.call(t.Context(), http.MethodGet, "/invoices/4711", header)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusUnauthorized, r.status, name)
		require.Equal(t, "AUTHENTICATION_REQUIRED", r.Error.Code, name)
		require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"), name)
	}
	_, err := w.Calls.AuthLogoutWithResponse(client.WithToken(t.Context(), w.Ann.Token))
	require.NoError(t, err)
	r := s.get(t, "/invoices/4711", w.Ann.Token)
	require.Equal(t, http.StatusUnauthorized, r.status, "a session that ended")
	require.Equal(t, "TOKEN_REVOKED", r.Error.Code)
	require.Zero(t, s.reached.Load())
}

// TestProtect_AsksAboutWhatTheHandlerSees sends ids that can be read in more
// than one way. The handler must only ever see the very id that was decided.
func TestProtect_AsksAboutWhatTheHandlerSees(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, passing(t, server.URL, guard.Options{}))
	for path, want := range map[string]struct {
		status int
		saw    string
	}{
		"/invoices/a%20b":           {200, "a b"},
		"/invoices/%73ecret":        {403, ""}, // the deny on "secret", written otherwise
		"/invoices/a%2Fb":           {200, "a/b"},
		"/invoices/..":              {301, ""}, // ServeMux itself: to a clean path
		"/invoices/%2e%2e":          {403, ""},
		"/invoices/..%2Fsecret":     {403, ""},
		"/invoices/a%2F..%2Fsecret": {403, ""},
		"/invoices/*":               {403, ""},
		"/invoices/%2A":             {403, ""},
		"/invoices/%00":             {403, ""},
		"/invoices/secret%00":       {403, ""},
		"/invoices/a%5Cb":           {403, ""},
		"/invoices/%ff":             {403, ""},
		"/invoices/%0A":             {403, ""},
		"/files/":                   {403, ""}, // the wildcard matches nothing
		"/unnamed":                  {403, ""}, // a route without the wildcard
		"/invoices/%252e%252e":      {200, "%2e%2e"},
	} {
		before := s.reached.Load()
		r := s.get(t, path, w.Ann.Token)
		if want.status == 301 {
			require.Contains(t, []int{301, 307, 308, 400, 404}, r.status, path)
			require.Equal(t, before, s.reached.Load(), path)
			continue
		}
		require.Equal(t, want.status, r.status, "%s: %+v", path, r.Error)
		if want.status == 200 {
			require.Equal(t, want.saw, s.saw.Load(), path)
			continue
		}
		require.Equal(t, before, s.reached.Load(), path)
		require.Contains(t, []any{"not_evaluated", "explicit_deny"}, r.Error.Details["reason_code"], path)
	}
}

func TestProtect_AsksAboutTheNamedUser(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	s := newSite(t, naming(t, w), func(r *http.Request) (map[string]any, error) {
		if r.PathValue("id") == "lost" {
			return nil, errors.New("no such draft")
		}
		return map[string]any{"owner": r.Header.Get("X-Owner")}, nil
	})
	for name, c := range map[string]struct {
		path, user, owner string
		status            int
		code              string
	}{
		"allowed":               {"/invoices/1", w.Ann.ID.String(), "", 200, ""},
		"denied":                {"/invoices/1", w.Ben.ID.String(), "", 403, "no_matching_permission"},
		"nobody":                {"/invoices/1", "", "", 401, ""},
		"a subject that fails":  {"/invoices/1", "broken", "", 401, ""},
		"unknown":               {"/invoices/1", uuid.NewString(), "", 403, "subject_unknown"},
		"no id at all":          {"/invoices/1", "ann", "", 503, ""},
		"attributes that fit":   {"/drafts/1", w.Ann.ID.String(), "ann", 200, ""},
		"attributes that don't": {"/drafts/1", w.Ann.ID.String(), "ben", 403, "condition_failed"},
		"attributes that fail":  {"/drafts/lost", w.Ann.ID.String(), "ann", 403, "not_evaluated"},
	} {
		before := s.reached.Load()
		r, err := s.call(t.Context(), http.MethodGet, c.path, http.Header{"X-User": {c.user}, "X-Owner": {c.owner}})
		require.NoError(t, err, name)
		require.Equal(t, c.status, r.status, "%s: %+v", name, r.Error)
		require.Equal(t, c.status == 200, s.reached.Load() > before, name)
		if c.code != "" {
			require.Equal(t, c.code, r.Error.Details["reason_code"], name)
		}
	}
	// The application's own account is not the caller's to mend.
	_, err := w.Calls.DeleteServiceAccountWithResponse(w.Admin, w.Robot, nil)
	require.NoError(t, err)
	r, err := s.call(t.Context(), http.MethodGet, "/invoices/1", http.Header{"X-User": {w.Ann.ID.String()}})
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Empty(t, r.header.Get("WWW-Authenticate"))
}

// TestProtect_HoldsTokensToATenant: a token of another tenant, where its account
// may do what is asked, opens nothing here.
func TestProtect_HoldsTokensToATenant(t *testing.T) {
	t.Parallel()
	here, elsewhere := server.World(t), server.World(t)
	tenant := here.Tenant.String()
	s := newSite(t, passing(t, server.URL, guard.Options{Tenant: func(r *http.Request) (string, error) {
		if r.Header.Get("X-Broken") != "" {
			return tenant, errors.New("no tenant")
		}
		return tenant, nil
	}}))
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/1", here.Ann.Token).status)
	before := s.reached.Load()
	require.Equal(t, http.StatusForbidden, s.get(t, "/invoices/1", elsewhere.Ann.Token).status)
	header := bearer(here.Ann.Token)
	header.Set("X-Broken", "1")
	r, err := s.call(t.Context(), http.MethodGet, "/invoices/1", header)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, before, s.reached.Load())
}

func TestProtect_IsClosedWhileSentinelIsGone(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	front := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	s := newSite(t, passing(t, front.URL, guard.Options{}))
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/1", w.Ann.Token).status)
	front.CloseClientConnections()
	front.Close()
	r := s.get(t, "/invoices/1", w.Ann.Token)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "SERVICE_UNAVAILABLE", r.Error.Code)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.EqualValues(t, 1, s.reached.Load())
}

// TestProtect_IsClosedWhereSentinelIsNot: something else answers, or something in
// between, with whatever status.
func TestProtect_IsClosedWhereSentinelIsNot(t *testing.T) {
	t.Parallel()
	for answered, want := range map[int]int{200: 503, 204: 503, 302: 503, 400: 403, 401: 503, 403: 503, 404: 503, 429: 503, 500: 503, 502: 503} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(answered)
			_, _ = io.WriteString(w, `{"allowed":true,"error":null}`)
		}))
		s := newSite(t, passing(t, other.URL, guard.Options{}))
		require.Equal(t, want, s.get(t, "/invoices/1", "abc").status, answered)
		require.Zero(t, s.reached.Load())
		other.Close()
	}
}

// TestProtect_IsClosedWhileSentinelHangs waits no longer than the timeout.
func TestProtect_IsClosedWhileSentinelHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hang) })
	s := newSite(t, passing(t, silent.URL, guard.Options{Timeout: 1}))
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/invoices/1", "abc").status)
	require.Zero(t, s.reached.Load())
}

func TestProtect_ServesManyAtOnce(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	own, named := newSite(t, passing(t, server.URL, guard.Options{})), newSite(t, naming(t, w))
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			want, who := http.StatusOK, w.Ann
			if i%2 == 1 {
				want, who = http.StatusForbidden, w.Ben
			}
			r, err := own.call(t.Context(), http.MethodGet, "/invoices/1", bearer(who.Token))
			if err != nil || r.status != want {
				t.Errorf("own: got %+v, %v", r, err)
			}
			r, err = named.call(t.Context(), http.MethodGet, "/invoices/1", http.Header{"X-User": {who.ID.String()}})
			if err != nil || r.status != want {
				t.Errorf("named: got %+v, %v", r, err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 30, own.reached.Load())
	require.EqualValues(t, 30, named.reached.Load())
}

func TestRoute_RefusesAtTheStartWhatCanNeverBeAsked(t *testing.T) {
	t.Parallel()
	g := passing(t, server.URL, guard.Options{})
	value := client.PathValue("id")
	attributes := func(*http.Request) (map[string]any, error) { return nil, nil }
	for name, c := range map[string]struct {
		action, typ string
		id          client.Value
		attributes  []guard.Attributes
		says        string
	}{
		"no action":          {"", "invoice", value, nil, "action"},
		"every action":       {"*", "invoice", value, nil, "action"},
		"an action in words": {"read it", "invoice", value, nil, "action"},
		"no type":            {"read", "", value, nil, "resource type"},
		"a type in capitals": {"read", "Invoice", value, nil, "resource type"},
		"a pattern":          {"read", "invoice/*", value, nil, "resource type"},
		"a line more":        {"read", "invoice\n", value, nil, "resource type"},
		"no id":              {"read", "invoice", nil, nil, "NoID"},
		"attributes of none": {"read", "invoice", value, []guard.Attributes{attributes}, "Subject"},
		"attributes twice":   {"read", "invoice", value, []guard.Attributes{attributes, attributes}, "at most one"},
	} {
		_, err := g.Route(c.action, c.typ, c.id, c.attributes...)
		require.ErrorContains(t, err, c.says, name)
		require.Panics(t, func() { g.Protect(c.action, c.typ, c.id, c.attributes...) }, name)
	}
}

func TestNew_RefusesAClientThatCannotAsk(t *testing.T) {
	t.Parallel()
	_, err := guard.New(nil, guard.Options{})
	require.ErrorContains(t, err, "client.New")
	c, err := client.New(server.URL, client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = guard.New(c, guard.Options{Subject: func(*http.Request) (string, error) { return "", nil }})
	require.ErrorContains(t, err, "Key")
}
