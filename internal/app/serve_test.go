package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

// output is a writer that several goroutines may use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// certificate writes a certificate for the loopback address and returns the
// files and a client that trusts it.
func certificate(t *testing.T) (cert, key string, client *http.Client) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(parsed)
	return cert, key, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// TestServe_OverTLSOnAPostgresThatDies runs the whole server on its embedded
// PostgreSQL, kills that, and finds the server working again.
func TestServe_OverTLSOnAPostgresThatDies(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sentinel-app-") //nolint:usetesting // the test's own is closed to PostgreSQL's user under root
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // for that user
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	cert, key, client := certificate(t)
	cfg, err := app.ParseConfig(map[string]string{
		"DATA_DIR": dir, "HTTP_ADDR": "127.0.0.1:0", "METRICS_ADDR": "127.0.0.1:0", "TLS_CERT_FILE": cert, "TLS_KEY_FILE": key, "PUBLIC_URL": "https://sentinel.example",
	})
	require.NoError(t, err)
	seeded := &output{}
	require.NoError(t, app.Seed(t.Context(), cfg, "test", seeded, io.Discard))
	require.Contains(t, seeded.String(), app.DemoTenantCode)

	cfg.Demo = true
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	greeting, done := &output{}, make(chan error, 1)
	go func() { done <- app.Serve(ctx, cfg, "test", greeting, io.Discard) }()
	ended := false
	end := func() {
		if !ended {
			ended = true
			stop()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(end)
	require.Eventually(t, func() bool { return strings.Contains(greeting.String(), "permissions/check") }, time.Minute, 20*time.Millisecond)
	_, rest, _ := strings.Cut(greeting.String(), "ready at ")
	url, _, _ := strings.Cut(rest, " ")
	require.True(t, strings.HasPrefix(url, "https://"))

	login := func() int {
		body := `{"tenant_id":"TEST-001","email":"ann@test-001.example","password":"demo-password-1"}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/auth/login", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, login())

	raw, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return login() == http.StatusOK }, time.Minute, 100*time.Millisecond, "it does not come back")
	end()
}

func TestServe_RefusesADemoThatOthersCanReach(t *testing.T) {
	t.Parallel()
	cfg, err := app.ParseConfig(map[string]string{"HTTP_ADDR": "0.0.0.0:0"})
	require.NoError(t, err)
	cfg.Demo = true
	require.ErrorContains(t, app.Serve(t.Context(), cfg, "test", io.Discard, io.Discard), "loopback")
}

func TestServe_SaysWhatIsWrongWithTheDatabase(t *testing.T) {
	t.Parallel()
	cfg, err := app.ParseConfig(map[string]string{"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "MASTER_KEY": strings.Repeat("ab", 32)})
	require.NoError(t, err)
	require.ErrorContains(t, app.Serve(t.Context(), cfg, "test", io.Discard, io.Discard), "DATABASE_URL")
}
