package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// abacFolder holds two attribute-based policies that others wrote, each with
// its users and resources. They are read where they are, and not shipped.
const abacFolder = "../../../shared/data/abac-lab"

// abac is a policy in the language of those files: userAttrib(id, name=value
// ...), resourceAttrib alike, and rule(subject conditions; resource conditions;
// actions; constraints between both).
type abac struct {
	subjects, resources map[string]map[string]any
	rules               []abacRule
}

type abacRule struct {
	subject, resource map[string][]string
	actions           []string
	constraints       []string
}

var abacLine = regexp.MustCompile(`^\s*(userAttrib|resourceAttrib|rule)\s*\((.*)\)\s*$`)

func readABAC(t *testing.T, name string) *abac {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(abacFolder, name))
	if os.IsNotExist(err) {
		t.Skipf("%s is not present", abacFolder)
	}
	require.NoError(t, err)
	a := &abac{subjects: map[string]map[string]any{}, resources: map[string]map[string]any{}}
	// One file has two statements on a line.
	text := strings.NewReplacer(")rule(", ")\nrule(", ")userAttrib(", ")\nuserAttrib(", ")resourceAttrib(", ")\nresourceAttrib(").Replace(string(raw))
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := abacLine.FindStringSubmatch(line)
		require.NotNil(t, m, "%s: %s", name, line)
		switch m[1] {
		case "userAttrib":
			id, attributes := abacAttributes(t, m[2])
			a.subjects[id] = attributes
		case "resourceAttrib":
			id, attributes := abacAttributes(t, m[2])
			a.resources[id] = attributes
		default:
			a.rules = append(a.rules, abacRuleOf(t, m[2]))
		}
	}
	return a
}

func abacAttributes(t *testing.T, text string) (id string, attributes map[string]any) {
	t.Helper()
	parts := strings.Split(text, ",")
	attributes = map[string]any{}
	for _, p := range parts[1:] {
		name, value, ok := strings.Cut(strings.TrimSpace(p), "=")
		require.True(t, ok, "%q", p)
		if list, isSet := abacSet(value); isSet {
			attributes[name] = list
		} else {
			attributes[name] = value
		}
	}
	return strings.TrimSpace(parts[0]), attributes
}

// abacSet reads "{a b}".
func abacSet(text string) ([]string, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		return nil, false
	}
	return strings.Fields(text[1 : len(text)-1]), true
}

func abacRuleOf(t *testing.T, text string) abacRule {
	t.Helper()
	parts := strings.Split(text, ";")
	require.GreaterOrEqual(t, len(parts), 4, text)
	conditions := func(text string) map[string][]string {
		out := map[string][]string{}
		for _, p := range strings.Split(text, ",") {
			if p = strings.TrimSpace(p); p == "" {
				continue
			}
			name, set, ok := strings.Cut(p, "[")
			list, isSet := abacSet(set)
			require.True(t, ok && isSet, "%q", p)
			out[strings.TrimSpace(name)] = list
		}
		return out
	}
	actions, isSet := abacSet(parts[2])
	require.True(t, isSet, text)
	r := abacRule{subject: conditions(parts[0]), resource: conditions(parts[1]), actions: actions}
	for _, p := range strings.Split(parts[3], ",") {
		if p = strings.TrimSpace(p); p != "" {
			r.constraints = append(r.constraints, p)
		}
	}
	return r
}

// permissions are those that say in Sentinel's language what the rule says, one
// for each type of resource.
func (r abacRule) permissions(t testing.TB, n int) (out []map[string]any) {
	t.Helper()
	conditions := map[string]any{}
	for name, list := range r.subject {
		conditions["subject.attributes."+name] = list
	}
	for name, list := range r.resource {
		if name != "type" {
			conditions["resource.attributes."+name] = list
		}
	}
	subject := func(name string) string {
		if name == "uid" {
			return "subject.external_id"
		}
		return "subject.attributes." + name
	}
	resource := func(name string) string {
		if name == "rid" {
			return "resource.id"
		}
		return "resource.attributes." + name
	}
	ref := func(path string) map[string]any { return map[string]any{"ref": path} }
	for _, c := range r.constraints {
		words := strings.Fields(strings.NewReplacer("=", " = ").Replace(c))
		require.Len(t, words, 3, c)
		s, o := subject(words[0]), resource(words[2])
		switch words[1] {
		case "=":
			conditions[s] = ref(o)
		case "]": // the subject's set contains the resource's value
			conditions[s] = map[string]any{"contains": ref(o)}
		case "[": // the subject's value is in the resource's set
			conditions[o] = map[string]any{"contains": ref(s)}
		case ">": // the subject's set contains all of the resource's
			conditions[s] = map[string]any{"contains_all": ref(o)}
		default:
			require.FailNow(t, "unknown operator", c)
		}
	}
	for _, typ := range r.resource["type"] {
		out = append(out, map[string]any{
			"name": fmt.Sprintf("rule %d: %s", n+1, typ), "resource_path": typ + "/*", "actions": r.actions, "conditions": conditions,
		})
	}
	return out
}

// manifest is the policy as a tenant's declarative file: the rules as permissions
// of one role that everybody has, and, if wanted, the resources as nodes.
func (a *abac) manifest(t testing.TB, withNodes bool) string {
	t.Helper()
	nodes, permissions := []map[string]any{}, []map[string]any{}
	var names []string
	for _, id := range slices.Sorted(maps.Keys(a.resources)) {
		if !withNodes {
			break
		}
		attributes := maps.Clone(a.resources[id])
		typ := attributes["type"]
		delete(attributes, "type")
		nodes = append(nodes, map[string]any{"type": typ, "code": id, "attributes": attributes})
	}
	for i, r := range a.rules {
		for _, p := range r.permissions(t, i) {
			permissions = append(permissions, p)
			names = append(names, p["name"].(string))
		}
	}
	return jsonOf(map[string]any{"manifest": map[string]any{
		"version": 1, "resources": nodes, "permissions": permissions,
		"roles": []map[string]any{{"name": "everybody", "permissions": names}},
	}})
}

// users are the subjects as rows of an import.
func (a *abac) users() string {
	var lines strings.Builder
	for _, id := range slices.Sorted(maps.Keys(a.subjects)) {
		fmt.Fprintln(&lines, jsonOf(map[string]any{
			"email": strings.ToLower(id) + "@abac.example", "external_id": id, "attributes": a.subjects[id], "roles": []string{"everybody"},
		}))
	}
	return lines.String()
}

func (a *abac) actions() []string {
	var all []string
	for _, r := range a.rules {
		all = append(all, r.actions...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// permits says by the words of the policy itself, and by nothing of Sentinel's,
// whether a subject may act on a resource.
func (a *abac) permits(subject, resource, action string) bool {
	s, r := maps.Clone(a.subjects[subject]), maps.Clone(a.resources[resource])
	s["uid"], r["rid"] = subject, resource
	isOneOf := func(of map[string]any, conditions map[string][]string) bool {
		for name, list := range conditions {
			if value, ok := of[name].(string); !ok || !slices.Contains(list, value) {
				return false
			}
		}
		return true
	}
	holds := func(constraint string) bool {
		words := strings.Fields(strings.NewReplacer("=", " = ").Replace(constraint))
		value, isText := s[words[0]].(string)
		set, _ := s[words[0]].([]string)
		other, isOtherText := r[words[2]].(string)
		others, isOtherSet := r[words[2]].([]string)
		switch words[1] {
		case "=":
			return isText && isOtherText && value == other
		case "]":
			return isOtherText && slices.Contains(set, other)
		case "[":
			return isText && slices.Contains(others, value)
		default: // ">"
			return isOtherSet && !slices.ContainsFunc(others, func(o string) bool { return !slices.Contains(set, o) })
		}
	}
	return slices.ContainsFunc(a.rules, func(rule abacRule) bool {
		return slices.Contains(rule.actions, action) && isOneOf(s, rule.subject) && isOneOf(r, rule.resource) &&
			!slices.ContainsFunc(rule.constraints, func(c string) bool { return !holds(c) })
	})
}

// triple is a subject, by its name in the policy, a resource and an action.
type triple struct{ subject, resource, action string }

// permitted are all that the policy permits.
func (a *abac) permitted() map[triple]bool {
	out := map[triple]bool{}
	for subject := range a.subjects {
		for resource := range a.resources {
			for _, action := range a.actions() {
				if a.permits(subject, resource, action) {
					out[triple{subject, resource, action}] = true
				}
			}
		}
	}
	return out
}

// abacWorld is a server with a policy as a tenant.
type abacWorld struct {
	*world
	*abac
	// accounts are the ids of subjects by their names in the policy.
	accounts map[string]string
}

// startABAC translates a policy into a tenant, through the declarative file and an
// import. Its resources are rows of a table, until they are registered.
func startABAC(t *testing.T, file, code string) *abacWorld {
	t.Helper()
	w := &abacWorld{abac: readABAC(t, file)}
	w.world = startWorld(t, newDatabase(t))
	w.make("alpha", "operator", "", "/tenants", `{"name":"`+code+`","code":"ALPHA"}`)
	w.person("admin", "operator", "$alpha", "ALPHA", `"$tenant_admin"`)
	w.apply(false)
	w.importFile("admin", "users", w.users(), len(w.subjects))
	w.accounts = w.world.accounts("admin")
	w.fillRows()
	return w
}

func (w *abacWorld) apply(withNodes bool) {
	w.t.Helper()
	got := w.do(request{as: "admin", method: http.MethodPost, path: "/manifest/apply", body: w.manifest(w.t, withNodes)})
	require.Equal(w.t, http.StatusOK, got.status, "%s", got.body)
}

// call asks as the administrator and decodes what was answered into data.
func (w *abacWorld) call(path string, body, data any) {
	w.t.Helper()
	answer := w.do(request{as: "admin", method: http.MethodPost, path: path, body: jsonOf(body)})
	require.Equal(w.t, http.StatusOK, answer.status, "%s", answer.body)
	require.NoError(w.t, json.Unmarshal(answer.body, &struct {
		Data any `json:"data"`
	}{data}))
}

// TestABAC_PoliciesOfOthersDecideAsPublished asks about every subject, resource
// and action of each policy: singly, and the other ways round.
func TestABAC_PoliciesOfOthersDecideAsPublished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, code         string
		triples, permitted int
	}{
		{"university.abac", "UNIVERSITY", 6732, 168},
		{"project-management.abac", "PROJECTS", 3040, 101},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			w := startABAC(t, c.file, c.code)
			want := w.permitted()
			require.Len(t, want, c.permitted)
			require.Equal(t, c.triples, len(w.subjects)*len(w.resources)*len(w.actions()))
			require.Equal(t, want, w.filtered(func(string, string) bool { return true }), "filters of rows")
			w.apply(true)
			require.Equal(t, want, w.checked(), "batch-check")
			require.Equal(t, want, w.filtered(w.regulates), "filters of rows that are registered")
		})
	}
}

// checked are the triples that single questions allow.
func (w *abacWorld) checked() map[triple]bool {
	w.t.Helper()
	out := map[triple]bool{}
	for subject := range w.subjects {
		var asked []triple
		var checks []map[string]any
		for _, r := range slices.Sorted(maps.Keys(w.resources)) {
			for _, action := range w.actions() {
				asked = append(asked, triple{subject, r, action})
				checks = append(checks, map[string]any{"resource": map[string]any{"type": w.resources[r]["type"], "id": r}, "action": action})
			}
		}
		var answers struct {
			Results []struct {
				Allowed bool   `json:"allowed"`
				Code    string `json:"reason_code"`
			} `json:"results"`
		}
		w.call("/permissions/batch-check", map[string]any{"user_id": w.accounts[subject], "checks": checks}, &answers)
		require.Len(w.t, answers.Results, len(checks))
		for i, r := range answers.Results {
			require.NotEqual(w.t, "not_evaluated", r.Code)
			if r.Allowed {
				out[asked[i]] = true
			}
		}
	}
	return out
}

// accounts are the ids of a tenant's users by their external ids.
func (w *world) accounts(as string) map[string]string {
	w.t.Helper()
	answer := w.do(request{as: as, method: http.MethodGet, path: "/users?limit=1000"})
	require.Equal(w.t, http.StatusOK, answer.status)
	out := map[string]string{}
	for _, item := range answer.at("data").([]any) {
		user := item.(map[string]any)
		external, _ := user["external_id"].(string)
		out[external] = user["id"].(string)
	}
	return out
}

// importFile imports JSON lines and waits until all rows are taken.
func (w *world) importFile(as, kind, lines string, rows int) {
	w.t.Helper()
	answer := w.do(request{
		as: as, method: http.MethodPost, path: "/imports?format=jsonl&kind=" + kind, body: lines, header: map[string]string{"Content-Type": "application/x-ndjson"},
	})
	require.Equal(w.t, http.StatusAccepted, answer.status, "%s", answer.body)
	id := answer.at("data.id").(string)
	var last *response
	require.Eventually(w.t, func() bool {
		last = w.do(request{as: as, method: http.MethodGet, path: "/imports/" + id})
		return last.at("data.status") == "done" || last.at("data.status") == "failed"
	}, time.Minute, 20*time.Millisecond)
	require.Equal(w.t, fmt.Sprint(rows), fmt.Sprint(last.at("data.created")), "%s", last.body)
}
