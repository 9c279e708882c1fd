package main

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// harbour is a tenant in which somebody may not do five things, each for another
// reason.
const harbour = `
version: 1
permissions:
  - {name: Read vessels, resource_path: "vessel/*", actions: [read], conditions: {subject.attributes.clearance: {gte: 3}, flag: {in: [GR, MT]}}}
  - {name: Update cranes, resource_path: "crane/*", actions: [update, read]}
  - {name: No work at night, resource_path: "crane/night-*", actions: [update], effect: deny}
  - {name: Read papers, resource_path: "paper/*", actions: [read]}
  - {name: Berths, node: "berth:b-1", actions: [read, update]}
roles:
  - {name: base, permissions: [Read vessels, Read papers]}
  - {name: worker, parent: base, permissions: [Update cranes, No work at night, Berths]}
  - {name: master, permissions: [Update cranes]}
groups:
  - {name: yard, roles: [worker]}
resources:
  - {type: berth, code: b-1, workflow_enabled: true, workflow_config: {states: [open, shut], initial: shut, state_actions: {shut: {read: ["*"]}}}}
approval_chains:
  - {name: Papers, resource_type: paper, approval_levels: [{level: 1, approver_role: master}]}
`

var idPattern = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func TestExplain_TellsPeopleWhyAndWhatWouldChangeIt(t *testing.T) {
	t.Parallel()
	s, token := onDatabase(t)
	tenant, flags := s.tenant(t, token, "HARBOUR")
	_, err := run(t, append([]string{"apply", "-f", file(t, "tenant.yaml", harbour), "--yes"}, flags...)...)
	require.NoError(t, err)
	ann := s.post(t, token, tenant, "/users", `{"email":"ann@example.com","attributes":{"clearance":2}}`)["id"].(string)
	groups, err := (&remote{server: s.url, token: token, tenant: tenant}).data(t.Context(), http.MethodGet, "/groups", nil)
	require.NoError(t, err)
	yard := idPattern.FindString(string(groups))
	s.post(t, token, tenant, "/groups/"+yard+"/users", `{"user_ids":["`+ann+`"]}`)

	for name, args := range map[string][]string{
		"condition_failed":       {"read", "vessel:mv-aurora", "--attributes", `{"flag":"LR"}`},
		"no_matching_permission": {"delete", "crane:c-1"},
		"explicit_deny":          {"update", "crane:night-1"},
		"workflow_state":         {"update", "berth:b-1"},
		"approval_required":      {"read", "paper:p-1"},
		"granted":                {"read", "crane:c-1"},
	} {
		out, err := run(t, append(append([]string{"explain"}, args...), append(flags, "--user", ann)...)...)
		if name == "granted" {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errDenied, name)
		}
		require.Contains(t, out, "("+name+")\n")
		for line := range strings.Lines(out) {
			require.True(t, len([]rune(line)) <= textWidth+1 || strings.Contains(line, " /api/v1/"), "only calls are longer: %s", line)
		}
		golden := filepath.Join("testdata", "explain", name+".txt")
		out = idPattern.ReplaceAllString(out, "<id>")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(out), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), out, name)
	}

	for _, flag := range [][]string{{"--json"}, {"-o", "json"}} {
		out, err := run(t, append(append([]string{"explain", "delete", "crane:c-1", "--user", ann}, flag...), flags...)...)
		require.ErrorIs(t, err, errDenied)
		var answer struct {
			Data struct {
				Answer struct {
					DecisionID string `json:"decision_id"`
				} `json:"answer"`
				Steps []any `json:"steps"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &answer))
		require.NotEmpty(t, answer.Data.Answer.DecisionID)
		require.Len(t, answer.Data.Steps, 8)
	}
	_, err = run(t, append([]string{"explain", "read", "crane:c-1", "--user", yard}, flags...)...)
	require.ErrorContains(t, err, "There is no such user")
}

func TestExplain_SaysWhatToDo(t *testing.T) {
	strange, _, _ := answering(t, http.StatusOK, `{"data":[]}`)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no question":  {[]string{"explain", "read"}, "sentinel explain read vessel:mv-aurora"},
		"no id":        {[]string{"explain", "read", "vessel:", "--token", "t"}, "give an id after the colon"},
		"bad output":   {[]string{"explain", "read", "vessel", "--token", "t", "-o", "xml"}, "must be text or json"},
		"not sentinel": {[]string{"explain", "read", "vessel", "--token", "t", "--server", strange}, "does not answer like Sentinel"},
		"no server":    {[]string{"explain", "read", "vessel", "--token", "t", "--server", "http://127.0.0.1:1"}, "no server answers at"},
		"who-can":      {[]string{"who-can", "read"}, "sentinel who-can read vessel:mv-aurora"},
		"no limit":     {[]string{"who-can", "read", "vessel", "--token", "t", "--limit", "0"}, "--limit: must be 1 or more"},
		"bad context":  {[]string{"what-can", "--context", "x"}, `--context: must be a JSON object, such as '{"ip": "10.0.0.7"}'`},
		"list context": {[]string{"what-can", "--context", "[1]"}, "--context: must be a JSON object"},
		"what-can":     {[]string{"what-can", "--token", "t", "-o", "xml"}, "must be text or json"},
	} {
		_, err := run(t, c.args...)
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestExplain_PrintsNothingThatATerminalObeys gives it values that would recolour
// the screen or write over what was said.
func TestExplain_PrintsNothingThatATerminalObeys(t *testing.T) {
	url, _, _ := answering(t, http.StatusOK, `{"data":{"answer":{"allowed":false,"reason_code":"policy_deny\u001b[2J"},"summary":"No.\u001b[2JALLOWED\u202e",
		"subject_id":"u","steps":[{"step":"subject","outcome":"passed","detail":"a\rb\nc"}],"not_counting":[{"kind":"role","name":"\u001b]0;x\u0007","detail":"d"}],
		"policies":[{"policy":"tenant.\u009bx","denials":[{"reason":"\u0000"}]},{"policy":"tenant.broken","failed":true,"error":"\u001b"},{"policy":"tenant.more","silent":true},
			{"policy":"tenant.rest","obligations":[{"type":"log"}],"require_approval":["Papers"],"restrict_fields":["f:read"],"allows":true}],
		"approval":{"chains":[{"name":"A","mode":"gate"},{"name":"B","mode":"escalation","applies":true},{"name":"C","mode":"gate","applies":true,"needed":true,"open":true,"approved_request_id":"r","until":"2026-01-01T00:00:00Z"},
			{"name":"D","mode":"gate","required_by_policy":true,"needed":true,"open":true},{"name":"E","mode":"gate","applies":true,"needed":true,"pending_request_id":"r",
			"auto_approve_conditions":{"operator":"exists","path":"subject.attributes.a","found":{"kind":"hidden"},"wanted":[{"value":true}],"truth":"false","decides":true}}]},
		"changes":[{"summary":"x","together":[{"kind":"approval","request_id":"r"},{"kind":"revoke_approval","request_id":"r","summary":"y"},{"kind":"leave_group","group_id":"g"},{"kind":"remove_role","role_id":"r"}]}],
		"trimmed":true,"missing_permissions":["api/permissions:read"],"cut":["roles"],"until":"2026-01-01T00:00:00Z"}}`)
	out, err := run(t, "explain", "read", "vessel", "--server", url, "--token", "t")
	require.ErrorIs(t, err, errDenied)
	for _, r := range out {
		require.True(t, r == '\n' || r >= ' ' && r < 0x7f, "%q in %s", r, out)
	}
	for _, want := range []string{
		"DENIED (policy_deny?[2J)\nNo.?[2JALLOWED?\n", "So until 2026-01-01 00:00:00 UTC.", "a b c", "denies: ?", "could not be evaluated: ?", "tenant.more: says nothing",
		`obliges to {"type":"log"}; requires an approval by Papers; restricts field`, "f:read; allows\n", "does not apply", "is not needed", "is open by access request r, until",
		"is open by its own conditions", "waits for access request r", "subject.attributes.a is hidden from you, wanted to exist: true", "(not tried out)",
		"POST /api/v1/access-requests/r/approve", "POST /api/v1/access-requests/r/revoke", "DELETE /api/v1/groups/g/users/u", "DELETE /api/v1/users/u/roles/r",
		"There may be others.", "More needs api/permissions:read.", "Too long to be shown whole: roles.",
	} {
		require.Contains(t, out, want)
	}
}
