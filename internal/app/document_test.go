package app_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// update makes tests rewrite the files that they compare.
var update = flag.Bool("update", false, "rewrite the files that are generated")

const coverageHead = `# The API as it is served

Generated from the routes of the server: do not edit. After a change of routes:
` + "`go test ./internal/app -run TestCoverage -update`" + `. The full description is at ` + "`/openapi.json`" + ` of a running server.

*Access* is the permission that a call needs, or the rule that holds instead. *Granting* calls can widen somebody's access and are judged
by the granting rule besides.
`

// coverage is the document docs/api-coverage.md.
func coverage(routes []httpapi.Route) string {
	var tags []string
	rows := map[string][]string{}
	cell := func(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
	for _, r := range routes {
		access := "public"
		if p, ok := r.Access.Permission(); ok {
			access = "`" + p.String() + "`"
		} else if r.Access.Reason() != "" {
			access = cell(r.Access.Reason())
		}
		granting := ""
		if r.Granting {
			granting = "yes"
		}
		if !slices.Contains(tags, r.Tag) {
			tags = append(tags, r.Tag)
		}
		rows[r.Tag] = append(rows[r.Tag], fmt.Sprintf("| `%s %s` | %s | %s | %s |", r.Method, r.FullPath(), access, granting, cell(r.Summary)))
	}
	slices.Sort(tags)
	var out strings.Builder
	out.WriteString(coverageHead)
	for _, tag := range tags {
		fmt.Fprintf(&out, "\n## %s\n\n| call | access | granting | what |\n|---|---|---|---|\n%s\n", tag, strings.Join(rows[tag], "\n"))
	}
	return out.String()
}

func TestCoverage_ListsTheRoutesThereAre(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	want := coverage(w.app.Routes())
	file := filepath.Join("..", "..", "docs", "api-coverage.md")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
	}
	have, err := os.ReadFile(filepath.Clean(file))
	require.NoError(t, err)
	require.Equal(t, want, string(have), "the routes have changed: run `go test ./internal/app -run TestCoverage -update`")
}

// document reads the OpenAPI document.
func (w *world) document(t *testing.T) *response {
	t.Helper()
	got := w.do(request{method: http.MethodGet, path: "//openapi.json"})
	require.Equal(t, http.StatusOK, got.status)
	return got
}

func members(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func TestDocument_NamesItsSchemasForPeople(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	schemas := members(w.document(t).at("components.schemas"))
	require.Greater(t, len(schemas), 30)
	for name := range schemas {
		require.NotContains(t, name, "InBody")
		require.NotRegexp(t, `[0-9]$`, name, "two types want this name: name one of them")
		require.Regexp(t, `^[A-Z][A-Za-z0-9]*$`, name)
	}
	for _, name := range []string{"UserCreate", "UserUpdate", "RoleCreate", "RoleUpdate", "AuthLoginRequest", "PermissionCheckRequest", "GroupUsersRequest"} {
		require.Contains(t, schemas, name)
	}
}

// short are lists that are whole in one answer, each with the reason.
var short = map[string]string{
	"GET /users/{id}/roles": "an account has few roles",
}

// parameters are those of an operation in the query, by name.
func parameters(op map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := op["parameters"].([]any)
	for _, one := range list {
		if p := members(one); p["in"] == "query" {
			out[p["name"].(string)] = members(p["schema"])
		}
	}
	return out
}

// TestDocument_SaysWhatTakesAKey finds the header on the creations, and there
// alone.
func TestDocument_SaysWhatTakesAKey(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	keyed := 0
	for path, item := range members(w.document(t).at("paths")) {
		for method, operation := range members(item) {
			op, takes := members(operation), false
			list, _ := op["parameters"].([]any)
			for _, one := range list {
				takes = takes || members(one)["name"] == "Idempotency-Key"
			}
			responses := members(op["responses"])
			creates := responses["201"] != nil || path == "/api/v1/imports" && method == "post" // done behind the answer
			require.Equal(t, creates, takes, "%s %s", method, path)
			if takes {
				require.Contains(t, responses, "409", "%s %s", method, path)
				keyed++
			}
		}
	}
	require.GreaterOrEqual(t, keyed, 5)
}

var listSchema = regexp.MustCompile(`ListEnvelope$`)

// TestDocument_ListsAreReadAlike walks all lists: the same parameters, bounds
// and refusals everywhere.
func TestDocument_ListsAreReadAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ids["tenant_b"] = w.ids["beta"]
	w.ids["import"] = w.imported("admin", "", jsonLines, "[]").at("data.id").(string)
	w.webhooks()
	lists := 0
	for path, item := range members(w.document(t).at("paths")) {
		op := members(members(item)["get"])
		ref, _ := members(members(members(members(members(op["responses"])["200"])["content"])["application/json"])["schema"])["$ref"].(string)
		route := "GET " + strings.TrimPrefix(path, "/api/v1")
		if !listSchema.MatchString(ref) || short[route] != "" {
			continue
		}
		lists++
		t.Run(route, func(t *testing.T) {
			defer w.within(t)()
			p := parameters(op)
			for name, most := range map[string]string{"page": "1000000", "limit": "1000"} {
				require.Contains(t, p, name)
				require.Equal(t, "1", fmt.Sprint(p[name]["minimum"]), name)
				require.Equal(t, most, fmt.Sprint(p[name]["maximum"]), name)
			}
			if sort, sorted := p["sort"]; sorted {
				require.NotEmpty(t, sort["enum"], "sort is an allow-list")
				require.Contains(t, p, "order")
				require.ElementsMatch(t, []any{"asc", "desc"}, p["order"]["enum"])
			}
			e := examples()[route]
			as := e.as
			if as == "" {
				as = "admin"
			}
			for query, field := range map[string]string{
				"page=0": "page", "page=1000001": "page", "page=x": "page", "page=1.5": "page", "page=": "page",
				"limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=": "limit",
				"sort=id;DROP": "sort", "sort=": "sort", "order=up": "order", "page=1&page=2": "page",
			} {
				got := w.do(request{as: as, method: http.MethodGet, path: e.path + "?" + query})
				require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", query, got.body)
				require.Equal(t, []string{"query." + field}, got.fields(), "%s: %s", query, got.body)
			}
			got := w.do(request{as: as, method: http.MethodGet, path: e.path + "?limit=1&page=1000000"})
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.Equal(t, []any{}, got.at("data"))
			require.Equal(t, fmt.Sprint(got.at("meta.pagination.total")), got.header.Get("X-Total-Count"))
			require.Equal(t, "1000000", got.header.Get("X-Current-Page"))
			require.Equal(t, "1", got.header.Get("X-Per-Page"))
		})
	}
	require.GreaterOrEqual(t, lists, 8)
}

// TestDocument_NullInAPatch sends null for every member of every PATCH that the
// document does not call nullable: all of them are refused, by name, at once.
func TestDocument_NullInAPatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ids["tenant_b"] = w.ids["beta"]
	w.make("robot", "admin", "", "/service-accounts", `{"name":"robot"}`)
	w.fields()
	w.chains()
	w.items()
	w.webhooks()
	doc := w.document(t)
	schemas := members(doc.at("components.schemas"))
	patches := 0
	for path, item := range members(doc.at("paths")) {
		op := members(members(item)["patch"])
		if len(op) == 0 {
			continue
		}
		route := "PATCH " + strings.TrimPrefix(path, "/api/v1")
		patches++
		t.Run(route, func(t *testing.T) {
			defer w.within(t)()
			ref, _ := members(members(members(members(op["requestBody"])["content"])["application/json"])["schema"])["$ref"].(string)
			body, want := map[string]any{}, []string{}
			for name, schema := range members(members(schemas[ref[strings.LastIndexByte(ref, '/')+1:]])["properties"]) {
				kinds, several := members(schema)["type"].([]any)
				if !several || !slices.Contains(kinds, any("null")) {
					body[name] = nil
					want = append(want, name)
				}
			}
			require.NotEmpty(t, want)
			e := examples()[route]
			as := e.as
			if as == "" {
				as = "admin"
			}
			w.unchanged(t, func() {
				got := w.do(request{as: as, method: http.MethodPatch, path: e.path, body: jsonOf(body)})
				require.Equal(t, http.StatusBadRequest, got.status, "%s", got.body)
				require.ElementsMatch(t, want, got.fields(), "%s", got.body)
			})
		})
	}
	require.GreaterOrEqual(t, patches, 5)
}
