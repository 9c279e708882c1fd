package main

import (
	"os"
	"os/exec"
	"path/filepath"
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
	require.NoError(t, s.end(t, syscall.SIGTERM))
}
