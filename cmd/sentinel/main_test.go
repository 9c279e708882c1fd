package main

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) {
	// As a child of a test it is the command itself.
	if os.Getenv("SENTINEL_TEST_COMMAND") != "" {
		main()
		return
	}
	dbtest.Main(m)
}

// run executes the command in this process.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// answering serves one fixed answer and keeps what was asked.
func answering(t *testing.T, status int, body string) (url string, asked *http.Request, question *map[string]any) {
	t.Helper()
	asked, question = &http.Request{}, &map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r.Clone(t.Context())
		_ = json.NewDecoder(r.Body).Decode(question)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked, question
}

const allowed = `{"data":{"allowed":true,"reason_code":"granted","reason":"Allowed.","matched_roles":[{"name":"viewer","path":"user > role:viewer"}]}}`

func TestVersion(t *testing.T) {
	out, err := run(t, "version")
	require.NoError(t, err)
	require.Equal(t, "sentinel dev\n", out)
}

func TestCheck_TellsPeopleWhy(t *testing.T) {
	url, asked, question := answering(t, http.StatusOK, allowed)
	out, err := run(t, "check", "read", "vessel:mv-aurora", "--server", url, "--token", "t", "--user", "u", "--tenant", "x", "--attributes", `{"flag":"GR"}`, "--context", `{"ip":"10.0.0.1"}`)
	require.NoError(t, err)
	require.Equal(t, "ALLOWED (granted)\nAllowed.\n  by user > role:viewer\n", out)
	require.Equal(t, "Bearer t", asked.Header.Get("Authorization"))
	require.Equal(t, "x", asked.Header.Get("X-Tenant-ID"))
	require.Equal(t, map[string]any{
		"user_id": "u", "action": "read", "context": map[string]any{"ip": "10.0.0.1"},
		"resource": map[string]any{"type": "vessel", "id": "mv-aurora", "attributes": map[string]any{"flag": "GR"}},
	}, *question)
}

func TestCheck_GivesProgramsJSONAndAnExitStatus(t *testing.T) {
	url, _, _ := answering(t, http.StatusOK, `{"data":{"allowed":false,"reason_code":"no_matching_permission"}}`)
	out, err := run(t, "check", "read", "vessel", "--server", url, "--token", "t", "-o", "json")
	require.ErrorIs(t, err, errDenied)
	require.JSONEq(t, `{"data":{"allowed":false,"reason_code":"no_matching_permission"}}`, out)
}

func TestCheck_ShowsWhatAnApprovalNeedsAndWhatIsDemanded(t *testing.T) {
	const levels = `[{"level":1,"approvers":{"any_of":[{"role":"r1","min":2}]},"timeout_hours":48}]`
	fields := `"field_permissions":{"core":{"name":"write","imo":"read"},"tenant_specific":{"notes":"hidden"}}`
	url, _, question := answering(t, http.StatusOK, `{"data":{"allowed":false,"reason_code":"approval_required","requires_approval":true,"approval_chain_id":"c1","approval_levels":`+levels+`,`+fields+`}}`)
	out, err := run(t, "check", "read", "vessel:mv-aurora", "--server", url, "--token", "t")
	require.ErrorIs(t, err, errDenied)
	require.NotContains(t, *question, "justification")
	require.Equal(t, `DENIED (approval_required)
  approval chain c1
    level 1, within 48 h: {"any_of":[{"role":"r1","min":2}]}
  nobody has been asked yet: ask again with --justification
  field core.imo: read
  field core.name: write
  field tenant_specific.notes: hidden
`, out)

	url, _, question = answering(t, http.StatusOK, `{"data":{"allowed":false,"reason_code":"approval_required","requires_approval":true,"approval_chain_id":"c1","approval_request_id":"r7"}}`)
	out, err = run(t, "check", "read", "vessel:mv-aurora", "--server", url, "--token", "t", "--justification", "The auditor asks.")
	require.ErrorIs(t, err, errDenied, "a request that waits is no answer yet")
	require.Equal(t, "The auditor asks.", (*question)["justification"])
	require.Equal(t, "DENIED (approval_required)\n  approval chain c1\n  access request r7\n", out)

	url, _, _ = answering(t, http.StatusOK, `{"data":{"allowed":true,"reason_code":"granted_by_approval","requires_approval":false,"approval_chain_id":"c1","approval_request_id":"r7","obligations":[{"type":"log","to":"siem"}]}}`)
	out, err = run(t, "check", "read", "vessel:mv-aurora", "--server", url, "--token", "t")
	require.NoError(t, err)
	require.Equal(t, "ALLOWED (granted_by_approval)\n  obligation {\"type\":\"log\",\"to\":\"siem\"}\n  approval chain c1\n  access request r7\n", out)
}

func TestCheck_SaysWhatToDo(t *testing.T) {
	t.Setenv("SENTINEL_TOKEN", "")
	refused, _, _ := answering(t, http.StatusUnauthorized, `{"error":{"code":"TOKEN_EXPIRED","message":"The token has expired. Log in again."}}`)
	strange, _, _ := answering(t, http.StatusOK, `<html>`)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no token":        {[]string{"check", "read", "vessel"}, "SENTINEL_TOKEN"},
		"no question":     {[]string{"check", "read"}, "sentinel check read vessel:mv-aurora"},
		"no id":           {[]string{"check", "read", "vessel:", "--token", "t"}, "give an id after the colon"},
		"no scheme":       {[]string{"check", "read", "vessel", "--token", "t", "--server", "127.0.0.1:8080"}, "such as http://127.0.0.1:8080"},
		"no URL":          {[]string{"check", "--ready", "--server", "localhost"}, "such as http://127.0.0.1:8080"},
		"no such token":   {[]string{"check", "read", "vessel", "--token", "a\nb"}, "an access_token and nothing else"},
		"bad output":      {[]string{"check", "read", "vessel", "--token", "t", "-o", "xml"}, "must be text or json"},
		"bad attributes":  {[]string{"check", "read", "vessel", "--token", "t", "--attributes", "[1]"}, `--attributes: must be a JSON object, such as '{"amount": 250, "flag": "NO"}'`},
		"bad server":      {[]string{"check", "read", "vessel", "--token", "t", "--server", "http://[::1"}, "--server"},
		"no server":       {[]string{"check", "read", "vessel", "--token", "t", "--server", "http://127.0.0.1:1"}, "no server answers at"},
		"refused":         {[]string{"check", "read", "vessel", "--token", "t", "--server", refused}, "Log in again"},
		"not sentinel":    {[]string{"check", "read", "vessel", "--token", "t", "--server", strange}, "does not answer like Sentinel"},
		"not ready":       {[]string{"check", "--ready", "--server", refused}, "is not ready"},
		"nothing to seed": {[]string{"seed"}, "sentinel seed --demo"},
		"down unasked":    {[]string{"migrate", "down"}, "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, c.args...)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCheck_TakesATokenWithALineEndAndAServerWithASlash(t *testing.T) {
	t.Parallel()
	url, asked, _ := answering(t, http.StatusOK, allowed)
	_, err := run(t, "check", "read", "vessel", "--token", " t\r\n", "--server", url+"/")
	require.NoError(t, err)
	require.Equal(t, "Bearer t", asked.Header.Get("Authorization"))
	require.Equal(t, "/api/v1/permissions/check", asked.URL.Path)
	_, err = run(t, "check", "--ready", "--server", url+"/")
	require.NoError(t, err)
	require.Equal(t, "/health/ready", asked.URL.Path)
}

func TestRemote_TellsAnInterruptionFromAServerThatIsAway(t *testing.T) {
	t.Parallel()
	url, _, _ := answering(t, http.StatusOK, allowed)
	r := &remote{server: url, token: "t"}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.call(ctx, http.MethodGet, "/manifest", nil)
	require.ErrorIs(t, err, errInterrupted)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err = r.call(late, http.MethodGet, "/manifest", nil)
	require.ErrorContains(t, err, "does not answer in time")
}

func TestRefusal_ListsTheMembersItself(t *testing.T) {
	t.Parallel()
	url, _, _ := answering(t, http.StatusBadRequest, `{"error":{"code":"VALIDATION_ERROR","message":"The request is not valid. Correct the members named in details.fields.",
		"details":{"fields":[{"path":"user_id","message":"must be a UUID"}]}}}`)
	_, err := run(t, "check", "read", "vessel", "--token", "t", "--server", url)
	require.EqualError(t, err, "VALIDATION_ERROR: The request is not valid.\n  user_id must be a UUID")
}

func TestPolicyBuild_WritesTheSameBytesTwice(t *testing.T) {
	var bundles [2][]byte
	for i := range bundles {
		file := filepath.Join(t.TempDir(), "b", "sentinel.tar.gz")
		_, err := run(t, "policy", "build", "-o", file)
		require.NoError(t, err)
		bundles[i], err = os.ReadFile(file)
		require.NoError(t, err)
		require.NotEmpty(t, bundles[i])
	}
	require.Equal(t, bundles[0], bundles[1])
	_, err := run(t, "policy", "build", "-o", filepath.Join(t.TempDir(), "x"), "--signing-key", "/does/not/exist")
	require.ErrorContains(t, err, "signing key")
}

func TestMigrate_UpStatusDown(t *testing.T) {
	database := dbtest.New(t)
	t.Chdir(t.TempDir())
	_, err := run(t, "migrate", "status")
	require.ErrorContains(t, err, "MIGRATE_DATABASE_URL")
	t.Setenv("MIGRATE_DATABASE_URL", database.OwnerURL)
	_, err = run(t, "migrate", "down", "--yes")
	require.NoError(t, err)
	out, err := run(t, "migrate", "status")
	require.NoError(t, err)
	require.Contains(t, out, "pending")
	_, err = run(t, "migrate", "up")
	require.NoError(t, err)
	out, err = run(t, "migrate", "status")
	require.NoError(t, err)
	require.NotContains(t, out, "pending")
	require.Contains(t, out, "00001_foundation.sql")
}

// TestServe_FromAnEmptyFolderToADecision runs the command as its user does: with
// demo data on an embedded PostgreSQL, twice, killed hard in between.
func TestServe_FromAnEmptyFolderToADecision(t *testing.T) {
	dir := reachable(t)
	first := start(t, dir)
	require.Contains(t, first.greeting, "Administrator: tenant PLATFORM")
	require.Contains(t, first.greeting, "/api/v1/permissions/check")
	out, err := run(t, "check", "read", "vessel:mv-aurora", "--server", first.url, "--token", first.token(t), "--user", first.ann(t))
	require.NoError(t, err)
	require.Contains(t, out, "ALLOWED (granted)")
	require.Contains(t, out, "user > group:apac-team > role:port_inspector > role:fleet_viewer")
	_, err = run(t, "check", "delete", "vessel:mv-aurora", "--server", first.url, "--token", first.token(t), "--user", first.ann(t))
	require.ErrorIs(t, err, errDenied)
	require.Error(t, first.end(t, syscall.SIGKILL))

	second := start(t, dir)
	require.Equal(t, line(first.greeting, "Administrator"), line(second.greeting, "Administrator"), "the login stays the same")
	_, err = run(t, "check", "--ready", "--server", second.url)
	require.NoError(t, err)
	require.NoError(t, second.end(t, syscall.SIGTERM), "SIGTERM ends it cleanly")
}

// reachable is a folder that PostgreSQL's user can enter under root, too.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sentinel-serve-") //nolint:usetesting // the test's own is closed to that user
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // for that user
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

type server struct {
	cmd      *exec.Cmd
	url      string
	greeting string
	log      *bytes.Buffer
}

func start(t *testing.T, dir string) *server {
	t.Helper()
	return startWith(t, dir, []string{"serve", "--demo"}, "permissions/check")
}

// startWith runs the command and waits until it has printed what says that it is
// ready.
func startWith(t *testing.T, dir string, args []string, printed string, env ...string) *server {
	t.Helper()
	greeting := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(greeting)
	require.NoError(t, err)
	defer func() { require.NoError(t, out.Close()) }()
	self, err := os.Executable()
	require.NoError(t, err)
	s := &server{cmd: exec.CommandContext(t.Context(), self, args...), log: &bytes.Buffer{}}
	s.cmd.Env = append(os.Environ(), "SENTINEL_TEST_COMMAND=1", "HTTP_ADDR=127.0.0.1:0", "METRICS_ADDR=off", "DATA_DIR="+dir, "DATABASE_URL=")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, out, s.log
	require.NoError(t, s.cmd.Start())
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(greeting)
		s.greeting = string(raw)
		return err == nil && strings.Contains(s.greeting, printed)
	}, time.Minute, 50*time.Millisecond, "the server does not get ready")
	_, rest, _ := strings.Cut(s.greeting, "ready at ")
	s.url, _, _ = strings.Cut(rest, " ")
	return s
}

func (s *server) end(t *testing.T, signal os.Signal) error {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(signal))
	return s.cmd.Wait()
}

func (s *server) token(t *testing.T) string {
	t.Helper()
	body := `{"tenant_id":"TEST-001","email":"admin@test-001.example","password":"demo-password-1"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/auth/login", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
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

func (s *server) ann(t *testing.T) string {
	t.Helper()
	_, rest, ok := strings.Cut(s.greeting, `"user_id":"`)
	require.True(t, ok)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}
