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

// TestReadme_KeepsATenantInAFile runs the commands of the section, as an
// administrator of an empty tenant and as that of the demo tenant.
func TestReadme_KeepsATenantInAFile(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "## A tenant in a file\n")
	require.True(t, found)
	commands := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindStringSubmatch(section)
	require.NotNil(t, commands)

	t.Run("the demo tenant", func(t *testing.T) {
		t.Parallel()
		s := start(t, reachable(t))
		keepATenantInAFile(t, commands[1], s.url, s.token(t))
		require.NoError(t, s.end(t, syscall.SIGTERM))
	})
	s, token := onDatabase(t)
	tenant, _ := s.tenant(t, token, "ACME")
	s.post(t, token, tenant, "/users", `{"email":"admin@example.com","password":"`+operatorPassword+`","roles":["00000000-0000-0000-0000-000000000011"]}`)
	login := s.post(t, "", "", "/auth/login", `{"tenant_id":"ACME","email":"admin@example.com","password":"`+operatorPassword+`"}`)

	keepATenantInAFile(t, commands[1], s.url, login["access_token"].(string))
}

func keepATenantInAFile(t *testing.T, commands, url, token string) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "bin", "sentinel")))
	require.NoError(t, os.Symlink(examples, filepath.Join(dir, "examples")))
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(commands)
	cmd.Env = append(os.Environ(), "SENTINEL_TEST_COMMAND=1", "SENTINEL_URL="+url, "TOKEN="+token)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, strings.HasSuffix(string(out), "Applied.\nNothing to change.\n"), "%s", out)
}
