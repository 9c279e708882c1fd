package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

const operatorPassword = "correct horse battery staple"

// onDatabase runs a server on a database of its own and returns it with the
// token of its operator.
func onDatabase(t *testing.T) (*server, string) {
	t.Helper()
	s := startWith(t, t.TempDir(), []string{"serve"}, "is ready at", "DATABASE_URL="+dbtest.New(t).URL, "MASTER_KEY="+hex.EncodeToString(make([]byte, 32)),
		"ADMIN_EMAIL=operator@example.com", "ADMIN_PASSWORD="+operatorPassword, "RATE_LIMIT_PER_MINUTE=0", "RATE_LIMIT_CHECKS_PER_MINUTE=0")
	t.Cleanup(func() { _ = s.cmd.Wait() }) // it ends with the test's context
	login := s.post(t, "", "", "/auth/login", `{"tenant_id":"PLATFORM","email":"operator@example.com","password":"`+operatorPassword+`"}`)
	return s, login["access_token"].(string)
}

// post makes a call that succeeds and returns its data.
func (s *server) post(t *testing.T, token, tenant, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if tenant != "" {
		req.Header.Set("X-Tenant-ID", tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal(raw, &answer), "%s", raw)
	require.Less(t, resp.StatusCode, 300, "%s", raw)
	return answer.Data
}

// tenant makes one and returns the flags by which commands work in it.
func (s *server) tenant(t *testing.T, token, code string) (id string, flags []string) {
	t.Helper()
	id = s.post(t, token, "", "/tenants", `{"name":"T","code":"`+code+`"}`)["id"].(string)
	return id, []string{"--server", s.url, "--token", token, "--tenant", id}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestApply_ShowsAsksAndApplies(t *testing.T) {
	t.Parallel()
	s, token := onDatabase(t)
	_, flags := s.tenant(t, token, "ACME")
	do := func(args ...string) (string, error) { return run(t, append(args, flags...)...) }
	manifest := file(t, "tenant.yaml", "version: 1\npermissions:\n  - {name: Read, resource_path: vessel/*, actions: [read]}\nroles:\n  - name: crew\n    permissions: [Read]\n")

	out, err := do("apply", "-f", manifest, "--dry-run")
	require.ErrorIs(t, err, errWouldChange)
	require.Equal(t, `+ permission Read
    actions: [read]
    name: Read
    resource_path: vessel/*
+ role crew
    name: crew
    permissions: [Read]

2 to create, 0 to change, 0 to delete
`, out)
	_, err = do("apply", "-f", manifest)
	require.ErrorIs(t, err, errUnasked)
	out, err = do("apply", "-f", manifest, "--yes")
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(out, "Applied.\n"), out)
	out, err = do("apply", "-f", manifest, "--dry-run", "--prune")
	require.NoError(t, err)
	require.Equal(t, "Nothing to change.\n", out)

	changed := file(t, "changed.json", `{"version": 1, "permissions": [], "roles": [{"name": "crew", "display_name": "Crew", "permissions": []}]}`)
	out, err = do("apply", "-f", changed, "--dry-run", "--prune")
	require.ErrorIs(t, err, errWouldChange)
	require.Equal(t, `~ role crew
  + display_name: Crew
  - permissions: [Read]
- permission Read  (with it go: 1 role)

0 to create, 1 to change, 1 to delete
`, out)
	out, err = do("apply", "-f", changed, "--prune", "--yes", "-o", "json")
	require.NoError(t, err)
	require.JSONEq(t, `{"create":0,"update":1,"delete":1}`, string(member(t, out, "summary")))
	out, err = do("apply", "-f", changed, "-o", "json")
	require.NoError(t, err)
	require.JSONEq(t, `[]`, string(member(t, out, "changes")))

	out, err = do("export")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "# yaml-language-server: $schema=tenant.schema.json\nversion: 1\n"), out)
	require.Contains(t, out, "roles:\n  - name: crew\n    display_name: Crew\n    permissions: []\n")
	again, err := do("export")
	require.NoError(t, err)
	require.Equal(t, out, again)
	out, err = do("export", "-o", "json")
	require.NoError(t, err)
	require.JSONEq(t, `1`, string(member(t, out, "version")))
}

func member(t *testing.T, text, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &members), text)
	return members[name]
}

func TestApply_NamesFileAndLine(t *testing.T) {
	t.Parallel()
	s, token := onDatabase(t)
	_, flags := s.tenant(t, token, "ACME")
	folder := t.TempDir()
	for name, text := range map[string]string{
		"1.yaml": "version: 1\nroles:\n  - name: a\n  - name: b\n    parent: nobody\nsettings: {}\n",
		"2.yaml": "version: 1\nsettings:\n  colour: red\nroles:\n  - name: c\n\n  - name: d\n    nam: e\n",
		"note":   "no manifest",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	_, err := run(t, append([]string{"apply", "-f", folder, "--dry-run"}, flags...)...)
	require.ErrorContains(t, err, filepath.Join(folder, "2.yaml")+":8: roles[1].nam ")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "2.yaml"), []byte("version: 1\nsettings:\n  colour: red\nroles:\n  - name: a\n"), 0o600))
	_, err = run(t, append([]string{"apply", "-f", folder, "--dry-run"}, flags...)...)
	require.ErrorContains(t, err, filepath.Join(folder, "1.yaml")+":5: roles[1].parent names no role")
	require.ErrorContains(t, err, filepath.Join(folder, "2.yaml")+":3: settings.colour is no setting")
	require.ErrorContains(t, err, filepath.Join(folder, "2.yaml")+":5: roles[0] is listed already")
}

func TestApply_RefusesFilesThatAreNoManifest(t *testing.T) {
	t.Parallel()
	one := file(t, "one.yaml", "version: 1\nroles: [{name: a}]\nsettings: {a: 1}\n")
	for text, want := range map[string]string{
		"roles: []":                    "says no version",
		"[]":                           "must hold an object",
		"version: 2":                   "x.yaml:1: version must be 1",
		"version: 1\nroles: {}":        "x.yaml:2: roles must be a list",
		"version: 1\nsettings: []":     "x.yaml:2: settings must be an object",
		"version: 1\nsettings: {a: 2}": "x.yaml:2: settings.a is given in a file before",
		"version: '1'":                 "x.yaml:1: version must be 1, a number",
		"version: 1\nroles:\n\t- a":    "x.yaml: line 3: is indented with a tab",
		"version: 01":                  "different things",
		"a: [":                         "x.yaml: yaml",
	} {
		_, err := run(t, "apply", "-f", one, "-f", file(t, "x.yaml", text), "--token", "t")
		require.ErrorContains(t, err, want, text)
	}
	for want, args := range map[string][]string{
		"no file":              {"apply"},
		"is given twice":       {"apply", "-f", "-", "-f", "-"},
		"no such file":         {"apply", "-f", "/does/not/exist"},
		"has no .yaml":         {"apply", "-f", t.TempDir()},
		"must be text or json": {"apply", "-f", one, "-o", "xml"},
		"must be yaml or json": {"export", "-o", "xml"},
		"no token":             {"export", "--token", ""},
		"no server answers":    {"apply", "-f", one, "--token", "t", "--server", "http://127.0.0.1:1"},
	} {
		_, err := run(t, args...)
		require.ErrorContains(t, err, want)
	}
}

func TestConfirm_TakesNoHabitForADeletion(t *testing.T) {
	t.Parallel()
	harmless, deleting := &changePlan{}, &changePlan{}
	deleting.Summary.Delete = 3
	for answer, c := range map[string]struct {
		plan *changePlan
		ok   bool
	}{
		"y\n": {harmless, true}, "Yes\n": {harmless, true}, "yes": {harmless, true}, "\n": {harmless, false}, "": {harmless, false}, "n\n": {harmless, false},
		"3\n": {deleting, true}, "y \n": {deleting, false}, "2\n": {deleting, false},
	} {
		var out bytes.Buffer
		err := confirm(t.Context(), strings.NewReader(answer), &out, c.plan, applyOptions{terminal: true})
		require.Equal(t, c.ok, err == nil, "%q: %v", answer, err)
		require.NotEmpty(t, out.String())
	}
	require.ErrorIs(t, confirm(t.Context(), strings.NewReader("y\n"), io.Discard, harmless, applyOptions{}), errUnasked)
	require.ErrorIs(t, confirm(t.Context(), strings.NewReader("y\n"), io.Discard, harmless, applyOptions{terminal: true, output: "json"}), errUnasked)
}

func TestConfirm_EndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	silent, hand := io.Pipe()
	defer func() { _ = hand.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, confirm(ctx, silent, io.Discard, &changePlan{}, applyOptions{terminal: true}), errNotApplied)
}

func TestShowPlan_ColoursWhereThereIsATerminal(t *testing.T) {
	t.Parallel()
	plan := &changePlan{Changes: []planned{
		{Action: "create", Kind: "role", Name: "a\x1b[2J", After: map[string]any{"name": "no"}},
		{Action: "update", Kind: "role", Name: "b", Before: map[string]any{"priority": 1}, After: map[string]any{"priority": 2}},
		{Action: "delete", Kind: "role", Name: "c", Takes: map[string]int{"groups": 1, "assignments": 12}},
	}}
	var out bytes.Buffer
	require.NoError(t, showPlan(&out, plan, true))
	require.Equal(t, green+`+ role "a\x1b[2J"`+plain+"\n"+green+`    name: "no"`+plain+"\n"+yellow+"~ role b"+plain+"\n"+
		red+"  - priority: 1"+plain+"\n"+green+"  + priority: 2"+plain+"\n"+red+"- role c  (with it go: 12 assignments, 1 group)"+plain+
		"\n\n0 to create, 0 to change, 0 to delete\n", out.String())
}

// exampleRow is a row of an example's questions.yaml.
type exampleRow struct {
	Question                      string
	Roles, Groups                 []string
	Attributes, Resource, Context map[string]any
	Ask, Reason                   string
}

// TestExamples_AnswerAsTheySay applies each example to an empty tenant, asks its
// questions, and applies what was exported.
func TestExamples_AnswerAsTheySay(t *testing.T) {
	t.Parallel()
	s, token := onDatabase(t)
	for _, name := range []string{"shipping", "hospital", "bank"} {
		t.Run(name, func(t *testing.T) {
			tenant, flags := s.tenant(t, token, strings.ToUpper(name))
			folder := filepath.Join("..", "..", "examples", name)
			_, err := run(t, append([]string{"apply", "-f", filepath.Join(folder, "tenant.yaml"), "--yes"}, flags...)...)
			require.NoError(t, err)
			ids := exampleIDs(t, s, token, tenant)
			for i, q := range questions(t, filepath.Join(folder, "questions.yaml")) {
				user := map[string]any{"email": strings.ToLower(name) + string(rune('a'+i)) + "@example.com", "attributes": q.Attributes, "roles": []string{}, "groups": []string{}}
				for _, list := range []struct {
					member string
					names  []string
				}{{"roles", q.Roles}, {"groups", q.Groups}} {
					chosen := []string{}
					for _, n := range list.names {
						require.Contains(t, ids[list.member], n)
						chosen = append(chosen, ids[list.member][n])
					}
					user[list.member] = chosen
				}
				id := s.post(t, token, tenant, "/users", text(t, user))["id"].(string)
				action, target, _ := strings.Cut(q.Ask, " ")
				args := append([]string{"check", action, target, "--user", id, "-o", "json"}, flags...)
				if q.Resource != nil {
					args = append(args, "--attributes", text(t, q.Resource))
				}
				if q.Context != nil {
					args = append(args, "--context", text(t, q.Context))
				}
				out, err := run(t, args...)
				require.Equal(t, q.Reason == "granted", err == nil, "%s: %s %v", q.Question, out, err)
				require.Contains(t, out, `"reason_code":"`+q.Reason+`"`, q.Question)
			}
			out, err := run(t, append([]string{"export"}, flags...)...)
			require.NoError(t, err)
			for _, source := range []string{file(t, "exported.yaml", out), filepath.Join(folder, "tenant.yaml")} {
				out, err = run(t, append([]string{"apply", "-f", source, "--prune", "--dry-run"}, flags...)...)
				require.NoError(t, err, out)
				require.Equal(t, "Nothing to change.\n", out)
			}
		})
	}
}

func questions(t *testing.T, name string) (list []exampleRow) {
	t.Helper()
	raw, err := os.ReadFile(name) //nolint:gosec // an example's
	require.NoError(t, err)
	document, _, err := app.ManifestFile(raw)
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&list))
	require.GreaterOrEqual(t, len(list), 3)
	return list
}

func text(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return string(raw)
}

// exampleIDs are the ids of the tenant's roles and groups by name.
func exampleIDs(t *testing.T, s *server, token, tenant string) map[string]map[string]string {
	t.Helper()
	ids := map[string]map[string]string{}
	for _, list := range []string{"roles", "groups"} {
		ids[list] = map[string]string{}
		r := remote{server: s.url, token: token, tenant: tenant}
		raw, err := r.data(t.Context(), http.MethodGet, "/"+list+"?limit=100", nil)
		require.NoError(t, err)
		var rows []struct{ ID, Name string }
		require.NoError(t, json.Unmarshal(raw, &rows))
		for _, row := range rows {
			ids[list][row.Name] = row.ID
		}
	}
	return ids
}

func TestExamples_HaveTheCurrentSchema(t *testing.T) {
	t.Parallel()
	out, err := run(t, "schema")
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join("..", "..", "examples", "tenant.schema.json"))
	require.NoError(t, err)
	require.Equal(t, out, string(raw), "run `sentinel schema > examples/tenant.schema.json`")
	for _, name := range []string{"shipping", "hospital", "bank"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "examples", name, "tenant.yaml")) //nolint:gosec // an example's
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(raw), "# yaml-language-server: $schema=../tenant.schema.json\n"), name)
	}
}

// A manifest of some megabytes is sent compressed, and can come by the input.
func TestApply_TakesLargeManifestsFromTheInput(t *testing.T) {
	t.Parallel()
	s, token := onDatabase(t)
	_, flags := s.tenant(t, token, "ACME")
	var document strings.Builder
	document.WriteString("version: 1\nresources:\n")
	for i := range 600 {
		fmt.Fprintf(&document, "  - {type: site, code: s%d, attributes: {note: %q}}\n", i, strings.Repeat("all quiet on the site ", 200))
	}
	require.Greater(t, document.Len(), 2<<20)
	for _, want := range []string{"600 to create, 0 to change, 0 to delete\nApplied.\n", "Nothing to change.\n"} {
		var out bytes.Buffer
		cmd := root()
		cmd.SetIn(strings.NewReader(document.String()))
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"apply", "-f", "-", "--yes"}, flags...))
		require.NoError(t, cmd.ExecuteContext(t.Context()))
		require.True(t, strings.HasSuffix(out.String(), want))
	}
}
