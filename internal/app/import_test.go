package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

func TestImport_RefusesRowsOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := strings.Join([]string{
		`{"kind":"user","email":"fine@alpha.example"}`,
		`{"kind":"user","email":"FINE@alpha.example"}`,
		`{"kind":"user","email":"no address"}`,
		`{"kind":"user","email":"x4@alpha.example","password":"correct horse battery"}`,
		`{"kind":"user","email":"x5@alpha.example","external_id":"018f0000-0000-7000-8000-000000000000"}`,
		`{"kind":"user","email":"x6@alpha.example","external_id":"other@alpha.example"}`,
		`{"kind":"user","email":"x7@alpha.example","roles":["nobody"]}`,
		`{"kind":"user","email":"x8@alpha.example","roles":["super_admin"]}`,
		`{"kind":"user","email":"x9@alpha.example","attributes":{"a":{"\u0024sealed":"x"}}}`,
		`{"kind":"user","email":"x10@alpha.example","is_active":"yes"}`,
		`{"kind":"user","email":"x11@alpha.example","is_active":null}`,
		`{"kind":"user","Email":"x@alpha.example"}`,
		`{"kind":"ship"}`,
		`[]`,
		`{"kind":"user","email":"x@alpha.example","email":"y@alpha.example"}`,
		"{\"kind\":\"user\",\"email\":\"x\xff@alpha.example\"}",
		`{"kind":"user","email":"x17@alpha.example","display_name":"a\u0000b"}`,
		`{"kind":"user","email":"x18@alpha.example","attributes":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`,
		`{"kind":"user","email":"x19@alpha.example","display_name":"` + strings.Repeat("x", 1<<20) + `"}`,
		`{"kind":"role","name":"a","parent":"b"}`,
		`{"kind":"role","name":"b","parent":"a"}`,
		`{"kind":"role","name":"reader","parent":"inspector"}`,
		`{"kind":"role","name":"Tenant_Admin"}`,
		`{"kind":"role","name":"c24","parent":"auditor"}`,
		`{"kind":"role","name":"c25","permissions":["nothing"]}`,
		`{"kind":"role","name":"c26","priority":900}`,
		`{"kind":"permission","name":"p27","resource_path":"api/users","actions":["read"],"effect":"deny"}`,
		`{"kind":"permission","name":"p28","node":"app:nowhere","actions":["read"]}`,
		`{"kind":"permission","name":"p29","resource_path":"vessel/*","actions":["read"],"roles":["nobody"]}`,
		`{"kind":"permission","name":"p30","resource_path":"vessel/*","actions":["read"],"roles":["auditor"]}`,
		`{"kind":"permission","name":"p31","resource_path":"vessel/*","actions":["read"],"conditions":{"a":{"frobnicate":1}}}`,
		`{"kind":"permission","name":"p32","resource_path":"vessel/*","actions":["read"],"field_permissions":{"a":"own"}}`,
		`{"kind":"group","name":"g33","parent":"nobody"}`,
		`{"kind":"group","name":"g34","roles":["nobody"]}`,
		`{"kind":"group","name":"ops","parent":"east"}`,
		`{"kind":"resource","type":"api","code":"users"}`,
		`{"kind":"resource","type":"app","code":"x","parent":"app:nowhere"}`,
		`{"kind":"resource","type":"app","code":"fleet","parent":"entity:vessel"}`,
		`{"kind":"assignment","user":"nobody","role":"reader"}`,
		`{"kind":"assignment","user":"plain@alpha.example"}`,
		`{"kind":"assignment","user":"plain@alpha.example","role":"reader","valid_from":"2030-01-01T00:00:00Z","expires_at":"2029-01-01T00:00:00Z"}`,
		`{"kind":"assignment","user":"plain@alpha.example","role":"reader","valid_from":"soon"}`,
		`{"kind":"assignment","user":"plain@alpha.example","group":"ops","expires_at":"2029-01-01T00:00:00Z"}`,
		w.expand(`{"kind":"assignment","user":"$plain_b","role":"reader"}`),
		`{"kind":"assignment","user":"plain@alpha.example","role":"super_admin"}`,
		`{"kind":"assignment","user":"plain@alpha.example","role":"reader"}`,
		w.expand(`{"kind":"assignment","user":"$plain","role":"reader"}`),
	}, "\n")
	out := w.imported("admin", "kind=mixed", jsonLines, file)
	require.Equal(t, "done", out.at("data.status"), "%s", out.body)
	got := w.refused("admin", out)
	require.Equal(t, []string{
		"2 user fine@alpha.example", "3 user no address email", "4 user  password", "5 user 018f0000-0000-7000-8000-000000000000 external_id",
		"6 user other@alpha.example external_id", "7 user x7@alpha.example roles[0]", "8 user x8@alpha.example roles[0]", "9 user x9@alpha.example attributes.a",
		"10 user  is_active", "11 user  is_active", "12 user  Email", "13   kind", "14   kind", "15   email", "16   email", "17   display_name",
		"18   attributes" + strings.Repeat(".a", 31), "19", "20 role a parent", "21 role b parent", "22 role reader parent", "23 role Tenant_Admin name",
		"24 role c24 parent", "25 role c25 permissions[0]", "26 role  priority", "27 permission  effect", "28 permission p28 node",
		"29 permission p29 roles[0]", "30 permission p30 roles[0]", "31 permission  conditions.a.frobnicate", "32 permission  field_permissions.a",
		"33 group g33 parent", "34 group g34 roles[0]", "35 group ops parent", "36 resource  type", "37 resource app:x parent",
		"38 resource app:fleet parent", "39 assignment nobody role:reader user", "40 assignment  role", "41 assignment  expires_at",
		"42 assignment", "43 assignment  valid_from", w.expand("44 assignment $plain_b role:reader user"),
		"45 assignment plain@alpha.example role:super_admin role", w.expand("47 assignment $plain role:reader"),
	}, got)
	require.Equal(t, "2 0 0 45", counts(out))
}

func TestImport_TakesCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.imported("admin", "kind=users", csvFile+"; charset=utf-8", "\xEF\xBB\xBFemail,external_id,display_name,attributes.level,attributes.site,is_active,roles,groups\r\n"+
		"ann@alpha.example,e1,\"Ann, \"\"A\"\"\r\nof two lines\",3,,TRUE,reader|viewer,ops\r\n"+
		"bob@alpha.example,e2,Bob,,athens,false,,\r\n"+
		"short@alpha.example,e3\r\n"+
		"\"quo\"te@alpha.example,e4,,,,,,\r\n"+
		"eve@alpha.example,e5,Eve,,,maybe,,\r\n")
	require.Equal(t, "2 0 0 3", counts(out), "%v", w.refused("admin", out))
	require.Equal(t, []string{"5 user", "6 user", "7 user  is_active"}, w.refused("admin", out))
	require.Equal(t, []string{
		"ann@alpha.example Ann, \"A\"\nof two lines {\"level\": \"3\"} true 2", "bob@alpha.example Bob {\"site\": \"athens\"} false 0",
	}, w.column(t, `
SELECT email || ' ' || display_name || ' ' || attributes || ' ' || is_active || ' ' || (SELECT count(*) FROM sentinel.user_roles r WHERE r.user_id = u.id)
FROM sentinel.users u WHERE external_id IS NOT NULL ORDER BY 1`))
	for kind, file := range map[string]string{
		"roles":       "name,parent,priority,is_assignable,metadata,permissions\npilot,reader,7,false,\"{\"\"a\"\":1}\",Read vessels|Nobody's\n",
		"groups":      "name,parent,roles\ncrew,ops,pilot\n",
		"permissions": "name,resource_path,actions,conditions\nBoard,vessel/*,board|leave,\"{\"\"context.ip\"\":\"\"10.0.0.1\"\"}\"\n",
		"resources":   "type,code,parent,attributes\npage,deck,app:fleet,\"{\"\"n\"\":1}\"\n",
		"assignments": "user,role,expires_at\ne1,pilot,2099-01-01T00:00:00Z\n",
	} {
		if kind == "groups" || kind == "assignments" {
			continue // they name what the others make
		}
		require.Equal(t, "1 0 0 0", counts(w.imported("admin", "kind="+kind, csvFile, file)), kind)
	}
	require.Equal(t, "1 0 0 0", counts(w.imported("admin", "kind=groups", csvFile, "name,parent,roles\ncrew,ops,pilot\n")))
	require.Equal(t, "1 0 0 0", counts(w.imported("admin", "kind=assignments", csvFile, "user,role,expires_at\ne1,pilot,2099-01-01T00:00:00Z\n")))
	for header, field := range map[string]string{
		"email,email\na,b\n": "header[1]", "email,password\na,b\n": "header[1]", "email,attributes,attributes.x\n": "header",
		"email,attributes.\na,b\n": "header[1]", "email,\xff\n": "header[1]", "\"email\n": "body", "": "body", "\n\n": "body",
	} {
		got := w.upload("admin", "kind=users", csvFile, header)
		require.Equal(t, http.StatusBadRequest, got.status, "%q: %s", header, got.body)
		require.Equal(t, []string{field}, got.fields(), "%q: %s", header, got.body)
	}
	for query, media := range map[string]string{"kind=mixed": csvFile, "kind=users&format=csv": jsonLines, "kind=ships": jsonLines} {
		require.Equal(t, http.StatusBadRequest, w.upload("admin", query, media, "email\na@alpha.example\n").status, query)
	}
}

func TestImport_ChangesWhatARowSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported("admin", "kind=users", jsonLines, `{"email":"ann@alpha.example","external_id":"ann","display_name":"Ann","username":"ann","attributes":{"n":1.0,"big":12345678901234567890},"roles":["reader"]}`)
	for _, c := range []struct{ row, want string }{
		{`{"email":"ann@alpha.example","external_id":"ann","attributes":{"big":12345678901234567890,"n":1}}`, "0 0 1 0"},
		{`{"email":"ANN@alpha.example"}`, "0 0 1 0"},
		{`{"email":"ann@alpha.example","roles":["reader"]}`, "0 0 1 0"},
		{`{"email":"ann@alpha.example","roles":["viewer"]}`, "0 1 0 0"},
		{`{"email":"ann@alpha.example","username":null,"display_name":""}`, "0 1 0 0"},
		{`{"email":"annie@alpha.example","external_id":"ann"}`, "0 1 0 0"},
		{`{"email":"annie@alpha.example","external_id":"other"}`, "0 0 0 1"},
		{`{"email":"plain@alpha.example","external_id":"ann"}`, "0 0 0 1"},
		{`{"email":"plain@alpha.example","external_id":"plain"}`, "0 1 0 0"},
		{`{"email":"annie@alpha.example","is_active":false}`, "0 1 0 0"},
	} {
		out := w.imported("admin", "kind=users", jsonLines, c.row)
		require.Equal(t, c.want, counts(out), "%s: %v", c.row, w.refused("admin", out))
	}
	require.Equal(t, []string{"annie@alpha.example   false 2 1"}, w.column(t, `
SELECT email || ' ' || COALESCE(username, '') || ' ' || display_name || ' ' || is_active || ' ' || (SELECT count(*) FROM sentinel.user_roles r WHERE r.user_id = u.id) || ' ' || token_epoch
FROM sentinel.users u WHERE external_id = 'ann'`))
	for kind, rows := range map[string][][2]string{
		"roles": {
			{`{"name":"reader","permissions":["Nobody's"]}`, "0 1 0 0"},
			{`{"name":"reader","permissions":["Nobody's","Read vessels"]}`, "0 0 1 0"},
			{`{"name":"inspector","parent":""}`, "0 1 0 0"},
			{`{"name":"inspector","parent":"reader","metadata":{"a":1e1}}`, "0 1 0 0"},
			{`{"name":"inspector","metadata":{"a":10}}`, "0 0 1 0"},
		},
		"groups":    {{`{"name":"east","parent":""}`, "0 1 0 0"}, {`{"name":"east","roles":["reader"]}`, "0 1 0 0"}, {`{"name":"east","roles":["reader"]}`, "0 0 1 0"}},
		"resources": {{`{"type":"app","code":"fleet","name":"New"}`, "0 1 0 0"}, {`{"type":"app","code":"fleet"}`, "0 0 1 0"}, {`{"type":"entity","code":"vessel","parent":""}`, "0 1 0 0"}},
		"permissions": {
			{`{"name":"Read vessels","resource_path":"vessel/*","actions":["read"]}`, "0 0 1 0"},
			{`{"name":"Read vessels","resource_path":"vessel/*","actions":["read","list"]}`, "0 1 0 0"},
			{`{"name":"Read vessels","node":"app:fleet","actions":["read"],"roles":["inspector"]}`, "0 1 0 0"},
		},
		"assignments": {
			{`{"user":"plain","role":"reader","expires_at":"2099-01-01T00:00:00Z"}`, "1 0 0 0"},
			{`{"user":"plain","role":"reader"}`, "0 0 1 0"},
			{`{"user":"plain","role":"reader","expires_at":null}`, "0 1 0 0"},
			{`{"user":"plain","group":"ops"}`, "1 0 0 0"},
			{`{"user":"plain","group":"ops"}`, "0 0 1 0"},
		},
	} {
		for _, row := range rows {
			out := w.imported("admin", "kind="+kind, jsonLines, row[0])
			require.Equal(t, row[1], counts(out), "%s: %v", row[0], w.refused("admin", out))
		}
	}
	// A name that two permissions have means neither.
	w.make("", "admin", "", "/permissions", `{"name":"Twin","resource_type":"vessel","resource_path":"vessel/*","actions":["a"]}`)
	w.make("", "admin", "", "/permissions", `{"name":"Twin","resource_type":"vessel","resource_path":"vessel/*","actions":["b"]}`)
	out := w.imported("admin", "", jsonLines, `{"kind":"role","name":"reader","permissions":["Twin"]}`+"\n"+`{"kind":"permission","name":"Twin","resource_path":"vessel/*","actions":["c"]}`)
	require.Equal(t, []string{"1 role reader permissions[0]", "2 permission Twin name"}, w.refused("admin", out))
}

func TestImport_LeavesFieldsOfAPermissionThatARowDoesNotName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := func() string {
		return w.column(t, "SELECT effect || ' ' || CAST(field_permissions AS text) || ' ' || CAST(conditions AS text) FROM sentinel.permissions WHERE name = 'Costs'")[0]
	}
	row := `{"kind":"permission","name":"Costs","resource_path":"vessel/*","actions":["read"]`
	require.Equal(t, "1 0 0 0", counts(w.imported("admin", "", jsonLines, row+`,"field_permissions":{"cost":"hidden"},"conditions":{"action.x":1}}`)))
	require.Equal(t, "0 0 1 0", counts(w.imported("admin", "", jsonLines, row+`}`)))
	require.Equal(t, `allow {"cost": "hidden"} {"action.x": 1}`, stored())
	out := w.imported("admin", "", jsonLines, row+`,"effect":"deny"}`)
	require.Equal(t, []string{"1 permission Costs field_permissions"}, w.refused("admin", out), "fields on a deny would mislead")
	require.Equal(t, "0 1 0 0", counts(w.imported("admin", "", jsonLines, row+`,"effect":"deny","field_permissions":{}}`)))
	out = w.imported("admin", "", jsonLines, row+`,"field_permissions":{"cost":"read"}}`)
	require.Equal(t, []string{"1 permission Costs field_permissions"}, w.refused("admin", out), "it is a deny still")
	require.Equal(t, `deny {} {"action.x": 1}`, stored())
}

func TestImport_DryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.state(t)
	file := everything + `{"kind":"user","email":"nobody"}`
	out := w.imported("admin", "dry_run=true", jsonLines, file)
	require.Equal(t, "12 0 0 1", counts(out))
	require.Equal(t, true, out.at("data.is_dry_run"))
	require.Equal(t, []string{"14 user nobody email"}, w.refused("admin", out))
	require.Subset(t, []string{"audit_heads", "audit_logs", "import_refusals", "imports"}, changes(before, w.state(t)))
	require.Equal(t, "12 0 0 1", counts(w.imported("admin", "", jsonLines, file)), "as it said")
	require.Equal(t, http.StatusBadRequest, w.upload("admin", "dry_run=true&kind=users", jsonLines, strings.Repeat("{}\n", 20_001)).status)
}

// stalled has imports of alpha wait until the returned function is called.
func (w *world) stalled(t *testing.T) (release func()) {
	t.Helper()
	tx := w.stall(t)
	return func() { require.NoError(t, tx.Rollback(t.Context())) }
}

// stall has imports of alpha wait for a lock that the returned transaction holds.
func (w *world) stall(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := w.owner.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }) // after a failure
	_, err = tx.Exec(t.Context(), "SELECT FROM sentinel.policy_revision WHERE tenant_id = $1 FOR UPDATE", w.ids["alpha"])
	require.NoError(t, err)
	return tx
}

func TestImport_IsCancelledAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.stalled(t)
	first := w.upload("admin", "kind=users", jsonLines, `{"email":"one@alpha.example"}`).at("data.id").(string)
	w.ids["first"] = first
	w.play(t, cancelScenarios())
	release()
	// The account behind it is deactivated before its turn.
	w.make("importer", "admin", "", "/users", w.expand(`{"email":"importer@alpha.example","roles":["$tenant_admin"]}`))
	w.people["importer"] = [2]string{"ALPHA", "importer@alpha.example"}
	second := w.stalledImport(t, "importer", `{"email":"two@alpha.example"}`, "UPDATE sentinel.users SET is_active = false WHERE id = $1")
	out := w.finished("admin", second)
	require.Equal(t, "failed", out.at("data.status"), "%s", out.body)
	require.Contains(t, out.at("data.error"), "can no longer be used")
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.users WHERE email IN ('one@alpha.example', 'two@alpha.example')"))
	w.make("", "admin", "", "/users/bulk", w.expand(`{"operation":"activate","user_ids":["$importer"]}`))
	// Its sessions have ended: nobody but the sender itself makes it go on.
	delete(w.tokens, "importer")
	w.ids["second"] = second
	for i, row := range resumeScenarios() {
		release := w.stalled(t)
		w.play(t, []scenario{row})
		release()
		require.Equal(t, []string{"failed", "done"}[i], w.finished("admin", second).at("data.status"), row.name)
	}
	require.Equal(t, "1 0 0 0", counts(w.finished("admin", second)))
	// One whose role was taken may not go on either.
	w.make("importer_too", "admin", "", "/users", w.expand(`{"email":"importer_too@alpha.example","roles":["$tenant_admin"]}`))
	w.people["importer_too"] = [2]string{"ALPHA", "importer_too@alpha.example"}
	third := w.stalledImport(t, "importer_too", `{"email":"three@alpha.example"}`, "DELETE FROM sentinel.user_roles WHERE user_id = $1")
	require.Equal(t, "failed", w.finished("admin", third).at("data.status"))
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.users WHERE email = 'three@alpha.example'"))
}

// stalledImport uploads a file, does something to whoever uploads it before its
// turn, and lets it go.
func (w *world) stalledImport(t *testing.T, as, file, meanwhile string) (id string) {
	t.Helper()
	w.token(as)
	tx := w.stall(t)
	answer := w.upload(as, "kind=users", jsonLines, file)
	require.Equal(t, http.StatusAccepted, answer.status, "%s", answer.body)
	_, err := tx.Exec(t.Context(), meanwhile, w.ids[as])
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	return answer.at("data.id").(string)
}

func TestImport_IsBounded(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t), func(c *app.Config) { c.ImportMaxMB = 2 })
	w.populate()
	release := w.stalled(t)
	for range 10 {
		require.Equal(t, http.StatusAccepted, w.upload("admin", "kind=users", jsonLines, `{"email":"one@alpha.example"}`).status)
	}
	require.Equal(t, http.StatusConflict, w.upload("admin", "kind=users", jsonLines, `{"email":"one@alpha.example"}`).status)
	release()
	require.Eventually(t, func() bool {
		return len(w.column(t, "SELECT id::text FROM sentinel.imports WHERE status <> 'done'")) == 0
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, []string{"10 1"}, w.column(t, "SELECT sum(processed_rows) || ' ' || sum(created_rows) FROM sentinel.imports"))
	padding := strings.Repeat(" ", 1<<20)
	require.Equal(t, http.StatusAccepted, w.upload("admin", "kind=users", jsonLines, `{"email":"two@alpha.example"}`+padding).status, "larger than other bodies")
	require.Equal(t, http.StatusRequestEntityTooLarge, w.upload("admin", "kind=users", jsonLines, padding+padding+padding).status)
	require.Equal(t, http.StatusUnauthorized, w.upload("", "kind=users", jsonLines, padding+padding+padding).status, "nobody's is not read")
	require.Equal(t, http.StatusForbidden, w.upload("plain", "kind=users", jsonLines, padding+padding).status)
	out := w.imported("admin", "kind=users", jsonLines, strings.Repeat("[]\n", 10_500))
	require.Equal(t, "0 0 0 10500", counts(out))
	require.Equal(t, []string{"10000"}, w.column(t, "SELECT count(*)::text FROM sentinel.import_refusals WHERE import_id = $1", out.at("data.id")))

	_, err := w.owner.Exec(t.Context(), `UPDATE sentinel.tenants SET settings = settings || '{"max_users": 6}' WHERE id = $1`, w.ids["alpha"])
	require.NoError(t, err)
	have := len(w.column(t, "SELECT id::text FROM sentinel.users WHERE tenant_id = $1 AND is_active", w.ids["alpha"]))
	out = w.imported("admin", "kind=users", jsonLines, `{"email":"a@alpha.example"}`+"\n"+`{"email":"b@alpha.example","is_active":false}`+"\n"+`{"email":"c@alpha.example"}`)
	require.Equal(t, fmt.Sprintf("%d 0 0 %d", 1+max(0, 6-have), 2-max(0, 6-have)), counts(out), "%v", w.refused("admin", out))
}

// TestImport_HappensOnceOnTwoReplicas runs two servers on one database.
func TestImport_HappensOnceOnTwoReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	logger, err := obs.NewLogger(w.log, "debug")
	require.NoError(t, err)
	second, err := app.New(t.Context(), w.cfg, "test", logger)
	require.NoError(t, err)
	other := &world{t: t, app: second}
	other.run()
	t.Cleanup(func() { require.NoError(t, other.stop()) })
	var all []string
	for n := range 6 {
		var file strings.Builder
		for i := range 1_500 {
			fmt.Fprintf(&file, `{"email":"u%d-%d@alpha.example","roles":["reader"]}`+"\n", n, i)
		}
		answer := w.upload("admin", "kind=users", jsonLines, file.String())
		require.Equal(t, http.StatusAccepted, answer.status, "%s", answer.body)
		all = append(all, answer.at("data.id").(string))
	}
	for _, id := range all {
		require.Equal(t, "1500 0 0 0", counts(w.finished("admin", id)))
	}
	require.Equal(t, []string{"9000"}, w.column(t, "SELECT count(*)::text FROM sentinel.users WHERE email LIKE 'u%-%@alpha.example'"))
	require.Equal(t, []string{"9000"}, w.column(t, "SELECT count(*)::text FROM sentinel.audit_logs WHERE action = 'user.create' AND error_details ? 'import_id'"))
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.import_parts"))
}

// importScenarios are played while imports wait; "$done" is one that is done.
func importScenarios() []scenario {
	file := map[string]string{"Content-Type": jsonLines}
	return []scenario{
		{name: "import", as: "admin", route: "POST /imports", path: "/imports?kind=users&source=b.jsonl", body: `{"email":"two@alpha.example"}`, header: file, status: 202, save: "waiting", want: map[string]any{
			"data.kind": "users", "data.format": "jsonl", "data.source": "b.jsonl", "data.status": "pending", "data.total": 1, "data.processed": 0, "data.tenant_id": "$alpha", "data.created_by": "$admin",
			"data.sha256": "4163df03a8328cb6466f7c4a979124293fac52c0537cdaaea094d7a5652d26ee",
		}, audit: []string{"import.create success"}, writes: []string{"imports", "import_parts"}},
		{name: "import nothing", as: "admin", route: "POST /imports", header: file, status: 400, fields: []string{"body"}},
		{name: "import for ever", as: "admin", route: "POST /imports", path: "/imports?source=" + strings.Repeat("x", 256), body: "{}", header: file, status: 400, fields: []string{"query.source"}},
		{name: "import without the right to make such objects", as: "author", route: "POST /imports", body: "{}", header: file, status: 403, want: map[string]any{"error.details.required_permission": "api/imports:create"}},
		{name: "list", as: "admin", route: "GET /imports", path: "/imports?order=desc&limit=1", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$waiting"}},
		{name: "list the done", as: "admin", route: "GET /imports", path: "/imports?status=done", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$done"}},
		{name: "read", as: "admin", route: "GET /imports/{id}", path: "/imports/$done", status: 200, want: map[string]any{"data.status": "done", "data.total": 2, "data.created": 1, "data.refused": 1, "data.processed": 2}},
		{name: "refusals", as: "admin", route: "GET /imports/{id}/refusals", path: "/imports/$done/refusals", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.line": 2, "data.0.reason": "must be a JSON object"}},
		{name: "cancel what is done", as: "admin", route: "POST /imports/{id}/cancel", path: "/imports/$done/cancel", status: 409, code: "CONFLICT"},
	}
}

// cancelScenarios are played while "$first" waits.
func cancelScenarios() []scenario {
	return []scenario{
		{name: "resume what has not failed", as: "admin", route: "POST /imports/{id}/resume", path: "/imports/$first/resume", status: 409, code: "CONFLICT"},
		{name: "cancel", as: "admin", route: "POST /imports/{id}/cancel", path: "/imports/$first/cancel", status: 200, want: map[string]any{"data.status": "cancelled"}, audit: []string{"import.cancel success"}, writes: []string{"imports", "import_parts"}},
		{name: "cancel again", as: "admin", route: "POST /imports/{id}/cancel", path: "/imports/$first/cancel", status: 409, code: "CONFLICT"},
		{name: "resume what is cancelled", as: "admin", route: "POST /imports/{id}/resume", path: "/imports/$first/resume", status: 409, code: "CONFLICT"},
		{name: "list the cancelled", as: "admin", route: "GET /imports", path: "/imports?status=cancelled", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$first"}},
	}
}

// resumeScenarios are played one by one; "$second" failed, since its sender was
// deactivated.
func resumeScenarios() []scenario {
	return []scenario{
		{name: "resume another's", as: "admin", route: "POST /imports/{id}/resume", path: "/imports/$second/resume", status: 200, want: map[string]any{"data.status": "pending"}, audit: []string{"import.resume success"}, writes: []string{"imports"}},
		{name: "resume one's own", as: "importer", route: "POST /imports/{id}/resume", path: "/imports/$second/resume", status: 200, want: map[string]any{"data.status": "pending"}, audit: []string{"import.resume success"}, writes: []string{"imports"}},
	}
}

func TestScenarios_Imports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := w.imported("admin", "kind=users&source=a.jsonl", jsonLines, `{"email":"one@alpha.example"}`+"\n[]").at("data.id").(string)
	w.ids["done"] = done
	release := w.stalled(t)
	w.play(t, importScenarios())
	release()
	require.Equal(t, "1 0 0 0", counts(w.finished("admin", w.ids["waiting"])))
}
