package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestGet_AnswersEnvelopeAndTag(t *testing.T) {
	f := setup(t)
	a := f.With("X-Request-ID", "abc-1.2_3").Do("GET", "/api/v1/widgets/"+caller.String(), nil).Want(200)
	var body httpapi.Envelope[widget]
	a.Decode(&body)
	require.Equal(t, caller, body.Data.ID)
	require.Equal(t, "abc-1.2_3", body.Meta.RequestID)
	require.Equal(t, "abc-1.2_3", a.Header.Get("X-Request-ID"))
	require.False(t, body.Meta.Timestamp.IsZero())
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	require.Empty(t, a.Header.Get("Link"))
	require.NotContains(t, string(a.Body), "$schema")

	again := f.With("If-None-Match", a.Header.Get("ETag")).Do("GET", "/api/v1/widgets/"+caller.String(), nil).Want(304)
	require.Empty(t, again.Body)
	head := f.Do("HEAD", "/api/v1/widgets/"+caller.String(), nil).Want(200)
	require.Empty(t, head.Body)
}

func TestGet_LiteralSegmentWinsOverParameter(t *testing.T) {
	f := setup(t)
	var w widget
	f.Do("GET", "/api/v1/widgets/me", nil).Want(200).Data(&w)
	require.Equal(t, "me", w.Name)
	f.Do("GET", "/api/v1/widgets/code/a%20b", nil).Want(200).Data(&w)
	require.Equal(t, "a b", w.Name)
}

func TestGet_ActsInTheTenantOfTheHeader(t *testing.T) {
	f := setup(t)
	other := "01890000-0000-7000-8000-00000000000b"
	var w widget
	f.With("X-Tenant-ID", other).Do("GET", "/api/v1/widgets/me", nil).Want(200).Data(&w)
	require.Equal(t, other, w.Owner.String())
	f.With("X-Tenant-ID", "nonsense").Do("GET", "/api/v1/widgets/me", nil).Want(404)
}

func TestList_PagesAndCounts(t *testing.T) {
	f := setup(t)
	a := f.Do("GET", "/api/v1/widgets?page=2&limit=25&order=desc&is_active=false&role=a&role=b", nil).Want(200)
	require.Equal(t, []string{"101", "5", "2", "25"}, []string{
		a.Header.Get("X-Total-Count"), a.Header.Get("X-Page-Count"), a.Header.Get("X-Current-Page"), a.Header.Get("X-Per-Page"),
	})
	var body map[string]json.RawMessage
	a.Decode(&body)
	require.JSONEq(t, `[]`, string(body["data"]))
	require.Contains(t, string(body["meta"]), `"pagination":{"total":101,"page":2,"limit":25,"pages":5}`)
	in := f.lastIn.(listIn)
	require.Equal(t, 25, in.Offset())
	require.True(t, in.Descending())
	require.Equal(t, httpapi.Some(false), in.Active)
	require.Equal(t, []string{"a", "b"}, in.Roles)

	f.Do("GET", "/api/v1/widgets", nil).Want(200)
	in = f.lastIn.(listIn)
	require.Equal(t, httpapi.PageIn{Page: 1, Limit: 50}, in.PageIn)
	require.Equal(t, "name", in.Sort)
	require.False(t, in.Active.Set)
}

func TestCreate_Answers201WithLocation(t *testing.T) {
	f := setup(t)
	a := f.Do("POST", "/api/v1/widgets", `{"name":"new","permissions":[{"type":"api","actions":["read"]}]}`).Want(201)
	require.Equal(t, "/api/v1/widgets/"+caller.String(), a.Header.Get("Location"))
	require.NotEmpty(t, a.Header.Get("ETag"))
	var w widget
	a.Data(&w)
	require.Equal(t, "new", w.Name)
}

func TestUpdate_TellsAbsentNullAndValueApart(t *testing.T) {
	f := setup(t)
	path := "/api/v1/widgets/" + caller.String()
	for body, want := range map[string]patchOut{
		`{}`: {"absent", "absent", "absent", "absent"},
		`{"note":null,"owner":null,"rules":null}`:                                                          {"absent", "null", "null", "null"},
		`{"name":"abc","note":"x","owner":"` + caller.String() + `","rules":{"type":"t","actions":["a"]}}`: {"abc", "x", caller.String(), "t"},
	} {
		var got patchOut
		f.Do("PATCH", path, body).Want(200).Data(&got)
		require.Equal(t, want, got, body)
	}
	for body, paths := range map[string][]string{
		`{"name":null}`:                                {"name"},
		`{"name":"a","note":"123456"}`:                 {"name", "note"},
		`{"owner":"nobody"}`:                           {"owner"},
		`{"rules":{"type":"t"}}`:                       {"rules.actions"},
		`{"name":null,"bogus":1}`:                      {"name", "bogus"},
		`{"rules":{"type":"t","actions":["a"],"x":1}}`: {"rules.x"},
	} {
		require.Equal(t, paths, f.Do("PATCH", path, body).Want(400).Paths(), body)
	}
	f.With("If-Match", `"old", "current"`).Do("PATCH", path, `{}`).Want(200)
	require.Equal(t, "PRECONDITION_FAILED", f.With("If-Match", `"old"`).Do("PATCH", path, `{}`).Want(412).Code())
	f.With("Content-Type", "application/merge-patch+json").Do("PATCH", path, `{}`).Want(200)
}

func TestOtherVerbs(t *testing.T) {
	f := setup(t)
	path := "/api/v1/widgets/" + caller.String()
	require.Empty(t, f.Do("DELETE", path, nil).Want(204).Body)
	f.Do("POST", path+"/turn", nil).Want(202)
	f.Do("POST", path+"/turn", `{}`).Want(202)
	require.Equal(t, []string{"body"}, f.Do("POST", path+"/turn", `{"a":1}`).Want(400).Paths())
	var w widget
	f.Do("PUT", path+"/labels", `{"name":"n"}`).Want(200).Data(&w)
	require.Equal(t, "n", w.Name)
}

func TestRaw_HasNoEnvelope(t *testing.T) {
	f := setup(t)
	a := f.As("").Do("GET", "/.well-known/keys.json", nil).Want(200)
	require.JSONEq(t, `{"keys":["a"]}`, string(a.Body))
	require.Equal(t, "application/jwk-set+json", a.Header.Get("Content-Type"))
	require.Equal(t, "max-age=60", a.Header.Get("Cache-Control"))
	a = f.As("").Do("GET", "/bundles/acme.tar.gz", nil).Want(203)
	require.Equal(t, "acme", string(a.Body))
	require.Equal(t, "application/gzip", a.Header.Get("Content-Type"))
}

func TestRaw_TakesFormsAndOwnErrors(t *testing.T) {
	f := setup(t)
	form := f.As("").With("Content-Type", "application/x-www-form-urlencoded")
	require.JSONEq(t, `{"grant":"client_credentials","scope":"a b"}`, string(form.Do("POST", "/token", "grant_type=client_credentials&scope=a+b").Want(200).Body))
	for _, bad := range []string{"grant_type=client_credentials&grant_type=x", "grant_type=%00", "grant_type=%zz", "scope=x", ""} {
		require.JSONEq(t, `{"error":"validation_error"}`, string(form.Do("POST", "/token", bad).Want(400).Body), bad)
	}
	// Unknown members are ignored here, but for those that differ from a known one
	// in case only: their sender would take them for heard.
	require.JSONEq(t, `{"grant":"client_credentials","scope":""}`,
		string(f.As("").Do("POST", "/token", `{"grant_type":"client_credentials","more":{"a":1}}`).Want(200).Body))
	f.As("").Do("POST", "/token", `{"grant_type":"client_credentials","Scope":"evil"}`).Want(400)
	form.Do("POST", "/api/v1/widgets", "a=b").Want(401)
	f.With("Content-Type", "application/x-www-form-urlencoded").Do("POST", "/api/v1/widgets", "a=b").Want(400)
}

func TestDocs_ListOperationsWithTheirPermissions(t *testing.T) {
	f := setup(t)
	anon := f.As("")
	var doc struct {
		Openapi string
		Paths   map[string]map[string]struct {
			OperationID string              `json:"operationId"`
			Summary     string              `json:"summary"`
			Tags        []string            `json:"tags"`
			Permission  string              `json:"x-permission"`
			Security    []map[string][]any  `json:"security"`
			Responses   map[string]struct{} `json:"responses"`
		}
		Components struct {
			Schemas map[string]struct{ Required []string }
		}
	}
	anon.Do("GET", "/openapi.json", nil).Want(200).Decode(&doc)
	require.Equal(t, "3.1.0", doc.Openapi)
	op := doc.Paths["/api/v1/widgets"]["post"]
	require.Equal(t, "api/widgets:create", op.Permission)
	require.Len(t, op.Security, 1)
	require.Equal(t, []string{"Widgets"}, op.Tags)
	for _, status := range []string{"201", "400", "401", "403", "409", "413", "429", "500", "503"} {
		require.Contains(t, op.Responses, status)
	}
	require.NotContains(t, op.Responses, "422")
	require.NotContains(t, op.Responses, "default")
	require.Empty(t, doc.Paths["/token"]["post"].Security)
	ids := map[string]bool{}
	for path, operations := range doc.Paths {
		for method, o := range operations {
			require.NotEmpty(t, o.Summary, path)
			require.False(t, ids[o.OperationID], "%s %s: %s", method, path, o.OperationID)
			ids[o.OperationID] = true
		}
	}
	require.Contains(t, doc.Components.Schemas, "ErrorEnvelope")
	for name, s := range doc.Components.Schemas {
		if name == "HttpapiTestPatchInBody" || name == "PatchInBody" {
			require.Empty(t, s.Required)
		}
	}
	require.Contains(t, string(anon.Do("GET", "/openapi.yaml", nil).Want(200).Body), "openapi: 3.1.0")
	for path, kind := range map[string]string{"/docs": "text/html", "/docs/docs.js": "text/javascript", "/docs/docs.css": "text/css"} {
		a := anon.Do("GET", path, nil).Want(200)
		require.Contains(t, a.Header.Get("Content-Type"), kind)
		require.Contains(t, a.Header.Get("Content-Security-Policy"), "script-src 'self'")
		require.NotContains(t, string(a.Body), "https://")
	}
	require.Len(t, f.server.Routes(), 16)
	require.Equal(t, http.MethodPatch, f.server.Routes()[5].Method)
}

func TestDocs_CanBeLeftOut(t *testing.T) {
	f := setup(t, func(c *httpapi.Config) { c.NoDocs = true })
	f.Do("GET", "/docs", nil).Want(404)
	f.Do("GET", "/openapi.json", nil).Want(404)
}
