package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPages_ShowWhatIsAnswered runs the commands of the pages about the questions,
// each after the first block of docs/decisions.md, which they build on, on one
// server with demo data, and compares all that they print. None of them changes what
// another one asks about.
func TestPages_ShowWhatIsAnswered(t *testing.T) {
	t.Parallel()
	beginning := readPage(t, "docs/decisions.md", "")[:1]
	s := start(t, reachable(t))
	for _, name := range []string{"docs/explain.md", "docs/search.md", "docs/simulate.md", "docs/authzen.md"} {
		page := append(beginning[:1:1], readPage(t, name, "")...)
		holds(t, page, player{url: s.url, keepGoing: true}.play(t, page))
	}
	require.NoError(t, s.end(t, syscall.SIGTERM))
}
