package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

func webhookExamples() map[string]example {
	const one = "/webhooks/$webhook"
	return map[string]example{
		"GET /webhooks":                     {path: "/webhooks"},
		"POST /webhooks":                    {path: "/webhooks", body: `{"name":"new","url":"https://hooks.example/new","events":["policy.*"]}`},
		"GET /webhooks/{id}":                {path: one, foreign: []call{{"/webhooks/$webhook_b", ""}}},
		"PATCH /webhooks/{id}":              {path: one, body: `{"name":"x"}`, foreign: []call{{"/webhooks/$webhook_b", `{"name":"x"}`}}},
		"DELETE /webhooks/{id}":             {path: one, foreign: []call{{"/webhooks/$webhook_b", ""}}},
		"POST /webhooks/{id}/rotate-secret": {path: one + "/rotate-secret", foreign: []call{{"/webhooks/$webhook_b/rotate-secret", ""}}},
		"POST /webhooks/{id}/test":          {path: one + "/test", foreign: []call{{"/webhooks/$webhook_b/test", ""}}},
		"GET /webhooks/{id}/deliveries":     {path: one + "/deliveries", foreign: []call{{"/webhooks/$webhook_b/deliveries", ""}}},
		"POST /webhooks/{id}/deliveries/{delivery_id}/redeliver": {
			path: one + "/deliveries/$delivery/redeliver",
			foreign: []call{
				{"/webhooks/$webhook_b/deliveries/$delivery_b/redeliver", ""},
				{one + "/deliveries/$delivery_b/redeliver", ""}, {"/webhooks/$webhook_b/deliveries/$delivery/redeliver", ""},
			},
		},
	}
}

// webhooks makes a webhook in each tenant, of events that never come, and what
// looks like a delivery of each.
func (w *world) webhooks() {
	w.t.Helper()
	for as, suffix := range map[string]string{"admin": "", "admin_b": "_b"} {
		w.make("webhook"+suffix, as, "", "/webhooks", `{"name":"never","url":"https://hooks.example/never","events":["nothing.happened"]}`)
		id := strings.Replace(w.ids["webhook"+suffix], "-7", "-4", 1)
		w.database.Exec(w.t, `
INSERT INTO sentinel.webhook_deliveries (id, tenant_id, webhook_id, event, payload, status)
SELECT $1, tenant_id, id, 'nothing.happened', '{}', 'delivered' FROM sentinel.webhooks WHERE id = $2`, id, w.ids["webhook"+suffix])
		w.ids["delivery"+suffix] = id
	}
}

func webhookScenarios() []scenario {
	const all, one = "POST /webhooks", "PATCH /webhooks/{id}"
	path := "/webhooks/$hook"
	return []scenario{
		{name: "create", as: "admin", route: all, body: `{"name":"Deployments Ω","url":"https://hooks.example:8443/in?key=1","events":["user.*","nothing.happened","user.*"]}`, status: 201, save: "hook", want: map[string]any{
			"data.name": "Deployments Ω", "data.url": "https://hooks.example:8443/in?key=1", "data.events": "[user.* nothing.happened]", "data.is_active": true,
			"data.failing_since": nil, "data.tenant_id": "$alpha", "data.created_by": "$admin",
		}, audit: []string{"webhook.create success"}, writes: []string{"webhooks"}},
		{name: "create one that is off", as: "admin", route: all, body: `{"name":"off","url":"https://hooks.example","events":["*"],"is_active":false}`, status: 201, save: "off", want: map[string]any{"data.is_active": false}, audit: []string{"webhook.create success"}, writes: []string{"webhooks"}},
		{name: "a taken name", as: "admin", route: all, body: `{"name":"off","url":"https://hooks.example","events":["*"]}`, status: 409, code: "CONFLICT", fields: []string{"name"}},
		{name: "all wrong", as: "admin", route: all, body: `{"name":" x","url":"http://hooks.example","events":["user.*","User.created","user","*.*","user.created "]}`, status: 400, fields: []string{"name", "url", "events[1]", "events[2]", "events[3]", "events[4]"}},
		{name: "no events", as: "admin", route: all, body: `{"name":"x","url":"https://hooks.example","events":[]}`, status: 400, fields: []string{"events"}},
		{name: "no secret of one's own", as: "admin", route: all, body: `{"name":"x","url":"https://hooks.example","events":["*"],"secret":"x","failing_since":null}`, status: 400, fields: []string{"secret", "failing_since"}},
		{name: "read", as: "admin", route: "GET /webhooks/{id}", path: path, status: 200, want: map[string]any{"data.name": "Deployments Ω", "data.secret": nil}},
		{name: "list", as: "admin", route: "GET /webhooks", path: "/webhooks?sort=name&is_active=true", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$hook", "data.0.secret": nil}},
		{name: "another tenant's list", as: "admin_b", route: "GET /webhooks", path: "/webhooks", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "update", as: "admin", route: one, path: path, body: `{"name":"quiet","events":["nothing.happened"],"url":"https://hooks.example/other"}`, status: 200, want: map[string]any{"data.name": "quiet", "data.events": "[nothing.happened]", "data.url": "https://hooks.example/other"}, audit: []string{"webhook.update success"}, writes: []string{"webhooks"}},
		{name: "update of what is stale", as: "admin", route: one, path: path, body: `{"name":"x"}`, header: map[string]string{"If-Match": `"stale"`}, status: 412, code: "PRECONDITION_FAILED"},
		{name: "update to a taken name", as: "admin", route: one, path: path, body: `{"name":"off"}`, status: 409, fields: []string{"name"}},
		{name: "update to what cannot be", as: "admin", route: one, path: path, body: `{"url":"https://user@hooks.example","events":["x"]}`, status: 400, fields: []string{"url", "events[0]"}},
		{name: "rotate the secret", as: "admin", route: "POST /webhooks/{id}/rotate-secret", path: path + "/rotate-secret", status: 200, want: map[string]any{"data.id": "$hook"}, audit: []string{"webhook.rotate_secret success"}, writes: []string{"webhooks"}},
		{name: "test one that is off", as: "admin", route: "POST /webhooks/{id}/test", path: "/webhooks/$off/test", status: 409, code: "CONFLICT"},
		{name: "an auditor reads", as: "inspector", route: "GET /webhooks/{id}", path: path, status: 200},
		{name: "an auditor creates", as: "inspector", route: all, body: `{"name":"x","url":"https://hooks.example","events":["*"]}`, status: 403, code: "PERMISSION_DENIED"},
		{name: "a manager of users may not", as: "manager", route: all, body: `{"name":"x","url":"https://hooks.example","events":["*"]}`, status: 403, code: "PERMISSION_DENIED"},
		{name: "operators see it in its tenant", as: "operator", route: "GET /webhooks/{id}", path: path, header: map[string]string{"X-Tenant-ID": "$alpha"}, status: 200},
		{name: "and not in theirs", as: "operator", route: "GET /webhooks/{id}", path: path, status: 404},
		{name: "delete", as: "admin", route: "DELETE /webhooks/{id}", path: path, status: 204, audit: []string{"webhook.delete success"}, writes: []string{"webhooks"}},
	}
}

func deliveryScenarios() []scenario {
	const path = "/webhooks/$receiver"
	return []scenario{
		{name: "test", as: "admin", route: "POST /webhooks/{id}/test", path: path + "/test", status: 202, save: "tested", want: map[string]any{"data.event": "webhook.test", "data.status": "pending", "data.attempts": 0, "data.webhook_id": "$receiver"}, audit: []string{"webhook.test success"}, writes: []string{"webhook_deliveries"}},
	}
}

func redeliveryScenarios() []scenario {
	const path, again = "/webhooks/$receiver", "POST /webhooks/{id}/deliveries/{delivery_id}/redeliver"
	return []scenario{
		{name: "list deliveries", as: "admin", route: "GET /webhooks/{id}/deliveries", path: path + "/deliveries?status=delivered&event=webhook.test", status: 200, want: map[string]any{
			"meta.pagination.total": 1, "data.0.id": "$tested", "data.0.status": "delivered", "data.0.response_status": 204, "data.0.attempts": 1, "data.0.error": "", "data.0.next_attempt_at": nil,
		}},
		{name: "redeliver by another webhook", as: "admin", route: again, path: "/webhooks/$other/deliveries/$tested/redeliver", status: 404, code: "RESOURCE_NOT_FOUND"},
		{name: "redeliver what waits", as: "admin", route: again, path: path + "/deliveries/$waiting/redeliver", status: 409, code: "CONFLICT"},
		{name: "redeliver", as: "admin", route: again, path: path + "/deliveries/$tested/redeliver", status: 202, want: map[string]any{"data.event": "webhook.test", "data.status": "pending"}, audit: []string{"webhook.redeliver success"}, writes: []string{"webhook_deliveries"}},
	}
}

// receiver is a program that webhooks call.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	fail bool
}

type received struct {
	header http.Header
	body   string
	event  map[string]any
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		got := received{header: req.Header, body: string(raw)}
		_ = json.Unmarshal(raw, &got.event)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, got)
		if r.fail {
			rw.WriteHeader(http.StatusInternalServerError)
			_, _ = rw.Write([]byte("a word of the receiver's own"))
			return
		}
		rw.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// events are the names of those received, in alphabetical order.
func (r *receiver) events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []string{}
	for _, g := range r.got {
		out = append(out, fmt.Sprint(g.event["event"]))
	}
	slices.Sort(out)
	return out
}

func (r *receiver) first(event string) *received {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.got {
		if r.got[i].event["event"] == event {
			return &r.got[i]
		}
	}
	return nil
}

// signedWith computes the signature as a receiver does.
func (g *received) signedWith(secret string) bool {
	t, v1, _ := strings.Cut(strings.TrimPrefix(g.header.Get("X-Sentinel-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "." + g.body))
	return v1 == hex.EncodeToString(mac.Sum(nil))
}

// privately allows webhooks to call this machine.
func privately(c *app.Config) { c.WebhookPrivate = true }

func newPrivateWorld(t *testing.T) *world {
	t.Helper()
	w := startWorld(t, newDatabase(t), privately)
	w.populate()
	return w
}

// hook makes a webhook and returns its secret.
func (w *world) hook(name, as, url, events string) string {
	w.t.Helper()
	got := w.do(request{as: as, method: http.MethodPost, path: "/webhooks", body: `{"name":"` + name + `","url":"` + url + `","events":` + events + `}`})
	require.Equal(w.t, http.StatusCreated, got.status, "%s", got.body)
	w.ids[name] = got.at("data.id").(string)
	return got.at("data.secret").(string)
}

// delivered waits until no delivery waits for its first attempt, and returns
// them all as "event status attempts".
func (w *world) delivered(t *testing.T) []string {
	t.Helper()
	require.Eventually(t, func() bool {
		return w.column(t, "SELECT count(*)::text FROM sentinel.webhook_deliveries WHERE status = 'pending' AND attempts = 0")[0] == "0"
	}, 20*time.Second, 10*time.Millisecond)
	return w.column(t, "SELECT event || ' ' || status || ' ' || attempts FROM sentinel.webhook_deliveries ORDER BY 1")
}

func TestScenarios_Webhooks(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	w.person("inspector", "admin", "", "ALPHA", `"$auditor"`)
	w.play(t, webhookScenarios())
	r := newReceiver(t)
	w.hook("receiver", "admin", r.URL, `["nothing.happened"]`)
	w.hook("other", "admin", r.URL, `["nothing.happened"]`)
	w.play(t, deliveryScenarios())
	require.Equal(t, []string{"webhook.test delivered 1"}, w.delivered(t))
	w.make("silent", "admin", "", "/webhooks", `{"name":"silent","url":"https://hooks.example","events":["nothing.happened"]}`)
	w.ids["waiting"] = absent
	w.database.Exec(t, `INSERT INTO sentinel.webhook_deliveries (id, tenant_id, webhook_id, event, payload, attempts) VALUES ($1, $2, $3, 'nothing.happened', '{}', 1)`, absent, w.ids["alpha"], w.ids["receiver"])
	w.play(t, redeliveryScenarios())
	require.Contains(t, w.delivered(t), "webhook.test delivered 1")
	one := []any{}
	r.mu.Lock()
	for _, g := range r.got {
		one = append(one, g.event["id"])
	}
	r.mu.Unlock()
	require.Len(t, one, 2)
	require.Equal(t, one[0], one[1], "the event is the same")
}

// TestWebhooks_TellWhatIsAudited follows writes to their receiver.
func TestWebhooks_TellWhatIsAudited(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	r, all, foreign := newReceiver(t), newReceiver(t), newReceiver(t)
	secret := w.hook("users", "admin", r.URL+"/in?key=not-to-be-told", `["user.*","policy.published"]`)
	w.hook("all", "admin", all.URL, `["*"]`)
	w.hook("foreign", "admin_b", foreign.URL, `["role.created"]`)
	w.make("ann", "admin", "", "/users", `{"email":"ann@alpha.example","display_name":"Ann Alpha","attributes":{"level":3}}`)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPost, path: "/users/$ann/lock", body: `{"reason":"holidays"}`}).status)
	require.Equal(t, http.StatusForbidden, w.do(request{as: "manager", method: http.MethodPost, path: "/users/$ann/roles", body: `{"role_id":"$tenant_admin"}`}).status)
	require.Equal(t, http.StatusConflict, w.do(request{as: "admin", method: http.MethodPost, path: "/users", body: `{"email":"ann@alpha.example"}`}).status, "nothing happened")
	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$ann"}).status)
	w.delivered(t)
	require.Equal(t, []string{"user.created", "user.deleted", "user.locked"}, r.events())
	require.Equal(t, []string{"audit.denied", "user.created", "user.deleted", "user.locked", "webhook.created"}, all.events())
	require.Empty(t, foreign.events(), "another tenant's are its own")

	got := r.first("user.created")
	require.True(t, got.signedWith(secret))
	require.False(t, got.signedWith("x"+secret))
	record := w.column(t, "SELECT id || ' ' || request_id FROM sentinel.audit_logs WHERE action = 'user.create' AND resource_id = $1", w.ids["ann"])[0]
	id, requestID, _ := strings.Cut(record, " ")
	require.Equal(t, id, got.event["id"])
	require.Equal(t, w.ids["alpha"], got.event["tenant_id"])
	require.Equal(t, map[string]any{
		"action": "user.create", "actor": map[string]any{"id": w.ids["admin"], "type": "user"}, "resource": map[string]any{"type": "user", "id": w.ids["ann"]},
		"result": "success", "request_id": requestID,
	}, got.event["data"])
	require.Equal(t, "user.created", got.header.Get("X-Sentinel-Event"))
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.webhook_deliveries WHERE id = $1", got.header.Get("X-Sentinel-Delivery")), 1)
	refused := all.first("audit.denied")
	require.Equal(t, "user.assign_role", refused.event["data"].(map[string]any)["action"])
	for _, g := range append(r.got, all.got...) {
		for _, private := range []string{"ann@", "Ann", "level", "holidays", "127.0.0.1", "Go-http-client"} {
			require.NotContains(t, g.body, private)
		}
	}

	// Nothing that is kept has a secret: not the one that signs, nor that of a URL.
	kept := w.log.String() + strings.Join(w.records(), "\n") + strings.Join(w.column(t, "SELECT j::text FROM sentinel.river_job j"), "\n")
	for _, hidden := range []string{secret, secret[4:], "not-to-be-told"} {
		require.NotContains(t, kept, hidden)
	}
	require.NotContains(t, strings.Join(w.column(t, "SELECT encode(secret, 'escape') FROM sentinel.webhooks"), "\n"), secret[4:], "it is sealed")
	require.Equal(t, []string{r.URL}, w.column(t, "SELECT changes->'after'->>'url' FROM sentinel.audit_logs WHERE action = 'webhook.create' AND resource_id = $1", w.ids["users"]),
		"the audit log says where a webhook leads")

	fresh := w.do(request{as: "admin", method: http.MethodPost, path: "/webhooks/$users/rotate-secret"}).at("data.secret").(string)
	require.NotEqual(t, secret, fresh)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$plain", body: `{"display_name":"P"}`}).status)
	w.delivered(t)
	require.True(t, r.first("user.updated").signedWith(fresh))
}

// TestWebhooks_DropWhatNobodyIsToGet lets a receiver fail, and switches its
// webhook off, deletes it, or takes the feature away before the next attempt.
func TestWebhooks_DropWhatNobodyIsToGet(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	r := newReceiver(t)
	r.fail = true
	w.hook("failing", "admin", r.URL, `["webhook.none"]`)
	w.hook("featured", "admin_b", r.URL, `["webhook.none"]`)
	test := func(as, name string) string {
		got := w.do(request{as: as, method: http.MethodPost, path: "/webhooks/$" + name + "/test"})
		require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
		return got.at("data.id").(string)
	}
	first, second := test("admin", "failing"), test("admin_b", "featured")
	require.Equal(t, []string{"webhook.test pending 1", "webhook.test pending 1"}, w.delivered(t))
	hook := w.do(request{as: "admin", method: http.MethodGet, path: "/webhooks/$failing"})
	require.NotNil(t, hook.at("data.failing_since"))
	row := w.do(request{as: "admin", method: http.MethodGet, path: "/webhooks/$failing/deliveries"})
	require.Equal(t, "The answer was 500.", row.at("data.0.error"))
	require.Equal(t, "500", fmt.Sprint(row.at("data.0.response_status")))
	require.NotContains(t, strings.Join(w.column(t, "SELECT d::text FROM sentinel.webhook_deliveries d"), "\n"), "own", "of an answer its status is kept")
	next, err := time.Parse(time.RFC3339Nano, row.at("data.0.next_attempt_at").(string))
	require.NoError(t, err)
	require.InDelta(t, time.Minute, time.Until(next), float64(30*time.Second))
	require.Eventually(t, func() bool {
		due := w.column(t, "SELECT state || ' ' || max_attempts || ' ' || queue FROM sentinel.river_job WHERE kind = 'webhook_delivery'")
		return slices.Equal(due, []string{"retryable 8 webhooks", "retryable 8 webhooks"})
	}, 20*time.Second, 10*time.Millisecond)

	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/webhooks/$failing", body: `{"is_active":false}`}).status)
	got := w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$beta", body: `{"features":["approvals"]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	w.database.Exec(t, "UPDATE sentinel.river_job SET scheduled_at = now(), state = 'available' WHERE state = 'retryable'")
	status := func(id string) string {
		return w.column(t, "SELECT status || ' ' || attempts || ' ' || error FROM sentinel.webhook_deliveries WHERE id = $1", id)[0]
	}
	require.Eventually(t, func() bool {
		return strings.HasPrefix(status(first), "dropped") && strings.HasPrefix(status(second), "dropped")
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, "dropped 1 The webhook was switched off.", status(first))
	require.Equal(t, "dropped 1 The tenant does not have the feature webhooks.", status(second))
	require.Len(t, r.events(), 2, "nobody was called")

	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/webhooks/$failing"}).status)
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.webhook_deliveries WHERE id = $1", first))
}

// TestWebhooks_AreSwitchedOffWhenNothingGetsThrough for three days.
func TestWebhooks_AreSwitchedOffWhenNothingGetsThrough(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	r := newReceiver(t)
	r.fail = true
	w.hook("failing", "admin", r.URL, `["webhook.none"]`)
	failing := func(ago string) {
		w.database.Exec(t, "UPDATE sentinel.webhooks SET failing_since = now() - $1::interval WHERE id = $2", ago, w.ids["failing"])
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/webhooks/$failing/test"})
		require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
		w.delivered(t)
	}
	active := func() any {
		return w.do(request{as: "admin", method: http.MethodGet, path: "/webhooks/$failing"}).at("data.is_active")
	}
	failing("71 hours")
	require.Equal(t, true, active())
	failing("72 hours")
	require.Eventually(t, func() bool { return active() == false }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"system success every delivery failed"}, w.column(t,
		"SELECT actor_type || ' ' || result || ' ' || (error_details->>'reason') FROM sentinel.audit_logs WHERE action = 'webhook.switch_off' AND resource_id = $1", w.ids["failing"]))
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/webhooks/$failing", body: `{"is_active":true}`})
	require.Equal(t, true, got.at("data.is_active"))
	require.Nil(t, got.at("data.failing_since"), "who switches it on starts anew")
	r.mu.Lock()
	r.fail = false
	r.mu.Unlock()
	w.database.Exec(t, "UPDATE sentinel.webhooks SET failing_since = now() - interval '80 hours' WHERE id = $1", w.ids["failing"])
	require.Equal(t, http.StatusAccepted, w.do(request{as: "admin", method: http.MethodPost, path: "/webhooks/$failing/test"}).status)
	w.delivered(t)
	require.Nil(t, w.do(request{as: "admin", method: http.MethodGet, path: "/webhooks/$failing"}).at("data.failing_since"), "one that gets through ends it")
	require.Equal(t, true, active())
}

// TestWebhooks_DoNotReachWhatTheServerCan with the configuration that is the
// default.
func TestWebhooks_DoNotReachWhatTheServerCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	for _, url := range []string{
		r.URL, strings.Replace(r.URL, "http:", "https:", 1), "https://localhost:8443/", "https://10.0.0.1/", "https://169.254.169.254/latest/", "https://[::1]/",
		"https://[::ffff:10.0.0.1]/", "https://100.100.100.200/", "https://hooks.example:22/", "https://user:pass@hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "https://0.0.0.0/", "https:///x",
	} {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/webhooks", body: jsonOf(map[string]any{"name": "x", "url": url, "events": []string{"*"}})})
		require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", url, got.body)
		require.Equal(t, []string{"url"}, got.fields(), url)
	}
	// A URL of a time in which the operator allowed it.
	w.hook("old", "admin", "https://hooks.example", `["webhook.none"]`)
	for _, url := range []string{r.URL, strings.Replace(r.URL, "127.0.0.1", "localhost", 1), strings.Replace(r.URL, "http://", "https://", 1)} {
		w.database.Exec(t, "UPDATE sentinel.webhooks SET url = $1 WHERE id = $2", url, w.ids["old"])
		require.Equal(t, http.StatusAccepted, w.do(request{as: "admin", method: http.MethodPost, path: "/webhooks/$old/test"}).status)
		w.delivered(t)
	}
	require.Empty(t, r.events())
	for _, why := range w.column(t, "SELECT error FROM sentinel.webhook_deliveries") {
		require.Equal(t, "The URL, or an address of its host, is not to be called: private, or of no host.", why)
	}
}

func TestWebhooks_AreTwentyAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 18 {
		w.hook(fmt.Sprintf("hook%c", 'a'+i), "admin", "https://hooks.example", `["nothing.happened"]`)
	}
	body := func(name string) request {
		return request{as: "admin", method: http.MethodPost, path: "/webhooks", body: `{"name":"` + name + `","url":"https://hooks.example","events":["*"],"is_active":false}`}
	}
	require.ElementsMatch(t, []int{201, 201, 409, 409}, w.race(body("one"), body("two"), body("three"), body("four")))
	require.Equal(t, []string{"20"}, w.column(t, "SELECT count(*)::text FROM sentinel.webhooks"))
}

// TestWebhooks_OfManyEventsAreWrittenInSets sends a thousand events to several.
func TestWebhooks_OfManyEventsAreWrittenInSets(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	r := newReceiver(t)
	for _, name := range []string{"one", "two", "three"} {
		w.hook(name, "admin", r.URL, `["user.created"]`)
	}
	var file strings.Builder
	for i := range 1_000 {
		_, _ = fmt.Fprintf(&file, `{"kind":"user","email":"u%d@alpha.example"}`+"\n", i)
	}
	out := w.imported("admin", "kind=users", jsonLines, file.String())
	require.Equal(t, "1000 0 0 0", counts(out))
	require.Equal(t, []string{"3000"}, w.column(t, "SELECT count(*)::text FROM sentinel.webhook_deliveries"))
	require.Equal(t, []string{"3000"}, w.column(t, "SELECT count(*)::text FROM sentinel.river_job WHERE kind = 'webhook_delivery'"))
	require.Eventually(t, func() bool { return len(r.events()) > 100 }, 30*time.Second, 20*time.Millisecond, "they are on their way")
}
