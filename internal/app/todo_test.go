package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// todoScenario is the OpenID AuthZEN Todo interoperability scenario.
type todoScenario struct {
	Users []struct {
		Subject, Email string
		Roles          []string
	}
	Decisions []todoDecision
	// Batches are asked in one call each.
	Batches []struct {
		User, Action string
		Items        []todoDecision
	}
	// Variants are decisions in another wording.
	Variants []todoDecision
}

type todoDecision struct {
	User, Action, Type, ID, Owner string
	Allowed                       bool
}

func loadTodo(t *testing.T) todoScenario {
	t.Helper()
	raw, err := os.ReadFile("testdata/todo.yaml")
	require.NoError(t, err)
	var s todoScenario
	require.NoError(t, yaml.Unmarshal(raw, &s))
	return s
}

// todoRoles are the rules of the Todo and of the gateway scenario, which have the
// same users, as permissions, by role. All other roles inherit from viewer.
var todoRoles = map[string][]map[string]any{
	"viewer": {
		{"name": "read users", "resource_type": "user", "resource_path": "user/*", "actions": []string{"can_read_user"}},
		{"name": "read todos", "resource_type": "todo", "resource_path": "todo/*", "actions": []string{"can_read_todos"}},
		{"name": "get routes", "resource_type": "route", "resource_path": "route/*", "actions": []string{"GET"}},
	},
	"editor": {
		{"name": "create todos", "resource_type": "todo", "resource_path": "todo/*", "actions": []string{"can_create_todo"}},
		{"name": "write by routes", "resource_type": "route", "resource_path": "route/*", "actions": []string{"POST", "PUT", "DELETE"}},
		{
			"name": "change own todos", "resource_type": "todo", "resource_path": "todo/*", "actions": []string{"can_update_todo", "can_delete_todo"},
			"conditions": map[string]any{"resource.attributes.ownerID": map[string]any{"ref": "subject.email"}},
		},
	},
	"admin": {
		{"name": "create and delete todos", "resource_type": "todo", "resource_path": "todo/*", "actions": []string{"can_create_todo", "can_delete_todo"}},
		{"name": "create and delete by routes", "resource_type": "route", "resource_path": "route/*", "actions": []string{"POST", "DELETE"}},
	},
	"evil_genius": {
		{"name": "change any todo", "resource_type": "todo", "resource_path": "todo/*", "actions": []string{"can_update_todo"}},
		{"name": "put by routes", "resource_type": "route", "resource_path": "route/*", "actions": []string{"PUT"}},
	},
}

// TestTodo_DecidesEveryQuestionAsPublished asks by AuthZEN, as an enforcement point
// does, and for the reason by a check. `make demo-todo` shows it.
func TestTodo_DecidesEveryQuestionAsPublished(t *testing.T) {
	t.Parallel()
	scenario := loadTodo(t)
	require.Len(t, scenario.Decisions, 40)
	api := serve(t)
	users := api.makeTodoTenant(scenario)
	api.asGateway()
	subjects := map[string]string{}
	for _, u := range scenario.Users {
		subjects[u.Email] = u.Subject
	}

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	right := 0
	for _, d := range scenario.Decisions {
		resource := map[string]any{"type": d.Type, "id": d.ID}
		if d.Owner != "" {
			resource["attributes"] = map[string]any{"ownerID": d.Owner}
		}
		answer := api.call(http.MethodPost, "/permissions/check", map[string]any{"user_id": users[d.User], "action": d.Action, "resource": resource}, http.StatusOK)
		said := api.authzen("evaluation", map[string]any{
			"subject": map[string]any{"type": "user", "id": subjects[d.User]}, "action": map[string]any{"name": d.Action}, "resource": d.resource(),
		})
		got := said == saying(true)
		if got == d.Allowed {
			right++
		}
		if testing.Verbose() {
			_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", d.User, d.Action, d.Owner, verdict(got), answer["reason_code"], mark(got == d.Allowed))
		}
		require.Equal(t, saying(d.Allowed), said, "%+v: %v", d, answer["reason"])
		require.Equal(t, d.Allowed, answer["allowed"], "a check says what AuthZEN says: %+v", d)
	}
	if testing.Verbose() {
		_, _ = fmt.Fprintf(os.Stdout, "\n  Todo scenario: %d of %d\n", right, len(scenario.Decisions))
		require.NoError(t, table.Flush())
	}
}

func verdict(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "denied"
}

func mark(right bool) string {
	if right {
		return "as published"
	}
	return "WRONG"
}

// TestTodo_StatesThePublishedFacts compares the fixture with the scenario's own
// files where those are at hand.
func TestTodo_StatesThePublishedFacts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "data", "authzen-todo")
	raw, err := os.ReadFile(filepath.Join(dir, "decisions.json"))
	if err != nil {
		t.Skip("the scenario's own files are not here")
	}
	var published struct {
		Evaluation []struct {
			Request struct {
				Subject  struct{ ID string }
				Action   struct{ Name string }
				Resource struct {
					Type, ID   string
					Properties struct {
						OwnerID string `json:"ownerID"`
					}
				}
			}
			Expected bool
		}
	}
	require.NoError(t, json.Unmarshal(raw, &published))
	people, err := os.ReadFile(filepath.Join(dir, "users.json"))
	require.NoError(t, err)
	var users map[string]struct {
		ID    string
		Roles []string
	}
	require.NoError(t, json.Unmarshal(people, &users))

	stated := loadTodo(t)
	require.Len(t, stated.Users, len(users))
	for _, u := range stated.Users {
		require.Equal(t, users[u.Subject].ID, u.Email)
		require.Equal(t, users[u.Subject].Roles, u.Roles)
	}
	require.Len(t, stated.Decisions, len(published.Evaluation))
	for i, e := range published.Evaluation {
		require.Equal(t, todoDecision{
			User: users[e.Request.Subject.ID].ID, Action: e.Request.Action.Name, Type: e.Request.Resource.Type, ID: e.Request.Resource.ID,
			Owner: e.Request.Resource.Properties.OwnerID, Allowed: e.Expected,
		}, stated.Decisions[i])
	}
}

// todoAPI is a client of a server under test, logged in.
type todoAPI struct {
	t      *testing.T
	url    string
	token  string
	tenant string
}

const todoPassword = "a password of some length"

// serve starts a server on a database of its own and logs its operator in.
func serve(t *testing.T) *todoAPI {
	t.Helper()
	database := dbtest.New(t)
	cfg, err := app.ParseConfig(map[string]string{
		"DATABASE_URL": database.URL, "MASTER_KEY": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"HTTP_ADDR": "127.0.0.1:0", "METRICS_ADDR": "off", "ADMIN_EMAIL": "operator@example.com", "ADMIN_PASSWORD": todoPassword,
	})
	require.NoError(t, err)
	server, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	address, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- server.Run(ctx, func(addr string) { address <- addr }) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		require.NoError(t, server.Close())
	})
	api := &todoAPI{t: t, url: "http://" + <-address + "/api/v1"}
	api.login("PLATFORM", "operator@example.com")
	return api
}

func (a *todoAPI) login(tenant, email string) {
	a.t.Helper()
	a.token = ""
	a.token = a.call(http.MethodPost, "/auth/login", map[string]any{"tenant_id": tenant, "email": email, "password": todoPassword}, http.StatusOK)["access_token"].(string)
}

func (a *todoAPI) call(method, path string, body any, want int) map[string]any {
	a.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(a.t, err)
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, bytes.NewReader(raw))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if a.tenant != "" {
		req.Header.Set("X-Tenant-ID", a.tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, want, resp.StatusCode, "%s %s: %s", method, path, read)
	var envelope struct {
		Data map[string]any
	}
	require.NoError(a.t, json.Unmarshal(read, &envelope))
	return envelope.Data
}

// makeTodoTenant writes the scenario through the API and returns the users' ids
// by e-mail address. It leaves the tenant's administrator logged in.
func (a *todoAPI) makeTodoTenant(s todoScenario) map[string]string {
	a.t.Helper()
	a.tenant = a.call(http.MethodPost, "/tenants", map[string]any{"name": "Todo", "code": "TODO"}, http.StatusCreated)["id"].(string)
	a.call(http.MethodPost, "/users", map[string]any{
		"email": "admin@todo.example", "password": todoPassword, "roles": []string{"00000000-0000-0000-0000-000000000011"},
	}, http.StatusCreated)
	a.tenant = ""
	a.login("TODO", "admin@todo.example")

	roles := map[string]string{}
	for _, name := range []string{"viewer", "editor", "admin", "evil_genius"} {
		role := map[string]any{"name": name, "display_name": name}
		if name == "viewer" {
			role["name"] = "todo_viewer" // "viewer" is a system role's name
		} else {
			role["parent_role_id"] = roles["viewer"]
		}
		roles[name] = a.call(http.MethodPost, "/roles", role, http.StatusCreated)["id"].(string)
		a.call(http.MethodPost, "/roles/"+roles[name]+"/permissions", map[string]any{"permissions": todoRoles[name]}, http.StatusOK)
	}
	users := map[string]string{}
	for _, u := range s.Users {
		own := []string{}
		for _, r := range u.Roles {
			own = append(own, roles[r])
		}
		users[u.Email] = a.call(http.MethodPost, "/users", map[string]any{
			"email": u.Email, "external_id": u.Subject, "roles": own,
		}, http.StatusCreated)["id"].(string)
	}
	return users
}
