package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sentinel-access/sentinel/internal/app"
)

// TestLife_LeavesNoGoroutine is not parallel: others' goroutines would be found.
func TestLife_LeavesNoGoroutine(t *testing.T) {
	w := startWorld(t, newDatabase(t))
	require.NoError(t, w.stop())
	http.DefaultClient.CloseIdleConnections()
	cfg := w.cfg
	leaks := []goleak.Option{
		goleak.IgnoreCurrent(),
		// The HTTP library's own: one for the whole process, and one that ends by
		// itself within ten seconds.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}

	server, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	address, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- server.Run(ctx, func(addr string) { address <- addr }) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+<-address+"/health/ready", http.NoBody)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, server.Close())
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, leaks...)

	// One that is never run leaves nothing either, nor one that cannot start.
	server, err = app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, server.Close())
	cfg.MasterKey = "not a key"
	_, err = app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	require.Error(t, err)
	goleak.VerifyNone(t, leaks...)
}

// TestLife_EndFinishesWhatIsUnderWay ends the server, as SIGTERM does, while a
// login waits for a row that somebody holds and decision records are queued.
func TestLife_EndFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	w.token("operator")
	conn, err := pgx.Connect(t.Context(), w.database.OwnerURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM sentinel.users FOR UPDATE")
	require.NoError(t, err)

	login := make(chan *response, 1)
	go func() {
		login <- w.send(request{
			method: http.MethodPost, path: "/auth/login", body: jsonOf(map[string]string{"tenant_id": "PLATFORM", "email": "operator@example.com", "password": password}),
		}, "")
	}()
	require.Eventually(t, func() bool {
		return len(w.column(t, "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")) > 0
	}, 10*time.Second, 5*time.Millisecond, "the login waits for the row")
	const questions = 50
	ids := make([]string, questions)
	for i := range ids {
		got := w.do(request{as: "operator", method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel","id":"a"},"action":"read"}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		ids[i] = got.at("data.decision_id").(string)
	}

	stopped := make(chan error, 1)
	go func() { stopped <- w.stop() }()
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/health/live", http.NoBody)
		if err != nil {
			return false
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err != nil
	}, 10*time.Second, 5*time.Millisecond, "nobody new is let in")
	require.Empty(t, login, "the login still waits")
	require.NoError(t, tx.Rollback(t.Context()))
	got := <-login
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.NoError(t, <-stopped)
	require.Equal(t, []string{"2"}, w.column(t, "SELECT login_count::text FROM sentinel.users"))
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.decision_logs WHERE id = ANY($1::uuid[])", ids), questions, "every record queued was written")
}
