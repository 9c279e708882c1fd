package main

import (
	"encoding/json"
	"fmt"
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
	out := strings.Join(player{url: url}.play(t, readPage(t, "docs/approvals.md", "")), "")
	require.NotContains(t, out, `"error"`)
	said := regexp.MustCompile(`"name":"Contracts"|"reason_code":"[a-z_]+"|"status":"(?:approved|revoked)"`).FindAllString(out, -1)
	require.Equal(t, []string{
		`"name":"Contracts"`, `"reason_code":"approval_required"`, `"status":"approved"`, `"reason_code":"granted_by_approval"`, `"status":"revoked"`,
	}, said, "%s", out)
}

// TestApproval_ItsEndIsNotLostWithTheProcess kills the server while a request
// waits. The next one ends it, once.
func TestApproval_ItsEndIsNotLostWithTheProcess(t *testing.T) {
	dir := reachable(t)
	first := start(t, dir)
	ends := time.Now().Add(4 * time.Second).UTC().Truncate(time.Second)
	body := fmt.Sprintf(`{"request_type":"permission","request_details":{"resource_type":"sensitive_data","resource_id":"x","action":"read"},
		"justification":"One look","expires_at":%q}`, ends.Format(time.RFC3339))
	type request struct {
		ID        string    `json:"id"`
		Status    string    `json:"status"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	var opened, ended, later request
	raw, err := (&remote{server: first.url, token: first.token(t)}).data(t.Context(), http.MethodPost, "/access-requests", []byte(body))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &opened))
	require.Equal(t, "pending", opened.Status)
	require.Error(t, first.end(t, syscall.SIGKILL))

	second := start(t, dir)
	r := &remote{server: second.url, token: second.token(t)}
	look := func(into *request) { require.NoError(t, r.get(t.Context(), "/access-requests/"+opened.ID, into)) }
	// By the clock it is over at once; that it was written tells the job.
	require.Eventually(t, func() bool {
		look(&ended)
		return ended.UpdatedAt.After(opened.UpdatedAt)
	}, time.Minute, 100*time.Millisecond, "nobody ends it")
	require.Equal(t, "expired", ended.Status)
	require.False(t, ended.UpdatedAt.Before(ends))
	require.Never(t, func() bool {
		look(&later)
		return !later.UpdatedAt.Equal(ended.UpdatedAt)
	}, 2*time.Second, 200*time.Millisecond, "it is ended again")
	require.NoError(t, second.end(t, syscall.SIGTERM))
}
