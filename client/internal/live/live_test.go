package live

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStart_SaysWhyThereIsNoServer starts one outside of the repository, one
// that cannot be built, and one that ends at once.
func TestStart_SaysWhyThereIsNoServer(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	_, err := start(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "in Sentinel's repository only")

	folder := filepath.Join(dir, "cmd", "sentinel")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/x\n\ngo 1.26\n"), 0o600))
	_, err = start(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "build the server")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\n\nfunc main() { println(\"no port\") }\n"), 0o600))
	_, err = start(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "the server ended")
	require.ErrorContains(t, err, "no port")
}
