package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKeys_RotateBesideARunningServer rotates the signing key of a server on its
// embedded database, then the master key while it is stopped.
func TestKeys_RotateBesideARunningServer(t *testing.T) {
	dir := reachable(t)
	t.Chdir(dir)
	t.Setenv("DATA_DIR", dir)
	t.Setenv("DATABASE_URL", "")
	s := startWith(t, dir, []string{"serve", "--demo"}, "permissions/check", "LOGIN_RATE_PER_ACCOUNT=0", "LOGIN_RATE_PER_ADDRESS=0")
	old := s.token(t)
	require.Len(t, s.keys(t), 1)

	_, err := run(t, "keys", "rotate", "--revoke-old")
	require.ErrorContains(t, err, "--now")
	out, err := run(t, "keys", "rotate")
	require.NoError(t, err)
	require.Contains(t, out, "is next and signs from")
	_, err = run(t, "keys", "rotate")
	require.ErrorContains(t, err, "on its way already")
	out, err = run(t, "keys", "rotate", "--now")
	require.NoError(t, err)
	kid := strings.Fields(out)[1]
	require.NotEqual(t, kid, kidOf(t, old))
	require.Eventually(t, func() bool { return kidOf(t, s.token(t)) == kid }, 30*time.Second, 100*time.Millisecond, "the new key signs")
	require.Equal(t, http.StatusOK, s.me(t, old), "nobody is logged out")
	require.Len(t, s.keys(t), 2, "both are published, the one that waited is not")
	out, err = run(t, "keys", "list")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out, "active"), out)
	require.Equal(t, 2, strings.Count(out, "retired"), out)

	_, err = run(t, "keys", "rotate", "--now", "--revoke-old")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.me(t, old) == http.StatusUnauthorized }, 30*time.Second, 100*time.Millisecond, "the leaked key signs nothing any more")

	_, err = run(t, "keys", "rotate-master")
	require.ErrorContains(t, err, "stop it")
	require.NoError(t, s.end(t, syscall.SIGTERM))
	before, err := os.ReadFile(filepath.Join(dir, "master.key")) //nolint:gosec // of this test
	require.NoError(t, err)
	out, err = run(t, "keys", "rotate-master")
	require.NoError(t, err)
	require.Contains(t, out, "signing keys: 4 sealed anew")
	require.Contains(t, out, "installation secrets: 1 sealed anew")
	after, err := os.ReadFile(filepath.Join(dir, "master.key")) //nolint:gosec // of this test
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	require.NoFileExists(t, filepath.Join(dir, "master.key.previous"))
	again := start(t, dir)
	require.Equal(t, http.StatusOK, again.me(t, again.token(t)))
	require.NoError(t, again.end(t, syscall.SIGTERM))
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	require.NoError(t, err)
	var header struct{ Kid string }
	require.NoError(t, json.Unmarshal(raw, &header))
	return header.Kid
}

func (s *server) get(t *testing.T, path, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (s *server) me(t *testing.T, token string) int {
	t.Helper()
	return s.get(t, "/api/v1/users/me", token).StatusCode
}

func (s *server) keys(t *testing.T) []any {
	t.Helper()
	var set struct{ Keys []any }
	require.NoError(t, json.NewDecoder(s.get(t, "/.well-known/jwks.json", "").Body).Decode(&set))
	return set.Keys
}
