package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRace_EditsOfDifferentMembersAllStay: administrators who change one object
// at once, without saying what they have read, lose nothing of each other's.
func TestRace_EditsOfDifferentMembersAllStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("second", "admin", "", "ALPHA", `"$tenant_admin"`)
	for path, members := range map[string]map[string]string{
		"/roles/$reader": {"display_name": `"D %d"`, "description": `"d %d"`, "priority": `%d`, "metadata": `{"n":%d}`, "name": `"reader %d"`},
		"/groups/$ops":   {"display_name": `"D %d"`, "description": `"d %d"`, "metadata": `{"n":%d}`, "name": `"ops %d"`},
		"/permissions/$reads": {
			"name": `"Read %d"`, "actions": `["read","a%d"]`, "conditions": `{"n":%d}`, "field_permissions": `{"f%d":"read"}`, "resource_path": `"vessel/v%d"`,
		},
	} {
		for round := range 4 {
			var edits []request
			for member, form := range members {
				as := []string{"admin", "second"}[len(edits)%2]
				edits = append(edits, request{as: as, method: http.MethodPatch, path: path, body: fmt.Sprintf(`{"%s":`+form+`}`, member, round)})
			}
			for i, status := range w.race(edits...) {
				require.Equal(t, http.StatusOK, status, "%s", edits[i].body)
			}
			now := shown(t, w.do(request{as: "admin", method: http.MethodGet, path: path}))
			for member, form := range members {
				require.JSONEq(t, fmt.Sprintf(form, round), jsonOf(now[member]), "%s of %s", member, path)
			}
		}
	}
}

func shown(t *testing.T, r *response) map[string]any {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	return r.at("data").(map[string]any)
}

// TestRace_OfManyWhoHaveReadTheSameOneWrites: with If-Match only the first is
// let through, the others are told.
func TestRace_OfManyWhoHaveReadTheSameOneWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, body := range map[string]string{
		"/roles/$inspector": `{"description":"%d"}`, "/groups/$east": `{"description":"%d"}`, "/permissions/$reads": `{"name":"p%d"}`,
	} {
		tag := w.do(request{as: "admin", method: http.MethodGet, path: path}).header.Get("ETag")
		require.NotEmpty(t, tag)
		edits := make([]request, 5)
		want := []int{http.StatusOK}
		for i := range edits {
			edits[i] = request{as: "admin", method: http.MethodPatch, path: path, body: fmt.Sprintf(body, i), header: map[string]string{"If-Match": tag}}
			if i > 0 {
				want = append(want, http.StatusPreconditionFailed)
			}
		}
		require.ElementsMatch(t, want, w.race(edits...), path)
	}
}

// TestRace_PermissionListsKeepWhatBothSidesAdd: what is added to a role from two
// sides is there, what is taken is gone, and the other edits stay too.
func TestRace_PermissionListsKeepWhatBothSidesAdd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("second", "admin", "", "ALPHA", `"$tenant_admin"`)
	inline := func(name string) string {
		return fmt.Sprintf(`{"permissions":[{"name":"%s","resource_type":"vessel","resource_path":"vessel/%s","actions":["read"]}]}`, name, name)
	}
	add := func(as, body string) request {
		return request{as: as, method: http.MethodPost, path: "/roles/$reader/permissions", body: body}
	}
	calls := []request{
		{as: "admin", method: http.MethodPatch, path: "/roles/$reader", body: `{"description":"changed meanwhile"}`},
		{as: "second", method: http.MethodDelete, path: "/roles/$reader/permissions/$reads"},
		add("admin", `{"permission_ids":["$loose"]}`), add("second", `{"permission_ids":["$loose"]}`),
	}
	want := []string{"Nobody's"}
	for i := range 6 {
		name := fmt.Sprintf("p%d", i)
		calls, want = append(calls, add([]string{"admin", "second"}[i%2], inline(name))), append(want, name)
	}
	for i, status := range w.race(calls...) {
		require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, "%s %s", calls[i].method, calls[i].body)
	}
	var got []string
	for _, p := range w.do(request{as: "admin", method: http.MethodGet, path: "/roles/$reader/permissions"}).at("data.direct_permissions").([]any) {
		got = append(got, p.(map[string]any)["name"].(string))
	}
	require.ElementsMatch(t, want, got)
	require.Equal(t, "changed meanwhile", w.do(request{as: "admin", method: http.MethodGet, path: "/roles/$reader"}).at("data.description"))
}

// TestRace_HoldersOfOneRole: assignments from many sides are all there.
func TestRace_HoldersOfOneRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls []request
	for i := range 6 {
		name := "crew_" + string(rune('a'+i))
		w.person(name, "admin", "", "ALPHA", "")
		calls = append(calls, request{as: "admin", method: http.MethodPost, path: "/roles/$reader/users", body: `{"user_ids":["$plain","$` + name + `"]}`})
	}
	for _, status := range w.race(calls...) {
		require.Equal(t, http.StatusOK, status)
	}
	require.Equal(t, "7", fmt.Sprint(w.do(request{as: "admin", method: http.MethodGet, path: "/roles/$reader/users"}).at("meta.pagination.total")))
}
