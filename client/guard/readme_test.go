package guard_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var program = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$")

// build makes a binary of a program in a page.
func build(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func programs(t *testing.T, page ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, page...)...))
	require.NoError(t, err)
	var found []string
	for _, match := range program.FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	return found
}

// TestREADME_ProtectsItsRoute builds and runs the program in the README.
func TestREADME_ProtectsItsRoute(t *testing.T) {
	t.Parallel()
	found := programs(t, "README.md")
	require.Len(t, found, 1)
	require.Contains(t, found[0], `guard.Protect("read", "invoice", client.PathValue("id"))`)
	const listens = `"127.0.0.1:8081"`
	require.Contains(t, found[0], listens)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	binary := build(t, strings.Replace(found[0], listens, `"`+address+`"`, 1))
	w := server.World(t)
	require.NoError(t, free.Close())

	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "SENTINEL_URL="+server.URL)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // it was ended by the signal
	})
	get := func(token string) (status int, body string, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/invoices/4711", http.NoBody)
		if err != nil {
			return 0, "", err
		}
		req.Header = bearer(token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw), err
	}
	require.Eventually(t, func() bool {
		_, _, err := get("")
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "it does not listen")
	for _, c := range []struct {
		token  string
		status int
		body   string
	}{{w.Ann.Token, 200, "invoice 4711\n"}, {w.Ben.Token, 403, "no_matching_permission"}, {"", 401, "AUTHENTICATION_REQUIRED"}} {
		status, body, err := get(c.token)
		require.NoError(t, err)
		require.Equal(t, c.status, status)
		require.Contains(t, body, c.body)
	}
}

func TestClientsPage_ProgramsAreWhole(t *testing.T) {
	t.Parallel()
	found := programs(t, "docs", "clients.md")
	require.Len(t, found, 2)
	for _, source := range found {
		build(t, source)
	}
}
