package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

// startEmbedded runs a server on an embedded PostgreSQL below dir until it is
// ready, and returns its address and how to end it.
func startEmbedded(b *testing.B, dir string) (url string, end func()) {
	b.Helper()
	cfg, err := app.ParseConfig(map[string]string{
		"DATA_DIR": dir, "HTTP_ADDR": "127.0.0.1:0", "METRICS_ADDR": "off", "ADMIN_PASSWORD": todoPassword, "ADMIN_EMAIL": "operator@example.com",
	})
	require.NoError(b, err)
	server, err := app.New(b.Context(), cfg, "bench", slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- server.Run(ctx, func(addr string) { ready <- addr }) }()
	url = "http://" + <-ready
	resp := get(b, url+"/health/ready")
	require.Equal(b, http.StatusOK, resp)
	return url, func() {
		stop()
		require.NoError(b, <-done)
		require.NoError(b, server.Close())
	}
}

func get(b *testing.B, url string) int {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(b, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b, err)
	require.NoError(b, resp.Body.Close())
	return resp.StatusCode
}

func post(b *testing.B, url, token string, body []byte) []byte {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(b, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	require.NoError(b, resp.Body.Close())
	require.Equal(b, http.StatusOK, resp.StatusCode, "%s", raw)
	return raw
}

// benchDir is a folder that PostgreSQL's user can enter under root, too.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "sentinel-bench-") //nolint:usetesting // the test's own is closed to that user
	require.NoError(b, err)
	require.NoError(b, os.Chmod(dir, 0o755)) //nolint:gosec // for that user
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	return dir
}

// BenchmarkStart measures from nothing to ready, on a new embedded database and
// on one that is there.
func BenchmarkStart(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			_, end := startEmbedded(b, benchDir(b))
			b.StopTimer()
			end()
			b.StartTimer()
		}
	})
	b.Run("existing", func(b *testing.B) {
		dir := benchDir(b)
		_, end := startEmbedded(b, dir)
		end()
		for b.Loop() {
			_, end := startEmbedded(b, dir)
			b.StopTimer()
			end()
			b.StartTimer()
		}
	})
}

// BenchmarkHTTP measures whole requests over loopback, one after the other.
func BenchmarkHTTP(b *testing.B) {
	url, end := startEmbedded(b, benchDir(b))
	defer end()
	credentials, err := json.Marshal(map[string]string{"tenant_id": "PLATFORM", "email": "operator@example.com", "password": todoPassword})
	require.NoError(b, err)
	var login struct {
		Data struct {
			AccessToken string `json:"access_token"`
		}
	}
	require.NoError(b, json.Unmarshal(post(b, url+"/api/v1/auth/login", "", credentials), &login))
	question := []byte(`{"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}`)
	b.Run("login", func(b *testing.B) {
		for b.Loop() {
			post(b, url+"/api/v1/auth/login", "", credentials)
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			post(b, url+"/api/v1/permissions/check", login.Data.AccessToken, question)
		}
	})
}
