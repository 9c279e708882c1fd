package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields makes a definition in each of the root tenants, and one of the
// platform's; and "clerk", who may write definitions in alpha and is no
// administrator.
func (w *world) fields() {
	w.t.Helper()
	const notes = `{"entity_type":"vessel","field_name":"portInspectionNotes","field_type":"tenant_specific","data_type":"text","storage_path":"tenant_specific.portInspectionNotes","default_visibility":"hidden","validation_rules":{"max_length":20}}`
	w.make("field", "admin", "", "/field-definitions", notes)
	w.make("field_b", "admin_b", "", "/field-definitions", notes)
	w.make("imo", "operator", "", "/field-definitions", `{"tenant_id":null,"entity_type":"vessel","field_name":"imo_number","field_type":"core","is_required":true,"validation_rules":{"pattern":"^[0-9]{7}$"}}`)
	w.make("clerks", "admin", "", "/roles", `{"name":"clerk","priority":50}`)
	w.make("", "admin", "", "/roles/$clerks/permissions", `{"permissions":[{"name":"Fields","resource_type":"api","resource_path":"api/field-definitions","actions":["*"]},
		{"name":"Menu","resource_type":"api","resource_path":"api/navigation","actions":["*"]}]}`)
	w.person("clerk", "admin", "", "ALPHA", `"$clerks"`)
}

func fieldExamples() map[string]example {
	const field = `{"entity_type":"vessel","field_name":"new","field_type":"tenant_specific"}`
	return map[string]example{
		"GET /field-definitions":           {path: "/field-definitions"},
		"POST /field-definitions":          {path: "/field-definitions", body: field},
		"POST /field-definitions/bulk":     {path: "/field-definitions/bulk", body: `{"definitions":[` + field + `]}`},
		"POST /field-definitions/validate": {path: "/field-definitions/validate", body: `{"entity_type":"vessel","record":{"imo_number":"9074729"}}`},
		"GET /field-definitions/{id}":      {path: "/field-definitions/$field", foreign: []call{{"/field-definitions/$field_b", ""}}},
		"PATCH /field-definitions/{id}":    {path: "/field-definitions/$field", body: `{"description":"x"}`, foreign: []call{{"/field-definitions/$field_b", `{"description":"x"}`}}},
		"DELETE /field-definitions/{id}":   {path: "/field-definitions/$field", foreign: []call{{"/field-definitions/$field_b", ""}}},
	}
}

func fieldScenarios() []scenario {
	const (
		list = "GET /field-definitions"
		add  = "POST /field-definitions"
		bulk = "POST /field-definitions/bulk"
		one  = "PATCH /field-definitions/{id}"
		gone = "DELETE /field-definitions/{id}"
	)
	written := []string{"field_definitions"}
	return []scenario{
		{name: "list", as: "admin", route: list, path: "/field-definitions?sort=field_name", status: 200, want: map[string]any{"meta.pagination.total": 2, "data.0.id": "$imo", "data.0.tenant_id": nil, "data.1.id": "$field", "data.1.tenant_id": "$alpha"}},
		{name: "list the platform's", as: "clerk", route: list, path: "/field-definitions?scope=platform&is_required=true&entity_type=vessel&field_type=core&data_type=string", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$imo"}},
		{name: "list the own", as: "admin", route: list, path: "/field-definitions?scope=tenant&is_pii=false&is_active=true&search=INSPECTION", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$field"}},
		{name: "search is no pattern", as: "admin", route: list, path: "/field-definitions?search=%25", status: 200, want: map[string]any{"meta.pagination.total": 0}},
		{name: "read", as: "clerk", route: "GET /field-definitions/{id}", path: "/field-definitions/$field", status: 200, want: map[string]any{"data.default_visibility": "hidden", "data.storage_path": "tenant_specific.portInspectionNotes", "data.validation_rules.max_length": 20}},
		{name: "read the platform's", as: "admin", route: "GET /field-definitions/{id}", path: "/field-definitions/$imo", status: 200, want: map[string]any{"data.storage_column": "imo_number", "data.tenant_id": nil}},

		{name: "create", as: "admin", route: add, body: `{"tenant_id":"$alpha","entity_type":"vessel","field_name":"draught","field_type":"tenant_specific","data_type":"number","validation_rules":{"min":0.10,"max":30},"display_name":"Draught","is_indexed":true}`, status: 201, save: "draught", want: map[string]any{
			"data.tenant_id": "$alpha", "data.storage_path": "attributes.draught", "data.storage_column": nil, "data.default_visibility": "read", "data.is_active": true, "data.validation_rules.min": "0.10",
		}, audit: []string{"field_definition.create success"}, writes: written},
		{name: "create a core field", as: "admin", route: add, body: `{"entity_type":"cargo","field_name":"weightKg","field_type":"core","storage_column":"weight_kg","data_type":"integer"}`, status: 201, want: map[string]any{"data.storage_column": "weight_kg", "data.storage_path": nil}, audit: []string{"field_definition.create success"}, writes: written},
		{name: "create again", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"draught","field_type":"tenant_specific"}`, status: 409, code: "CONFLICT", fields: []string{"field_name"}},
		{name: "create what the platform has", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"imo_number","field_type":"tenant_specific"}`, status: 409, code: "CONFLICT", fields: []string{"field_name"}},
		{name: "create in another's place", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"peek","field_type":"tenant_specific","storage_path":"tenant_specific.portInspectionNotes"}`, status: 409, code: "CONFLICT"},
		{name: "create in the platform's place", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"peek","field_type":"core","storage_column":"imo_number"}`, status: 409, code: "CONFLICT"},
		{name: "create for another tenant", as: "admin", route: add, body: `{"tenant_id":"$beta","entity_type":"vessel","field_name":"x","field_type":"tenant_specific"}`, status: 400, fields: []string{"tenant_id"}},
		{name: "create with rules that cannot hold", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"x","field_type":"tenant_specific","data_type":"integer","validation_rules":{"min":3,"max":2,"pattern":"(","nonsense":1}}`, status: 400, fields: []string{"validation_rules.max", "validation_rules.nonsense", "validation_rules.pattern"}},
		{name: "create with a broken pattern", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"x","field_type":"tenant_specific","validation_rules":{"pattern":"("}}`, status: 400, fields: []string{"validation_rules.pattern"}},
		{name: "create in a column that is SQL", as: "admin", route: add, body: `{"entity_type":"vessel","field_name":"x","field_type":"core","storage_column":"x\"; DROP TABLE y"}`, status: 400, fields: []string{"storage_column"}},
		{name: "create with strange names", as: "admin", route: add, body: `{"entity_type":"Vessel","field_name":"a.b","field_type":"tenant_specific"}`, status: 400, fields: []string{"entity_type", "field_name"}},

		{name: "create the platform's from a tenant", as: "admin", route: add, body: `{"tenant_id":null,"entity_type":"x","field_name":"x","field_type":"core"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"field_definition.create denied"}},
		{name: "an operator inside a tenant creates the platform's", as: "operator", header: map[string]string{"X-Tenant-ID": "$alpha"}, route: add, body: `{"tenant_id":null,"entity_type":"x","field_name":"x","field_type":"core"}`, status: 403, audit: []string{"field_definition.create denied"}},
		{name: "an operator creates the platform's", as: "operator", route: add, body: `{"tenant_id":null,"entity_type":"vessel","field_name":"flag","field_type":"platform_dynamic"}`, status: 201, save: "flag", want: map[string]any{"data.tenant_id": nil}, audit: []string{"field_definition.create success"}, writes: written},
		{name: "an operator creates what a tenant has", as: "operator", route: add, body: `{"tenant_id":null,"entity_type":"vessel","field_name":"draught","field_type":"platform_dynamic"}`, status: 409, code: "CONFLICT", fields: []string{"field_name"}},
		{name: "an operator creates what is of one tenant", as: "operator", route: add, body: `{"tenant_id":null,"entity_type":"vessel","field_name":"z","field_type":"tenant_specific"}`, status: 400, fields: []string{"field_type"}},
		{name: "a tenant changes the platform's", as: "admin", route: one, path: "/field-definitions/$imo", body: `{"is_required":false}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"field_definition.update denied"}},
		{name: "a tenant deletes the platform's", as: "admin", route: gone, path: "/field-definitions/$imo", status: 403, audit: []string{"field_definition.delete denied"}},
		{name: "an operator changes the platform's", as: "operator", route: one, path: "/field-definitions/$flag", body: `{"display_name":"Flag","default_visibility":"write"}`, status: 200, want: map[string]any{"data.display_name": "Flag", "data.tenant_id": nil}, audit: []string{"field_definition.update success"}, writes: written},
		{name: "an operator renames the platform's to a tenant's", as: "operator", route: one, path: "/field-definitions/$flag", body: `{"field_name":"draught"}`, status: 409, fields: []string{"field_name"}},
		{name: "an operator deletes the platform's", as: "operator", route: gone, path: "/field-definitions/$flag", status: 204, audit: []string{"field_definition.delete success"}, writes: written},

		{name: "a clerk creates what can be read", as: "clerk", route: add, body: `{"entity_type":"vessel","field_name":"open","field_type":"tenant_specific"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"field_definition.create denied"}},
		{name: "a clerk creates what is stored elsewhere", as: "clerk", route: add, body: `{"entity_type":"vessel","field_name":"owner","field_type":"core","default_visibility":"hidden"}`, status: 403, audit: []string{"field_definition.create denied"}},
		{name: "a clerk creates what is hidden", as: "clerk", route: add, body: `{"entity_type":"vessel","field_name":"shut","field_type":"tenant_specific","default_visibility":"hidden"}`, status: 201, save: "shut", audit: []string{"field_definition.create success"}, writes: written},
		{name: "a clerk opens it", as: "clerk", route: one, path: "/field-definitions/$shut", body: `{"default_visibility":"read"}`, status: 403, audit: []string{"field_definition.update denied"}},
		{name: "a clerk moves it", as: "clerk", route: one, path: "/field-definitions/$shut", body: `{"storage_path":"attributes.draught"}`, status: 403, audit: []string{"field_definition.update denied"}},
		{name: "a clerk switches it off", as: "clerk", route: one, path: "/field-definitions/$shut", body: `{"is_active":false}`, status: 403, audit: []string{"field_definition.update denied"}},
		{name: "a clerk labels it", as: "clerk", route: one, path: "/field-definitions/$shut", body: `{"display_name":"Shut","is_required":true,"is_pii":true,"validation_rules":{"min_length":1}}`, status: 200, want: map[string]any{"data.is_pii": true, "data.validation_rules.min_length": 1}, audit: []string{"field_definition.update success"}, writes: written},
		{name: "a clerk makes it no longer personal", as: "clerk", route: one, path: "/field-definitions/$shut", body: `{"is_pii":false}`, status: 403, audit: []string{"field_definition.update denied"}},
		{name: "a clerk shuts what could be read", as: "clerk", route: one, path: "/field-definitions/$draught", body: `{"default_visibility":"hidden"}`, status: 200, audit: []string{"field_definition.update success"}, writes: written},
		{name: "a clerk deletes it", as: "clerk", route: gone, path: "/field-definitions/$shut", status: 403, audit: []string{"field_definition.delete denied"}},
		{name: "a clerk creates many", as: "clerk", route: bulk, body: `{"definitions":[{"entity_type":"a","field_name":"x","field_type":"tenant_specific","default_visibility":"hidden"},{"entity_type":"a","field_name":"y","field_type":"tenant_specific"}]}`, status: 403, audit: []string{"field_definition.create denied"}},

		{name: "update", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"field_name":"draft","data_type":"string","validation_rules":null,"default_visibility":"write","description":"d","display_name":null,"is_indexed":false}`, status: 200, want: map[string]any{
			"data.field_name": "draft", "data.storage_path": "attributes.draught", "data.validation_rules": "map[]", "data.default_visibility": "write", "data.display_name": "", "data.is_indexed": false,
		}, audit: []string{"field_definition.update success"}, writes: written},
		{name: "update to another tier", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"field_type":"core"}`, status: 200, want: map[string]any{"data.storage_column": "draft", "data.storage_path": nil}, audit: []string{"field_definition.update success"}, writes: written},
		{name: "update the default place", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"field_type":"platform_dynamic","storage_path":null}`, status: 200, want: map[string]any{"data.storage_path": "attributes.draft"}, audit: []string{"field_definition.update success"}, writes: written},
		{name: "update to rules of no use", as: "admin", route: one, path: "/field-definitions/$field", body: `{"data_type":"boolean"}`, status: 400, fields: []string{"validation_rules.max_length"}},
		{name: "update to the platform's name", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"field_name":"imo_number"}`, status: 409, fields: []string{"field_name"}},
		{name: "update to another's place", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"storage_path":"tenant_specific.portInspectionNotes"}`, status: 409},
		{name: "update whose it is", as: "admin", route: one, path: "/field-definitions/$draught", body: `{"tenant_id":null}`, status: 400, fields: []string{"tenant_id"}},

		{name: "many", as: "admin", route: bulk, body: `{"definitions":[{"entity_type":"port","field_name":"b","field_type":"tenant_specific"},{"entity_type":"port","field_name":"a","field_type":"tenant_specific","is_active":false}]}`, status: 200, want: map[string]any{
			"data.total": 2, "data.definitions.0.field_name": "b", "data.definitions.1.field_name": "a", "data.definitions.1.is_active": false, "data.definitions.0.tenant_id": "$alpha",
		}, audit: []string{"field_definition.create success", "field_definition.create success"}, writes: written},
		{name: "many, all or none", as: "admin", route: bulk, body: `{"definitions":[{"entity_type":"port","field_name":"c","field_type":"tenant_specific"},{"entity_type":"port","field_name":"c","field_type":"tenant_specific"},{"entity_type":"Port","field_name":"d","field_type":"tenant_specific","validation_rules":{"min":1}}]}`, status: 400, fields: []string{"definitions[1].field_name", "definitions[2].entity_type", "definitions[2].validation_rules.min"}},
		{name: "many that are there", as: "admin", route: bulk, body: `{"definitions":[{"entity_type":"port","field_name":"c","field_type":"tenant_specific"},{"entity_type":"port","field_name":"a","field_type":"tenant_specific"},{"entity_type":"vessel","field_name":"imo_number","field_type":"tenant_specific"}]}`, status: 409, fields: []string{"definitions[1].field_name", "definitions[2].field_name"}},
		{name: "many of the platform's", as: "operator", route: bulk, body: `{"tenant_id":null,"definitions":[{"entity_type":"berth","field_name":"a","field_type":"core"}]}`, status: 200, want: map[string]any{"data.definitions.0.tenant_id": nil}, audit: []string{"field_definition.create success"}, writes: written},
		{name: "many of the platform's from a tenant", as: "admin", route: bulk, body: `{"tenant_id":null,"definitions":[{"entity_type":"berth","field_name":"b","field_type":"core"}]}`, status: 403, audit: []string{"field_definition.create denied"}},
		{name: "many is nothing", as: "admin", route: bulk, body: `{"definitions":[]}`, status: 400, fields: []string{"definitions"}},

		{name: "a record that is right", as: "clerk", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel","record":{"imo_number":"9074729","tenant_specific":{"portInspectionNotes":"fine"}}}`, status: 200, want: map[string]any{"data.valid": false, "data.total": 1, "data.violations.0.path": "record.attributes.shut"}},
		{name: "a change that is right", as: "clerk", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel","partial":true,"record":{"tenant_specific":{"portInspectionNotes":"fine"}}}`, status: 200, want: map[string]any{"data.valid": true, "data.records": 1, "data.violations": "[]"}},
		{name: "a record that is wrong", as: "admin", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel","record":{"imo_number":7,"tenant_specific":{"portInspectionNotes":"` + strings.Repeat("é", 21) + `","x":1},"attributes":{"shut":"y"}}}`, status: 200, want: map[string]any{
			"data.valid": false, "data.total": 3, "data.violations.0.path": "record.imo_number", "data.violations.0.field_name": "imo_number",
			"data.violations.1.path": "record.tenant_specific.portInspectionNotes", "data.violations.1.message": "must have at most 20 characters",
			"data.violations.2.path": "record.tenant_specific.x",
		}},
		{name: "records", as: "admin", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel","partial":true,"records":[{},{"imo_number":null}]}`, status: 200, want: map[string]any{"data.records": 2, "data.total": 1, "data.violations.0.path": "records[1].imo_number"}},
		{name: "no record", as: "admin", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel"}`, status: 400, fields: []string{"record"}},
		{name: "a record and records", as: "admin", route: "POST /field-definitions/validate", body: `{"entity_type":"vessel","record":{},"records":[{}]}`, status: 400, fields: []string{"record"}},
		{name: "an entity that nobody defined", as: "admin", route: "POST /field-definitions/validate", body: `{"entity_type":"whale","record":{}}`, status: 404},

		{name: "delete", as: "admin", route: gone, path: "/field-definitions/$draught", status: 204, audit: []string{"field_definition.delete success"}, writes: written},
		{name: "delete again", as: "admin", route: gone, path: "/field-definitions/$draught", status: 404},
	}
}

func TestScenarios_Fields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	w.play(t, fieldScenarios())
}

// The platform and a tenant define a field at once: one of them has it.
func TestRace_AFieldIsDefinedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		name := `"field_name":"f` + string(rune('a'+i)) + `","entity_type":"vessel","field_type":"platform_dynamic"`
		statuses := w.race(
			request{as: "operator", method: http.MethodPost, path: "/field-definitions", body: `{"tenant_id":null,` + name + `}`},
			request{as: "admin", method: http.MethodPost, path: "/field-definitions", body: `{` + name + `}`},
			request{as: "admin_b", method: http.MethodPost, path: "/field-definitions", body: `{` + name + `}`},
			request{as: "admin", method: http.MethodPost, path: "/field-definitions", body: `{` + name + `}`},
		)
		owners := w.column(t, "SELECT coalesce(tenant_id::text, 'platform') FROM sentinel.field_definitions WHERE field_name = $1", "f"+string(rune('a'+i)))
		if len(owners) == 2 {
			require.ElementsMatch(t, []string{w.ids["alpha"], w.ids["beta"]}, owners, "%v", statuses)
		} else {
			require.Equal(t, []string{"platform"}, owners, "%v", statuses)
		}
		for _, status := range statuses {
			require.Contains(t, []int{201, 409}, status)
		}
	}
}

// exposed says for every place in which alpha has a field how far it is open
// where no permission names it, from 0. A place without an active definition is
// open as far as can be, 3.
func (w *world) exposed(t *testing.T) map[string]int {
	t.Helper()
	open := map[string]int{}
	for _, row := range w.column(t, `
SELECT entity_type || ' ' || coalesce(storage_column, storage_path) || ' ' || CASE WHEN NOT is_active THEN 3 WHEN default_visibility = 'write' THEN 2 WHEN default_visibility = 'read' THEN 1 ELSE 0 END
FROM sentinel.field_definitions WHERE tenant_id = $1 OR tenant_id IS NULL`, w.ids["alpha"]) {
		parts := strings.Fields(row)
		open[parts[0]+" "+parts[1]] = int(parts[2][0] - '0')
	}
	return open
}

// Whoever may write definitions and is no administrator opens nothing, however
// they go about it.
func TestGranting_FieldsAreOpenedByAdministratorsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	a := &attack{world: w, Rand: rand.New(rand.NewPCG(11, 11))} //nolint:gosec // a test's dice
	for i := range 6 {
		w.make("", "admin", "", "/field-definitions", fmt.Sprintf(`{"entity_type":"vessel","field_name":"seed%d","field_type":"tenant_specific","default_visibility":%q,"is_pii":true,"is_active":%v}`,
			i, pick(a, []string{"hidden", "read", "write"}), a.IntN(3) > 0))
	}
	members := map[string][]string{
		"default_visibility": {`"hidden"`, `"hidden"`, `"read"`, `"write"`}, "is_active": {"true", "false"}, "is_pii": {"true", "false"}, "is_required": {"true"},
		"field_type": {`"core"`, `"platform_dynamic"`}, "storage_path": {"null", `"attributes.seed1"`, `"attributes.other"`}, "storage_column": {`"imo_number"`, `"other"`},
		"field_name": {`"seed2"`, `"fresh"`}, "entity_type": {`"vessel"`, `"port"`}, "data_type": {`"string"`, `"text"`}, "display_name": {`"x"`}, "tenant_id": {"null"},
	}
	names := slices.Sorted(maps.Keys(members))
	accepted, refused := 0, 0
	for i := range 400 {
		ids := w.column(t, "SELECT id::text FROM sentinel.field_definitions WHERE tenant_id = $1 OR tenant_id IS NULL ORDER BY id", w.ids["alpha"])
		body := map[string]json.RawMessage{}
		for range 1 + a.IntN(2) {
			name := pick(a, names)
			body[name] = json.RawMessage(pick(a, members[name]))
		}
		r := request{as: "clerk", method: http.MethodPatch, path: "/field-definitions/" + pick(a, ids)}
		switch a.IntN(6) {
		case 0:
			r.method = http.MethodDelete
		case 1, 2:
			r.method, r.path = http.MethodPost, "/field-definitions"
			for name, value := range map[string]string{"entity_type": `"vessel"`, "field_name": fmt.Sprintf(`"made%d"`, i), "field_type": `"tenant_specific"`, "default_visibility": `"hidden"`} {
				if _, given := body[name]; !given {
					body[name] = json.RawMessage(value)
				}
			}
		}
		if r.method != http.MethodDelete {
			r.body = jsonOf(body)
		}
		before := w.exposed(t)
		got := w.do(r)
		if got.status >= 300 {
			if got.status == http.StatusForbidden {
				refused++
			}
			continue
		}
		accepted++
		after := w.exposed(t)
		for place, was := range before {
			is, there := after[place]
			require.True(t, there && is <= was, "%s %s %s opens %s", r.method, r.path, r.body, place)
		}
		for place, is := range after {
			_, there := before[place]
			require.True(t, there || is == 0 || is == 3, "%s %s %s makes %s open", r.method, r.path, r.body, place)
		}
	}
	require.Greater(t, accepted, 30, "or nothing was proven")
	require.Greater(t, refused, 30, "or nothing was proven")
}

// Of two who read the same, one writes.
func TestRace_StaleFieldsAndItemsAreNotOverwritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	w.items()
	for path, bodies := range map[string][2]string{
		"/field-definitions/$field":    {`{"description":"one"}`, `{"description":"two"}`},
		"/field-definitions/$imo":      {`{"description":"one"}`, `{"description":"two"}`},
		"/navigation/menu-items/$item": {`{"icon":"one"}`, `{"icon":"two"}`},
		"/navigation/menu-items/$help": {`{"icon":"one"}`, `{"icon":"two"}`},
	} {
		as := "admin"
		if path == "/field-definitions/$imo" || path == "/navigation/menu-items/$help" {
			as = "operator"
		}
		match := map[string]string{"If-Match": w.do(request{as: as, method: http.MethodGet, path: path}).header.Get("ETag"), "Content-Type": "application/json"}
		statuses := w.race(
			request{as: as, method: http.MethodPatch, path: path, body: bodies[0], header: match},
			request{as: as, method: http.MethodPatch, path: path, body: bodies[1], header: match},
		)
		require.ElementsMatch(t, []int{http.StatusOK, http.StatusPreconditionFailed}, statuses, path)
	}
}

// An attribute of users that is defined as personal is sealed from the next
// write on, and shown as it was.
func TestFields_APersonalAttributeIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("passport", "admin", "", "/field-definitions", `{"entity_type":"user","field_name":"passport","field_type":"tenant_specific","is_pii":true}`)
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$plain", body: `{"attributes":{"passport":"X1234567"}}`})
	require.Equal(t, "X1234567", got.at("data.attributes.passport"), "%s", got.body)
	stored := w.column(t, "SELECT attributes::text FROM sentinel.users WHERE id = $1", w.ids["plain"])[0]
	require.NotContains(t, stored, "X1234567")
	require.Contains(t, stored, "$sealed")
	// Without the definition the value is still readable.
	require.Equal(t, http.StatusNoContent, w.do(request{as: "admin", method: http.MethodDelete, path: "/field-definitions/$passport"}).status)
	require.Equal(t, "X1234567", w.do(request{as: "admin", method: http.MethodGet, path: "/users/$plain"}).at("data.attributes.passport"))
}

// A definition of the platform's makes every tenant's graph stale, since every
// tenant's decisions read it.
func TestFields_APlatformDefinitionMovesEveryTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revision := func(as string) string {
		got := w.do(request{as: as, method: http.MethodPost, path: "/permissions/check", body: `{"resource":{"type":"vessel"},"action":"read"}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got.header.Get("X-Sentinel-Revision")
	}
	a, b := revision("admin"), revision("admin_b")
	require.Equal(t, a, revision("admin"), "or nothing is proven")
	w.make("", "operator", "", "/field-definitions", `{"tenant_id":null,"entity_type":"vessel","field_name":"flag","field_type":"core"}`)
	require.NotEqual(t, a, revision("admin"))
	require.NotEqual(t, b, revision("admin_b"))
}

// Without the feature every call of the section is refused, to administrators
// and operators alike.
func TestFields_AndMenusAreFeatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	w.items()
	got := w.do(request{as: "operator", method: http.MethodPatch, path: "/tenants/$alpha", body: `{"features":["approvals"]}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	for _, of := range []map[string]example{fieldExamples(), navigationExamples()} {
		for route, e := range of {
			method, _, _ := strings.Cut(route, " ")
			w.unchanged(t, func() {
				got := w.do(request{as: "admin", method: method, path: e.path, body: e.body})
				require.Equal(t, http.StatusForbidden, got.status, "%s: %s", route, got.body)
				require.Equal(t, "FEATURE_DISABLED", got.at("error.code"), route)
			})
		}
	}
}
