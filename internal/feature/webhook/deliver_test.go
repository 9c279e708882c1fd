package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/outbound"
)

// running is a section whose deliveries are made, three times each at most, to
// this machine too.
func running(t *testing.T) (*tenanttest.World, *Service) {
	t.Helper()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	queue, err := jobs.New(jobs.Config{DB: w.DB, Lanes: map[string]int{Lane: Workers}})
	require.NoError(t, err)
	master, err := crypto.ParseMasterKey(strings.Repeat("7", 64))
	require.NoError(t, err)
	guard := outbound.Guard{AllowPrivate: true}
	s := New(Config{
		Write: w.Writer, Queue: queue, Master: master, Guard: guard, Client: outbound.New(outbound.Config{Guard: guard, Timeout: time.Second}),
		Retries: []time.Duration{time.Millisecond, time.Millisecond},
	})
	w.Writer.Audit.Follow(s.Announce)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return w, s
}

// to makes a webhook with a secret of its own.
func to(w *tenanttest.World, s *Service, tenant uuid.UUID, url string) uuid.UUID {
	id := uuid.New()
	w.SQL("INSERT INTO sentinel.webhooks (id, tenant_id, name, url, events, secret) VALUES ($1, $2, $3, $4, '{*}', $5)",
		id, tenant, id.String(), url, s.cfg.Master.Seal([]byte("snw_x"), place(id)))
	return id
}

// outcome waits for the end of the only delivery of a webhook, and returns it as
// "status attempts: error".
func outcome(t *testing.T, w *tenanttest.World, hook uuid.UUID) (out string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return w.Count("SELECT count(*)::int FROM sentinel.webhook_deliveries WHERE webhook_id = $1 AND status <> 'pending'", hook) == 1
	}, 60*time.Second, 20*time.Millisecond)
	w.Scan([]any{&out}, `
SELECT status || ' ' || attempts || coalesce(' ' || response_status, '') || ': ' || error || coalesce(' ' || next_attempt_at::text, '')
FROM sentinel.webhook_deliveries WHERE webhook_id = $1`, hook)
	return out
}

func TestDeliver_SaysWhatCameOfIt(t *testing.T) {
	t.Parallel()
	w, s := running(t)
	tenant := w.Tenant()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// Who has not read the body is not told that the caller has gone.
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/third":
			if calls.Add(1) < 3 {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/moved":
			http.Redirect(rw, r, "/third", http.StatusPermanentRedirect)
		case "/slow":
			<-r.Context().Done()
		default:
			rw.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(server.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	want := map[uuid.UUID]string{
		to(w, s, tenant, server.URL+"/third"):                                   "delivered 3 200: ",
		to(w, s, tenant, server.URL+"/moved"):                                   "failed 3 308: The answer was 308: redirects are not followed.",
		to(w, s, tenant, server.URL+"/odd"):                                     "failed 3 418: The answer was 418.",
		to(w, s, tenant, server.URL+"/slow"):                                    "failed 3: There was no answer in time.",
		to(w, s, tenant, "http://"+closed.Addr().String()):                      "failed 3: The host refused the connection.",
		to(w, s, tenant, strings.Replace(server.URL, "http:", "https:", 1)):     "failed 3: The connection broke, or the answer was not HTTP.",
		to(w, s, tenant, "https://169.254.169.254/latest/meta-data"):            "failed 3: The URL, or an address of its host, is not to be called: private, or of no host.",
		to(w, s, tenant, "https://%zz"):                                         "failed 3: The URL cannot be read.",
		to(w, s, tenant, "http://hooks.example/"):                               "failed 3: The URL, or an address of its host, is not to be called: private, or of no host.",
		to(w, s, tenant, "https://"+strings.Repeat("a", 70)+".invalid/nowhere"): "failed 3: The name of the host cannot be resolved.",
	}
	unreadable := to(w, s, tenant, server.URL+"/third")
	w.SQL("UPDATE sentinel.webhooks SET secret = '\\x01' WHERE id = $1", unreadable)
	want[unreadable] = "failed 3: The secret cannot be read. Give the webhook a new one."
	require.NoError(t, record(w, tenant, nil, audit.Event{Action: "role.create"}))
	for hook, out := range want {
		require.Equal(t, out, outcome(t, w, hook))
	}
	require.Equal(t, len(want)-1, w.Count("SELECT count(*)::int FROM sentinel.webhooks WHERE failing_since IS NOT NULL"), "all but one fail")
	require.EqualValues(t, 3, calls.Load())
}
