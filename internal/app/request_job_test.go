package app_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

// replica starts another server on the world's database.
func (w *world) replica(t *testing.T) {
	t.Helper()
	logger, err := obs.NewLogger(w.log, "debug")
	require.NoError(t, err)
	second, err := app.New(t.Context(), w.cfg, "test", logger)
	require.NoError(t, err)
	other := &world{t: t, app: second}
	other.run()
	t.Cleanup(func() { require.NoError(t, other.stop()) })
}

// until waits for what a query of one column gives.
func (w *world) until(t *testing.T, want []string, sql string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool {
		got := w.column(t, sql, args...)
		if len(got) != len(want) {
			return false
		}
		for i := range got {
			if got[i] != want[i] {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond, "%v of %s", want, sql)
}

// shortly is a moment at which a request ends that is being made.
func shortly() string { return time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339Nano) }

func TestRequests_ExpireOnceOnTwoReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.replica(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		w.ask("asker", askFor(id, "read", `,"expires_at":"`+shortly()+`"`))
	}
	w.until(t, []string{"5"}, "SELECT count(*)::text FROM sentinel.access_requests WHERE status = 'expired'")
	require.Equal(t, []string{"5"}, w.column(t, "SELECT count(*)::text FROM sentinel.audit_logs WHERE action = 'access_request.expire'"))
	require.Equal(t, []string{"0"}, w.column(t, "SELECT count(*)::text FROM sentinel.river_job WHERE kind = 'access_request_due' AND state = 'discarded'"))
	got := w.do(request{as: "asker", method: http.MethodGet, path: "/access-requests?status=expired"})
	require.Equal(t, "5", fmt.Sprint(got.at("meta.pagination.total")))
}

// A job is a row beside the request, so that it outlives the process that made it.
func TestRequests_ExpireAfterTheServerIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	id := w.ask("asker", askFor("mv-short", "read", `,"expires_at":"`+shortly()+`"`))
	require.NoError(t, w.stop())
	require.Equal(t, []string{"pending"}, w.column(t, "SELECT status FROM sentinel.access_requests WHERE id = $1", id))
	w.replica(t)
	w.until(t, []string{"expired"}, "SELECT status FROM sentinel.access_requests WHERE id = $1", id)
	require.Equal(t, []string{"system"}, w.column(t, "SELECT actor_type FROM sentinel.audit_logs WHERE action = 'access_request.expire'"))
}

// The clock decides, and not when a job comes.
func TestRequests_GoOnByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	read := func() *response {
		return w.do(request{as: "onlooker", method: http.MethodGet, path: "/access-requests/$request"})
	}
	due := func(ago string) {
		t.Helper()
		_, err := w.owner.Exec(t.Context(), "UPDATE sentinel.access_requests SET level_due_at = now() - CAST($2 AS interval) WHERE id = $1", w.ids["request"], ago)
		require.NoError(t, err)
	}
	due("1 minute")
	require.Equal(t, "2", fmt.Sprint(read().at("data.current_level")), "no job has come yet")
	require.Equal(t, http.StatusForbidden, w.decide("onlooker", "approve", "$request").status)
	require.Equal(t, http.StatusNotFound, w.decide("second", "approve", "$request").status, "the level has passed")

	due("24 hours 1 minute")
	require.Equal(t, "expired", read().at("data.status"), "both levels have passed")
	require.Equal(t, http.StatusConflict, w.decide("asker", "cancel", "$request").status)
	again := w.do(request{as: "asker", method: http.MethodPost, path: "/access-requests", body: askFor("mv-aurora", "scrap", "")})
	require.Equal(t, http.StatusCreated, again.status, "what has expired stands in nobody's way: %s", again.body)
	require.Equal(t, []string{"escalated"}, w.column(t, "SELECT decision FROM sentinel.approvals WHERE request_id = $1", w.ids["request"]))
	require.Equal(t, []string{"expired"}, w.column(t, "SELECT status FROM sentinel.access_requests WHERE id = $1", w.ids["request"]))
}

// A level that is passed over asks the next one, which has its own time.
func TestRequests_EscalateByAJob(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := startWorld(t, newDatabase(t), func(c *app.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	w.populate()
	w.requests()
	ahead.Store(int64(-24*time.Hour + time.Second))
	id := w.ask("asker", askFor("mv-late", "read", ""))
	ahead.Store(0)
	w.until(t, []string{"2"}, "SELECT current_level::text FROM sentinel.access_requests WHERE id = $1", id)
	require.Equal(t, []string{"escalated 1 time"}, w.column(t, `SELECT a.decision || ' ' || a.approval_level || ' ' || (l.error_details ->> 'by')
FROM sentinel.approvals a JOIN sentinel.audit_logs l ON l.resource_id = a.request_id::text AND l.action = 'access_request.escalate'
WHERE a.request_id = $1 AND a.approver_id IS NULL`, id))
	require.Equal(t, http.StatusForbidden, w.decide("onlooker", "approve", id).status)
	got := w.decide("head", "approve", id)
	require.Equal(t, "approved", got.at("data.status"), "%s", got.body)
}

// What a chain's conditions approved is a record among the others, of which
// nothing is left to decide or to end.
func TestRequests_ShowWhatConditionsApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.exec(`INSERT INTO sentinel.access_requests (tenant_id, requester_id, beneficiary_id, request_type, request_details, chain_id, chain_snapshot, status, auto_approved, decided_at, grant_expires_at)
VALUES ($1, $2, $2, 'permission', '{"resource_type":"vessel","resource_id":"mv-own","action":"read"}', $3, '{"name":"vessels"}', 'approved', true, now(), now())`, w.ids["alpha"], w.ids["asker"], w.ids["vessels"])
	w.ids["auto"] = w.column(t, "SELECT id::text FROM sentinel.access_requests WHERE auto_approved")[0]
	got := w.do(request{as: "asker", method: http.MethodGet, path: "/access-requests?status=approved"})
	require.Equal(t, w.ids["auto"], got.at("data.0.id"), "%s", got.body)
	got = w.do(request{as: "asker", method: http.MethodGet, path: "/access-requests/$auto"})
	require.Equal(t, true, got.at("data.auto_approved"), "%s", got.body)
	require.Equal(t, "vessels", got.at("data.chain_name"))
	for verb, as := range map[string]string{"revoke": "asker", "cancel": "asker"} {
		require.Equal(t, http.StatusConflict, w.decide(as, verb, "$auto").status, verb)
	}
}
