package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

// operations calls f with every operation of a document.
func operations(document map[string]any, f func(route string, op map[string]any)) {
	for path, item := range members(document["paths"]) {
		for method, op := range members(item) {
			f(strings.ToUpper(method)+" "+path, members(op))
		}
	}
}

// TestDocument_NeedsNoServer compares what is made without a database with what
// a server serves.
func TestDocument_NeedsNoServer(t *testing.T) {
	t.Parallel()
	raw, err := app.Document(t.Context(), "test", app.DocumentForm{})
	require.NoError(t, err)
	w := startWorld(t, newDatabase(t), func(c *app.Config) { c.PublicURL = "https://sentinel.example" })
	got := w.do(request{method: http.MethodGet, path: "//openapi.json"})
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, string(got.body), string(raw))
}

func TestDocument_NamesItsOperationsForPrograms(t *testing.T) {
	t.Parallel()
	raw, err := app.Document(t.Context(), "test", app.DocumentForm{})
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(raw, &document))
	routes := map[string]string{}
	operations(document, func(route string, op map[string]any) {
		id, _ := op["operationId"].(string)
		require.Regexp(t, `^[a-z][A-Za-z0-9]*[A-Za-z]$`, id, route)
		require.Empty(t, routes[id], "%s and %s are both %s: set OperationID", route, routes[id], id)
		routes[id] = route
	})
	require.Greater(t, len(routes), 80)
	for id, route := range map[string]string{
		"listRoles": "GET /api/v1/roles", "createRole": "POST /api/v1/roles", "addRolePermissions": "POST /api/v1/roles/{id}/permissions",
		"removeRolePermission": "DELETE /api/v1/roles/{id}/permissions/{permission_id}", "getOwnUser": "GET /api/v1/users/me",
		"checkPermissions": "POST /api/v1/permissions/check", "authLogin": "POST /api/v1/auth/login",
		"rotateServiceAccountCredentials": "POST /api/v1/service-accounts/{id}/rotate-credentials",
	} {
		require.Equal(t, route, routes[id], "generated clients call it %s", id)
	}
}

// TestDocument_TypesEveryAnswer leaves generators no answer to guess.
func TestDocument_TypesEveryAnswer(t *testing.T) {
	t.Parallel()
	for _, form := range []app.DocumentForm{{}, {Old: true}} {
		raw, err := app.Document(t.Context(), "test", form)
		require.NoError(t, err)
		var document map[string]any
		require.NoError(t, json.Unmarshal(raw, &document))
		schemas := members(members(document["components"])["schemas"])
		operations(document, func(route string, op map[string]any) {
			for status, response := range members(op["responses"]) {
				content := members(members(response)["content"])
				require.Equal(t, status == "204" || status == "304", len(content) == 0, "%s %s", route, status)
				for media, one := range content {
					schema := members(members(one)["schema"])
					ref, _ := schema["$ref"].(string)
					known := schemas[ref[strings.LastIndexByte(ref, '/')+1:]] != nil
					require.True(t, known || schema["type"] != nil, "%s %s: %s has no type", route, status, media)
				}
			}
		})
	}
}
