package main

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDecisions_TeachesWhatIsSo runs every command and program of the page, in
// order, on a server with demo data, and compares all that they print.
func TestDecisions_TeachesWhatIsSo(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/decisions.md", "")
	s := start(t, reachable(t))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())

	holds(t, page, player{url: s.url, listen: free.Addr().String(), keepGoing: true}.play(t, page))
	require.NoError(t, s.end(t, syscall.SIGTERM))
}
