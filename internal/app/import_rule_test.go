package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImport_GivesNothingThatTheActorMayNotGive has rows of a file pass that are
// within somebody's rights, and no others.
func TestImport_GivesNothingThatTheActorMayNotGive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant := func(name, sections string) {
		w.make(name+"_role", "admin", "", "/roles", `{"name":"`+name+`_role","priority":300}`)
		for section := range strings.SplitSeq(sections, " ") {
			w.make("", "admin", "", "/roles/$"+name+"_role/permissions", `{"permissions":[{"name":"p","resource_type":"api","resource_path":"api/`+section+`","actions":["*"]}]}`)
		}
		w.person(name, "admin", "", "ALPHA", `"$`+name+`_role"`)
	}
	grant("clerk", "imports users groups")
	grant("writer", "imports permissions roles")
	grant("carrier", "imports")

	out := w.imported("clerk", "", jsonLines, strings.Join([]string{
		`{"kind":"assignment","user":"plain@alpha.example","role":"tenant_admin"}`,
		`{"kind":"assignment","user":"plain@alpha.example","role":"reader"}`,
		`{"kind":"assignment","user":"clerk@alpha.example","role":"reader"}`,
		`{"kind":"user","email":"one@alpha.example","roles":["tenant_admin"]}`,
		`{"kind":"user","email":"two@alpha.example","groups":["ops"]}`,
		`{"kind":"user","email":"admin@alpha.example","is_active":false}`,
		`{"kind":"group","name":"rulers","roles":["tenant_admin"]}`,
		`{"kind":"group","name":"readers","roles":["reader"]}`,
	}, "\n"))
	require.Equal(t, []string{
		"1 assignment plain@alpha.example role:tenant_admin", "3 assignment clerk@alpha.example role:reader", "4 user one@alpha.example", "6 user admin@alpha.example", "7 group rulers",
	}, w.refused("clerk", out))
	require.Equal(t, "3 0 0 5", counts(out))
	require.Empty(t, w.column(t, `
SELECT u.email FROM sentinel.users u JOIN sentinel.user_roles r ON r.user_id = u.id
WHERE r.role_id = $1 AND u.email NOT IN ('admin@alpha.example', 'admin_b@beta.example')`, w.ids["tenant_admin"]))
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.audit_logs WHERE result = 'denied' AND error_details ? 'import_id'"), 5)

	out = w.imported("writer", "", jsonLines, strings.Join([]string{
		`{"kind":"permission","name":"Everything","resource_path":"*/*","actions":["*"],"roles":["writer_role"]}`,
		`{"kind":"permission","name":"Harmless","resource_path":"*/*","actions":["*"]}`,
		`{"kind":"permission","name":"Read vessels","resource_path":"vessel/*","actions":["*"]}`,
		`{"kind":"role","name":"strong","permissions":["Everything"]}`,
		`{"kind":"role","name":"weak"}`,
		`{"kind":"role","name":"heir","parent":"inspector"}`,
	}, "\n"))
	require.Equal(t, []string{"1 permission Everything", "3 permission Read vessels", "4 role strong permissions[0]", "6 role heir"}, w.refused("writer", out))
	require.Equal(t, "2 0 0 4", counts(out))

	for row, needed := range map[string]string{
		`{"kind":"permission","name":"p","resource_path":"*/*","actions":["*"]}`: "api/permissions:create", `{"kind":"user","email":"x@alpha.example"}`: "api/users:create",
		`{"kind":"role","name":"r"}`: "api/roles:create", `{"kind":"group","name":"g"}`: "api/groups:create",
		`{"kind":"resource","type":"app","code":"x"}`: "api/resources:create", `{"kind":"assignment","user":"plain@alpha.example","role":"reader"}`: "api/users:update",
	} {
		got := w.upload("carrier", "", jsonLines, row)
		require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
		require.Equal(t, needed, got.at("error.details.required_permission"))
	}
}

// TestImport_ForgetsWhoIsErased erases somebody whom a waiting file names.
func TestImport_ForgetsWhoIsErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.stalledImport(t, "admin", `{"email":"Pla\u0069n@alpha.example","display_name":"Plain"}`+"\n"+`{"email":"other@alpha.example"}`,
		"UPDATE sentinel.imports SET status = 'failed' WHERE created_by = $1")
	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$plain?erase=true"}).status)
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPost, path: "/imports/" + id + "/resume"}).status)
	out := w.finished("admin", id)
	require.Equal(t, "1 0 0 1", counts(out))
	require.Equal(t, []string{"1 user"}, w.refused("admin", out))
}
