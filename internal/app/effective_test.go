package app_test

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestEffective_IsWhatTheChecksSay: whoever reads GET /users/{id}/permissions and
// nothing else knows the answer of every check.
func TestEffective_IsWhatTheChecksSay(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	w.token("operator")
	seen := map[bool]int{}
	rapid.Check(t, func(r *rapid.T) {
		d := &drawn{T: r, w: w}
		d.draw()
		for _, user := range d.users {
			listed := d.listed(user)
			for i, q := range d.universe() {
				got := d.answers(user)[i]
				require.Equal(r, got, d.decides(listed, q), "%+v of %s, who has %+v", q, user, listed)
				seen[got]++
			}
		}
	})
	require.Positive(t, seen[true], "or nothing was proven")
	require.Positive(t, seen[false], "or nothing was proven")
}

// drawn is a random tenant below another, written behind the server's back.
type drawn struct {
	*rapid.T
	w             *world
	above, tenant string
	roles, groups [2][]string // of the tenant above and of the tenant
	users         []string
	entity        string
	entityActive  bool
	batch         pgx.Batch
	answered      map[string][]bool
}

// question is a triple of the small universe; id may be "" for the type.
type asked struct{ typ, id, action string }

// permission is what the API lists of one.
type listedPermission struct {
	typ, node, path, effect string
	actions                 []any
	conditions              any
}

func (d *drawn) universe() (all []asked) {
	for _, typ := range []string{"vessel", "cargo"} {
		for _, id := range []string{"", "a", "ab", "a/b", "c/b"} {
			for _, action := range []string{"read", "write"} {
				all = append(all, asked{typ, id, action})
			}
		}
	}
	return all
}

// decides is the whole of the decision, from the list alone: an allow that
// matches, and no deny that does. The conditions that are drawn never hold.
func (d *drawn) decides(list []listedPermission, q asked) (allowed bool) {
	for _, p := range list {
		if fmt.Sprint(p.conditions) != "map[]" || !d.matches(p, q) {
			continue
		}
		if p.effect == "deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

func (d *drawn) matches(p listedPermission, q asked) bool {
	acts := false
	for _, a := range p.actions {
		acts = acts || a == "*" || a == q.action
	}
	if !acts {
		return false
	}
	if p.node != "" { // the only nodes are the entity vessel and the app above it
		return q.typ == "vessel" && d.entityActive
	}
	typ, glob, _ := strings.Cut(p.path, "/")
	if typ != "*" && typ != q.typ {
		return false
	}
	if glob == "*" {
		return true
	}
	if q.id == "" {
		return false
	}
	if p.effect == "deny" && strings.HasSuffix(glob, "*") {
		return strings.HasPrefix(q.id, strings.TrimSuffix(glob, "*"))
	}
	match, err := path.Match(glob, q.id) // in which a * stays within a segment
	require.NoError(d, err)
	return match
}

func (d *drawn) request(method, path, body string) *response {
	got := d.w.do(request{as: "operator", method: method, path: path, body: body, header: map[string]string{"X-Tenant-ID": d.tenant}})
	require.Equal(d, http.StatusOK, got.status, "%s", got.body)
	return got
}

func (d *drawn) listed(user string) (list []listedPermission) {
	got := d.request(http.MethodGet, "/users/"+user+"/permissions?limit=1000", "")
	for _, one := range got.at("data").([]any) {
		m := one.(map[string]any)
		text := func(name string) string { s, _ := m[name].(string); return s }
		list = append(list, listedPermission{
			typ: text("resource_type"), node: text("resource_id"), path: text("resource_path"), effect: text("effect"),
			actions: m["actions"].([]any), conditions: m["conditions"],
		})
	}
	return list
}

// answers are those of the checks, in the order of the universe.
func (d *drawn) answers(user string) []bool {
	if known := d.answered[user]; known != nil {
		return known
	}
	var checks []map[string]any
	for _, q := range d.universe() {
		resource := map[string]string{"type": q.typ}
		if q.id != "" {
			resource["id"] = q.id
		}
		checks = append(checks, map[string]any{"resource": resource, "action": q.action})
	}
	got := d.request(http.MethodPost, "/permissions/batch-check", jsonOf(map[string]any{"user_id": user, "checks": checks}))
	for _, one := range got.at("data.results").([]any) {
		d.answered[user] = append(d.answered[user], one.(map[string]any)["allowed"].(bool))
	}
	return d.answered[user]
}

func (d *drawn) sql(statement string, args ...any) { d.batch.Queue(statement, args...) }

func (d *drawn) one(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.T, label)
}

// seldom is true one time in five.
func (d *drawn) seldom(label string) bool { return rapid.IntRange(0, 4).Draw(d.T, label) == 0 }

// draw writes two tenants, what they have, and two accounts of the lower.
func (d *drawn) draw() {
	d.answered = map[string][]bool{}
	d.above, d.tenant = uuid.NewString(), uuid.NewString()
	code := strings.ToUpper(strings.ReplaceAll(d.tenant, "-", ""))
	d.sql("SELECT set_config('sentinel.scope', 'system', true)")
	d.sql("INSERT INTO sentinel.tenants (id, name, code) VALUES ($1, 'Above', $2)", d.above, "A"+code)
	d.sql(`INSERT INTO sentinel.tenants (id, name, code, type, parent_tenant_id, settings) VALUES ($1, 'Below', $2, 'sub_tenant', $3, '{"inherit_permissions": true}')`, d.tenant, "B"+code, d.above)
	d.nodes()
	d.holders(0, d.above)
	d.holders(1, d.tenant)
	for i := range 2 {
		d.account(i)
	}
	if d.seldom("inherits no more") {
		d.sql("UPDATE sentinel.tenants SET settings = '{}' WHERE id = $1", d.tenant)
	}
	if d.seldom("above is inactive") && d.seldom("indeed") {
		d.sql("UPDATE sentinel.tenants SET is_active = false WHERE id = $1", d.above)
	}
	ctx := context.Background()
	require.NoError(d, pgx.BeginFunc(ctx, d.w.owner, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &d.batch).Close() }))
}

func (d *drawn) nodes() {
	app := uuid.NewString()
	d.entity, d.entityActive = uuid.NewString(), !d.seldom("entity inactive")
	d.sql("INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path) VALUES ($1, $2, 'app', 'Fleet', 'fleet', '')", app, d.tenant)
	d.sql("INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path, parent_id, is_active) VALUES ($1, $2, 'entity', 'Vessels', 'vessel', '', $3, $4)", d.entity, d.tenant, app, d.entityActive)
}

func (d *drawn) holders(level int, tenant string) {
	for i := range 3 {
		id := uuid.NewString()
		var parent *string
		if n := len(d.roles[level]); n > 0 && rapid.Bool().Draw(d.T, "inherits") {
			parent = &d.roles[level][rapid.IntRange(0, n-1).Draw(d.T, "parent")]
		}
		d.sql("INSERT INTO sentinel.roles (id, tenant_id, name, parent_role_id, is_active) VALUES ($1, $2, $3, $4, $5)", id, tenant, fmt.Sprint("r", i), parent, !d.seldom("role inactive"))
		d.roles[level] = append(d.roles[level], id)
	}
	for range rapid.IntRange(1, 5).Draw(d.T, "permissions") {
		d.permission(level, tenant)
	}
	if level == 0 {
		return
	}
	for i := range 2 {
		id := uuid.NewString()
		var parent *string
		if i > 0 && rapid.Bool().Draw(d.T, "below") {
			parent = &d.groups[level][0]
		}
		d.sql("INSERT INTO sentinel.groups (id, tenant_id, name, parent_group_id, is_active) VALUES ($1, $2, $3, $4, $5)", id, tenant, fmt.Sprint("g", i), parent, !d.seldom("group inactive"))
		d.groups[level] = append(d.groups[level], id)
		owner := rapid.IntRange(0, 1).Draw(d.T, "whose")
		d.sql("INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $4)",
			tenant, id, d.one("group role", d.roles[owner]...), [2]string{d.above, d.tenant}[owner])
	}
}

func (d *drawn) permission(level int, tenant string) {
	id := uuid.NewString()
	typ := d.one("type", "vessel", "vessel", "cargo", "*")
	glob := typ + "/" + d.one("glob", "*", "*", "a", "a*", "a/*", "*/b")
	var node, pattern *string
	if level == 1 && d.seldom("on a node") {
		typ, node = "entity", &d.entity
	} else {
		pattern = &glob
	}
	conditions := "{}"
	if d.seldom("conditional") {
		conditions = `{"subject.is_service_account": true}`
	}
	d.sql("INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, resource_path, actions, effect, conditions, is_active) VALUES ($1, $2, 'p', $3, $4, $5, $6, $7, $8, $9)",
		id, tenant, typ, node, pattern, []string{d.one("action", "read", "write", "*")}, d.one("effect", "allow", "allow", "allow", "deny"), conditions, !d.seldom("permission inactive"))
	for _, role := range d.roles[level] {
		if rapid.Bool().Draw(d.T, "owned") {
			d.sql("INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3)", tenant, role, id)
		}
	}
}

func (d *drawn) account(i int) {
	id := uuid.NewString()
	d.users = append(d.users, id)
	d.sql("INSERT INTO sentinel.users (id, tenant_id, email, is_active, locked_until) VALUES ($1, $2, $3, $4, now() + CAST($5 AS interval))",
		id, d.tenant, fmt.Sprint(i, "@below.example"), !d.seldom("user inactive") || !d.seldom("indeed"), d.one("locked", "-1 day", "-1 day", "-1 day", "-1 day", "1 day"))
	for level, owner := range []string{d.above, d.tenant} {
		for _, role := range d.roles[level] {
			if !rapid.Bool().Draw(d.T, "assigned") {
				continue
			}
			from, until, _ := strings.Cut(d.one("validity", "-2 days/2 days", "-2 days/2 days", "-2 days/2 days", "-2 days/-1 day", "1 day/2 days"), "/")
			d.sql("INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id, valid_from, expires_at, is_active) VALUES ($1, $2, $3, $4, now() + CAST($5 AS interval), now() + CAST($6 AS interval), $7)",
				d.tenant, id, role, owner, from, until, !d.seldom("assignment inactive"))
		}
	}
	for _, group := range d.groups[1] {
		if rapid.Bool().Draw(d.T, "member") {
			d.sql("INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, $3)", d.tenant, id, group)
		}
	}
}
