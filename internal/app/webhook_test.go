package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

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

// TestWebhooks_AreMaintained ends what nobody makes, and forgets what is old.
func TestWebhooks_AreMaintained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hook("one", "admin", "https://hooks.example", `["nothing.happened"]`)
	w.database.Exec(t, `
INSERT INTO sentinel.webhook_deliveries (tenant_id, webhook_id, event, payload, status, created_at)
SELECT $1, $2, s || ' ' || days, '{}', s, now() - days * interval '1 day' + interval '1 minute'
FROM unnest(ARRAY['pending', 'delivered']) s, unnest(ARRAY[1, 2, 3, 30, 31]) days`, w.ids["alpha"], w.ids["one"])
	require.NoError(t, w.app.Maintain(t.Context()))
	require.Equal(t, []string{
		"delivered 1: delivered", "delivered 2: delivered", "delivered 30: delivered", "delivered 3: delivered",
		"pending 1: pending", "pending 2: pending", "pending 30: failed", "pending 3: failed",
	}, w.column(t, "SELECT event || ': ' || status FROM sentinel.webhook_deliveries ORDER BY event COLLATE \"C\" || ':'"))
}

// TestWebhooks_SignAsBeforeUnderANewMasterKey replaces the key that seals the
// secret.
func TestWebhooks_SignAsBeforeUnderANewMasterKey(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	r := newReceiver(t)
	secret := w.hook("users", "admin", r.URL, `["user.updated"]`)
	old, key := w.cfg.MasterKey, strings.Repeat("5e", 32)
	w.restart(key, old)
	var out bytes.Buffer
	require.NoError(t, app.RotateMaster(t.Context(), w.cfg, &out, w.log))
	require.Contains(t, out.String(), "webhook secrets: 1 sealed anew")
	w.restart(key)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$plain", body: `{"display_name":"P"}`}).status)
	require.Equal(t, []string{"user.updated delivered 1"}, w.delivered(t))
	require.True(t, r.first("user.updated").signedWith(secret))
}

// TestWebhooks_ForgetWhoIsErased with the deliveries that name them.
func TestWebhooks_ForgetWhoIsErased(t *testing.T) {
	t.Parallel()
	w := newPrivateWorld(t)
	w.hook("users", "admin", newReceiver(t).URL, `["user.*"]`)
	for _, name := range []string{"ann", "bob"} {
		w.make(name, "admin", "", "/users", `{"email":"`+name+`@alpha.example"}`)
	}
	require.Equal(t, []string{"user.created delivered 1", "user.created delivered 1"}, w.delivered(t))
	got := w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$ann?erase=true"})
	require.Less(t, got.status, 300, "%s", got.body)
	w.delivered(t)
	require.Equal(t, []string{"user.created bob", "user.erased ann"}, w.column(t, `
SELECT event || ' ' || CASE payload->'data'->'resource'->>'id' WHEN $1 THEN 'ann' WHEN $2 THEN 'bob' END
FROM sentinel.webhook_deliveries ORDER BY 1`, w.ids["ann"], w.ids["bob"]))
}
