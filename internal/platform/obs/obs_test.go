package obs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

func TestNewLogger_RedactsSecrets(t *testing.T) {
	var b bytes.Buffer
	log, err := obs.NewLogger(&b, "INFO")
	require.NoError(t, err)
	log.Info("hello", "password", "hunter2", "Authorization", "hunter2", "api_key", 1, "X-API-Key", "hunter2", "refresh_token", []string{"hunter2"},
		"client_secret", map[string]string{"a": "hunter2"}, "token_id", "visible", "user", "visible",
		slog.Group("login", "new_password", "hunter2", "email", "visible"), slog.Group("secrets", "a", "hunter2"))
	log.With("token", "hunter2").WithGroup("g").Debug("not shown")
	log.With("token", "hunter2").WithGroup("g").Info("shown", "cookie", "hunter2")
	require.NotContains(t, b.String(), "hunter2")
	var line map[string]any
	require.NoError(t, json.NewDecoder(&b).Decode(&line))
	require.Equal(t, "[redacted]", line["api_key"])
	require.Equal(t, "visible", line["token_id"])
	require.Equal(t, map[string]any{"new_password": "[redacted]", "email": "visible"}, line["login"])
	require.Equal(t, "hello", line["msg"])
	require.NotContains(t, b.String(), "not shown")
}

func TestNewLogger_Levels(t *testing.T) {
	for level, want := range map[string]slog.Level{"debug": slog.LevelDebug, "": slog.LevelInfo, "Warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError} {
		log, err := obs.NewLogger(io.Discard, level)
		require.NoError(t, err)
		require.True(t, log.Enabled(t.Context(), want))
		require.False(t, log.Enabled(t.Context(), want-1))
	}
	_, err := obs.NewLogger(io.Discard, "loud")
	require.ErrorContains(t, err, "loud")
}

func TestMetrics_AreServedUntilTheContextEnds(t *testing.T) {
	m := obs.New()
	_ = obs.New() // a second registry does not clash with the first
	m.ObserveRequest("/api/v1/users/{id}", "GET", 404, 3*time.Millisecond)
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "sentinel_things_total"})
	require.NoError(t, m.Register(counter))
	require.Error(t, m.Register(counter))
	families, err := m.Gatherer().Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)

	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, ln) }()
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+path, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, body := get("/metrics")
	require.Equal(t, 200, status)
	require.Contains(t, body, `sentinel_http_request_duration_seconds_count{method="GET",route="/api/v1/users/{id}",status="4xx"} 1`)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, "sentinel_things_total 0")
	status, _ = get("/debug/pprof/")
	require.Equal(t, 404, status)
	require.ErrorContains(t, m.Listen(t.Context(), ln.Addr().String()), "address already in use")
	stop()
	require.NoError(t, <-done)
}

func TestServe_EndsWhileAConnectionSaysNothing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- obs.New().Serve(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/metrics") //nolint:noctx // it is accepted after the silent one
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	stop()
	require.NoError(t, <-done)
	require.NoError(t, silent.Close())
}

func TestServe_ReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.Error(t, obs.New().Serve(t.Context(), ln))
}
