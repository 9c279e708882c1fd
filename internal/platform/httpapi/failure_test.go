package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi/httpapitest"
)

const widgets = "/api/v1/widgets"

func TestGuard_AsksForTokenThenPermissionThenInput(t *testing.T) {
	f := setup(t)
	const broken = `{"name":`
	a := f.As("").Do("POST", widgets, broken).Want(401)
	require.Equal(t, "AUTHENTICATION_REQUIRED", a.Code())
	require.Equal(t, `Bearer realm="sentinel"`, a.Header.Get("WWW-Authenticate"))
	a = f.As("old").Do("POST", widgets, broken).Want(401)
	require.Equal(t, "TOKEN_EXPIRED", a.Code())
	require.Contains(t, a.Header.Get("WWW-Authenticate"), "invalid_token")
	a = f.As("weak").Do("POST", widgets+"?bogus=1", broken).Want(403)
	require.Equal(t, "PERMISSION_DENIED", a.Code())
	require.Contains(t, string(a.Body), `"required_permission":"api/widgets:create"`)
	f.Do("POST", widgets, broken).Want(400)
	f.As("").With("Content-Encoding", "gzip").Do("POST", widgets, broken).Want(401)
}

func TestGuard_RefusesMalformedAuthorization(t *testing.T) {
	f := setup(t)
	for _, header := range []string{"good", "Basic good", "Bearer", "Bearer ", "Bearer go od", "Bearer good\u00e9", "Bearer " + strings.Repeat("a", 9000)} {
		a := f.As("").With("Authorization", header).Do("GET", widgets, nil).Want(401)
		require.NotEmpty(t, a.Header.Get("WWW-Authenticate"), header)
	}
	f.As("").With("Authorization", "bearer good").Do("GET", widgets, nil).Want(200)
	two := f.As("")
	two.Header["Authorization"] = []string{"Bearer good", "Bearer good"}
	two.Do("GET", widgets, nil).Want(401)
}

func TestGuard_DeniesWithoutFunctionsAndKeepsBudgets(t *testing.T) {
	f := setup(t, func(c *httpapi.Config) { c.Authenticate = nil })
	f.Do("GET", widgets, nil).Want(401)
	f = setup(t, func(c *httpapi.Config) { c.Authorize = nil })
	f.Do("GET", widgets, nil).Want(403)
	f = setup(t, func(c *httpapi.Config) {
		c.Admit = func(ctx context.Context, r httpapi.Route) error {
			httpapi.SetHeader(ctx, "X-RateLimit-Remaining", "0")
			return fault.New(fault.RateLimited, "Slow: %s", r.FullPath())
		}
	})
	a := f.Do("GET", widgets, nil).Want(429)
	require.Equal(t, "0", a.Header.Get("X-RateLimit-Remaining"))
}

func TestBody_RefusesWhatIsNotStrict(t *testing.T) {
	f := setup(t)
	deep := strings.Repeat(`{"attributes":`, 10000)
	for body, paths := range map[string][]string{
		``:                                  {"body"},
		`null`:                              {"body"},
		`[]`:                                {"body"},
		`"x"`:                               {"body"},
		`{"name":"abc"} x`:                  {"body"},
		`{"name":"abc"}{}`:                  {"body"},
		"\xef\xbb\xbf{}":                    {"body"},
		`{}`:                                {"name"},
		`{"Name":"abc"}`:                    {"name", "Name"},
		`{"name":"abc","nmae":1}`:           {"nmae"},
		`{"name":"abc","name":"abd"}`:       {"name"},
		`{"name":"abc","n\u0061me":"abd"}`:  {"name"},
		`{"name":"a\u0000c"}`:               {"name"},
		`{"name":"a\ud800c"}`:               {"name"},
		"{\"name\":\"a\xffc\"}":             {"name"},
		"{\"name\":\"a\nc\"}":               {"name"},
		`{"name":null}`:                     {"name"},
		`{"name":1}`:                        {"name"},
		`{"name":"a","count":-1}`:           {"count", "name"},
		`{"name":"abc","count":1.5}`:        {"count"},
		`{"name":"abc","count":1e30}`:       {"count"},
		`{"name":"abc","count":1e999}`:      {"count"},
		`{"name":"abc","owner":"bob"}`:      {"owner"},
		`{"name":"abc","permissions":null}`: nil,
		`{"name":"abc","permissions":[{"type":"t","actions":["a"]},{"type":""},{"type":"t","actions":[1,2]}]}`: {
			"permissions[1].actions", "permissions[1].type", "permissions[2].actions[0]", "permissions[2].actions[1]",
		},
		`{"name":"abc","permissions":[{},{},{"actions":["a"],"actions":["b"]}]}`: {"permissions[2].actions"},
		`{"name":"abc","attributes":{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}}`:    {"attributes.a.b", "attributes.c[0].d"},
		deep: {strings.TrimPrefix(strings.Repeat(".attributes", 32), ".")},
	} {
		a := f.Do("POST", widgets, body)
		if paths == nil {
			a.Want(201)
			continue
		}
		a.Want(400)
		require.Equal(t, "VALIDATION_ERROR", a.Code(), body)
		require.ElementsMatch(t, paths, a.Paths(), "%s: %s", body, a.Body)
		require.NotContains(t, string(a.Body), "Go struct", body)
	}
}

func TestBody_RefusesMediaTypesAndEncodings(t *testing.T) {
	f := setup(t)
	const ok = `{"name":"abc"}`
	for _, kind := range []string{"text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "nonsense;;", "application/merge-patch+json"} {
		require.Equal(t, []string{"header.Content-Type"}, f.With("Content-Type", kind).Do("POST", widgets, ok).Want(400).Paths(), kind)
	}
	f.With("Content-Type", "application/json; charset=UTF-8").Do("POST", widgets, ok).Want(201)
	untyped := f.As(f.Token)
	untyped.Header["Content-Type"] = []string{""}
	untyped.Do("POST", widgets, ok)
	for _, encoding := range []string{"gzip", "deflate", "br", "gzip, gzip"} {
		require.Equal(t, []string{"header.Content-Encoding"}, f.With("Content-Encoding", encoding).Do("POST", widgets, zipped(t, ok)).Want(400).Paths())
	}
	f.With("Content-Encoding", "identity").Do("POST", widgets, ok).Want(201)
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestBody_UnzipsWithinTheLimitWhereDeclared(t *testing.T) {
	f := setup(t)
	gz := f.As("").With("Content-Encoding", "gzip")
	require.Equal(t, "2\n", string(gz.Do("POST", "/logs", zipped(t, `[{},{}]`)).Want(200).Body))
	require.Equal(t, "PAYLOAD_TOO_LARGE", gz.Do("POST", "/logs", zipped(t, `["`+strings.Repeat("a", 1<<20)+`"]`)).Want(413).Code())
	gz.Do("POST", "/logs", "not gzip").Want(400)
	gz.Do("POST", "/logs", zipped(t, `[{},{}]`)[:20]).Want(400)
	f.As("").Do("POST", "/logs", `["`+strings.Repeat("a", 1200)+`"]`).Want(413)
}

func TestBody_TooLargeIsAnswered(t *testing.T) {
	f := setup(t)
	big := `{"name":"` + strings.Repeat("a", 10<<20) + `"}`
	a := f.Do("POST", widgets, big).Want(413)
	require.Equal(t, "PAYLOAD_TOO_LARGE", a.Code())
	require.NotEmpty(t, a.Header.Get("X-Request-ID"))
	f.Do("POST", widgets, `{"name":"`+strings.Repeat("a", 1<<20-100)+`"}`).Want(400)

	req, err := http.NewRequestWithContext(t.Context(), "POST", f.URL+widgets, io.MultiReader(strings.NewReader(big)))
	require.NoError(t, err)
	req.ContentLength = -1 // chunked
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 413, res.StatusCode)
}

func TestQuery_RefusesWhatItDoesNotKnow(t *testing.T) {
	f := setup(t)
	for query, paths := range map[string][]string{
		"bogus=1":              {"query.bogus"},
		"Page=1":               {"query.Page"},
		"page=1&page=2":        {"query.page"},
		"search=a&search=b":    {"query.search"},
		"page=0":               {"query.page"},
		"limit=1001":           {"query.limit"},
		"limit=x&bogus=1":      {"query.bogus", "query.limit"},
		"limit=":               {"query.limit"},
		"is_active=":           {"query.is_active"},
		"is_active=maybe":      {"query.is_active"},
		"order=up&sort=secret": {"query.order", "query.sort"},
		"search=%00":           {"query.search"},
		"search=%ff":           {"query.search"},
		"page=99999999999999":  {"query.page"},
	} {
		require.ElementsMatch(t, paths, f.Do("GET", widgets+"?"+query, nil).Want(400).Paths(), query)
	}
	f.Do("GET", widgets+"?search=", nil).Want(200)
	require.Equal(t, []string{"query.bogus"}, f.Do("DELETE", widgets+"/"+caller.String()+"?bogus=1", nil).Want(400).Paths())
	require.ElementsMatch(t, []string{"query.a", "name"}, f.Do("POST", widgets+"?a=1", `{}`).Want(400).Paths())
	require.ElementsMatch(t, []string{"query.a", "body"}, f.Do("POST", widgets+"?a=1", `{`).Want(400).Paths())
}

func TestPath_RefusesWhatIsNoUUID(t *testing.T) {
	f := setup(t)
	for _, id := range []string{"1", "nobody", "01890000-0000-7000-8000-00000000000g", "%00", "%ff"} {
		require.Contains(t, f.Do("GET", widgets+"/"+id, nil).Want(400).Paths(), "path.id", id)
	}
	require.Equal(t, []string{"path.code"}, f.Do("GET", widgets+"/code/%00", nil).Want(400).Paths())
}

func TestRouting_AnswersUnknownPathsAndMethodsInTheEnvelope(t *testing.T) {
	f := setup(t)
	for _, path := range []string{"/nowhere", "/api/v1", "/api/v1/Widgets", "/api/v1/widgets/", "/api/v1/widgets/a/b/c"} {
		require.Equal(t, "RESOURCE_NOT_FOUND", f.Do("GET", path, nil).Want(404).Code(), path)
	}
	a := f.Do("DELETE", widgets, nil).Want(405)
	require.Equal(t, "VALIDATION_ERROR", a.Code())
	require.Contains(t, a.Header.Get("Allow"), "GET")
	require.Contains(t, a.Header.Get("Allow"), "POST")
	f.Do("BREW", widgets, nil).Want(405)
	f.Do("OPTIONS", widgets, nil).Want(405)
}

// Where credentials were wrong no token was, and so nothing says that one is
// invalid (RFC 6750, section 3).
func TestFailures_BlameTheTokenOnlyIfThereWasOne(t *testing.T) {
	f := setup(t)
	a := f.As("").Do("GET", "/fail/credentials", nil).Want(401)
	require.Equal(t, "INVALID_CREDENTIALS", a.Code())
	require.Equal(t, `Bearer realm="sentinel"`, a.Header.Get("WWW-Authenticate"))
}

func TestFailures_HideTheirCauseAndLogItOnce(t *testing.T) {
	f := setup(t)
	for how, want := range map[string]struct {
		status int
		code   string
		retry  string
	}{
		"internal": {500, "INTERNAL_ERROR", ""}, "panic": {500, "INTERNAL_ERROR", ""},
		"unavailable": {503, "SERVICE_UNAVAILABLE", "1"}, "timeout": {503, "SERVICE_UNAVAILABLE", "1"},
		"conflict": {409, "CONFLICT", ""}, "limit": {429, "RATE_LIMIT_EXCEEDED", "7"}, "locked": {423, "ACCOUNT_LOCKED", ""},
	} {
		a := f.With("X-Request-ID", "try-"+how).Do("GET", "/fail/"+how, nil).Want(want.status)
		require.Equal(t, want.code, a.Code(), how)
		require.Equal(t, want.retry, a.Header.Get("Retry-After"), how)
		require.NotContains(t, string(a.Body), "EOF")
		require.NotContains(t, string(a.Body), "secret")
		require.Contains(t, string(a.Body), `"request_id":"try-`+how+`"`)
		require.Equal(t, "5X-Evil: 1", a.Header.Get("X-Sentinel-Revision"), how)
	}
	logs := f.logs.String()
	require.Equal(t, 1, strings.Count(logs, "unexpected EOF"))
	require.Equal(t, 1, strings.Count(logs, "secret detail"))
	require.Contains(t, logs, "goroutine")
	require.NotContains(t, logs, "taken")
}

func TestRequestID_IsMadeWhereTheGivenOneIsNot(t *testing.T) {
	f := setup(t)
	for _, id := range []string{"a b", strings.Repeat("a", 65), "ä", "a\tb"} {
		got := f.With("X-Request-ID", id).Do("GET", widgets, nil).Want(200).Header.Get("X-Request-ID")
		require.NotEqual(t, id, got)
		require.Regexp(t, `^[0-9a-f]{32}$`, got)
	}
}

func TestRequestID_IsSentBackAsItWasWhereAStandardSaysSo(t *testing.T) {
	f := setup(t)
	for _, id := range []string{"a b", strings.Repeat("a", 128), `{"a":"b"}`, "abc-1.2_3"} {
		for body, status := range map[string]int{`{"grant_type":"client_credentials"}`: 200, `{}`: 400, strings.Repeat(" ", 2<<20): 413} {
			got := f.As("").With("X-Request-ID", id).Do("POST", "/token", body).Want(status)
			require.Equal(t, id, got.Header.Get("X-Request-ID"), status)
			require.NotContains(t, string(got.Body), "meta", "its errors are its own, that of the size too")
		}
	}
	for _, id := range []string{strings.Repeat("a", 129), "ä", "a\tb", ""} {
		got := f.As("").With("X-Request-ID", id).Do("POST", "/token", `{}`).Want(400).Header.Get("X-Request-ID")
		require.Regexp(t, `^[0-9a-f]{32}$`, got)
	}
	logs := f.logs.String()
	require.Contains(t, logs, `"sent_request_id":"a b"`)
	require.Regexp(t, `"request_id":"[0-9a-f]{32}","sent_request_id":`, logs)
	require.NotContains(t, logs, `"sent_request_id":"abc-1.2_3"`, "the log goes by it")
}

func TestLog_NamesTheRouteNotTheValues(t *testing.T) {
	var observed []string
	f := setup(t, func(c *httpapi.Config) {
		c.Observe = func(route, method string, status int, _ time.Duration) {
			observed = append(observed, fmt.Sprint(method, " ", route, " ", status))
		}
	})
	f.Do("GET", widgets+"/"+caller.String()+"?x=hidden", nil).Want(400)
	f.Do("GET", "/nowhere?x=hidden", nil).Want(404)
	f.Do("BREW", "/nowhere", nil).Want(405)
	f.Do("GET", "/.well-known/keys.json", nil).Want(200)
	logs := f.logs.String()
	require.Contains(t, logs, `"route":"/api/v1/widgets/{id}","status":400`)
	require.Contains(t, logs, `"principal":"`+caller.String()+`","tenant":"`+tenant.String()+`"`)
	require.Contains(t, logs, `"level":"DEBUG","msg":"request","method":"GET","route":"/.well-known/keys.json"`)
	require.NotContains(t, logs, "hidden")
	require.NotContains(t, logs, "good")
	require.Equal(t, []string{
		"GET /api/v1/widgets/{id} 400", "GET unmatched 404", "other unmatched 405", "GET /.well-known/keys.json 200",
	}, observed)
}

func TestAddress_ComesFromTrustedProxiesOnly(t *testing.T) {
	const chain = "6.6.6.6, 203.0.113.9, 10.1.2.3"
	for name, c := range map[string]struct {
		trusted []string
		header  string
		want    string
	}{
		"nobody":      {nil, chain, "127.0.0.1"},
		"other":       {[]string{"192.0.2.0/24"}, chain, "127.0.0.1"},
		"peer":        {[]string{"127.0.0.1"}, chain, "10.1.2.3"},
		"both":        {[]string{"127.0.0.0/8", "10.0.0.0/8"}, chain, "203.0.113.9"},
		"all trusted": {[]string{"127.0.0.1", "10.0.0.0/8"}, "10.0.0.1, 10.0.0.2", "10.0.0.1"},
		"nonsense":    {[]string{"127.0.0.1", "10.0.0.0/8"}, "evil, 10.0.0.2", "10.0.0.2"},
		"no header":   {[]string{"127.0.0.1"}, "", "127.0.0.1"},
		"unreadable":  {[]string{"127.0.0.1", "x/y"}, chain, "127.0.0.1"},
	} {
		f := setup(t, func(cfg *httpapi.Config) { cfg.TrustedProxies = c.trusted })
		f.With("X-Forwarded-For", c.header).With("User-Agent", "test/1").Do("GET", widgets+"/me", nil).Want(200)
		require.Equal(t, c.want, f.request.Address, name)
		require.Equal(t, "test/1", f.request.UserAgent)
	}
}

func TestStream_CutsTheConnectionOnFailure(t *testing.T) {
	f := setup(t)
	a := f.Do("GET", "/stream/well", nil).Want(200)
	require.Len(t, a.Body, 6000)
	require.Equal(t, "text/csv", a.Header.Get("Content-Type"))
	require.Equal(t, "attachment", a.Header.Get("Content-Disposition"))
	for _, how := range []string{"error", "panic"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", f.URL+"/stream/"+how, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			require.NoError(t, res.Body.Close())
		}
		require.Error(t, err, how)
		require.Eventually(t, func() bool { return strings.Contains(f.logs.String(), "stream broke off") }, 5*time.Second, time.Millisecond)
	}
}

func TestConnection_AnswersWhatIsNoRequest(t *testing.T) {
	f := setup(t)
	for raw, want := range map[string]string{
		"NONSENSE\r\n\r\n": "400",
		"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 20<<10) + "\r\n\r\n":                                                              "431",
		"POST " + widgets + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n":                                                          "400",
		"POST " + widgets + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}":                          "401",
		"BREW / HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\nGET /docs HTTP/1.1GET /fail/conflict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": "409",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, raw)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		answer, err := io.ReadAll(conn)
		require.NoError(t, err, "%.20s", raw)
		require.NoError(t, conn.Close())
		last := string(answer)[strings.LastIndex(string(answer), "HTTP/1.1 "):]
		require.Equal(t, want, last[9:12], "%s", answer)
		require.Contains(t, last, `"request_id"`)
	}
}

func TestShutdown_FinishesTheRequestInFlight(t *testing.T) {
	f := setup(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	other := &fixture{entered: make(chan struct{}, 1), release: make(chan struct{}), server: httpapi.New(httpapi.Config{})}
	other.routes()
	ctx, stop := context.WithCancel(t.Context())
	served, answered := make(chan error, 1), make(chan int, 1)
	go func() { served <- other.server.Serve(ctx, ln) }()
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+ln.Addr().String()+"/slow", nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	<-other.entered
	stop()
	select {
	case err := <-served:
		t.Fatalf("ended before its request: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(other.release)
	require.Equal(t, 200, <-answered)
	require.NoError(t, <-served)
	close(f.release)
}

func TestShutdown_GivesUpAfterItsTimeout(t *testing.T) {
	s := httpapi.New(httpapi.Config{ShutdownTimeout: 10 * time.Millisecond})
	f := &fixture{entered: make(chan struct{}, 1), release: make(chan struct{}), server: s}
	f.routes()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+ln.Addr().String()+"/slow", nil)
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-f.entered
	stop()
	require.ErrorIs(t, <-served, context.DeadlineExceeded)
	close(f.release)
}

func TestListen_ReportsATakenAddress(t *testing.T) {
	f := setup(t)
	err := httpapi.New(httpapi.Config{}).Listen(t.Context(), strings.TrimPrefix(f.URL, "http://"))
	require.ErrorContains(t, err, "address already in use")
}

func TestRegister_PanicsOnAnIncompleteRoute(t *testing.T) {
	h := func(context.Context, *none) (*none, error) { return nil, nil }
	for _, r := range []httpapi.Route{
		{Path: "x", Summary: "s", Access: httpapi.Public()},
		{Path: "/x", Access: httpapi.Public()},
		{Path: "/x", Summary: "s"},
		{Path: "/x", Summary: "s", Access: httpapi.Requires("users", "")},
		{Path: "/x", Summary: "s", Access: httpapi.Authenticated("")},
	} {
		require.Panics(t, func() { httpapi.Get(httpapi.New(httpapi.Config{}).Section("x", ""), r, h) })
	}
	s := httpapi.New(httpapi.Config{})
	s.Fiber()
	require.Panics(t, func() {
		httpapi.Get(s.Section("x", ""), httpapi.Route{Path: "/x", Summary: "s", Access: httpapi.Public()}, h)
	})
}

func TestFiber_GuardsRequestsThatEnterThroughIt(t *testing.T) {
	f := &fixture{server: httpapi.New(httpapi.Config{Authenticate: authenticate})}
	f.routes()
	req, err := http.NewRequestWithContext(t.Context(), "GET", widgets, nil)
	require.NoError(t, err)
	res, err := f.server.Fiber().Test(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 401, res.StatusCode)
}

func TestParseProxies_NamesTheBadEntry(t *testing.T) {
	all, err := httpapi.ParseProxies([]string{" 10.0.0.1 ", "", "::1", "fd00::/8"})
	require.NoError(t, err)
	require.Len(t, all, 3)
	_, err = httpapi.ParseProxies([]string{"proxy.example"})
	require.ErrorContains(t, err, "proxy.example")
}

func TestPermission_String(t *testing.T) {
	require.Equal(t, "api/users:create", httpapi.Permission{Section: "users", Action: "create"}.String())
	require.Equal(t, 500, httpapi.StatusOf("UNHEARD_OF"))
	httpapi.SetHeader(context.Background(), "X-A", "ignored")
	_ = httpapitest.Client{}
}
