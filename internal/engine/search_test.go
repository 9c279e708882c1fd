package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// crew gives the role to n more users, whose attributes are as written.
func (w *world) crew(n int, attributes string) {
	w.SQL(`
WITH crew AS (
  INSERT INTO sentinel.users (tenant_id, email, attributes)
  SELECT $1, md5($3 || random()::text) || '@acme.example', $3::jsonb
  FROM generate_series(1, $4)
  RETURNING id)
INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT $1, id, $2, $1 FROM crew`, w.tenant, w.role, attributes, n)
}

func (w *world) whoCan(typ string) *engine.SubjectSearch {
	return &engine.SubjectSearch{Question: engine.Question{TenantID: w.tenant, Type: typ, ID: "one", Action: "read"}, Limit: 10}
}

func TestWhoCan_APageThatFindsNobodyEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.Permission(w.tenant, w.role, "cargo/*", "allow", `{"subject.attributes.level": 3}`, "read")
	w.crew(40, `{"level": 1}`)
	w.crew(1, `{"level": 3}`)
	for name, bound := range map[string]func(*engine.Engine){
		"by candidates": func(e *engine.Engine) { e.SetSearchBounds(7, 1, time.Hour) },
		"by time":       func(e *engine.Engine) { e.SetSearchBounds(1000, 1, -1) },
	} {
		e := engine.New(engine.Config{DB: w.DB})
		bound(e)
		search, found, pages := w.whoCan("cargo"), 0, 0
		for {
			page, err := e.WhoCan(t.Context(), search)
			require.NoError(t, err, name)
			found, pages = found+len(page.Found), pages+1
			if page.Next == uuid.Nil {
				break
			}
			search.After = page.Next
		}
		require.Equal(t, 1, found, name)
		require.Greater(t, pages, 5, name)
		_, subjects := e.Loaded(w.tenant)
		require.Empty(t, subjects, "a search does not crowd out those who ask")
	}
}

func TestWhoCan_APageThatIsLateEndsWithWhatWasRead(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.Permission(w.tenant, w.role, "cargo/*", "allow", `{"subject.attributes.level": 3}`, "read")
	w.crew(100, `{"level": 1}`)
	w.crew(1, `{"level": 3}`)
	e := engine.New(engine.Config{DB: w.DB})
	e.SetPageTime(-1)
	search, found, pages := w.whoCan("cargo"), 0, 0
	for more := true; more; pages++ {
		page, err := e.WhoCan(t.Context(), search)
		require.NoError(t, err)
		found, search.After, more = found+len(page.Found), page.Next, page.Next != uuid.Nil
	}
	require.Equal(t, 1, found)
	require.Equal(t, 3, pages, "the first 50, 50 more, and the rest")
}

func TestWhoCan_SeesWhatMovesWhileItBegins(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	page, err := w.Engine.WhoCanSettled(t.Context(), w.whoCan("cargo"), func() {
		w.Permission(w.tenant, w.role, "cargo/*", "allow", "", "read")
	})
	require.NoError(t, err)
	require.Len(t, page.Found, 1)
	require.Equal(t, w.ada, page.Found[0].Subject.ID)
	now, err := w.Engine.WhoCan(t.Context(), w.whoCan("cargo"))
	require.NoError(t, err)
	require.Equal(t, page.Revision, now.Revision)
}

func TestWhoCan_SaysAboutHowManyNothingIsKnown(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	e := engine.New(engine.Config{DB: w.DB, Library: library(t, 10*time.Second)})
	w.crew(2, `{}`)
	w.publish(1, map[string]string{"shape": "deny := 1"})
	page, err := e.WhoCan(t.Context(), w.whoCan("vessel"))
	require.NoError(t, err)
	require.Empty(t, page.Found)
	require.Equal(t, 3, page.NotEvaluated)
}

func TestSearches_FailWhereTheyCannotBeDone(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	search := w.whoCan("vessel")
	search.TenantID = uuid.New()
	_, err := w.Engine.WhoCan(t.Context(), search)
	require.True(t, fault.Is(err, fault.NotFoundKind))
	_, err = w.Engine.WhatCan(t.Context(), &engine.ResourceSearch{Question: search.Question, Limit: 1})
	require.True(t, fault.Is(err, fault.NotFoundKind))
	_, err = w.Engine.Actions(t.Context(), &search.Question)
	require.True(t, fault.Is(err, fault.NotFoundKind))

	require.True(t, w.may(w.ada)) // the graph and ada are in memory
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Engine.WhoCan(ended, w.whoCan("vessel"))
	require.Error(t, err)
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code) VALUES ($1, 'vessel', 'One', 'one')`, w.tenant)
	w.refresh(t)
	_, err = w.Engine.WhatCan(ended, &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: w.ada}, Limit: 1})
	require.True(t, fault.Is(err, fault.Unavailable))
}

func TestWhoCan_OfATenantThatIsInactiveIsNobody(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.SQL(`UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	page, err := w.Engine.WhoCan(t.Context(), w.whoCan("vessel"))
	require.NoError(t, err)
	require.Empty(t, page.Found)
	require.Equal(t, uuid.Nil, page.Next)
}

func TestWhoCan_SaysWhatTheQuestionLacks(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.Permission(w.tenant, w.role, "cargo/*", "allow", `{"weight": 1, "context.shift": "x", "context.time": {"exists": true}, "subject.email": "x", "resource.path": "x"}`, "read")
	w.Permission(w.tenant, w.role, "cargo/*", "deny", `{"not": {"action.reason": "x"}, "weight": 2}`, "*")
	w.Permission(w.tenant, w.role, "cargo/*", "allow", `{"other": 1}`, "update")
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, workflow_enabled, workflow_config) VALUES ($1, 'entity', 'Cargo', 'cargo', true, '{"state": "s", "states": ["s"]}')`, w.tenant)
	search := w.whoCan("cargo")
	page, err := w.Engine.WhoCan(t.Context(), search)
	require.NoError(t, err)
	require.Equal(t, []string{"action.reason", "context.shift", "context.workflow_state", "resource.attributes.weight"}, page.DependsOn)
	search.Attributes, search.ActionProperties = map[string]any{"weight": nil}, map[string]any{"reason": ""}
	search.Context = map[string]any{"shift": "day", "workflow_state": "s"}
	page, err = w.Engine.WhoCan(t.Context(), search)
	require.NoError(t, err)
	require.Empty(t, page.DependsOn, "a null is said, too")
}

func TestWhatCan_APageEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code) SELECT $1, 'vessel', n, n FROM generate_series(10, 39) n`, w.tenant)
	for name, bound := range map[string]func(*engine.Engine){
		"by decisions": func(e *engine.Engine) { e.SetSearchBounds(1, 4, time.Hour) },
		"by time":      func(e *engine.Engine) { e.SetSearchBounds(1, 1000, -1) },
	} {
		e := engine.New(engine.Config{DB: w.DB})
		bound(e)
		search := &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: w.ada}, Limit: 1000}
		found, pages := 0, 0
		for {
			page, err := e.WhatCan(t.Context(), search)
			require.NoError(t, err, name)
			found, pages = found+len(page.Found), pages+1
			if page.Next == "" {
				break
			}
			search.After = page.Next
		}
		require.Equal(t, 30, found, name)
		require.Greater(t, pages, 5, name)
	}
}

func TestWhatCan_OfWhoMayNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	ask := func(user uuid.UUID) *engine.ResourcePage {
		page, err := w.Engine.WhatCan(t.Context(), &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: user}, Limit: 10})
		require.NoError(t, err)
		require.Empty(t, page.Found)
		return page
	}
	require.True(t, ask(uuid.New()).Unknown)
	require.Empty(t, ask(w.bob).Patterns)
	require.Len(t, ask(w.ada).Patterns, 1)
	w.SQL(`UPDATE sentinel.users SET is_active = false WHERE id = $1`, w.ada)
	w.refresh(t)
	inactive := ask(w.ada)
	require.False(t, inactive.Unknown)
	require.Empty(t, inactive.Patterns)
	actions, err := w.Engine.Actions(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "one"})
	require.NoError(t, err)
	require.Empty(t, actions)
}

func TestWhatCan_SaysWherePatternsAreCut(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	w.SQL(`
WITH made AS (
  INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_path, actions)
  SELECT $1, 'p' || n, 'page', 'page/p' || n, '{read}'
  FROM generate_series(1, 1100) n
  RETURNING id)
INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id)
SELECT $1, $2, id FROM made`, w.tenant, w.role)
	page, err := w.Engine.WhatCan(t.Context(), &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: w.ada}, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Patterns, 1000)
	require.True(t, page.PatternsCut)

	e := engine.New(engine.Config{DB: w.DB})
	e.SetSearchBounds(1, 1000, -1)
	page, err = e.WhatCan(t.Context(), &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel"}, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Patterns)
	require.True(t, page.PatternsCut, "there was no time to look for any")
}

// said is what the patterns say, an entry each.
func said(patterns []engine.FoundPattern) (out []string) {
	for _, p := range patterns {
		out = append(out, fmt.Sprintf("%s/%s %v %v", p.Type, p.Pattern, p.Actions, p.Because))
	}
	return out
}

func TestWhatCan_PatternsSayWhatStandsAgainstThem(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	e := engine.New(engine.Config{DB: w.DB, Library: library(t, 10*time.Second), AutoApprove: true})
	w.SQL(`UPDATE sentinel.tenants SET settings = '{"allow_rules": true}' WHERE id = $1`, w.tenant)
	w.SQL(`UPDATE sentinel.users SET attributes = '{"level": 3}' WHERE id = $1`, w.ada)
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code) VALUES ($1, 'page', 'A', 'a/1')`, w.tenant)
	w.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, workflow_enabled) VALUES ($1, 'entity', 'Order', 'order', true)`, w.tenant)
	for _, p := range []struct{ path, effect, conditions, action string }{
		{"page/a/**", "allow", "", "read"},
		{"page/b/*", "allow", `{"subject.attributes.level": 3, "resource.type": "page"}`, "*"},
		{"page/c", "allow", `{"subject.attributes.level": 4}`, "read"},
		{"page/d", "allow", `{"owner": "x"}`, "read"},
		{"page/e", "allow", "", "read"},
		{"page/e", "deny", "", "read"},
		{"page/b/secret", "deny", "", "delete"},
		{"order/*", "allow", "", "read"},
		{"bill/*", "allow", "", "read"},
		{"bill/*", "allow", "", "pay"},
	} {
		w.Permission(w.tenant, w.role, p.path, p.effect, p.conditions, p.action)
	}
	w.chain("bills", "bill", "gate", `{}`)
	w.chain("trips", "trip", "escalation", `{"subject.email": {"exists": true}}`)
	publish(w.World, w.tenant, 1, map[string]string{"tenant/pays.rego": "# METADATA\n# custom:\n#   applies_to:\n#     actions: [pay]\n#     resource_types: [bill, form]\npackage tenant.pays\n\nallow contains 1 if input.context.ok"})
	ask := func(typ, action string) []string {
		page, err := e.WhatCan(t.Context(), &engine.ResourceSearch{Question: engine.Question{TenantID: w.tenant, UserID: w.ada, Type: typ, Action: action}, Limit: 10})
		require.NoError(t, err)
		return said(page.Patterns)
	}
	require.Equal(t, []string{
		"bill/* [read] [approval]",
		"bill/* [pay] [policy approval]",
		"bill/* [pay] [policy approval]",
		"form/* [pay] [policy]",
		"order/* [read] [workflow]",
		"page/a/** [read] [overlaps_nodes]",
		"page/b/* [* delete] [deny]",
		"page/b/* [read] []",
		"page/d [read] [conditions]",
		"trip/* [*] [approval]",
		"vessel/* [read] []",
	}, ask("", ""))
	require.Equal(t, []string{"page/b/* [paint] []"}, ask("page", "paint"))
	require.Empty(t, ask("api", ""))
}
