package app_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

// password is everybody's in a world.
const password = "correct horse battery staple"

// absent is an id that nothing has.
const absent = "99999999-9999-7999-8999-999999999999"

// world is a running server on a database of its own, with two root tenants, a
// sub-tenant, and one object of every kind in each of the roots. Names stand
// for ids: "$reader" in a path or body is the id of role reader. Those that end
// in "_b" are tenant beta's, all others tenant alpha's.
type world struct {
	t        testing.TB
	database *dbtest.Database
	app      *app.App
	cfg      app.Config
	url      string
	owner    *pgxpool.Pool
	sums     string
	ids      map[string]string
	// people maps a name to the tenant's code and the e-mail address.
	people map[string][2]string
	tokens map[string]string
	log    *lockedBuffer
	// bodies holds every response, for the search for leaks.
	bodies *lockedBuffer
	// given holds the tokens that were given, a line each.
	given *lockedBuffer
	// media is the type of bodies that are not JSON.
	media string
	// outage is set while failures of the server are expected.
	outage bool
	stop   func() error
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newDatabase(t testing.TB) *dbtest.Database {
	t.Helper()
	return dbtest.New(t)
}

// populated is the database of every new world, with what has to be known of it:
// go test gives a package no other place to keep it.
var populated struct {
	dbtest.Filled
	masterKey string
	ids       map[string]string
	people    map[string][2]string
}

// newWorld starts a server on tenants that were made through the API, once for all
// worlds. When the test ends nothing may have leaked and nothing may have gone
// wrong inside.
func newWorld(t testing.TB) *world {
	t.Helper()
	database := populated.New(t, func(empty *dbtest.Database) {
		w := openWorld(t, empty)
		w.populate()
		w.close()
		populated.masterKey, populated.ids, populated.people = w.cfg.MasterKey, w.ids, w.people
	})
	w := startWorld(t, database, func(c *app.Config) { c.MasterKey = populated.masterKey })
	w.ids, w.people = maps.Clone(populated.ids), maps.Clone(populated.people)
	return w
}

// startWorld starts a server on a database, with nothing in it but the operator
// unless the database has more. It ends with the test.
func startWorld(t testing.TB, database *dbtest.Database, change ...func(*app.Config)) *world {
	t.Helper()
	w := openWorld(t, database, change...)
	t.Cleanup(w.close)
	return w
}

func openWorld(t testing.TB, database *dbtest.Database, change ...func(*app.Config)) *world {
	t.Helper()
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	cfg, err := app.ParseConfig(map[string]string{
		"DATABASE_URL": database.URL, "MASTER_KEY": hex.EncodeToString(key), "DATABASE_MAX_CONNECTIONS": "6",
		"HTTP_ADDR": "127.0.0.1:0", "ADMIN_EMAIL": "operator@example.com", "ADMIN_PASSWORD": password,
		"RATE_LIMIT_PER_MINUTE": "0", "RATE_LIMIT_CHECKS_PER_MINUTE": "0", "LOGIN_RATE_PER_ADDRESS": "0", "LOGIN_RATE_PER_ACCOUNT": "0",
	})
	require.NoError(t, err)
	cfg.MetricsAddr = "" // every world at once cannot have the same port
	for _, c := range change {
		c(&cfg)
	}
	w := &world{
		t: t, database: database, cfg: cfg, log: &lockedBuffer{}, bodies: &lockedBuffer{}, given: &lockedBuffer{},
		ids: map[string]string{
			"absent": absent, "platform": "00000000-0000-0000-0000-000000000000",
			"super_admin": "00000000-0000-0000-0000-000000000010", "tenant_admin": "00000000-0000-0000-0000-000000000011",
			"user_manager": "00000000-0000-0000-0000-000000000012", "auditor": "00000000-0000-0000-0000-000000000015",
			"system_permission": "00000000-0000-0000-0000-000000000110",
		},
		people: map[string][2]string{"operator": {"PLATFORM", "operator@example.com"}}, tokens: map[string]string{},
	}
	w.owner, err = pgxpool.New(t.Context(), database.OwnerURL)
	require.NoError(t, err)
	logger, err := obs.NewLogger(w.log, "debug")
	require.NoError(t, err)
	w.app, err = app.New(t.Context(), cfg, "test", logger)
	require.NoError(t, err)
	w.run()
	return w
}

// close ends the server. Nothing may have leaked and nothing may have gone wrong
// inside.
func (w *world) close() {
	defer w.owner.Close()
	require.NoError(w.t, w.stop())
	w.checkLog()
	w.checkLeaks()
}

// run serves until stop is called, which waits for the end.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	address, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- w.app.Run(ctx, func(addr string) { address <- addr }) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		if err := <-done; err != nil {
			return err
		}
		return w.app.Close()
	})
	select {
	case addr := <-address:
		w.url = "http://" + addr
	case err := <-done:
		require.FailNow(w.t, "the server did not start", "%v", err)
	}
}

// ready waits until the server says that nothing is amiss.
func (w *world) ready() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return w.do(request{method: http.MethodGet, path: "//health"}).at("status") == "healthy"
	}, 20*time.Second, 20*time.Millisecond)
}

// checkLog fails on everything that the server itself calls an error.
func (w *world) checkLog() {
	w.t.Helper()
	if w.outage {
		return
	}
	for line := range strings.Lines(w.log.String()) {
		require.NotContains(w.t, line, `"level":"ERROR"`)
	}
}

// request is one call.
type request struct {
	as     string
	method string
	// path begins at /api/v1, or at the root where it begins with "//".
	path   string
	body   string
	header map[string]string
}

var placeholder = regexp.MustCompile(`\$[a-z][a-z_]*`)

// expand puts ids in the place of names.
func (w *world) expand(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(name string) string {
		id, ok := w.ids[name[1:]]
		require.True(w.t, ok, "nothing is called %s", name)
		return id
	})
}

// do calls and checks what holds of every answer.
func (w *world) do(r request) *response {
	w.t.Helper()
	token := ""
	if r.as != "" {
		token = w.token(r.as)
	}
	return w.send(r, token)
}

func body(text string) io.Reader {
	if text == "" {
		return http.NoBody
	}
	return strings.NewReader(text)
}

func (w *world) send(r request, token string) *response {
	w.t.Helper()
	url := w.url + "/api/v1" + w.expand(r.path)
	if rest, ok := strings.CutPrefix(r.path, "//"); ok {
		url = w.url + "/" + w.expand(rest)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, url, body(w.expand(r.body)))
	require.NoError(w.t, err)
	if r.body != "" {
		req.Header.Set("Content-Type", cmp.Or(w.media, "application/json"))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range r.header {
		req.Header.Set(name, w.expand(value))
	}
	answer, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err, "%s %s", r.method, r.path)
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	out := &response{status: answer.StatusCode, header: answer.Header, body: raw}
	w.check(r, out)
	return out
}

// check holds every answer to what all have in common.
func (w *world) check(r request, out *response) {
	w.t.Helper()
	w.keep(r, out)
	if !w.outage {
		require.Less(w.t, out.status, 500, "%s %s %s: %s", r.method, r.path, r.body, out.body)
	}
	require.NotEmpty(w.t, out.header.Get("X-Request-ID"), "%s %s", r.method, r.path)
	if out.status == http.StatusNoContent || out.status == http.StatusNotModified {
		require.Empty(w.t, out.body)
		return
	}
	if len(out.body) == 0 && r.header["Content-Type"] == formType { // RFC 7009, 2.2
		return
	}
	if out.header.Get("Content-Type") == "application/gzip" {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(out.body))
	decoder.UseNumber()
	require.NoError(w.t, decoder.Decode(&out.json), "%s %s: %s", r.method, r.path, out.body)
	if bare(r, out) {
		return
	}
	require.Equal(w.t, out.header.Get("X-Request-ID"), out.at("meta.request_id"), "%s %s: %s", r.method, r.path, out.body)
	require.NotEmpty(w.t, out.at("meta.timestamp"))
	if out.status >= 400 {
		require.NotEmpty(w.t, out.at("error.code"))
		require.NotEmpty(w.t, out.at("error.message"))
	}
}

const formType = "application/x-www-form-urlencoded"

// bare reports whether the answer is of those that have no envelope.
func bare(r request, out *response) bool {
	switch {
	case strings.HasPrefix(r.path, "//access/v1/"), strings.HasPrefix(r.path, "//.well-known/authzen"):
		return true
	case strings.HasPrefix(r.path, "//"), r.path == "/auth/introspect":
		return out.status < 400 || r.header["Content-Type"] == formType
	default:
		return r.header["Content-Type"] == formType
	}
}

// token makes somebody's token, once, as a login would but without the price of
// a password. The operator logs in.
func (w *world) token(name string) string {
	w.t.Helper()
	if token, ok := w.tokens[name]; ok {
		return token
	}
	who, ok := w.people[name]
	require.True(w.t, ok, "nobody is called %s", name)
	if _, known := w.ids[name]; !known {
		w.tokens[name] = w.login(who[0], who[1], password)
		return w.tokens[name]
	}
	tenant := map[string]string{"ALPHA": "alpha", "BETA": "beta", "ALPHA-EU": "sub", "PLATFORM": "platform"}[who[0]]
	c := w.claims(name, tenant)
	c.ExpiresAt = c.IssuedAt.Add(time.Hour)
	require.NoError(w.t, w.owner.QueryRow(w.t.Context(), "SELECT token_epoch FROM sentinel.users WHERE id = $1", w.ids[name]).Scan(&c.Epoch))
	token, err := crypto.Signer{Issuer: "sentinel", Audience: "sentinel"}.Sign(c, w.signingKeyOf())
	require.NoError(w.t, err)
	w.tokens[name] = token
	return token
}

func (w *world) login(tenant, email, secret string) string {
	w.t.Helper()
	answer := w.send(request{
		method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]any{"tenant_id": tenant, "email": email, "password": secret}),
	}, "")
	require.Equal(w.t, http.StatusOK, answer.status, "login of %s: %s", email, answer.body)
	return answer.at("data.access_token").(string)
}

func jsonOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// make creates an object and keeps its id under a name.
func (w *world) make(name, as, tenant, path, body string) {
	w.t.Helper()
	r := request{as: as, method: http.MethodPost, path: path, body: body}
	if tenant != "" {
		r.header = map[string]string{"X-Tenant-ID": tenant}
	}
	answer := w.do(r)
	require.Less(w.t, answer.status, 300, "make %s: %s", name, answer.body)
	if id, ok := answer.at("data.id").(string); ok {
		w.ids[name] = id
	}
}

// person makes an account. Only plain and manager have a password.
func (w *world) person(name, as, tenant, code, roles string) {
	w.t.Helper()
	email := name + "@" + strings.ToLower(code) + ".example"
	secret := ""
	if name == "plain" || name == "manager" {
		secret = `"password":"` + password + `",`
	}
	w.make(name, as, tenant, "/users", `{"email":"`+email+`",`+secret+`"display_name":"`+name+`","roles":[`+roles+`]}`)
	w.people[name] = [2]string{code, email}
}

func (w *world) populate() {
	w.t.Helper()
	w.make("alpha", "operator", "", "/tenants", `{"name":"Alpha","code":"ALPHA","time_zone":"Europe/Athens"}`)
	w.make("beta", "operator", "", "/tenants", `{"name":"Beta","code":"BETA"}`)
	w.person("admin", "operator", "$alpha", "ALPHA", `"$tenant_admin"`)
	w.person("admin_b", "operator", "$beta", "BETA", `"$tenant_admin"`)
	w.make("sub", "admin", "", "/tenants/$alpha/sub-tenants", `{"name":"Alpha Europe","code":"ALPHA-EU"}`)

	for _, tenant := range []struct{ as, suffix string }{{"admin", ""}, {"admin_b", "_b"}} {
		as, s := tenant.as, tenant.suffix
		w.make("fleet"+s, as, "", "/resources", `{"type":"app","name":"Fleet","code":"fleet"}`)
		w.make("vessel"+s, as, "", "/resources", `{"type":"entity","name":"Vessels","code":"vessel","parent_id":"$fleet`+s+`"}`)
		w.make("reader"+s, as, "", "/roles", `{"name":"reader","display_name":"Reader","priority":100}`)
		w.make("inspector"+s, as, "", "/roles", `{"name":"inspector","parent_role_id":"$reader`+s+`","priority":200}`)
		w.make("reads"+s, as, "", "/permissions", `{"name":"Read vessels","resource_type":"vessel","resource_path":"vessel/*","actions":["read"]}`)
		w.make("loose"+s, as, "", "/permissions", `{"name":"Nobody's","resource_type":"vessel","resource_path":"vessel/*","actions":["scrap"]}`)
		w.make("", as, "", "/roles/$reader"+s+"/permissions", `{"permission_ids":["$reads`+s+`"]}`)
		w.make("ops"+s, as, "", "/groups", `{"name":"ops"}`)
		w.make("east"+s, as, "", "/groups", `{"name":"east","parent_group_id":"$ops`+s+`"}`)
		w.make("", as, "", "/groups/$ops"+s+"/roles", `{"role_ids":["$reader`+s+`"]}`)
	}
	w.person("plain", "admin", "", "ALPHA", "")
	w.person("manager", "admin", "", "ALPHA", `"$user_manager"`)
	w.person("plain_b", "admin_b", "", "BETA", "")
	w.make("", "admin_b", "", "/users/$plain_b/roles", `{"role_id":"$reader_b"}`)
	w.make("", "admin_b", "", "/groups/$ops_b/users", `{"user_ids":["$plain_b"]}`)
	w.make("editor", "admin", "", "/roles", `{"name":"role_editor","priority":300}`)
	w.make("", "admin", "", "/roles/$editor/permissions", `{"permissions":[
		{"name":"Edit roles","resource_type":"api","resource_path":"api/roles","actions":["create","read","update","delete"]},
		{"name":"Edit permissions","resource_type":"api","resource_path":"api/permissions","actions":["create","read","update","delete"]}]}`)
	w.person("author", "admin", "", "ALPHA", `"$editor"`)
}
