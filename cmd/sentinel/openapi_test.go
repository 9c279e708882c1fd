package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenAPI_PrintsTheDocumentWithoutAServer(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none") // which it must not look at
	out, err := run(t, "openapi")
	require.NoError(t, err)
	var document struct {
		OpenAPI string         `json:"openapi"`
		Paths   map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	require.Contains(t, document.Paths, "/api/v1/roles/{id}")
	require.NotContains(t, document.Paths, "/dev/mail", "a server in production has none")

	again, err := run(t, "openapi")
	require.NoError(t, err)
	require.Equal(t, out, again, "the same bytes every time")

	file := filepath.Join(t.TempDir(), "openapi.yaml")
	_, err = run(t, "openapi", "--version", "3.0", "-o", file)
	require.NoError(t, err)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(raw), "openapi: 3.0.3\n")

	_, err = run(t, "openapi", "--version", "2.0")
	require.ErrorContains(t, err, "must be 3.1 or 3.0")
	_, err = run(t, "openapi", "-o", filepath.Join(t.TempDir(), "none", "x.json"))
	require.ErrorContains(t, err, "--output")
}
