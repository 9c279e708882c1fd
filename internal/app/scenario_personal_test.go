package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

func personalScenarios() []scenario {
	return []scenario{
		{name: "create with what looks sealed", as: "admin", route: "POST /users", body: `{"email":"seal@alpha.example","attributes":{"passport":{"\u0024sealed":"AAAA"}}}`, status: 400, fields: []string{"attributes.passport"}},
		{name: "create with what half looks sealed", as: "admin", route: "POST /users", body: `{"email":"seal@alpha.example","attributes":{"other":{"\u0024sealed":1,"more":2}}}`, status: 400, fields: []string{"attributes.other"}},
		{name: "create with a personal attribute", as: "admin", route: "POST /users", body: `{"email":"erika@alpha.example","display_name":"Erika Muster","attributes":{"passport":"C01X00T47","level":12345678901234567890}}`, status: 201, save: "erika", want: map[string]any{
			"data.attributes.passport": "C01X00T47",
		}, audit: []string{"user.create success"}, writes: []string{"users"}},
		{name: "read a personal attribute", as: "manager", route: "GET /users/{id}", path: "/users/$erika", status: 200, want: map[string]any{"data.attributes.passport": "C01X00T47"}},
		{name: "list personal attributes", as: "manager", route: "GET /users", path: "/users?search=erika", status: 200, want: map[string]any{"data.0.attributes.passport": "C01X00T47"}},
		{name: "change another member", as: "admin", route: "PATCH /users/{id}", path: "/users/$erika", body: `{"display_name":"Erika Mustermann"}`, status: 200, want: map[string]any{"data.attributes.passport": "C01X00T47"}, audit: []string{"user.update success"}, writes: []string{"users"}},
		{name: "change to what looks sealed", as: "admin", route: "PATCH /users/{id}", path: "/users/$erika", body: `{"attributes":{"passport":{"\u0024sealed":"AAAA"}}}`, status: 400, fields: []string{"attributes.passport"}},
		{name: "change a personal attribute", as: "admin", route: "PATCH /users/{id}", path: "/users/$erika", body: `{"attributes":{"passport":"D23Y00T47","level":1}}`, status: 200, want: map[string]any{"data.attributes.passport": "D23Y00T47"}, audit: []string{"user.update success"}, writes: []string{"users"}},

		{name: "erase with a bad word", as: "admin", route: "DELETE /users/{id}", path: "/users/$erika?erase=maybe", status: 400, fields: []string{"query.erase"}},
		{name: "a manager erases the administrator", as: "manager", route: "DELETE /users/{id}", path: "/users/$admin?erase=true", status: 403, audit: []string{"user.erase denied"}},
		{name: "erase another tenant's", as: "admin", route: "DELETE /users/{id}", path: "/users/$admin_b?erase=true", status: 404},
		{name: "erase what was changed since", as: "admin", route: "DELETE /users/{id}", path: "/users/$erika?erase=true", header: map[string]string{"If-Match": `"old"`}, status: 412},
		{name: "erase", as: "admin", route: "DELETE /users/{id}", path: "/users/$erika?erase=true", status: 204, audit: []string{"user.erase success"}, writes: []string{"users"}},
		{name: "erase again", as: "admin", route: "DELETE /users/{id}", path: "/users/$erika?erase=true", status: 404},
		{name: "create to delete first", as: "admin", route: "POST /users", body: `{"email":"frieda@alpha.example"}`, status: 201, save: "frieda", audit: []string{"user.create success"}, writes: []string{"users"}},
		{name: "delete and keep the records", as: "admin", route: "DELETE /users/{id}", path: "/users/$frieda", status: 204, audit: []string{"user.delete success"}, writes: []string{"users"}},
		{name: "erase what is deleted", as: "admin", route: "DELETE /users/{id}", path: "/users/$frieda?erase=true", status: 204, audit: []string{"user.erase success"}},
		{name: "erase what was never there", as: "admin", route: "DELETE /users/{id}", path: "/users/$absent?erase=true", status: 404},
	}
}

// definePersonal makes an attribute of alpha's accounts personal, and one of
// everybody's.
func (w *world) definePersonal() {
	w.t.Helper()
	w.database.Exec(w.t, `INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, storage_path, is_pii)
VALUES ($1, 'user', 'passport', 'tenant_specific', 'attributes.passport', true)`, w.ids["alpha"])
	w.database.Exec(w.t, `INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, is_pii)
VALUES (NULL, 'user', 'birthday', 'platform_dynamic', true)`)
}

func TestScenarios_Personal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.definePersonal()
	w.play(t, personalScenarios())
}

// everywhere returns where a text stands in the database: in any row of any
// table, as text or as bytes.
func (w *world) everywhere(text string) []string {
	w.t.Helper()
	var found []string
	for _, column := range w.column(w.t, `
SELECT format('SELECT %L FROM sentinel.%I WHERE %s LIMIT 1', c.relname || '.' || a.attname, c.relname,
  CASE WHEN a.atttypid = 'bytea'::regtype THEN format('position(convert_to($1, ''UTF8'') IN %I) > 0', a.attname)
  ELSE format('position($1 IN CAST(%I AS text)) > 0', a.attname) END)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind = 'r'
AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'text[]'::regtype)`) {
		found = append(found, w.column(w.t, column, text)...)
	}
	return found
}

// master is the server's key.
func (w *world) master() *crypto.MasterKey {
	w.t.Helper()
	master, err := crypto.ParseMasterKey(w.cfg.MasterKey)
	require.NoError(w.t, err)
	return master
}

// auditLog is the server's, made of what the database holds.
func (w *world) auditLog(master *crypto.MasterKey) *audit.Log {
	w.t.Helper()
	var sealed []byte
	err := w.owner.QueryRow(context.WithoutCancel(w.t.Context()), "SELECT sealed_value FROM sentinel.installation_secrets WHERE name = 'audit chain'").Scan(&sealed)
	require.NoError(w.t, err)
	chain, err := master.Open(sealed, "installation_secrets/audit chain")
	require.NoError(w.t, err)
	return audit.NewLog(chain, master, time.Now)
}

// verified checks the chain of a tenant.
func (w *world) verified(master *crypto.MasterKey, tenant string) {
	w.t.Helper()
	id := uuid.MustParse(w.ids[tenant])
	require.NoError(w.t, w.database.DB.InReadTx(identity.WithTenant(w.t.Context(), id), func(tx *db.Tx) error {
		verdict, err := w.auditLog(master).Verify(tx, id)
		require.Zero(w.t, verdict.Broken)
		require.NotZero(w.t, verdict.Checked)
		return err
	}))
}

// changesOf are the changes in the events about an object, opened for a reader
// who may see them.
func (w *world) changesOf(object string) []string {
	w.t.Helper()
	tenant := uuid.MustParse(w.ids["alpha"])
	var out []string
	require.NoError(w.t, w.database.DB.InReadTx(identity.WithTenant(w.t.Context(), tenant), func(tx *db.Tx) error {
		var rows []*audit.Row
		err := tx.Raw(`SELECT id, tenant_id, convert_to(changes::text, 'UTF8') AS changes FROM sentinel.audit_logs WHERE resource_id = ? ORDER BY seq`, w.ids[object]).Scan(&rows).Error
		require.NoError(w.t, err)
		require.NoError(w.t, w.auditLog(w.master()).Open(tx, rows...))
		for _, r := range rows {
			out = append(out, string(r.Changes))
		}
		return nil
	}))
	return out
}

func TestErase_LeavesNothingOfThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.definePersonal()
	w.make("erika", "admin", "", "/users", `{"email":"erika@alpha.example","display_name":"Erika Muster","external_id":"hr-4711","username":"emuster","password":"`+password+`","attributes":{"passport":"C01X00T47","region":"Föhr"},"preferences":{"nickname":"Rikki"},"roles":["$reader"],"groups":["$east"]}`)
	w.tokens["erika"] = w.login("ALPHA", "erika@alpha.example", password)
	require.Equal(t, http.StatusOK, w.do(request{as: "erika", method: http.MethodGet, path: "/users/me"}).status)
	for _, body := range []string{`{"display_name":"Erika Mustermann"}`, `{"email":"mustermann@alpha.example"}`, `{"attributes":{"passport":"D23Y00T47","region":"Sylt"}}`} {
		require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$erika", body: body}).status)
	}
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$erika","action":"read","resource":{"type":"doc"}}`}).status)
	w.database.Exec(t, `INSERT INTO sentinel.idempotency_keys (tenant_id, principal_id, principal_tenant_id, route, key, request_hash, status_code, response_body, expires_at)
VALUES ($1, $2, $1, 'POST /users', 'k', '\x00', 201, convert_to($3, 'UTF8'), now() + interval '1 day')`, w.ids["alpha"], w.ids["admin"], `{"data":{"id":"`+w.ids["erika"]+`","email":"erika@alpha.example"}}`)
	w.database.Exec(t, `INSERT INTO sentinel.exports (tenant_id, kind, format, content) VALUES ($1, 'users', 'csv', convert_to($2, 'UTF8'))`, w.ids["alpha"], w.ids["erika"]+",Erika Muster\n")

	personal := []string{"erika@alpha.example", "mustermann@alpha.example", "Erika", "hr-4711", "emuster", "C01X00T47", "D23Y00T47", "Föhr", "Sylt", "Rikki"}
	sealed := []string{"C01X00T47", "D23Y00T47"}
	for _, text := range sealed {
		require.Empty(t, w.everywhere(text), "%s: a personal attribute stands nowhere", text)
	}
	require.NotEmpty(t, w.everywhere("mustermann@alpha.example"), "the search finds what there is")
	require.NotContains(t, strings.Join(w.column(t, "SELECT a::text FROM sentinel.audit_logs a"), "\n"), "Erika")
	before := w.changesOf("erika")
	require.Contains(t, before[0], `"email":"erika@alpha.example"`)
	require.Contains(t, strings.Join(before, "\n"), `"passport":"D23Y00T47"`, "a reader who may sees it")

	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$erika?erase=true"}).status)
	for _, text := range personal {
		require.Empty(t, w.everywhere(text), text)
	}
	w.verified(w.master(), "alpha")
	after := w.changesOf("erika")
	require.Len(t, after, len(before)+1)
	require.Contains(t, after[0], `"email":{"erased":true}`)
	require.Contains(t, after[0], w.ids["erika"], "the id stays")
	require.Equal(t, []string{"user.create", "session.login", "user.update", "user.update", "user.update", "user.erase"},
		w.column(t, "SELECT action FROM sentinel.audit_logs WHERE resource_id = $1 ORDER BY seq", w.ids["erika"]))
}

func TestPersonal_AnAttributeThatCannotBeOpenedStopsTheDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.definePersonal()
	w.make("erika", "admin", "", "/users", `{"email":"erika@alpha.example","attributes":{"passport":"C01X00T47"},"roles":["$reader"]}`)
	ask := func() *response {
		return w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$erika","action":"read","resource":{"type":"doc"}}`})
	}
	allowed := ask()
	require.Equal(t, http.StatusOK, allowed.status, "%s", allowed.body)
	w.outage = true // what follows is an error of the server, and in its log
	w.database.Exec(t, `UPDATE sentinel.users SET attributes = jsonb_build_object('passport', jsonb_build_object('$sealed', 'AAAAAAAAAAAAAAAA')) WHERE id = $1`, w.ids["erika"])
	require.Eventually(t, func() bool {
		got := ask()
		return got.status >= 500 || got.at("data.reason_code") == "not_evaluated"
	}, 10*time.Second, 20*time.Millisecond, "the subject is not evaluated")
}
