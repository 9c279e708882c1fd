package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestImport_GuessesWhatAFileIs(t *testing.T) {
	for name, c := range map[string]struct{ head, kind, format string }{
		"users.csv":         {"email,name\n", "users", "csv"},
		"roles-2026.jsonl":  {`{"name":"x"}`, "roles", "jsonl"},
		"everything.ndjson": {`{"kind":"user"}`, "mixed", "jsonl"},
		"people.txt":        {"\xEF\xBB\xBF\"email\",display_name\n", "users", "csv"},
		"a.csv":             {"user,role\n", "assignments", "csv"},
		"b.csv":             {"name,resource_path,actions\n", "permissions", "csv"},
		"c":                 {`{"type":"app","code":"x"}`, "resources", "jsonl"},
		"d.csv":             {"name,priority\n", "roles", "csv"},
	} {
		var o importOptions
		require.NoError(t, o.guess(name, []byte(c.head)), name)
		require.Equal(t, c.kind+" "+c.format, o.kind+" "+o.format, name)
	}
	require.ErrorContains(t, (&importOptions{}).guess("x.csv", []byte("name\n")), "--kind")
	require.ErrorContains(t, (&importOptions{format: "xml"}).guess("x", nil), "--format")
}

func TestImport_SaysWhatToDo(t *testing.T) {
	t.Setenv("SENTINEL_TOKEN", "")
	file := filepath.Join(t.TempDir(), "users.csv")
	require.NoError(t, os.WriteFile(file, []byte("email\na@example.com\n"), 0o600))
	empty := filepath.Join(t.TempDir(), "users.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	refused, _, _ := answering(t, http.StatusBadRequest, `{"error":{"code":"VALIDATION_ERROR","message":"Not valid.","details":{"fields":[{"path":"header[0]","message":"is bad"}]}}}`)
	strange, _, _ := answering(t, http.StatusOK, `<html>`)
	failed, _, _ := answering(t, http.StatusOK, `{"data":{"id":"i","status":"failed","error":"Ask somebody."}}`)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"neither":      {nil, "at least one of the flags"},
		"no file":      {[]string{"-f", "/does/not/exist"}, "--file"},
		"the input":    {[]string{"-f", "-"}, "takes a file, not the input"},
		"empty":        {[]string{"-f", empty}, "there is nothing in"},
		"no token":     {[]string{"-f", file}, "SENTINEL_TOKEN"},
		"no server":    {[]string{"-f", file, "--token", "t", "--server", "http://127.0.0.1:1"}, "no server answers"},
		"bad server":   {[]string{"-f", file, "--token", "t", "--server", "http://[::1"}, "--server"},
		"refused":      {[]string{"-f", file, "--token", "t", "--server", refused}, "header[0] is bad"},
		"not sentinel": {[]string{"-f", file, "--token", "t", "--server", strange}, "does not answer like Sentinel"},
		"failed":       {[]string{"--status", "i", "--token", "t", "--server", failed}, "Ask somebody."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, append([]string{"import"}, c.args...)...)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.Equal(t, 2, exitStatus(fmt.Errorf("x: %w", errRowsRefused)))
	require.Equal(t, 1, exitStatus(errDenied))
	require.Equal(t, "[###############...............]", drawn(1, 2))
	require.Equal(t, "["+strings.Repeat("#", 30)+"]", drawn(0, 0))
}

func TestImport_SaysThatAFileMayBeTooLarge(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users.csv")
	require.NoError(t, os.WriteFile(file, append([]byte("email\n"), make([]byte, 64<<20)...), 0o600))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close() // with most of the body unread
		}
	}))
	t.Cleanup(server.Close)
	_, err := run(t, "import", "-f", file, "--token", "t", "--server", server.URL)
	require.ErrorContains(t, err, "larger than IMPORT_MAX_MB")
}

// many is a file of users, each of whom has an attribute that makes it large.
func many(n int) string {
	var out bytes.Buffer
	for i := range n {
		fmt.Fprintf(&out, `{"email":"user%d@example.com","external_id":"u%d","attributes":{"n":%d},"roles":["port_inspector"]}`+"\n", i, i, i)
	}
	return out.String()
}

// TestImport_GoesOnAfterItsProcessIsKilled kills the server in the middle of an
// import. The next one takes it up, and every row is there once.
func TestImport_GoesOnAfterItsProcessIsKilled(t *testing.T) {
	dir := reachable(t)
	const rows = 6_000
	file := filepath.Join(t.TempDir(), "users.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(many(rows)), 0o600))
	soon := "JOB_RESCUE_AFTER=6s"
	first := startWith(t, dir, []string{"serve", "--demo"}, "permissions/check", soon)
	token := first.token(t)
	out, err := run(t, "import", "-f", file, "--server", first.url, "--token", token, "--wait=false")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(out, "--status ")
	id := strings.TrimSpace(rest)
	require.Eventually(t, func() bool {
		i := look(t, first.url, token, id)
		require.NotEqual(t, "done", i.Status, "killed too late")
		return i.Processed > 0
	}, time.Minute, 5*time.Millisecond)
	require.Error(t, first.end(t, syscall.SIGKILL))

	second := startWith(t, dir, []string{"serve", "--demo"}, "permissions/check", soon)
	token = second.token(t)
	half := look(t, second.url, token, id)
	require.Less(t, half.Processed, rows)
	var done imported
	require.Eventually(t, func() bool {
		done = look(t, second.url, token, id)
		return done.over()
	}, 90*time.Second, 200*time.Millisecond, "nobody takes it up")
	require.Equal(t, "done", done.Status, done.Error)
	require.Equal(t, rows, done.Created, "every row once")
	require.Zero(t, done.Updated+done.Unchanged+done.Refused)

	out, err = run(t, "import", "-f", file, "--server", second.url, "--token", token)
	require.NoError(t, err)
	require.Contains(t, out, fmt.Sprintf("%d of %d rows; 0 created, 0 updated, %d unchanged, 0 refused", rows, rows, rows))
	require.NoError(t, os.WriteFile(file, []byte(`{"email":"not an address"}`+"\n"+`{"email":"fine@example.com"}`), 0o600))
	out, err = run(t, "import", "-f", file, "--server", second.url, "--token", token, "--dry-run")
	require.ErrorIs(t, err, errRowsRefused)
	require.Contains(t, out, "a dry run")
	require.Contains(t, out, "  line 1 user not an address: email must be an e-mail address\n")
	interrupted(t, second, token)
	require.NoError(t, second.end(t, syscall.SIGTERM))
}

// interrupted ends the command while it waits: the import goes on.
func interrupted(t *testing.T, s *server, token string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(many(4_000), `"n":`, `"m":`)), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "import", "-f", file, "--server", s.url, "--token", token)
	cmd.Env = append(os.Environ(), "SENTINEL_TEST_COMMAND=1")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stderr)
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), " of 4000")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said := ""
	for lines.Scan() {
		said = lines.Text()
	}
	require.Error(t, cmd.Wait())
	require.Contains(t, said, "the import goes on. Look at it with: sentinel import --status")
}

func look(t *testing.T, url, token, id string) (i imported) {
	t.Helper()
	require.NoError(t, (&remote{server: url, token: token}).get(t.Context(), "/imports/"+id, &i))
	return i
}

func TestBenchLoad_MakesTenantsAndImports(t *testing.T) {
	dir := reachable(t)
	s := start(t, dir)
	token := operatorToken(t, s)
	file := filepath.Join(t.TempDir(), "data.json")
	raw, err := json.Marshal(map[string]any{"tenants": []any{map[string]any{
		"id": "t0", "roles": []any{map[string]any{"id": "r0"}, map[string]any{"id": "r1", "parents": []string{"r0"}, "permissions": []string{"p0"}}},
		"permissions": []any{map[string]any{"id": "p0", "type": "vessel", "pattern": "*", "actions": []string{"read"}}},
		"users":       []any{map[string]any{"id": "u0", "roles": []string{"r1"}}},
	}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	for range 2 {
		out, err := run(t, "bench", "load", "-f", file, "--server", s.url, "--token", token)
		require.NoError(t, err)
		require.Contains(t, out, "1 tenants in ")
	}
	require.NoError(t, s.end(t, syscall.SIGTERM))
}

// operatorToken logs in as the administrator whom the first start made.
func operatorToken(t *testing.T, s *server) string {
	t.Helper()
	_, password, ok := strings.Cut(strings.TrimSpace(line(s.greeting, "Administrator")), "password ")
	require.True(t, ok, s.greeting)
	body := fmt.Sprintf(`{"tenant_id":"PLATFORM","email":"admin@sentinel.local","password":%q}`, password)
	resp, err := http.Post(s.url+"/api/v1/auth/login", "application/json", strings.NewReader(body)) //nolint:noctx // a test's login
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var login struct {
		Data struct {
			AccessToken string `json:"access_token"`
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&login))
	require.NotEmpty(t, login.Data.AccessToken)
	return login.Data.AccessToken
}
