package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// race sends all requests at once, each on a connection of its own, and returns
// the statuses in their order.
func (w *world) race(requests ...request) []int {
	w.t.Helper()
	for _, r := range requests {
		w.token(r.as)
	}
	statuses := make([]int, len(requests))
	var start, done sync.WaitGroup
	start.Add(1)
	for i, r := range requests {
		done.Go(func() {
			start.Wait()
			req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.url+"/api/v1"+w.expand(r.path), body(w.expand(r.body)))
			if err != nil {
				return
			}
			req.Header.Set("Authorization", "Bearer "+w.tokens[r.as])
			for name, value := range r.header {
				req.Header.Set(name, value)
			}
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			_ = answer.Body.Close()
			statuses[i] = answer.StatusCode
		})
	}
	start.Done()
	done.Wait()
	return statuses
}

func TestRace_TwoAdministratorsRemoveEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("second", "admin", "", "ALPHA", "")
	for round := range 5 {
		as := "admin"
		if len(w.column(t, "SELECT 1::text FROM sentinel.user_roles WHERE user_id = $1 AND role_id = $2", w.ids["admin"], w.ids["tenant_admin"])) == 0 {
			as = "second"
		}
		other := map[string]string{"admin": "second", "second": "admin"}[as]
		got := w.do(request{as: as, method: http.MethodPost, path: "/users/$" + other + "/roles", body: `{"role_id":"$tenant_admin"}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		statuses := w.race(
			request{as: "admin", method: http.MethodDelete, path: "/users/$second/roles/$tenant_admin"},
			request{as: "second", method: http.MethodDelete, path: "/users/$admin/roles/$tenant_admin"},
			request{as: "admin", method: http.MethodDelete, path: "/users/$admin/roles/$tenant_admin"},
		)
		left := w.column(t, "SELECT user_id::text FROM sentinel.user_roles WHERE tenant_id = $1 AND role_id = $2", w.ids["alpha"], w.ids["tenant_admin"])
		require.Len(t, left, 1, "round %d: %v", round, statuses)
		for _, status := range statuses {
			require.Contains(t, []int{204, 403, 404, 409}, status)
		}
	}
}

func TestRace_CyclesAndNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.make(fmt.Sprintf("a%c", 'a'+i), "admin", "", "/groups", fmt.Sprintf(`{"name":"a%d"}`, i))
		w.make(fmt.Sprintf("b%c", 'a'+i), "admin", "", "/groups", fmt.Sprintf(`{"name":"b%d"}`, i))
		a, b := fmt.Sprintf("$a%c", 'a'+i), fmt.Sprintf("$b%c", 'a'+i)
		statuses := w.race(
			request{as: "admin", method: http.MethodPatch, path: "/groups/" + a, body: `{"parent_group_id":"` + b + `"}`},
			request{as: "admin", method: http.MethodPatch, path: "/groups/" + b, body: `{"parent_group_id":"` + a + `"}`},
		)
		require.ElementsMatch(t, []int{200, 409}, statuses)
		same := request{as: "admin", method: http.MethodPost, path: "/roles", body: fmt.Sprintf(`{"name":"same %d"}`, i)}
		require.ElementsMatch(t, []int{201, 409, 409, 409}, w.race(same, same, same, same))
	}
}
