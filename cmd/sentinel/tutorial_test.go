package main

import (
	"regexp"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTutorial_DoesWhatItSays runs the commands of the tutorial one after the
// other, on a server that starts empty, and compares all that they print.
func TestTutorial_DoesWhatItSays(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/tutorial.md", "")
	started := slices.IndexFunc(page, func(b block) bool { return b.note == "server" })
	require.GreaterOrEqual(t, started, 0, "the block that starts the server")
	require.Contains(t, page[started].text, "sentinel serve")
	password := regexp.MustCompile(`ADMIN_PASSWORD='([^']+)'`).FindStringSubmatch(page[started].text)
	require.NotNil(t, password)

	s := startWith(t, reachable(t), []string{"serve"}, "is ready at", "ADMIN_PASSWORD="+password[1])
	holds(t, page, player{url: s.url}.play(t, page))
	require.NoError(t, s.end(t, syscall.SIGTERM))
}
