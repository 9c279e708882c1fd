package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestApprovalFlow_PlaysOnTheDemo runs the example of an approval on a server
// with demo data, twice, and compares all that it prints.
func TestApprovalFlow_PlaysOnTheDemo(t *testing.T) {
	s := start(t, reachable(t))
	want := strings.TrimLeft(`
Ann reads the dossier: approval_required
Ann says why she needs it.
Asking again is the same request.
Ann approves it herself: PERMISSION_DENIED
Bob, a logistics manager, approves: pending
Ann reads the dossier: approval_required
Dora, a director, approves: approved
Ann reads the dossier: granted_by_approval
Ann reads another one: approval_required
Ann is done and gives it up: revoked
Ann reads the dossier: approval_required
Ann asks for a few seconds.
Ann reads the dossier: granted_by_approval
Ann reads the dossier when the time is over: approval_required
`, "\n")
	for range 2 {
		cmd := exec.CommandContext(t.Context(), "bash", filepath.Join("..", "..", "examples", "approval-flow.sh"))
		cmd.Env = append(os.Environ(), "SENTINEL="+s.url)
		out, err := cmd.Output()
		require.NoError(t, err, "%s\n%s", out, s.log)
		require.Equal(t, want, string(out))
	}
	askFirst(t, s.url)
	playApprovals(t, s.url)
	require.NoError(t, s.end(t, syscall.SIGTERM))
}

// askFirst runs the example where nobody can log in.
func askFirst(t *testing.T, url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join("..", "..", "examples", "approval-flow.sh"))
	cmd.Env = append(os.Environ(), "SENTINEL="+url+"/elsewhere")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "start it by `sentinel serve --demo`")
}

// playApprovals runs the commands of docs/approvals.md one after the other.
func playApprovals(t *testing.T, url string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "approvals.md"))
	require.NoError(t, err)
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	for _, b := range block.FindAllStringSubmatch(string(page), -1) {
		require.Equal(t, "sh", b[1])
		script.WriteString(b[3])
	}
	const documented = "http://127.0.0.1:8080"
	require.Contains(t, script.String(), documented)
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(script.String(), documented, url))
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), `"error"`)
	said := regexp.MustCompile(`"name":"Contracts"|"reason_code":"[a-z_]+"|"status":"(?:approved|revoked)"`).FindAllString(string(out), -1)
	require.Equal(t, []string{
		`"name":"Contracts"`, `"reason_code":"approval_required"`, `"status":"approved"`, `"reason_code":"granted_by_approval"`, `"status":"revoked"`,
	}, said, "%s", out)
}
