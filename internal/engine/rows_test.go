package engine_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// filter makes the filter of "read vessel".
func (g *ground) filter(text string, q engine.Question) (*engine.RowFilter, error) {
	g.t.Helper()
	q.TenantID, q.UserID = g.tenant.ID, g.subject.ID
	q.Action, q.Type, _ = strings.Cut(text, " ")
	s, err := engine.NewSnapshot(g.tenant, &g.rows)
	require.NoError(g.t, err)
	return s.Filter(g.t.Context(), &q, &g.subject, g.now)
}

// where is the filter of "read vessel" as SQL, with what its parameters are in
// their places.
func (g *ground) where(text string) string {
	g.t.Helper()
	rows, err := g.filter(text, engine.Question{})
	require.NoError(g.t, err)
	return written(g.t, rows)
}

func written(t *testing.T, rows *engine.RowFilter) string {
	t.Helper()
	c, err := filter.SQL(rows.Expr, filter.Columns{Fields: rows.Places})
	require.NoError(t, err)
	if c.Kind != filter.Some {
		return string(c.Kind)
	}
	sql := strings.NewReplacer("::text[]", "", "::text", "", ` COLLATE "C"`, "", `"id"`, "id").Replace(c.SQL)
	sql = strings.ReplaceAll(sql, " AND id <> ''", "")
	sql = regexp.MustCompile(`\((id \S+ [^() ]+)\)`).ReplaceAllString(sql, "$1")
	for i := len(c.Params); i > 0; i-- {
		sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i), fmt.Sprint(c.Params[i-1]))
	}
	return sql
}

func TestFilter_OfPermissions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grants    []string
		overrides string
		specific  string
	}{
		"none":                              {nil, "none", ""},
		"of another type or action":         {[]string{"allow read port/*", "allow sail vessel/*"}, "none", ""},
		"every row":                         {[]string{"allow read vessel/*", "allow read vessel/v-1"}, "all", ""},
		"one row":                           {[]string{"allow read vessel/v-1"}, "id = v-1", ""},
		"some rows":                         {[]string{"allow read vessel/v-1", "allow * vessel/eu/**", "allow read */v-2"}, "(id = ANY([v-1 v-2]) OR id ^@ eu/)", ""},
		"a glob":                            {[]string{"allow read vessel/*/log"}, `id ~ ^[^/]*\/log$`, ""},
		"but one":                           {[]string{"allow read vessel/*", "deny read vessel/v-1"}, "id <> v-1", ""},
		"but some":                          {[]string{"allow read vessel/*", "deny read vessel/v-1", "deny read vessel/v-2"}, "(id <> ALL([v-1 v-2]))", ""},
		"the node of all, and one above it": {[]string{"allow read #vessel"}, "all", ""},
		"a node above":                      {[]string{"allow read #fleet"}, "all", ""},
		"another node":                      {[]string{"allow read #crane"}, "none", ""},
		"all denied":                        {[]string{"allow read vessel/v-1", "deny read vessel/*"}, "none", "id = v-1"},
		"denied by any type":                {[]string{"allow read vessel/*", "deny * */*"}, "none", "all"},
		"a deny above":                      {[]string{"allow read vessel/v-1", "allow read vessel/*", "deny read #vessel", "deny read vessel/v-1"}, "none", "(id = v-1 AND id <> v-1)"},
		"denied between":                    {[]string{"allow read vessel/*", "allow read vessel/eu/1", "deny read vessel/eu/**"}, "", "((NOT id ^@ eu/) OR id = eu/1)"},
		"a condition that holds":            {[]string{`allow read vessel/* ?{"subject.attributes.level": {"gte": 3}}`}, "all", ""},
		"a condition that does not":         {[]string{`allow read vessel/* ?{"subject.attributes.level": {"gte": 4}}`}, "none", ""},
		"a deny that is lifted":             {[]string{"allow read vessel/*", `deny read vessel/* ?{"subject.attributes.level": 4}`}, "all", ""},
		"a deny that is not known":          {[]string{"allow read vessel/*", `deny read vessel/* ?{"subject.attributes.nothing": 4}`}, "none", ""},
		"the id":                            {[]string{`allow read vessel/* ?{"resource.id": {"in": ["a", "b"]}}`}, "id = ANY([a b])", ""},
	} {
		g := newGround(t)
		g.node("service", "fleet", "", "")
		g.node("entity", "vessel", "fleet", "")
		g.node("entity", "crane", "fleet", "")
		for _, text := range c.grants {
			g.grant("crew", text)
		}
		g.grant("nobody", "allow read vessel/*")
		if c.overrides != "" {
			require.Equal(t, c.overrides, g.where("read vessel"), name)
		}
		if c.specific != "" {
			g.tenant.Conflict = engine.MostSpecific
			require.Equal(t, c.specific, g.where("read vessel"), name)
		}
	}
}

func TestFilter_OfRegisteredNodes(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("vessel", "one", "", "")
	g.node("vessel", "two", "one", "")
	g.node("vessel", "three", "", `{"states": ["a"], "state": "b"}`)
	names := func(codes ...string) string {
		var out []string
		for _, code := range codes {
			out = append(out, code, g.id(code).String(), strings.ToUpper(g.id(code).String()))
		}
		return "id = ANY([" + strings.Join(out, " ") + "])"
	}
	g.grant("crew", "allow read #one")
	require.Equal(t, names("one", "two"), g.where("read vessel"), "permissions flow down the tree")
	g.grant("crew", `allow sail vessel/* ?{"flag": "NO"}`)
	sail := g.where("sail vessel")
	require.Contains(t, sail, names("one", "two"), "what is stored wins over what the row says")
	require.NotContains(t, sail, "id = ANY([three")
	require.Contains(t, sail, "lower(id) <> ALL([")

	g.grant("crew", "allow write vessel/*")
	write, err := g.filter("write vessel", engine.Question{})
	require.NoError(t, err)
	require.True(t, write.NamesDenied)
	require.Equal(t, "(id <> three AND (lower(id) <> "+g.id("three").String()+"))", written(t, write), "nodes that are as all rows are not named")
	g.tenant.Active = false
	write, err = g.filter("write vessel", engine.Question{})
	require.NoError(t, err)
	require.Equal(t, engine.TenantInactive, write.Code)
	require.Equal(t, "none", written(t, write))
}

func TestFilter_OfChains(t *testing.T) {
	t.Parallel()
	const grant, secret, one = "allow read vessel/*", "vessel:secret/*", "vessel:secret/1"
	for name, c := range map[string]struct {
		grant  string
		chains [][3]string
		want   string
	}{
		"a gate that is closed":              {grant, [][3]string{{"c", "gate", secret}}, "(NOT id ^@ secret/)"},
		"a gate that is open for some":       {grant, [][3]string{{"a", "gate", secret}}, "((id ^@ secret/ AND id = secret/9) OR (NOT id ^@ secret/))"},
		"an escalation of what is permitted": {grant, [][3]string{{"a", "escalation", secret}}, "all"},
		"an escalation of what is not":       {"allow read vessel/1", [][3]string{{"a", "escalation", secret}}, "(id = 1 OR (id ^@ secret/ AND id = secret/9))"},
		"an escalation of what is denied":    {"deny read vessel/secret/9", [][3]string{{"a", "escalation", secret}}, "(id <> secret/9 AND id ^@ secret/ AND id = secret/9)"},
		"the nearest first":                  {grant, [][3]string{{"c", "gate", secret}, {"a", "escalation", one}}, "(id = secret/1 OR (NOT id ^@ secret/) OR (id = secret/1 AND id = secret/9))"},
		"the older of two":                   {grant, [][3]string{{"a", "escalation", secret}, {"c", "gate", secret}}, "(id ^@ secret/ OR (NOT id ^@ secret/) OR (id ^@ secret/ AND id = secret/9))"},
		"one for every type":                 {grant, [][3]string{{"c", "gate", "*:*"}}, "none"},
		"one for another type":               {grant, [][3]string{{"c", "gate", "port:*"}}, "all"},
		"one that approves itself":           {grant, [][3]string{{"auto", "gate", "*:*"}}, "id ^@ b"},
	} {
		g := newGround(t)
		g.tenant.AutoApprove = true
		g.grant("crew", c.grant)
		for _, chain := range c.chains {
			auto := ""
			if chain[0] == "auto" {
				auto = `{"any_of": [{"resource.id": {"prefix": "b"}}, {"resource.attributes.supplied": {"exists": true}}]}`
			}
			g.chain(chain[0], chain[1], chain[2], auto)
		}
		past := g.now.Add(-time.Second)
		g.request("approved", "a", "vessel", "secret/9", "read", true, nil)
		g.request("again", "a", "vessel", "secret/9", "*", true, nil)
		g.request("of the type", "c", "vessel", "", "read", true, nil)
		g.request("of another type", "c", "port", "2", "read", true, nil)
		g.request("of another action", "c", "vessel", "3", "write", true, nil)
		g.request("over", "c", "vessel", "4", "read", true, &past)
		g.request("waiting", "c", "vessel", "5", "read", false, nil)
		require.Equal(t, c.want, g.where("read vessel"), name)
	}
}

func TestFilter_OfPolicies(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.tenant.AllowRules = true
	g.grant("crew", "allow read vessel/*")
	g.chain("named", "gate", "vessel:x", "")
	g.request("approved", "named", "vessel", "v-1", "*", true, nil)
	g.policies(map[string]string{
		"a": `deny contains {"reason": "closed"} if input.context.closed

obligations contains {"type": "log"} if input.action == "read"

require_approval contains {"chain": input.context.chain} if input.context.chain

allow contains 1 if input.context.free`,
		"b": "# METADATA\n# custom:\n#   applies_to:\n#     actions: [update]\n---\ndeny contains 1 if input.resource.id == \"x\"",
	})
	ask := func(action string, context map[string]any) *engine.RowFilter {
		rows, err := g.filter(action+" vessel", engine.Question{Context: context})
		require.NoError(t, err)
		return rows
	}
	rows := ask("read", map[string]any{})
	require.Contains(t, written(t, rows), "x", "the chain guards x")
	require.Equal(t, []map[string]any{{"type": "log", "policy": "tenant.a"}}, rows.Obligations)
	require.Equal(t, "(((id = x AND id = v-1) OR id <> x) AND id = v-1)", written(t, ask("read", map[string]any{"chain": "named"})))
	require.Equal(t, "none", written(t, ask("sail", map[string]any{})))
	require.NotEqual(t, "none", written(t, ask("sail", map[string]any{"free": true})))
	for code, context := range map[engine.Code]map[string]any{engine.PolicyDeny: {"closed": true}, engine.NotEvaluated: {"chain": "nobody's"}} {
		rows = ask("read", context)
		require.Equal(t, code, rows.Code)
		require.Equal(t, "none", written(t, rows))
		require.Empty(t, rows.Obligations)
		require.Zero(t, rows.TTL)
	}

	var n *engine.NotTranslatable
	_, err := g.filter("update vessel", engine.Question{})
	require.ErrorAs(t, err, &n)
	require.Equal(t, "tenant.b", n.Policy)
	g.field("vessel", "imo", "core", "read")
	_, err = g.filter("read vessel", engine.Question{})
	require.ErrorAs(t, err, &n, "what fails for update fails the check of a record with fields")
	g.tenant.AllowRules = false
	require.Equal(t, "none", g.where("update vessel"), "policies that only take away need not be asked")
}

func TestFilter_RefusesWhatItCannotState(t *testing.T) {
	t.Parallel()
	refused := func(g *ground) *engine.NotTranslatable {
		_, err := g.filter("read vessel", engine.Question{})
		var n *engine.NotTranslatable
		require.ErrorAs(t, err, &n)
		require.NotEmpty(t, n.Error())
		return n
	}
	g := newGround(t)
	marked := g.grant("crew", `allow read vessel/* ?{"mark": {"matches": "^x"}}`)
	n := refused(g)
	require.Equal(t, marked, n.Permission.Name)
	require.Equal(t, "resource.attributes.mark", n.Path)
	g.grant("crew", "allow read vessel/**")
	require.Equal(t, "all", g.where("read vessel"), "where it does not matter it does not stand in the way")
	g.grant("crew", `deny read vessel/* ?{"mark": {"matches": "^x"}}`)
	require.Error(t, refused(g))
	g.grant("crew", "deny read */*")
	require.Equal(t, "none", g.where("read vessel"))

	g = newGround(t)
	g.tenant.AutoApprove = true
	g.grant("crew", "allow read vessel/*")
	g.chain("named", "gate", "vessel:*", `{"resource.id": {"matches": "^x"}}`)
	require.Equal(t, "named", refused(g).Chain)

	g = newGround(t)
	g.grant("crew", "allow read #deck")
	for i := range engine.MaxFilterNodes + 1 {
		g.rows.Resources = append(g.rows.Resources, models.Resource{ID: uuid.New(), Type: "vessel", Code: fmt.Sprint("v-", i), IsActive: true})
	}
	require.Contains(t, refused(g).Why, "10001 registered nodes")
}

func TestFilter_HoldsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(g *ground)
		ttl  int
	}{
		"nothing ends":       {func(*ground) {}, 30},
		"an assignment ends": {func(g *ground) { at := g.now.Add(5 * time.Second); g.subject.Assignments[0].ExpiresAt = &at }, 5},
		"an approval ends": {func(g *ground) {
			at := g.now.Add(7 * time.Second)
			g.request("r", "c", "vessel", "x", "read", true, &at)
		}, 7},
		"a condition of the time": {func(g *ground) { g.grant("crew", `allow read vessel/x ?{"time_range": ["00:00", "23:59"]}`) }, 0},
		"a chain of the time": {func(g *ground) {
			g.tenant.AutoApprove = true
			g.chain("c", "gate", "vessel:*", `{"time_range": ["00:00", "23:59"]}`)
		}, 0},
	} {
		g := newGround(t)
		g.grant("crew", "allow read vessel/*")
		c.make(g)
		s, err := engine.NewSnapshot(g.tenant, &g.rows)
		require.NoError(t, err)
		q := &engine.Question{TenantID: g.tenant.ID, UserID: g.subject.ID, Type: "vessel", Action: "read"}
		rows, err := s.FilterFor(t.Context(), q, &g.subject, g.now, 30*time.Second)
		require.NoError(t, err)
		require.Equal(t, c.ttl, rows.TTL, name)
		require.NotEqual(t, filter.Any{}, rows.Expr, name)
	}
}

func TestEngine_FilterFailsClosed(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	e := engine.New(engine.Config{DB: w.DB})
	q := engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", Action: "read"}
	rows, err := e.Filter(t.Context(), &q)
	require.NoError(t, err)
	require.NotEmpty(t, rows.Revision)
	require.NotEqual(t, filter.Any{}, rows.Expr)
	for name, c := range map[string]struct {
		tenant, user uuid.UUID
		code         engine.Code
	}{
		"an unknown tenant": {uuid.New(), w.ada, engine.SubjectUnknown}, "an unknown user": {w.tenant, uuid.New(), engine.SubjectUnknown},
	} {
		q.TenantID, q.UserID = c.tenant, c.user
		rows, err = e.Filter(t.Context(), &q)
		require.NoError(t, err, name)
		require.Equal(t, c.code, rows.Code, name)
		require.Equal(t, filter.Any{}, rows.Expr, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.TenantID, q.UserID = w.tenant, w.ada
	rows, err = engine.New(engine.Config{DB: w.DB}).Filter(ctx, &q)
	require.NoError(t, err)
	require.Equal(t, engine.NotEvaluated, rows.Code)
	require.Equal(t, filter.Any{}, rows.Expr)
}

func TestEngine_FilterEndsWhenItTakesTooLong(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, path) VALUES ($1, 'vessel', 'one', 'one', '')`, w.tenant)
	q := engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", Action: "read"}
	e := engine.New(engine.Config{DB: w.DB})
	_, err := e.Filter(t.Context(), &q)
	require.NoError(t, err)
	e.SetSearchBounds(1, 1, -1)
	_, err = e.Filter(t.Context(), &q)
	var n *engine.NotTranslatable
	require.ErrorAs(t, err, &n)
	require.Contains(t, n.Why, "1 registered nodes of the type apart in time")

	g := newGround(t)
	g.node("vessel", "one", "", "")
	g.grant("crew", "allow read vessel/*")
	s, err := engine.NewSnapshot(g.tenant, &g.rows)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Filter(ctx, &engine.Question{TenantID: g.tenant.ID, UserID: g.subject.ID, Type: "vessel", Action: "read"}, &g.subject, g.now)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

// BenchmarkFilter makes filters and their SQL, with 50 permissions of which each
// has conditions, and with 1,000 registered nodes of the type.
func BenchmarkFilter(b *testing.B) {
	for name, nodes := range map[string]int{"50 permissions": 0, "1000 nodes": 1000} {
		w := tenanttest.New(b, dbtest.New(b), engine.Config{})
		tenant := w.Tenant()
		user := w.User(tenant, "ada")
		w.SQL(`INSERT INTO sentinel.roles (id, tenant_id, name) VALUES ($1, $2, 'crew')`, tenant, tenant)
		w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id) VALUES ($1, $2, $1, $1)`, tenant, user)
		w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, conditions)
SELECT md5('p' || n)::uuid, $1, 'p' || n, 'vessel', 'vessel/fleet-' || n || '/**', ARRAY['read'],
  jsonb_build_object('region', jsonb_build_array('eu', n::text), 'tonnage', jsonb_build_object('lt', n), 'owner', '{"ref": "subject.id"}'::jsonb)
FROM generate_series(1, 50) n`, tenant)
		w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, conditions)
VALUES (md5('any')::uuid, $1, 'any', 'vessel', 'vessel/*', ARRAY['read'], '{"flag": "NO", "port": {"ne": "oslo"}}')`, tenant)
		w.SQL(`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) SELECT $1, $1, id FROM sentinel.permissions WHERE tenant_id = $1`, tenant)
		w.SQL(fmt.Sprintf(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, path, attributes)
SELECT md5('n' || n)::uuid, $1, 'vessel', 'node', 'fleet-' || n %% 50 || '/' || n, '', jsonb_build_object('flag', CASE WHEN n %% 2 = 0 THEN 'NO' ELSE 'SE' END)
FROM generate_series(1, %d) n`, nodes), tenant)
		q := &engine.Question{TenantID: tenant, UserID: user, Type: "vessel", Action: "read"}
		e := engine.New(engine.Config{DB: w.DB})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rows, err := e.Filter(b.Context(), q)
				require.NoError(b, err)
				c, err := filter.SQL(rows.Expr, filter.Columns{})
				require.NoError(b, err)
				require.Equal(b, filter.Some, c.Kind)
			}
		})
	}
}
