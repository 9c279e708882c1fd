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

var block = regexp.MustCompile("(?ms)^```(\\S+) ?(\\S*)\n(.*?)^```$")

// TestTutorial_DoesWhatItSays runs the commands of the tutorial one after the
// other, on a server that starts empty, and compares all that they print.
func TestTutorial_DoesWhatItSays(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial.md"))
	require.NoError(t, err)
	var script, want strings.Builder
	script.WriteString("set -euo pipefail\n")
	server := ""
	for _, b := range block.FindAllStringSubmatch(string(page), -1) {
		switch {
		case b[2] == "server":
			server = b[3]
		case b[1] == "sh":
			script.WriteString(b[3])
		case b[1] == "text":
			want.WriteString(b[3])
		}
	}
	require.Contains(t, server, "sentinel serve", "the block that starts the server")
	password := regexp.MustCompile(`ADMIN_PASSWORD='([^']+)'`).FindStringSubmatch(server)
	require.NotNil(t, password)

	s := startWith(t, reachable(t), []string{"serve"}, "is ready at", "ADMIN_PASSWORD="+password[1])
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Env = append(os.Environ(), "SENTINEL="+s.url)
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", out, s.log)
	require.Equal(t, want.String(), string(out))
	require.NoError(t, s.end(t, syscall.SIGTERM))
}
