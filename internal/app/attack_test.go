package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// attack plays administrators of every strength against a tenant: each tries
// grants and take-overs by every granting route, and after each call that
// succeeded everybody's permissions are compared with what they were, read by
// a query that shares nothing with the engine.
type attack struct {
	*world
	*rand.Rand
	actors []string
	// ids of what there is, by table.
	pool map[string][]string
	made int
}

// power is what one account may do: "allow path action conditions", or deny,
// with " fields " and what it says of fields at the end if it does.
type power map[string]bool

// standing is a moment of the tenant: everybody's powers and credentials.
type standing struct {
	powers      map[string]power
	credentials map[string]string
	// low are the powers that roles give which may be handed out by whoever is
	// above their priority, by that priority.
	low map[string]int
	// rank is each account's highest priority.
	rank map[string]int
	// admins are the accounts that are tenant_admin, who may give themselves and
	// others what they like.
	admins map[string]bool
}

const everybodysPowers = `
WITH RECURSIVE holds (user_id, kind, node) AS (
  SELECT ur.user_id, 'role', r.id
  FROM sentinel.user_roles ur
  JOIN sentinel.roles r ON r.id = ur.role_id
  WHERE ur.tenant_id = $1 AND ur.is_active AND r.is_active AND coalesce(ur.expires_at > now(), true)
  UNION
  SELECT ug.user_id, 'group', g.id
  FROM sentinel.user_groups ug
  JOIN sentinel.groups g ON g.id = ug.group_id
  WHERE ug.tenant_id = $1 AND g.is_active
  UNION
  SELECT h.user_id, n.kind, n.node
  FROM holds h
  CROSS JOIN LATERAL (
    SELECT 'group' AS kind, p.id AS node
    FROM sentinel.groups g JOIN sentinel.groups p ON p.id = g.parent_group_id
    WHERE h.kind = 'group' AND g.id = h.node AND p.is_active
    UNION ALL
    SELECT 'role', r.id
    FROM sentinel.group_roles gr JOIN sentinel.roles r ON r.id = gr.role_id
    WHERE h.kind = 'group' AND gr.group_id = h.node AND r.is_active
    UNION ALL
    SELECT 'role', p.id
    FROM sentinel.roles r JOIN sentinel.roles p ON p.id = r.parent_role_id
    WHERE h.kind = 'role' AND r.id = h.node AND p.is_active
  ) n
)
SELECT h.user_id::text, r.priority, r.is_assignable,
  coalesce(p.effect || ' ' || coalesce(p.resource_path, p.resource_type || '#' || p.resource_id) || ' ' || a.action || ' ' || p.conditions || coalesce(nullif(' fields ' || p.field_permissions::text, ' fields {}'), ''), '')
FROM holds h
JOIN sentinel.roles r ON h.kind = 'role' AND r.id = h.node
LEFT JOIN sentinel.role_permissions rp ON rp.role_id = r.id
LEFT JOIN sentinel.permissions p ON p.id = rp.permission_id AND p.is_active
LEFT JOIN LATERAL unnest(p.actions) a (action) ON true`

// lowPowers are those of every role with all that it inherits.
const lowPowers = `
WITH RECURSIVE implied (top, node) AS (
  SELECT id, id FROM sentinel.roles WHERE is_active AND is_assignable
  UNION
  SELECT i.top, p.id
  FROM implied i JOIN sentinel.roles r ON r.id = i.node JOIN sentinel.roles p ON p.id = r.parent_role_id
  WHERE p.is_active
)
SELECT p.effect || ' ' || coalesce(p.resource_path, p.resource_type || '#' || p.resource_id) || ' ' || a.action || ' ' || p.conditions || coalesce(nullif(' fields ' || p.field_permissions::text, ' fields {}'), ''), min(t.priority)
FROM implied i
JOIN sentinel.roles t ON t.id = i.top
JOIN sentinel.role_permissions rp ON rp.role_id = i.node
JOIN sentinel.permissions p ON p.id = rp.permission_id AND p.is_active
CROSS JOIN LATERAL unnest(p.actions) a (action)
GROUP BY 1`

func (a *attack) stand(t *testing.T) standing {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	s := standing{powers: map[string]power{}, credentials: map[string]string{}, low: map[string]int{}, rank: map[string]int{}, admins: map[string]bool{}}
	rows, err := a.owner.Query(ctx, everybodysPowers, a.ids["alpha"])
	require.NoError(t, err)
	for rows.Next() {
		var user, text string
		var priority int
		var assignable bool
		require.NoError(t, rows.Scan(&user, &priority, &assignable, &text))
		if s.powers[user] == nil {
			s.powers[user] = power{}
		}
		s.rank[user] = max(s.rank[user], priority)
		if text != "" {
			s.powers[user][text] = true
		}
	}
	require.NoError(t, rows.Err())
	holding, _, _ := strings.Cut(everybodysPowers, "SELECT h.user_id::text")
	for _, admin := range a.column(t, holding+"SELECT DISTINCT user_id::text FROM holds WHERE node = $2", a.ids["alpha"], a.ids["tenant_admin"]) {
		s.admins[admin] = true
	}
	rows, err = a.owner.Query(ctx, lowPowers)
	require.NoError(t, err)
	for rows.Next() {
		var text string
		var priority int
		require.NoError(t, rows.Scan(&text, &priority))
		s.low[text] = priority
	}
	require.NoError(t, rows.Err())
	rows, err = a.owner.Query(ctx, `
SELECT id::text, concat_ws(' ', email, external_id, username, password_hash, service_account_key_hash, mfa_secret, mfa_enabled, allowed_ips, assert_subject, assert_override)
FROM sentinel.users WHERE tenant_id = $1`, a.ids["alpha"])
	require.NoError(t, err)
	for rows.Next() {
		var user, text string
		require.NoError(t, rows.Scan(&user, &text))
		s.credentials[user] = text
	}
	require.NoError(t, rows.Err())
	return s
}

// has reports whether an account could do without condition all that a power
// names, or has the very same. One that says something of fields is had by the
// very same only, and a hidden field is like a deny.
func (p power) has(text string) bool {
	effect, path, action, conditions := splitPower(text)
	for held := range p {
		e, q, act, c := splitPower(held)
		if strings.Contains(c, `"hidden"`) && !strings.HasPrefix(path, "api/") && typesMeet(q, path) {
			return false
		}
		if e == "deny" && q != "" && !strings.HasPrefix(path, "api/") && typesMeet(q, path) && (act == "*" || action == "*" || act == action) {
			return false
		}
	}
	if effect == "allow" && conditions != "{}" && !strings.HasPrefix(path, "api/") && p[text] {
		return true
	}
	if strings.Contains(conditions, " fields ") {
		return false
	}
	for held := range p {
		e, q, act, c := splitPower(held)
		if e == "allow" && c == "{}" && (act == "*" || act == action) && pathCovers(q, path) {
			return true
		}
	}
	return false
}

func splitPower(text string) (effect, path, action, conditions string) {
	parts := strings.SplitN(text, " ", 4)
	return parts[0], parts[1], parts[2], parts[3]
}

func typesMeet(a, b string) bool {
	ta, _, _ := strings.Cut(a, "/")
	tb, _, _ := strings.Cut(b, "/")
	return ta == "*" || tb == "*" || ta == tb
}

// pathCovers knows the patterns that the attack uses: "type/*", "*/*" and
// literal ones. "*" never includes the API.
func pathCovers(held, path string) bool {
	if held == path {
		return true
	}
	typ, rest, _ := strings.Cut(held, "/")
	other, _, _ := strings.Cut(path, "/")
	return rest == "*" && (typ == other || typ == "*" && other != "api")
}

// judge fails on every power that somebody gained and the actor may not give.
func (a *attack) judge(t *testing.T, actor, move string, before, after standing) (gained int) {
	t.Helper()
	me := a.ids[actor]
	mine := before.powers[me]
	assigns := strings.Contains(move, "/roles ") || strings.Contains(move, "/users") || strings.Contains(move, "/service-accounts") ||
		strings.Contains(move, "/manifest/apply") && strings.Contains(move, `"groups"`) ||
		strings.Contains(move, "/imports") && (strings.Contains(move, `"user"`) || strings.Contains(move, `"group"`) || strings.Contains(move, `"assignment"`))
	may := func(user, text, how string) {
		gained++
		if before.admins[me] {
			return
		}
		require.NotEqual(t, me, user, "%s by %s: %s own %s", move, actor, how, text)
		_, path, _, _ := splitPower(text)
		priority, low := before.low[text]
		lower := assigns && low && priority < before.rank[me] && !strings.HasPrefix(path, "api/")
		require.True(t, lower || mine.has(text), "%s by %s: %s %s %s\nof the actor: %v", move, actor, user, how, text, mine)
	}
	for user, now := range after.powers {
		for text := range now {
			if strings.HasPrefix(text, "allow ") && !before.powers[user][text] {
				may(user, text, "gained")
			}
		}
	}
	for user, then := range before.powers {
		for text := range then {
			if _, there := after.credentials[user]; there && (strings.HasPrefix(text, "deny ") || strings.Contains(text, `"hidden"`)) && !after.powers[user][text] {
				may(user, text, "is free of")
			}
		}
	}
	for user, now := range after.credentials {
		if then, old := before.credentials[user]; old && then == now || user == me {
			continue
		}
		for text := range after.powers[user] {
			if _, path, _, _ := splitPower(text); strings.HasPrefix(path, "api/") {
				gained++
				require.True(t, mine.has(text), "%s by %s takes over %s, who has %s", move, actor, user, text)
			}
		}
	}
	return gained
}

// TestGranting_NobodyGainsWhatTheActorLacked is the granting rule, attacked by
// every route that declares itself granting.
func TestGranting_NobodyGainsWhatTheActorLacked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := &attack{world: w, Rand: rand.New(rand.NewPCG(7, 7))} //nolint:gosec // a test's dice
	moves := a.moves()
	routes := []string{}
	for _, r := range w.app.Routes() {
		name := routeName(r)
		if r.Granting {
			require.Contains(t, moves, name, "a granting route: say how an attacker would use it")
			routes = append(routes, name)
		}
	}
	accepted, gained := map[string]int{}, 0
	const rounds, tries = 4, 160
	for range rounds {
		a.recruit()
		for range tries {
			actor, route := pick(a, a.actors), pick(a, routes)
			if a.IntN(3) == 0 { // what grants most easily
				route = pick(a, []string{"POST /users/{id}/roles", "POST /groups/{id}/users", "POST /groups/{id}/roles"})
			}
			if route == "POST /imports" || route == "POST /manifest/apply" {
				actor = pick(a, a.actors[3:])
			}
			a.refill(t)
			path, body := moves[route]()
			method, _, _ := strings.Cut(route, " ")
			if path == "/users/"+a.ids[actor]+"/lock" { // is no valid call
				continue
			}
			before := a.stand(t)
			got := a.do(request{as: actor, method: method, path: path, body: body, header: fileHeader(path)})
			require.NotEqual(t, http.StatusBadRequest, got.status, "the attack is made wrong: %s %s %s: %s", method, path, body, got.body)
			if got.status >= 300 {
				continue
			}
			if got.status == http.StatusAccepted {
				a.settle(t)
			}
			accepted[route]++
			gained += a.judge(t, actor, fmt.Sprintf("%s %s %s", method, path, body), before, a.stand(t))
		}
	}
	require.Greater(t, len(accepted), len(routes)/2, "or nothing was proven: %v", accepted)
	require.Positive(t, gained, "or nothing was proven")
	require.Positive(t, accepted["POST /imports"], "or nothing was proven of files")
}

func pick[T any](a *attack, from []T) T { return from[a.IntN(len(from))] }

// any returns an id of a table's pool, seldom one of another tenant.
func (a *attack) any(table string) string {
	if ids := a.pool[table]; len(ids) > 0 {
		return pick(a, ids)
	}
	return absent
}

func (a *attack) name() string {
	a.made++
	letters := ""
	for n := a.made; n > 0; n /= 26 {
		letters = string(rune('a'+n%26)) + letters
	}
	return "made_" + letters
}

// refill reads what there is now.
func (a *attack) refill(t *testing.T) {
	t.Helper()
	a.pool = map[string][]string{}
	for _, table := range []string{"users", "roles", "groups", "permissions", "resources", "field_definitions", "approval_chains"} {
		a.pool[table] = a.column(t, "SELECT id::text FROM sentinel."+table+" WHERE tenant_id = $1 ORDER BY id", a.ids["alpha"])
	}
	a.pool["services"] = a.column(t, "SELECT id::text FROM sentinel.users WHERE tenant_id = $1 AND is_service_account ORDER BY id", a.ids["alpha"])
	a.pool["roles"] = append(a.pool["roles"], a.ids["tenant_admin"], a.ids["user_manager"], a.ids["auditor"], a.ids["super_admin"])
	for table, name := range map[string]string{"users": "plain_b", "roles": "reader_b", "groups": "ops_b", "permissions": "reads_b"} {
		a.pool[table] = append(a.pool[table], a.ids[name])
	}
}

// recruit, on behalf of an operator whom nobody in the tenant can harm, makes
// administrators of new strengths, from one who may do next to
// nothing to one who may do all that a tenant_admin may.
func (a *attack) recruit() {
	a.t.Helper()
	a.actors = a.actors[:0]
	sections := []string{"users", "roles", "groups", "permissions", "resources", "service-accounts", "field-definitions", "approval-chains", "imports", "manifest"}
	for strength := range 6 {
		role := a.name()
		typ := pick(a, []string{"vessel", "cargo"})
		list := []string{`{"name":"business","resource_type":"` + typ + `","resource_path":"` + typ + pick(a, []string{"/*", "/" + role, "/" + role}) + `","actions":["read","write"],"effect":"` + pick(a, []string{"allow", "allow", "deny"}) + `"}`}
		for _, section := range sections {
			if a.IntN(6) <= strength {
				list = append(list, `{"name":"api","resource_type":"api","resource_path":"api/`+section+`","actions":`+pick(a, []string{`["*"]`, `["create","update"]`, `["read","delete"]`, `["update"]`})+`}`)
			}
		}
		if strength == 4 { // whoever sends files needs all sections that they write
			list = list[:1]
			for _, section := range sections {
				list = append(list, `{"name":"api","resource_type":"api","resource_path":"api/`+section+`","actions":["create","read","update"]}`)
			}
		}
		if strength == 5 {
			list = []string{`{"name":"all","resource_type":"api","resource_path":"api/*","actions":["*"]}`, `{"name":"all","resource_type":"*","resource_path":"*/*","actions":["*"]}`}
		}
		a.make(role, "operator", "$alpha", "/roles", fmt.Sprintf(`{"name":"%s","priority":%d,"is_assignable":%v}`, role, a.IntN(900), a.IntN(2) == 0))
		a.make("", "operator", "$alpha", "/roles/$"+role+"/permissions", `{"permissions":[`+strings.Join(list, ",")+`]}`)
		actor := a.name()
		a.person(actor, "operator", "$alpha", "ALPHA", `"$`+role+`"`+pick(a, []string{"", `,"$user_manager"`, `,"$auditor"`}))
		a.actors = append(a.actors, actor)
	}
	// What most tenants have most of: roles without administration, and people
	// who have none.
	for range 4 {
		desk := a.name()
		a.make(desk, "operator", "$alpha", "/roles", fmt.Sprintf(`{"name":"%s","priority":%d,"is_assignable":%v}`, desk, a.IntN(900), a.IntN(4) > 0))
		a.make("", "operator", "$alpha", "/roles/$"+desk+"/permissions", `{"permissions":[{"name":"desk","resource_type":"vessel","resource_path":"vessel/`+desk+`","actions":["read"]}]}`)
		a.person(a.name(), "operator", "$alpha", "ALPHA", "")
	}
	group := a.name()
	a.make(group, "operator", "$alpha", "/groups", `{"name":"`+group+`"}`)
	a.make("", "operator", "$alpha", "/groups/$"+group+"/users", `{"user_ids":["$`+a.actors[0]+`","$`+a.actors[5]+`"]}`)
}
