package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// gatewayScenario is the OpenID AuthZEN API gateway interoperability scenario, of
// the users of the Todo scenario.
type gatewayScenario struct {
	Decisions []gatewayDecision
}

type gatewayDecision struct {
	User, Method, Route string
	Allowed             bool
}

func loadFixture(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, into))
}

// asGateway makes a service account that may ask about everybody, exchanges its
// key, and goes on as it.
func (a *todoAPI) asGateway() {
	a.t.Helper()
	role := a.call(http.MethodPost, "/roles", map[string]any{"name": "enforcement_point"}, http.StatusCreated)["id"].(string)
	a.call(http.MethodPost, "/roles/"+role+"/permissions", map[string]any{"permissions": []map[string]any{
		{"name": "ask", "resource_type": "api", "resource_path": "api/decisions", "actions": []string{"execute"}},
		{"name": "know accounts", "resource_type": "api", "resource_path": "api/users", "actions": []string{"read"}},
	}}, http.StatusOK)
	key := a.call(http.MethodPost, "/service-accounts", map[string]any{"name": "gateway", "roles": []string{role}}, http.StatusCreated)["api_key"]
	a.token, a.tenant = "", ""
	a.token = a.call(http.MethodPost, "/auth/service-account/token", map[string]any{"api_key": key}, http.StatusOK)["access_token"].(string)
}

// authzen calls as an enforcement point would and returns the answer as text.
func (a *todoAPI) authzen(path string, body any) string {
	a.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(a.t, err)
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, strings.TrimSuffix(a.url, "/api/v1")+"/access/v1/"+path, bytes.NewReader(raw))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, resp.StatusCode, "%s: %s", raw, read)
	require.Equal(a.t, "application/json", resp.Header.Get("Content-Type"))
	return strings.TrimSpace(string(read))
}

// saying is a decision with nothing beside it, as the scenarios' harnesses compare
// it.
func saying(allowed bool) string {
	if allowed {
		return `{"decision":true}`
	}
	return `{"decision":false}`
}

func (d *todoDecision) resource() map[string]any {
	resource := map[string]any{"type": d.Type, "id": d.ID}
	if d.Owner != "" {
		resource["properties"] = map[string]any{"ownerID": d.Owner}
	}
	return resource
}

func TestAuthZEN_DecidesTheTodoAndGatewayScenariosAsPublished(t *testing.T) {
	t.Parallel()
	todo := loadTodo(t)
	var gateway gatewayScenario
	loadFixture(t, "authzen_gateway.yaml", &gateway)
	require.Len(t, todo.Decisions, 40)
	require.Len(t, todo.Batches, 3)
	require.Len(t, gateway.Decisions, 25)
	api := serve(t)
	api.makeTodoTenant(todo)
	api.asGateway()
	subjects := map[string]string{}
	for _, u := range todo.Users {
		subjects[u.Email] = u.Subject
	}
	for _, d := range append(todo.Decisions, todo.Variants...) {
		require.Equal(t, saying(d.Allowed), api.authzen("evaluation", map[string]any{
			"subject": map[string]any{"type": "user", "id": subjects[d.User]}, "action": map[string]any{"name": d.Action}, "resource": d.resource(),
		}), "%+v", d)
	}
	for _, b := range todo.Batches {
		items, want := []any{}, []string{}
		for i := range b.Items {
			items, want = append(items, map[string]any{"resource": b.Items[i].resource()}), append(want, saying(b.Items[i].Allowed))
		}
		require.Equal(t, `{"evaluations":[`+strings.Join(want, ",")+`]}`, api.authzen("evaluations", map[string]any{
			"subject": map[string]any{"type": "user", "id": subjects[b.User]}, "action": map[string]any{"name": b.Action}, "evaluations": items,
		}), "%+v", b)
	}
	for _, d := range gateway.Decisions {
		require.Equal(t, saying(d.Allowed), api.authzen("evaluation", map[string]any{
			"subject": map[string]any{"type": "identity", "id": subjects[d.User]}, "action": map[string]any{"name": d.Method},
			"resource": map[string]any{"type": "route", "id": d.Route},
		}), "%+v", d)
	}
}

// published is the form of the scenarios' own files.
type published struct {
	Evaluation []struct {
		Request  publishedRequest
		Expected bool
	}
	Evaluations []struct {
		Request  publishedRequest
		Expected []struct{ Decision bool }
	}
}

type publishedRequest struct {
	Subject     struct{ Type, ID string }
	Action      struct{ Name string }
	Resource    publishedResource
	Evaluations []struct{ Resource publishedResource }
}

type publishedResource struct {
	Type, ID   string
	Properties struct {
		OwnerID string `json:"ownerID"`
	}
}

// readPublished reads one of the scenarios' own files, where they are at hand.
func readPublished(t *testing.T, into any, path ...string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "..", "shared", "data"}, path...)...))
	if err != nil {
		t.Skip("the scenario's own files are not here")
	}
	require.NoError(t, json.Unmarshal(raw, into))
}

// TestAuthZEN_StatesThePublishedFacts compares the fixtures with the scenarios' own
// files where those are at hand.
func TestAuthZEN_StatesThePublishedFacts(t *testing.T) {
	t.Parallel()
	todo := loadTodo(t)
	emails := map[string]string{}
	for _, u := range todo.Users {
		emails[u.Subject] = u.Email
	}
	of := func(r *publishedResource, user, action string, allowed bool) todoDecision {
		return todoDecision{User: user, Action: action, Type: r.Type, ID: r.ID, Owner: r.Properties.OwnerID, Allowed: allowed}
	}
	var later published
	readPublished(t, &later, "authzen-todo", "decisions-with-batches.json")
	for i, e := range later.Evaluation {
		d := of(&e.Request.Resource, emails[e.Request.Subject.ID], e.Request.Action.Name, e.Expected)
		require.Contains(t, append(todo.Variants, todo.Decisions[i]), d)
	}
	require.Len(t, later.Evaluations, len(todo.Batches))
	for i, e := range later.Evaluations {
		b := todo.Batches[i]
		require.Equal(t, b.User, emails[e.Request.Subject.ID])
		require.Equal(t, b.Action, e.Request.Action.Name)
		require.Len(t, e.Request.Evaluations, len(b.Items))
		for j := range e.Request.Evaluations {
			require.Equal(t, b.Items[j], of(&e.Request.Evaluations[j].Resource, "", "", e.Expected[j].Decision))
		}
	}
	var gateway gatewayScenario
	loadFixture(t, "authzen_gateway.yaml", &gateway)
	var routes published
	readPublished(t, &routes, "authzen-gateway", "decisions.json")
	require.Len(t, routes.Evaluation, len(gateway.Decisions))
	for i, e := range routes.Evaluation {
		require.Equal(t, "identity", e.Request.Subject.Type)
		require.Equal(t, "route", e.Request.Resource.Type)
		require.Equal(t, gateway.Decisions[i], gatewayDecision{
			User: emails[e.Request.Subject.ID], Method: e.Request.Action.Name, Route: e.Request.Resource.ID, Allowed: e.Expected,
		})
	}
}
