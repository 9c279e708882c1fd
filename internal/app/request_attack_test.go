package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// exec changes the database past every rule but its own.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.owner.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// refuses holds an approval to be refused and to leave the request as it was.
func (w *world) refuses(t *testing.T, as, request string, statuses ...int) {
	t.Helper()
	rows := "SELECT status || ' ' || current_level || ' ' || (SELECT count(*) FROM sentinel.approvals a WHERE a.request_id = r.id) FROM sentinel.access_requests r WHERE id = $1"
	id := w.expand(request)
	before := w.column(t, rows, id)
	for _, verb := range []string{"approve", "deny", "escalate"} {
		got := w.decide(as, verb, request)
		require.Contains(t, statuses, got.status, "%s %s: %s", as, verb, got.body)
	}
	require.Equal(t, before, w.column(t, rows, id))
}

// approves holds an approval to count.
func (w *world) approves(t *testing.T, as, request string) *response {
	t.Helper()
	got := w.decide(as, "approve", request)
	require.Equal(t, http.StatusOK, got.status, "%s: %s", as, got.body)
	return got
}

// requestAttack is one way to an approval that is not due.
type requestAttack struct {
	name string
	try  func(t *testing.T, w *world)
}

func requestAttacks() []requestAttack {
	lend := func(w *world, from, to, name string) {
		w.make(name, from, "", "/access-requests/delegations", `{"delegate":"$`+to+`","to":"`+in(time.Hour)+`"}`)
	}
	return []requestAttack{
		{"one's own, by a delegate", func(t *testing.T, w *world) {
			lend(w, "asker", "lead", "bribe")
			w.ids["own"] = w.ask("asker", askFor("own", "read", ""))
			w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
			w.do(request{as: "asker", method: http.MethodDelete, path: "/access-requests/delegations/$bribe"})
			w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
			w.ids["later"] = w.ask("asker", askFor("later", "read", ""))
			w.approves(t, "lead", "$later")
		}},
		{"one's own, by lending one's word after asking", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("lent", "read", ""))
			lend(w, "asker", "lead", "bribe")
			w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
			w.do(request{as: "lead", method: http.MethodDelete, path: "/access-requests/delegations/$bribe"})
		}},
		{"one's own, as an approver", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("lead", askFor("own", "read", ""))
			w.refuses(t, "lead", "$own", http.StatusForbidden)
		}},
		{"for one's service account", func(t *testing.T, w *world) {
			w.make("robot", "admin", "", "/service-accounts", `{"name":"robot","owner_id":"$lead"}`)
			w.people["robot"] = [2]string{"ALPHA", ""}
			w.ids["own"] = w.ask("admin", askFor("robots", "read", `,"beneficiary_id":"$robot"`))
			w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
			w.exec("UPDATE sentinel.users SET owner_id = $2 WHERE id = $1", w.ids["robot"], w.ids["plain"])
			w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
		}},
		{"by a service account", func(t *testing.T, w *world) {
			w.make("machine", "admin", "", "/service-accounts", `{"name":"machine","roles":["$leads"]}`)
			w.people["machine"] = [2]string{"ALPHA", ""}
			w.ids["machine_token"] = uuid.NewString()
			w.asSession("machine_token", "machine", "alpha", func(c *crypto.Claims) { c.IsServiceAccount = true })
			w.ids["own"] = w.ask("asker", askFor("machined", "read", ""))
			for _, verb := range []string{"approve", "deny", "escalate"} {
				got := w.send(request{method: http.MethodPost, path: "/access-requests/$own/" + verb}, w.tokens["machine_token"])
				require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, got.status, "%s", got.body)
			}
			got := w.send(request{method: http.MethodPost, path: "/access-requests/delegations", body: `{"delegate":"$plain","to":"` + in(time.Hour) + `"}`}, w.tokens["machine_token"])
			require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
			got = w.do(request{as: "lead", method: http.MethodPost, path: "/access-requests/delegations", body: `{"delegate":"$machine","to":"` + in(time.Hour) + `"}`})
			require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
		}},
		{"by a role gained on the way", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("gained", "read", ""))
			w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$leads"}`)
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.ids["later"] = w.ask("asker", askFor("gained-later", "read", ""))
			w.approves(t, "plain", "$later")
			w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$plain/roles/$leads"})
			w.ids["gone"] = w.ask("asker", askFor("gained-gone", "read", ""))
			w.refuses(t, "plain", "$gone", http.StatusForbidden, http.StatusNotFound)
		}},
		{"by a role that is over, or not yet begun", func(t *testing.T, w *world) {
			w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$leads","expires_at":"`+in(time.Hour)+`"}`)
			w.ids["own"] = w.ask("asker", askFor("over", "read", ""))
			w.exec("UPDATE sentinel.user_roles SET granted_at = now() - interval '2 hours', expires_at = now() - interval '1 minute' WHERE user_id = $1 AND role_id = $2", w.ids["plain"], w.ids["leads"])
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.exec("UPDATE sentinel.user_roles SET expires_at = NULL, valid_from = now() WHERE user_id = $1 AND role_id = $2", w.ids["plain"], w.ids["leads"])
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$plain/roles/$leads"})
		}},
		{"by a group that comes to have the role", func(t *testing.T, w *world) {
			w.make("", "admin", "", "/groups/$east/users", `{"user_ids":["$plain"]}`)
			w.ids["own"] = w.ask("asker", askFor("grouped", "read", ""))
			w.make("", "admin", "", "/groups/$ops/roles", `{"role_ids":["$leads"]}`)
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.ids["later"] = w.ask("asker", askFor("grouped-later", "read", ""))
			w.approves(t, "plain", "$later")
			w.do(request{as: "admin", method: http.MethodDelete, path: "/groups/$ops/roles/$leads"})
		}},
		{"by a group that is switched on", func(t *testing.T, w *world) {
			w.make("asleep", "admin", "", "/groups", `{"name":"asleep"}`)
			w.do(request{as: "admin", method: http.MethodPatch, path: "/groups/$asleep", body: `{"is_active":false}`})
			w.make("", "admin", "", "/groups/$asleep/users", `{"user_ids":["$plain"]}`)
			w.make("", "admin", "", "/groups/$asleep/roles", `{"role_ids":["$leads"]}`)
			w.ids["own"] = w.ask("asker", askFor("woken", "read", ""))
			w.do(request{as: "admin", method: http.MethodPatch, path: "/groups/$asleep", body: `{"is_active":true}`})
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.ids["later"] = w.ask("asker", askFor("woken-later", "read", ""))
			w.approves(t, "plain", "$later")
			w.do(request{as: "admin", method: http.MethodDelete, path: "/groups/$asleep"})
		}},
		{"by the delegate of somebody who was locked", func(t *testing.T, w *world) {
			w.person("held", "admin", "", "ALPHA", `"$leads"`)
			lend(w, "held", "plain", "loan")
			w.ids["own"] = w.ask("asker", askFor("locked", "read", ""))
			w.make("", "admin", "", "/users/$held/lock", `{"reason":"lost"}`)
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
		}},
		{"by a role that comes to inherit the role", func(t *testing.T, w *world) {
			w.make("helpers", "admin", "", "/roles", `{"name":"helper"}`)
			w.make("", "admin", "", "/users/$plain/roles", `{"role_id":"$helpers"}`)
			w.ids["own"] = w.ask("asker", askFor("inherited", "read", ""))
			w.do(request{as: "admin", method: http.MethodPatch, path: "/roles/$helpers", body: `{"parent_role_id":"$leads"}`})
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.ids["later"] = w.ask("asker", askFor("inherited-later", "read", ""))
			w.approves(t, "plain", "$later")
			w.do(request{as: "admin", method: http.MethodDelete, path: "/roles/$helpers"})
		}},
		{"by a chain edited while it waits", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("edited", "read", ""))
			was := w.column(t, "SELECT approval_levels::text FROM sentinel.approval_chains WHERE id = $1", w.ids["vessels"])[0]
			w.exec("UPDATE sentinel.approval_chains SET approval_levels = $2 WHERE id = $1", w.ids["vessels"], w.expand(`[{"level":1,"approvers":{"any_of":[{"user":"$plain","min":1}]},"timeout_hours":1}]`))
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.approves(t, "lead", "$own")
			require.Equal(t, "2", fmt.Sprint(w.approves(t, "second", "$own").at("data.current_level")))
			w.exec("UPDATE sentinel.approval_chains SET approval_levels = $2 WHERE id = $1", w.ids["vessels"], was)
		}},
		{"by a chain that is switched off, and by one that is gone", func(t *testing.T, w *world) {
			w.levels("cranes", "alpha", "crane", "crane:*", "gate", `[{"level":1,"approvers":{"any_of":[{"user":"$lead","min":1}]},"timeout_hours":1}]`)
			w.ids["own"] = w.ask("asker", `{"request_type":"permission","request_details":{"resource_type":"crane","action":"lift"},"justification":"x"}`)
			w.exec("UPDATE sentinel.approval_chains SET is_active = false WHERE id = $1", w.ids["cranes"])
			require.Equal(t, http.StatusConflict, w.decide("lead", "approve", "$own").status)
			w.exec("DELETE FROM sentinel.approval_chains WHERE id = $1", w.ids["cranes"])
			require.Equal(t, http.StatusConflict, w.decide("lead", "approve", "$own").status)
			require.Equal(t, http.StatusOK, w.decide("lead", "deny", "$own").status)
		}},
		{"twice, at two levels", func(t *testing.T, w *world) {
			w.person("both", "admin", "", "ALPHA", `"$leads","$heads"`)
			w.ids["own"] = w.ask("asker", askFor("twice", "read", ""))
			w.approves(t, "lead", "$own")
			w.approves(t, "both", "$own")
			got := w.decide("both", "approve", "$own")
			require.Contains(t, []int{http.StatusConflict, http.StatusForbidden}, got.status, "%s", got.body)
		}},
		{"twice, by oneself and a delegate", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("lent-twice", "read", ""))
			w.approves(t, "lead", "$own")
			lend(w, "lead", "plain", "loan")
			w.refuses(t, "plain", "$own", http.StatusConflict, http.StatusForbidden, http.StatusNotFound)
			w.ids["other"] = w.ask("asker", askFor("lent-other", "read", ""))
			w.approves(t, "plain", "$other")
			w.refuses(t, "lead", "$other", http.StatusConflict)
			w.do(request{as: "lead", method: http.MethodDelete, path: "/access-requests/delegations/$loan"})
			w.refuses(t, "lead", "$other", http.StatusConflict)
			w.refuses(t, "plain", "$other", http.StatusConflict, http.StatusForbidden)
		}},
		{"by a word that is handed on", func(t *testing.T, w *world) {
			lend(w, "lead", "deputy", "first_loan")
			lend(w, "deputy", "plain", "second_loan")
			w.ids["own"] = w.ask("asker", askFor("handed-on", "read", ""))
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.do(request{as: "plain", method: http.MethodDelete, path: "/access-requests/delegations/$second_loan"})
			w.do(request{as: "lead", method: http.MethodDelete, path: "/access-requests/delegations/$first_loan"})
			w.refuses(t, "deputy", "$own", http.StatusForbidden, http.StatusNotFound)
		}},
		{"by the delegate of somebody who was deactivated", func(t *testing.T, w *world) {
			w.person("leaver", "admin", "", "ALPHA", `"$leads"`)
			lend(w, "leaver", "plain", "loan")
			w.ids["own"] = w.ask("asker", askFor("left", "read", ""))
			w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$leaver", body: `{"is_active":false}`})
			w.refuses(t, "plain", "$own", http.StatusForbidden, http.StatusNotFound)
			w.refuses(t, "leaver", "$own", http.StatusUnauthorized)
		}},
		{"for somebody who was deactivated", func(t *testing.T, w *world) {
			w.person("sacked", "admin", "", "ALPHA", "")
			w.ids["own"] = w.ask("sacked", askFor("sacked", "read", ""))
			w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$sacked", body: `{"is_active":false}`})
			require.Equal(t, http.StatusConflict, w.decide("lead", "approve", "$own").status)
			require.Equal(t, http.StatusOK, w.decide("lead", "deny", "$own").status)
		}},
		{"by a token with a scope", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("scoped", "read", ""))
			w.ids["narrow"] = uuid.NewString()
			w.asSession("narrow", "lead", "alpha", func(c *crypto.Claims) { c.Scope = "access-requests:*" })
			for _, verb := range []string{"approve", "deny", "escalate", "cancel", "revoke"} {
				got := w.send(request{method: http.MethodPost, path: "/access-requests/$own/" + verb}, w.tokens["narrow"])
				require.Equal(t, http.StatusForbidden, got.status, "%s: %s", verb, got.body)
			}
			for _, c := range []call{{"/access-requests", askFor("narrow", "read", "")}, {"/access-requests/delegations", `{"delegate":"$plain","to":"` + in(time.Hour) + `"}`}} {
				require.Equal(t, http.StatusForbidden, w.send(request{method: http.MethodPost, path: c.path, body: c.body}, w.tokens["narrow"]).status)
			}
		}},
		{"from another tenant", func(t *testing.T, w *world) {
			w.ids["own"] = w.ask("asker", askFor("abroad", "read", ""))
			w.refuses(t, "admin_b", "$own", http.StatusNotFound)
			got := w.do(request{as: "operator", method: http.MethodPost, path: "/access-requests/$own/approve", header: map[string]string{"X-Tenant-ID": "$alpha"}})
			require.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
		}},
	}
}

func TestRequests_CannotBeApprovedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	for _, a := range requestAttacks() {
		t.Run(a.name, func(t *testing.T) {
			defer w.within(t)()
			a.try(t, w)
			w.exec("UPDATE sentinel.access_requests SET status = 'cancelled' WHERE status = 'pending'")
		})
	}
}

// Whoever lends their word to everybody does not make one person of them all, so
// that nobody could decide on anybody.
func TestRequests_AreNotHeldUpByAStrangersDelegations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.ids["before"] = w.ask("asker", askFor("before", "read", ""))
	for _, to := range []string{"asker", "lead", "second", "head"} {
		w.make("loan_to_"+to, "plain", "", "/access-requests/delegations", `{"delegate":"$`+to+`","to":"`+in(time.Hour)+`"}`)
	}
	w.ids["after"] = w.ask("asker", askFor("after", "read", ""))
	for _, id := range []string{"$before", "$after"} {
		got := w.do(request{as: "asker", method: http.MethodGet, path: "/access-requests/" + id})
		require.Equal(t, w.ids["second"], got.at("data.deciders.1.user_id"), "%s", got.body)
		for _, who := range []string{"lead", "second", "head"} {
			w.approves(t, who, id)
		}
	}
	w.ids["own"] = w.ask("plain", askFor("own", "read", ""))
	w.refuses(t, "lead", "$own", http.StatusForbidden, http.StatusNotFound)
}

// TestRequests_ManyDecideAtOnce has all approvers, some of them twice, speak at
// one moment: two are heard, and the history says so.
func TestRequests_ManyDecideAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	crowd := []string{"lead", "second"}
	for i := range 8 {
		name := "crowd_" + string(rune('a'+i))
		w.person(name, "admin", "", "ALPHA", `"$leads"`)
		crowd = append(crowd, name)
	}
	for round := range 4 {
		w.ids["contested"] = w.ask("asker", askFor(fmt.Sprintf("round-%d", round), "read", ""))
		var requests []request
		for i, name := range append(slices.Clone(crowd), crowd[:4]...) {
			verb := "approve"
			if round%2 == 1 && i%5 == 4 {
				verb = "deny"
			}
			requests = append(requests, request{as: name, method: http.MethodPost, path: "/access-requests/$contested/" + verb})
		}
		heard := 0
		for _, status := range w.race(requests...) {
			require.Contains(t, []int{200, 403, 404, 409}, status)
			if status == http.StatusOK {
				heard++
			}
		}
		state := w.column(t, "SELECT status || ' ' || current_level FROM sentinel.access_requests WHERE id = $1", w.ids["contested"])[0]
		said := w.column(t, "SELECT decision FROM sentinel.approvals WHERE request_id = $1 ORDER BY decided_at, id", w.ids["contested"])
		require.Len(t, said, heard)
		require.Len(t, w.column(t, "SELECT DISTINCT approver_id::text FROM sentinel.approvals WHERE request_id = $1", w.ids["contested"]), heard, "everybody once")
		require.Len(t, w.column(t, "SELECT id::text FROM sentinel.audit_logs WHERE resource_id = $1 AND result = 'success' AND action <> 'access_request.create'", w.ids["contested"]), heard)
		if state == "pending 2" {
			require.Equal(t, []string{"approved", "approved"}, said)
			continue
		}
		require.Equal(t, "denied 1", state)
		require.Equal(t, "denied", said[len(said)-1], "nothing is said after a denial")
		require.LessOrEqual(t, heard, 2)
	}
}

// TestRequests_AreOpenedOnceAtOnce sends the same request many times at once.
func TestRequests_AreOpenedOnceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	same := request{as: "asker", method: http.MethodPost, path: "/access-requests", body: askFor("at-once", "read", "")}
	require.ElementsMatch(t, []int{201, 409, 409, 409, 409, 409}, w.race(same, same, same, same, same, same))
	require.Len(t, w.column(t, "SELECT id::text FROM sentinel.access_requests WHERE request_details ->> 'resource_id' = 'at-once'"), 1)
}

// TestRequests_OpenWhatTheyAskFor follows the answers to one question from the
// request to the end of what it granted.
func TestRequests_OpenWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.requests()
	w.make("", "admin", "", "/users/$asker/roles", `{"role_id":"$reader"}`)
	answer := func(id, action string) string {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$asker","resource":{"type":"vessel","id":"` + id + `"},"action":"` + action + `"}`})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		return got.at("data.reason_code").(string)
	}
	granted := func(as string) {
		t.Helper()
		for _, who := range []string{"lead", "second", "head"} {
			w.approves(t, who, as)
		}
	}
	require.Equal(t, "approval_required", answer("mv-gated", "read"))
	w.ids["read"] = w.ask("asker", askFor("mv-gated", "read", ""))
	require.Equal(t, "approval_required", answer("mv-gated", "read"))
	granted("$read")
	require.Equal(t, "granted_by_approval", answer("mv-gated", "read"))
	require.Equal(t, "approval_required", answer("mv-other", "read"), "for that vessel only")
	require.Equal(t, "no_matching_permission", answer("mv-gated", "scrap"), "a gate opens to those with the permission")
	got := w.decide("asker", "revoke", "$read")
	require.Equal(t, "revoked", got.at("data.status"), "%s", got.body)
	require.Equal(t, "approval_required", answer("mv-gated", "read"))

	w.ids["short"] = w.ask("asker", askFor("mv-gated", "read", `,"expires_at":"`+time.Now().Add(4*time.Second).UTC().Format(time.RFC3339Nano)+`"`))
	granted("$short")
	require.Equal(t, "granted_by_approval", answer("mv-gated", "read"))
	require.Eventually(t, func() bool { return answer("mv-gated", "read") == "approval_required" }, 10*time.Second, 50*time.Millisecond, "until its end")
	require.Equal(t, []string{"approved"}, w.column(t, "SELECT status FROM sentinel.access_requests WHERE id = $1", w.ids["short"]))

	w.levels("apps", "alpha", "app", "app:*", "escalation", `[{"level":1,"approvers":{"any_of":[{"user":"$lead","min":1}]},"timeout_hours":1}]`)
	onNode := func(action string) string {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"$asker","resource":{"type":"app","id":"fleet"},"action":"` + action + `"}`})
		return fmt.Sprint(got.at("data.reason_code"))
	}
	require.Eventually(t, func() bool { return onNode("open") == "approval_required" }, 10*time.Second, 20*time.Millisecond, "the chain was written behind the server's back")
	w.ids["node"] = w.ask("asker", `{"request_type":"resource_access","request_details":{"resource_type":"app","resource_id":"$fleet","duration_hours":1},"justification":"x"}`)
	w.approves(t, "lead", "$node")
	for _, action := range []string{"open", "close"} {
		require.Equal(t, "granted_by_approval", onNode(action))
	}
}
