package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

const bundleRoute = "GET //bundles/{tenant}.tar.gz"

func bundleExamples() map[string]example {
	return map[string]example{
		bundleRoute: {path: "//bundles/$alpha.tar.gz", foreign: []call{{"//bundles/$tenant_b.tar.gz", ""}, {"//bundles/$platform.tar.gz", ""}}},
	}
}

func bundleScenarios() []scenario {
	const ours = "//bundles/ALPHA.tar.gz"
	return []scenario{
		{name: "bundle by code", as: "admin", route: bundleRoute, path: ours, status: 200},
		{name: "bundle by code in small letters", as: "admin", route: bundleRoute, path: "//bundles/alpha.tar.gz", status: 200},
		{name: "bundle by id", as: "admin", route: bundleRoute, path: "//bundles/$alpha.tar.gz", status: 200},
		{name: "bundle of another tenant", as: "admin", route: bundleRoute, path: "//bundles/BETA.tar.gz", status: 404, code: "RESOURCE_NOT_FOUND"},
		{name: "bundle of a sub-tenant", as: "admin", route: bundleRoute, path: "//bundles/ALPHA-EU.tar.gz", status: 404, code: "RESOURCE_NOT_FOUND"},
		{name: "bundle while acting in a sub-tenant", as: "admin", route: bundleRoute, path: ours, header: map[string]string{"X-Tenant-ID": "$sub"}, status: 404, code: "RESOURCE_NOT_FOUND"},
		{name: "bundle of a name that is too long", as: "admin", route: bundleRoute, path: "//bundles/A23456789012345678901234567890123456789012345678901.tar.gz", status: 400, fields: []string{"path.tenant"}},
		{name: "bundle without the permission", as: "manager", route: bundleRoute, path: ours, status: 403, code: "PERMISSION_DENIED"},
	}
}

func TestScenarios_Bundle(t *testing.T) {
	t.Parallel()
	newWorld(t).play(t, bundleScenarios())
}

func (w *world) bundle(as, tags string) *response {
	w.t.Helper()
	r := request{as: as, method: http.MethodGet, path: "//bundles/ALPHA.tar.gz"}
	if tags != "" {
		r.header = map[string]string{"If-None-Match": tags}
	}
	return w.do(r)
}

func TestBundle_NeedsExecuteBesideRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("fetcher", "admin", "", "/roles", `{"name":"fetcher"}`)
	w.make("", "admin", "", "/roles/$fetcher/permissions", `{"permissions":[{"name":"Read bundles","resource_type":"api","resource_path":"api/bundles","actions":["read"]}]}`)
	w.person("agent", "admin", "", "ALPHA", `"$fetcher"`)
	got := w.bundle("agent", "")
	require.Equal(t, http.StatusForbidden, got.status)
	require.Equal(t, "api/bundles:execute", got.at("error.details.required_permission"))
	w.make("", "admin", "", "/roles/$fetcher/permissions", `{"permissions":[{"name":"Load bundles","resource_type":"api","resource_path":"api/bundles","actions":["execute"]}]}`)
	require.Equal(t, http.StatusOK, w.bundle("agent", "").status)
}

func TestBundle_IsTheSameUntilSomethingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.bundle("admin", "")
	require.Equal(t, http.StatusOK, first.status)
	require.Equal(t, "application/gzip", first.header.Get("Content-Type"))
	require.Empty(t, first.header.Get("Content-Encoding"))
	tag := first.header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{64}"$`, tag)
	require.Equal(t, first.body, w.bundle("admin", "").body)
	for _, tags := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		again := w.bundle("admin", tags)
		require.Equal(t, http.StatusNotModified, again.status, tags)
		require.Equal(t, tag, again.header.Get("ETag"))
	}
	require.Equal(t, http.StatusOK, w.bundle("admin", `"other"`).status)

	w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$reader"}`)
	changed := w.bundle("admin", tag)
	require.Equal(t, http.StatusOK, changed.status)
	require.NotEqual(t, tag, changed.header.Get("ETag"))
}

func TestBundle_MakesAStockOPAAnswerAsTheServerDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$reader"}`)
	w.publish("alpha", "hours", `import data.sentinel.lib

deny contains {"reason": "locked by the port"} if input.resource.attributes.locked

obligations contains {"log": lib.resource.id} if "reader" in lib.subject.roles
`)
	w.make("", "admin", "", "/field-definitions", `{"entity_type":"vessel","field_name":"imo","field_type":"tenant_specific","default_visibility":"read"}`)
	got := w.bundle("admin", "")
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	read, err := bundle.NewReader(bytes.NewReader(got.body)).Read()
	require.NoError(t, err)
	require.Regexp(t, `^r\d+-p1$`, read.Manifest.Revision)
	require.NotContains(t, string(mustJSON(t, read.Data)), "plain@alpha.example", "nothing reads addresses")

	stock := enginetest.StockOPA(t, got.body)
	codes := map[string]bool{}
	for _, q := range []policy.Question{
		{Type: "vessel", ID: "mv-aurora", Action: "read"},
		{Type: "vessel", ID: "mv-aurora", Action: "read", Attributes: map[string]any{"locked": true}},
		{Type: "vessel", ID: "mv-aurora", Action: "scrap"},
		{Type: "app", ID: "fleet", Action: "read"},
	} {
		q.UserID = w.ids["plain"]
		resource := map[string]any{"type": q.Type, "id": q.ID, "attributes": q.Attributes}
		if q.Attributes == nil {
			delete(resource, "attributes")
		}
		server := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: jsonOf(map[string]any{
			"user_id": q.UserID, "resource": resource, "action": q.Action,
		})})
		require.Equal(t, http.StatusOK, server.status, "%s", server.body)
		agent, err := stock.Data(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, server.at("data.allowed"), agent.Allowed)
		require.Equal(t, server.at("data.reason_code"), agent.ReasonCode)
		codes[agent.ReasonCode] = true
	}
	require.Equal(t, map[string]bool{"granted": true, "policy_deny": true, "no_matching_permission": true}, codes)
}

func TestBundle_IsLoadedByAnAgentThatPolls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(config, mustJSON(t, map[string]any{
		"services": map[string]any{"sentinel": map[string]any{
			"url": w.url, "credentials": map[string]any{"bearer": map[string]any{"token": w.token("admin")}},
		}},
		"bundles": map[string]any{"alpha": map[string]any{
			"service": "sentinel", "resource": "bundles/ALPHA.tar.gz", "polling": map[string]any{"min_delay_seconds": 1, "max_delay_seconds": 1},
		}},
	}), 0o600))
	agent := enginetest.RunOPA(t, "--config-file", config)
	q := policy.Question{UserID: w.ids["plain"], Type: "vessel", ID: "mv-aurora", Action: "read"}
	got, err := agent.Data(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, "no_matching_permission", got.ReasonCode)

	w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$reader"}`)
	require.Eventually(t, func() bool {
		got, err := agent.Data(t.Context(), q)
		return err == nil && got.Allowed
	}, time.Minute, 100*time.Millisecond)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}
