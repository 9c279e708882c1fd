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
				{one + "/deliveries/$delivery_b/redeliver", ""},
				{"/webhooks/$webhook_b/deliveries/$delivery/redeliver", ""},
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
