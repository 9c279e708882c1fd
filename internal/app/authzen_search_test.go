package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// searchScenario is the OpenID AuthZEN search interoperability scenario.
type searchScenario struct {
	Users []struct {
		ID, Role, Department string
	}
	Records []struct {
		ID, Title, Department, Owner string
		// View, Edit and Delete are who may.
		View, Edit, Delete []string
	}
}

var recordActions = []string{"view", "edit", "delete"}

func loadSearch(t *testing.T) searchScenario {
	t.Helper()
	var s searchScenario
	loadFixture(t, "authzen_search.yaml", &s)
	return s
}

// may are the users who may do something with a record.
func (s *searchScenario) may(record int, action string) []string {
	return map[string][]string{"view": s.Records[record].View, "edit": s.Records[record].Edit, "delete": s.Records[record].Delete}[action]
}

// subjects, resources and actions are the results of the three kinds of searches.
func (s *searchScenario) subjects(record int, action string) []string { return s.may(record, action) }

func (s *searchScenario) resources(user, action string) (list []string) {
	for i, r := range s.Records {
		if slices.Contains(s.may(i, action), user) {
			list = append(list, r.ID)
		}
	}
	return list
}

func (s *searchScenario) actions(user string, record int) (list []string) {
	for _, action := range recordActions {
		if slices.Contains(s.may(record, action), user) {
			list = append(list, action)
		}
	}
	return list
}

// makeSearchTenant writes the scenario through the API, as the operator: an
// administrator of the tenant would be found as one who may do everything.
func (a *todoAPI) makeSearchTenant(s searchScenario) {
	a.t.Helper()
	a.tenant = a.call(http.MethodPost, "/tenants", map[string]any{"name": "Records", "code": "RECORDS"}, http.StatusCreated)["id"].(string)
	may := func(name string, conditions map[string]any, actions ...string) map[string]any {
		return map[string]any{"name": name, "resource_type": "record", "resource_path": "record/*", "actions": actions, "conditions": conditions}
	}
	sameDepartment := map[string]any{"resource.attributes.department": map[string]any{"ref": "subject.attributes.department"}}
	employee := a.call(http.MethodPost, "/roles", map[string]any{"name": "employee"}, http.StatusCreated)["id"]
	a.call(http.MethodPost, fmt.Sprintf("/roles/%s/permissions", employee), map[string]any{"permissions": []any{
		may("own records", map[string]any{"resource.attributes.owner": map[string]any{"ref": "subject.external_id"}}, recordActions...),
		may("records of the department", sameDepartment, "view"),
	}}, http.StatusOK)
	manager := a.call(http.MethodPost, "/roles", map[string]any{"name": "manager", "parent_role_id": employee}, http.StatusCreated)["id"]
	a.call(http.MethodPost, fmt.Sprintf("/roles/%s/permissions", manager), map[string]any{"permissions": []any{
		may("all records", nil, "view"), may("edit records of the department", sameDepartment, "edit"),
	}}, http.StatusOK)
	for _, u := range s.Users {
		role := employee
		if u.Role == "manager" {
			role = manager
		}
		a.call(http.MethodPost, "/users", map[string]any{
			"email": u.ID + "@records.example", "external_id": u.ID, "roles": []any{role}, "attributes": map[string]any{"department": u.Department},
		}, http.StatusCreated)
	}
	for _, r := range s.Records {
		a.call(http.MethodPost, "/resources", map[string]any{
			"type": "record", "code": r.ID, "name": r.Title, "attributes": map[string]any{"department": r.Department, "owner": r.Owner},
		}, http.StatusCreated)
	}
}

// found is an answer to a search, its results by their ids or names, in order.
type found struct {
	Page struct {
		NextToken string `json:"next_token"`
		Count     int
	}
	Context map[string]any
	Results []struct{ Type, ID, Name string }
}

func (f *found) names() (list []string) {
	for _, r := range f.Results {
		list = append(list, r.ID+r.Name)
	}
	return list
}

func (a *todoAPI) search(kind string, body map[string]any) *found {
	a.t.Helper()
	var out found
	require.NoError(a.t, json.Unmarshal([]byte(a.authzen("search/"+kind, body)), &out))
	require.Len(a.t, out.Results, out.Page.Count)
	return &out
}

// pages reads a search to its end, some results at a time.
func (a *todoAPI) pages(kind string, body map[string]any, limit int) (list []string) {
	a.t.Helper()
	page := map[string]any{"limit": limit}
	for {
		body["page"] = page
		got := a.search(kind, body)
		require.LessOrEqual(a.t, len(got.Results), limit)
		list = append(list, got.names()...)
		if got.Page.NextToken == "" {
			return list
		}
		page = map[string]any{"token": got.Page.NextToken}
	}
}

// TestAuthZEN_FindsWhatTheSearchScenarioPublishes asks every search of the
// scenario, in one page and in pages of one, and evaluates what it does not find.
func TestAuthZEN_FindsWhatTheSearchScenarioPublishes(t *testing.T) {
	t.Parallel()
	s := loadSearch(t)
	require.Len(t, s.Users, 6)
	require.Len(t, s.Records, 20)
	api := serve(t)
	api.makeSearchTenant(s)
	api.asGateway()
	asked := map[string]int{}
	compare := func(kind string, want []string, body map[string]any) {
		t.Helper()
		got := api.search(kind, body)
		require.ElementsMatch(t, want, got.names(), "%s %v", kind, body)
		require.Empty(t, got.Page.NextToken)
		for _, r := range got.Results {
			require.Equal(t, map[string]string{"subject": "user", "resource": "record", "action": ""}[kind], r.Type)
		}
		if asked[kind]%7 == 0 { // paging is the same for all
			require.Equal(t, got.names(), api.pages(kind, body, 1), "%s %v", kind, body)
		}
		asked[kind]++
	}
	user := func(id string) map[string]any { return map[string]any{"type": "user", "id": id} }
	evaluations := []any{}
	for i, r := range s.Records {
		record := map[string]any{"type": "record", "id": r.ID}
		for _, action := range recordActions {
			compare("subject", s.subjects(i, action), map[string]any{"subject": map[string]any{"type": "user"}, "action": map[string]any{"name": action}, "resource": record})
		}
		for _, u := range s.Users {
			compare("action", s.actions(u.ID, i), map[string]any{"subject": user(u.ID), "resource": record})
			for _, action := range recordActions {
				evaluations = append(evaluations, map[string]any{"subject": user(u.ID), "action": map[string]any{"name": action}, "resource": record})
			}
		}
	}
	for _, u := range s.Users {
		for _, action := range recordActions {
			compare("resource", s.resources(u.ID, action), map[string]any{"subject": user(u.ID), "action": map[string]any{"name": action}, "resource": map[string]any{"type": "record"}})
		}
	}
	require.Equal(t, map[string]int{"subject": 60, "resource": 18, "action": 120}, asked)

	var answers struct{ Evaluations []struct{ Decision bool } }
	require.NoError(t, json.Unmarshal([]byte(api.authzen("evaluations", map[string]any{"evaluations": evaluations})), &answers))
	require.Len(t, answers.Evaluations, 20*6*3)
	n := 0
	for i := range s.Records {
		for _, u := range s.Users {
			for _, action := range recordActions {
				require.Equal(t, slices.Contains(s.may(i, action), u.ID), answers.Evaluations[n].Decision, "%s %s %s", u.ID, action, s.Records[i].ID)
				n++
			}
		}
	}
}

// TestAuthZEN_StatesThePublishedSearches compares the fixture with the scenario's
// own files where those are at hand.
func TestAuthZEN_StatesThePublishedSearches(t *testing.T) {
	t.Parallel()
	type search struct {
		Evaluation []struct {
			Request  publishedRequest
			Expected struct {
				Results []struct{ Type, ID, Name string }
			}
		}
	}
	names := func(results []struct{ Type, ID, Name string }) (list []string) {
		for _, r := range results {
			list = append(list, r.ID+r.Name)
		}
		return list
	}
	s := loadSearch(t)
	at := func(record string) int {
		return slices.IndexFunc(s.Records, func(r struct {
			ID, Title, Department, Owner string
			View, Edit, Delete           []string
		},
		) bool {
			return r.ID == record
		})
	}
	var subjects, resources, actions search
	readPublished(t, &subjects, "authzen-search", "subject-results.json")
	readPublished(t, &resources, "authzen-search", "resource-results.json")
	readPublished(t, &actions, "authzen-search", "action-results.json")
	require.Len(t, subjects.Evaluation, 60)
	require.Len(t, resources.Evaluation, 18)
	require.Len(t, actions.Evaluation, 120)
	for _, e := range subjects.Evaluation {
		require.ElementsMatch(t, s.subjects(at(e.Request.Resource.ID), e.Request.Action.Name), names(e.Expected.Results))
	}
	for _, e := range resources.Evaluation {
		require.ElementsMatch(t, s.resources(e.Request.Subject.ID, e.Request.Action.Name), names(e.Expected.Results))
	}
	for _, e := range actions.Evaluation {
		require.ElementsMatch(t, s.actions(e.Request.Subject.ID, at(e.Request.Resource.ID)), names(e.Expected.Results))
	}
	var users []struct{ ID, Role, Department string }
	readPublished(t, &users, "authzen-search", "users.json")
	require.Len(t, users, len(s.Users))
	for i, u := range users {
		require.Equal(t, u, s.Users[i])
	}
	var records []struct {
		ID                       int
		Title, Department, Owner string
	}
	readPublished(t, &records, "authzen-search", "records.json")
	require.Len(t, records, len(s.Records))
	for i, r := range records {
		require.Equal(t, []string{fmt.Sprint(r.ID), r.Title, r.Department, r.Owner}, []string{s.Records[i].ID, s.Records[i].Title, s.Records[i].Department, s.Records[i].Owner})
	}
}
