package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	jsonLines = "application/x-ndjson"
	csvFile   = "text/csv"
)

func importExamples() map[string]example {
	return map[string]example{
		"GET /imports":               {path: "/imports"},
		"POST /imports":              {path: "/imports", body: `{"kind":"user","email":"new@alpha.example"}`, media: jsonLines},
		"GET /imports/{id}":          {path: "/imports/$import", foreign: []call{{"/imports/$import_b", ""}}},
		"GET /imports/{id}/refusals": {path: "/imports/$import/refusals", foreign: []call{{"/imports/$import_b/refusals", ""}}},
		"POST /imports/{id}/cancel":  {path: "/imports/$import/cancel", foreign: []call{{"/imports/$import_b/cancel", ""}}},
		"POST /imports/{id}/resume":  {path: "/imports/$import/resume", foreign: []call{{"/imports/$import_b/resume", ""}}},
	}
}

// upload sends a file and returns the answer.
func (w *world) upload(as, query, media, file string) *response {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPost, path: "/imports?" + query, body: file, header: map[string]string{"Content-Type": media}})
}

// imported sends a file, waits until it is written, and returns the import.
func (w *world) imported(as, query, media, file string) *response {
	w.t.Helper()
	answer := w.upload(as, query, media, file)
	require.Equal(w.t, http.StatusAccepted, answer.status, "%s", answer.body)
	require.Equal(w.t, "/api/v1/imports/"+answer.at("data.id").(string), answer.header.Get("Location"))
	return w.finished(as, answer.at("data.id").(string))
}

// finished waits for the end of an import.
func (w *world) finished(as, id string) (out *response) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		out = w.do(request{as: as, method: http.MethodGet, path: "/imports/" + id})
		status := out.at("data.status")
		return status == "done" || status == "failed" || status == "cancelled"
	}, 30*time.Second, 20*time.Millisecond)
	return out
}

// counts are what came of an import, as "created updated unchanged refused".
func counts(r *response) string {
	return fmt.Sprint(r.at("data.created"), " ", r.at("data.updated"), " ", r.at("data.unchanged"), " ", r.at("data.refused"))
}

// refused are the refusals of an import, as "line kind key field".
func (w *world) refused(as string, r *response) []string {
	w.t.Helper()
	list := w.do(request{as: as, method: http.MethodGet, path: "/imports/" + r.at("data.id").(string) + "/refusals?limit=1000"})
	out := []string{}
	for i := range int(number(list.at("meta.pagination.total"))) {
		at := fmt.Sprintf("data.%d.", i)
		require.NotEmpty(w.t, list.at(at+"reason"))
		out = append(out, strings.TrimSpace(fmt.Sprint(list.at(at+"line"), " ", list.at(at+"kind"), " ", list.at(at+"key"), " ", list.at(at+"field"))))
	}
	return out
}

func number(v any) float64 {
	var n float64
	_, _ = fmt.Sscan(fmt.Sprint(v), &n)
	return n
}

const everything = `
{"kind":"assignment","user":"ann","role":"captain","expires_at":"2099-01-01T00:00:00Z"}
{"kind":"assignment","user":"bob@alpha.example","group":"bridge"}
{"kind":"user","email":"Ann@Alpha.example","external_id":"ann","display_name":"Ann","attributes":{"level":3,"score":1.50},"roles":["mate"],"groups":["bridge"]}
{"kind":"user","email":"bob@alpha.example","username":"bob","is_active":false}
{"kind":"group","name":"bridge","parent":"crew","roles":["captain","viewer"]}
{"kind":"group","name":"crew","metadata":{"a":[1,2]}}
{"kind":"role","name":"captain","parent":"mate","priority":200,"permissions":["Steer"]}
{"kind":"role","name":"mate","display_name":"Mate","permissions":["Look"]}
{"kind":"permission","name":"Steer","resource_path":"ship/*","actions":["steer","stop"],"conditions":{"subject.attributes.level":{"gte":2}}}
{"kind":"permission","name":"Look","node":"deck:main","actions":["read"],"roles":["captain"],"field_permissions":{"depth":"read"}}
{"kind":"resource","type":"deck","code":"main","parent":"app:bridge","attributes":{"noise":1e2}}
{"kind":"resource","type":"app","code":"bridge","name":"The bridge"}
`

func TestImport_WritesAMixedFileInWhateverOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.imported("admin", "kind=mixed&source=all.jsonl", jsonLines, everything)
	require.Equal(t, "done", out.at("data.status"), "%s", out.body)
	require.Empty(t, w.refused("admin", out))
	require.Equal(t, "12 0 0 0", counts(out))
	require.Equal(t, "all.jsonl", out.at("data.source"))
	require.Equal(t, []string{"app:bridge:", "deck:main:app"}, w.column(t, `
SELECT r.type || ':' || r.code || ':' || COALESCE(p.type, '') FROM sentinel.resources r LEFT JOIN sentinel.resources p ON p.id = r.parent_id
WHERE r.code IN ('bridge', 'main') ORDER BY 1`))
	require.Equal(t, []string{"captain Look", "captain Steer", "mate Look"}, w.column(t, `
SELECT r.name || ' ' || p.name FROM sentinel.role_permissions rp JOIN sentinel.roles r ON r.id = rp.role_id JOIN sentinel.permissions p ON p.id = rp.permission_id
WHERE r.name IN ('captain', 'mate') ORDER BY 1`))
	require.Equal(t, []string{"ann@alpha.example bridge", "bob@alpha.example bridge"}, w.column(t, `
SELECT u.email || ' ' || g.name FROM sentinel.user_groups ug JOIN sentinel.users u ON u.id = ug.user_id JOIN sentinel.groups g ON g.id = ug.group_id
WHERE g.name = 'bridge' ORDER BY 1`))
	ann := w.column(t, "SELECT id::text FROM sentinel.users WHERE external_id = 'ann'")[0]
	check := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"` + ann + `","resource":{"type":"ship","id":"one"},"action":"steer"}`})
	require.Equal(t, true, check.at("data.allowed"), "%s", check.body)
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.import_parts"), "the file is gone")
	verify := w.column(t, "SELECT action || ' ' || count(*) FROM sentinel.audit_logs WHERE error_details ? 'import_id' GROUP BY action ORDER BY 1")
	require.Equal(t, []string{
		"group.add_roles 1", "group.create 2", "permission.create 2", "resource.create 2", "role.add_permissions 2", "role.create 2",
		"user.add_to_group 1", "user.assign_role 1", "user.create 2",
	}, verify)

	again := w.imported("admin", "kind=mixed", jsonLines, everything)
	require.Equal(t, "0 0 12 0", counts(again), "%v", w.refused("admin", again))
}
