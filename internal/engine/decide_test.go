package engine_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// harbour is [world] with a tree, groups and conditions: ada is in crew, below
// fleet, which has chief, which inherits reader.
func harbour(t *testing.T, cfg engine.Config) (*world, map[string]uuid.UUID) {
	w := setup(t, cfg)
	ids := map[string]uuid.UUID{}
	ids["chief"] = w.Role(w.tenant, "chief", 20, w.role)
	fleet := w.Group(w.tenant, "fleet", uuid.UUID{})
	ids["crew"] = w.Group(w.tenant, "crew", fleet)
	w.GroupRole(w.tenant, fleet, ids["chief"])
	w.Join(w.tenant, w.ada, ids["crew"])
	ids["update"] = w.Permission(w.tenant, ids["chief"], "vessel/*", "allow", `{"region": "eu", "subject.attributes.level": {"gte": 3}}`, "update")
	w.Permission(w.tenant, ids["chief"], "vessel/v-9", "allow", "", "scrap")
	w.Permission(w.tenant, ids["chief"], "berth/*", "allow", `{"context.time": {"gt": "2020-01-01T00:00:00Z"}}`, "read")
	ids["deny"] = w.Permission(w.tenant, w.role, "*/secret/**", "deny", "", "*")
	w.SQL(`UPDATE sentinel.users SET attributes = '{"level": 4}' WHERE id = $1`, w.ada)
	var parent *uuid.UUID
	for _, n := range [][2]string{{"service", "dock"}, {"entity", "crane"}, {"page", "plan"}} {
		id := uuid.New()
		ids[n[1]] = id
		w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, path, attributes) VALUES ($1, $2, $3, $4, $4, $5, '', '{"region": "eu"}')`,
			id, w.tenant, n[0], n[1], parent)
		parent = &id
	}
	w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions) VALUES ($1, $2, 'dock', 'service', $3, '{use}')`,
		uuid.Max, w.tenant, ids["dock"])
	w.Own(w.tenant, ids["chief"], uuid.Max)
	return w, ids
}

func TestDecide(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	w, ids := harbour(t, engine.Config{Registerer: registry})
	eu, us := map[string]any{"region": "eu"}, map[string]any{"region": "us"}
	for name, c := range map[string]struct {
		q    engine.Question
		code engine.Code
		ttl  int
	}{
		"by a role":                           {engine.Question{Type: "vessel", ID: "v-1", Action: "read"}, engine.Granted, 30},
		"of the type":                         {engine.Question{Type: "vessel", Action: "read"}, engine.Granted, 30},
		"conditions hold":                     {engine.Question{Type: "vessel", ID: "v-1", Action: "update", Attributes: eu}, engine.Granted, 30},
		"conditions fail":                     {engine.Question{Type: "vessel", ID: "v-1", Action: "update", Attributes: us}, engine.ConditionFailed, 30},
		"conditions cannot be judged":         {engine.Question{Type: "vessel", ID: "v-1", Action: "update"}, engine.ConditionFailed, 30},
		"one instance":                        {engine.Question{Type: "vessel", ID: "v-9", Action: "scrap"}, engine.Granted, 30},
		"another instance":                    {engine.Question{Type: "vessel", ID: "v-8", Action: "scrap"}, engine.NoMatchingPermission, 30},
		"a literal does not mean the type":    {engine.Question{Type: "vessel", Action: "scrap"}, engine.NoMatchingPermission, 30},
		"the clock is read":                   {engine.Question{Type: "berth", ID: "b", Action: "read"}, engine.Granted, 0},
		"the clock of the question":           {engine.Question{Type: "berth", ID: "b", Action: "read", Context: map[string]any{"time": "2019-01-01T00:00:00Z"}}, engine.ConditionFailed, 0},
		"with other context":                  {engine.Question{Type: "berth", ID: "b", Action: "read", Context: map[string]any{"ip": "10.0.0.1"}}, engine.Granted, 0},
		"denied whatever is allowed":          {engine.Question{Type: "vessel", ID: "secret/1", Action: "read"}, engine.ExplicitDeny, 30},
		"the node by its code":                {engine.Question{Type: "service", ID: "dock", Action: "use"}, engine.Granted, 30},
		"the node by its id":                  {engine.Question{Type: "service", ID: ids["dock"].String(), Action: "use"}, engine.Granted, 30},
		"a node below":                        {engine.Question{Type: "page", ID: "plan", Action: "use"}, engine.Granted, 30},
		"an instance below the entity's node": {engine.Question{Type: "crane", ID: "c-1", Action: "use"}, engine.Granted, 30},
		"the id of a node of another type":    {engine.Question{Type: "page", ID: ids["dock"].String(), Action: "use"}, engine.NoMatchingPermission, 30},
		"the tree is not the platform's":      {engine.Question{Type: "api", ID: "dock", Action: "use"}, engine.NoMatchingPermission, 30},
	} {
		c.q.TenantID, c.q.UserID = w.tenant, w.ada
		require.NoError(t, c.q.Validate(""), name)
		d := w.Engine.Decide(t.Context(), &c.q)
		require.Equal(t, c.code, d.Code, name)
		require.Equal(t, c.code == engine.Granted, d.Allowed, name)
		require.Equal(t, c.ttl, d.TTL, name)
		require.NotEmpty(t, d.Reason(), name)
	}
	require.InDelta(t, 18, metric(t, registry, "sentinel_decisions_total"), 0)

	w.plain(t, w.tenant, `UPDATE sentinel.resources SET is_active = false WHERE id = $1`, ids["crane"])
	require.False(t, w.Allowed(w.tenant, w.ada, "crane", "c-1", "use"), "an inactive node passes nothing on")
}

func TestDecide_SaysWhy(t *testing.T) {
	t.Parallel()
	w, ids := harbour(t, engine.Config{})
	eu := map[string]any{"region": "eu"}
	d := w.Engine.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "update", Attributes: eu})
	require.Equal(t, []engine.MatchedRole{{Name: "chief", Path: "user > group:crew > group:fleet > role:chief"}}, d.MatchedRoles())
	require.Equal(t, []string{ids["update"].String()}, d.MatchedIDs())
	require.Equal(t, map[string]any{"region": "eu", "subject.attributes.level": json.Number("4")}, d.MatchedConditions())
	require.Equal(t, "Allowed: update on vessel v-1, by permission vessel/* of role chief.", d.Reason())

	d = w.Engine.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "update"})
	require.Empty(t, d.MatchedConditions())
	require.Equal(t, "Denied: update on vessel v-1, since the conditions of permission vessel/* do not hold.", d.Reason())

	d = w.Ask(w.tenant, w.ada, "vessel", "secret/1", "read")
	require.Equal(t, []string{ids["deny"].String()}, d.MatchedIDs())
	require.Contains(t, d.Reason(), "of role reader forbids it")
	require.Equal(t, "reader", d.MatchedRoles()[0].Name)

	for user, want := range map[uuid.UUID]string{w.bob: "none of the subject's roles", uuid.New(): "no such user"} {
		d = w.Ask(w.tenant, user, "vessel", "v-1", "read")
		require.Contains(t, d.Reason(), want)
		require.Empty(t, d.MatchedRoles())
	}
	w.plain(t, w.tenant, `UPDATE sentinel.users SET locked_until = now() + interval '1 hour' WHERE id = $1`, w.bob)
	require.Contains(t, w.Ask(w.tenant, w.bob, "vessel", "v-1", "read").Reason(), "inactive or locked")
	w.plain(t, w.tenant, `UPDATE sentinel.tenants SET is_active = false WHERE id = $1`, w.tenant)
	require.Contains(t, w.Ask(w.tenant, w.ada, "vessel", "v-1", "read").Reason(), "is inactive")
}

func TestDecide_JudgesAssignmentsAtTheMomentOfTheQuestion(t *testing.T) {
	t.Parallel()
	start := time.Now().Truncate(time.Second)
	now := start
	w := setup(t, engine.Config{Now: func() time.Time { return now }})
	w.SQL(assign, w.tenant, w.bob, w.role)
	w.SQL(`UPDATE sentinel.user_roles SET valid_from = $2, expires_at = $3 WHERE user_id = $1`, w.bob, start.Add(10*time.Second), start.Add(20*time.Second))
	for after, want := range map[time.Duration]struct {
		allowed bool
		ttl     int
	}{0: {false, 10}, 9 * time.Second: {false, 1}, 10 * time.Second: {true, 10}, 19 * time.Second: {true, 1}, 20 * time.Second: {false, 30}} {
		now = start.Add(after)
		d := w.Ask(w.tenant, w.bob, "vessel", "v-1", "read")
		require.Equal(t, want.allowed, d.Allowed, after)
		require.Equal(t, want.ttl, d.TTL, after)
	}
}

func TestSnapshot_Decide(t *testing.T) {
	t.Parallel()
	w, ids := harbour(t, engine.Config{})
	require.True(t, w.may(w.ada))
	s, _ := w.Engine.Loaded(w.tenant)
	subject, err := w.Engine.Account(t.Context(), w.tenant, w.ada)
	require.NoError(t, err)
	d := s.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "read"}, subject.Subject, time.Now())
	require.True(t, d.Allowed)
	at, ok := s.Graph.Index("group:" + ids["crew"].String())
	require.True(t, ok)
	require.Equal(t, "crew", s.GroupAt(at).Name)
	require.Nil(t, s.RoleAt(at))
}

func TestQuestion_Validate(t *testing.T) {
	t.Parallel()
	good := func() engine.Question { return engine.Question{Type: "vessel", ID: "a/b:{c}", Action: "read"} }
	q := good()
	require.NoError(t, q.Validate(""))
	for path, change := range map[string]func(*engine.Question){
		"resource.type": func(q *engine.Question) { q.Type = "Vessel" },
		"action":        func(q *engine.Question) { q.Action = "" },
		"context.time":  func(q *engine.Question) { q.Context = map[string]any{"time": "noon"} },
	} {
		q := good()
		change(&q)
		var f *fault.Error
		require.ErrorAs(t, q.Validate("questions[0]."), &f)
		require.Len(t, f.Fields, 1)
		require.Equal(t, "questions[0]."+path, f.Fields[0].Path)
	}
	for _, id := range []string{`a\b`, "a*", "a/../b", "./a", "a\x00", "e\u0301", strings.Repeat("x", 256)} {
		require.NotEmpty(t, engine.CheckResourceID(id), "%q", id)
	}
	require.Empty(t, engine.CheckResourceID(strings.Repeat("é", 255)))
}

// Data that cannot be loaded is never passed over.
func TestDecide_DoesNotEvaluateWithoutAllData(t *testing.T) {
	t.Parallel()
	w, _ := harbour(t, engine.Config{})
	require.True(t, w.may(w.ada))
	for _, table := range []string{
		"tenants", "roles", "groups", "casbin_rule", "permissions", "role_permissions", "resources", "approval_chains", "field_definitions", "policy_revisions", "access_requests",
		"users", "user_groups", "user_roles", "policy_revision",
	} {
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		fresh := engine.New(engine.Config{DB: w.DB})
		d := fresh.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "read"})
		require.Equal(t, engine.NotEvaluated, d.Code, table)
		_, err := fresh.RoleNames(t.Context(), w.tenant, w.ada)
		require.Error(t, err, table)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
		require.True(t, fresh.Decide(t.Context(), &engine.Question{TenantID: w.tenant, UserID: w.ada, Type: "vessel", ID: "v-1", Action: "read"}).Allowed, table)
	}
	// A change of which the record cannot be read.
	w.SQL(`UPDATE sentinel.users SET attributes = '{}' WHERE id = $1`, w.ada)
	for _, column := range []string{"sentinel.subject_changes", "sentinel.policy_revision"} {
		w.SQL(`REVOKE SELECT ON ` + column + ` FROM sentinel_app`)
		require.Error(t, w.Engine.Refresh(t.Context(), w.tenant))
		require.Equal(t, engine.NotEvaluated, w.code(w.ada))
		w.SQL(`GRANT SELECT ON ` + column + ` TO sentinel_app`)
	}
	require.NoError(t, w.Engine.Refresh(t.Context(), w.tenant))
	require.True(t, w.may(w.ada))
}

// A permission that no longer compiles could be a deny, a chain a gate.
func TestDecide_DoesNotEvaluateWithWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"conditions": `UPDATE sentinel.permissions SET conditions = '{"a": {"nonsense": 1}}' WHERE tenant_id = $1`,
		"pattern":    `UPDATE sentinel.permissions SET resource_path = E'vessel/a\\b' WHERE tenant_id = $1`,
		"a chain":    `INSERT INTO sentinel.approval_chains (tenant_id, name, resource_type, resource_pattern, approval_levels) VALUES ($1, 'x', 'vessel', 'port:*', '[]')`,
		"auto":       `INSERT INTO sentinel.approval_chains (tenant_id, name, resource_type, approval_levels, auto_approve_conditions) VALUES ($1, 'x', 'port', '[]', '{"a": {"nonsense": 1}}')`,
		"time zone":  `UPDATE sentinel.tenants SET time_zone = 'Nowhere/Land' WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, engine.Config{})
			w.SQL(sql, w.tenant)
			require.Equal(t, engine.NotEvaluated, w.code(w.ada))
		})
	}
	w := setupOn(t, dbtest.New(t), engine.Config{})
	w.SQL(`UPDATE sentinel.tenants SET settings = '{"conflict_resolution": "most_specific"}' WHERE id = $1`, w.tenant)
	require.True(t, w.may(w.ada))
	s, _ := w.Engine.Loaded(w.tenant)
	require.Equal(t, "most_specific", s.Tenant.Conflict)
	require.Len(t, s.Grants.OfRole(s.Grants.All()[len(s.Grants.All())-1].Owners[0]), 1)
	require.Equal(t, grants.Allow, s.Grants.All()[0].Effect)
}

func TestDecide_NamesAllThatDecided(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.role("mate", 0, true)
	for _, role := range []string{"crew", "mate"} {
		g.grant(role, "allow read vessel/*")
		g.grant(role, `allow sail vessel/* ?{"x": 1}`)
		g.grant(role, "deny scrap vessel/*")
	}
	for question, want := range map[string]string{
		"read vessel/v-1":  `^Allowed: read on vessel v-1, by permissions allow read vessel/\*, allow read vessel/\* of roles crew, mate\.$`,
		"sail vessel/v-1":  `^Denied: sail on vessel v-1, since the conditions of permissions allow sail .*, allow sail .* do not hold\.$`,
		"scrap vessel/v-1": `^Denied: scrap on vessel v-1, since permissions deny scrap vessel/\*, deny scrap vessel/\* of roles crew, mate forbid it\.$`,
		"sell vessel/v-1":  `^Denied: sell on vessel v-1, since none of the subject's roles has a permission for it\.$`,
	} {
		require.Regexp(t, want, g.ask(question).Reason())
	}
}
