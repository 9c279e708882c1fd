package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
)

func TestGate_WantsAPermissionAndAnApproval(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	allow := g.grant("crew", "allow read vessel/*")
	g.grant("crew", `allow write vessel/* ?{"x": 1}`)
	g.chain("gate", "gate", "vessel:*", "")
	d := g.ask("read vessel/v-1")
	require.Equal(t, engine.ApprovalRequired, d.Code)
	require.Equal(t, []string{allow}, g.matched(d))
	require.Equal(t, g.id("gate"), d.Chain.ID)
	require.Nil(t, d.RequestID)
	require.Equal(t, "Not allowed yet: read on vessel v-1, since approval chain gate must approve. Ask again with a justification to request it.", d.Reason())
	for question, code := range map[string]engine.Code{
		"sail vessel/v-1": engine.NoMatchingPermission, "write vessel/v-1": engine.ConditionFailed, "read port/p-1": engine.NoMatchingPermission,
	} {
		d = g.ask(question)
		require.Equal(t, code, d.Code, question)
		require.Nil(t, d.Chain, question)
	}

	g.request("waiting", "gate", "vessel", "v-1", "read", false, nil)
	g.request("later", "gate", "vessel", "v-1", "*", false, nil)
	d = g.ask("read vessel/v-1")
	require.Equal(t, engine.ApprovalRequired, d.Code)
	require.Equal(t, g.id("waiting"), *d.RequestID)
	require.Contains(t, d.Reason(), "Request "+g.id("waiting").String()+" waits for it.")

	g.request("approved", "gate", "vessel", "v-1", "read", true, nil)
	d = g.ask("read vessel/v-1")
	require.Equal(t, engine.GrantedByApproval, d.Code)
	require.Equal(t, []string{allow}, g.matched(d))
	require.Equal(t, g.id("approved"), *d.RequestID)
	require.False(t, d.AutoApproved)
	require.Equal(t, "Allowed: read on vessel v-1, since approval chain gate approved it by request "+g.id("approved").String()+".", d.Reason())
}

func TestEscalation_WantsAPermissionOrAnApproval(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.grant("crew", "allow read vessel/*")
	failing := g.grant("crew", `allow write vessel/* ?{"x": 1}`)
	g.grant("crew", "deny scrap vessel/*")
	g.chain("escalation", "escalation", "vessel:*", "")
	d := g.ask("read vessel/v-1")
	require.Equal(t, engine.Granted, d.Code)
	require.Nil(t, d.Chain, "it has no say in what is permitted")
	for _, action := range []string{"sail", "write"} {
		d = g.ask(action + " vessel/v-1")
		require.Equal(t, engine.ApprovalRequired, d.Code, action)
		require.Empty(t, d.Matched, action)
	}
	require.Equal(t, engine.ExplicitDeny, g.ask("scrap vessel/v-1").Code)
	g.request("approved", "escalation", "vessel", "v-1", "*", true, nil)
	d = g.ask("write vessel/v-1")
	require.Equal(t, engine.GrantedByApproval, d.Code)
	require.Empty(t, d.Matched)
	require.Equal(t, engine.Granted, g.ask("read vessel/v-1").Code)
	require.Equal(t, engine.ExplicitDeny, g.ask("scrap vessel/v-1").Code, "no approval opens what is final")
	g.rows.Chains = nil
	d = g.ask("write vessel/v-1")
	require.Equal(t, engine.ConditionFailed, d.Code, "an approval opens a chain and nothing else")
	require.Equal(t, []string{failing}, g.matched(d))
}

func TestApproval_IsOfOneSubjectResourceActionAndChain(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	later := end.Add(time.Nanosecond)
	for name, c := range map[string]struct {
		question string
		request  func(g *ground)
		open     bool
	}{
		"the very same":                  {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "read", true, nil) }, true},
		"every action":                   {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "*", true, nil) }, true},
		"until later":                    {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "read", true, &later) }, true},
		"until now":                      {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "read", true, &end) }, false},
		"another action":                 {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "write", true, nil) }, false},
		"another instance":               {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-2", "read", true, nil) }, false},
		"another type":                   {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "port", "v-1", "read", true, nil) }, false},
		"another chain":                  {"read vessel/v-1", func(g *ground) { g.request("r", "other", "vessel", "v-1", "read", true, nil) }, false},
		"pending":                        {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "read", false, nil) }, false},
		"the type":                       {"read vessel", func(g *ground) { g.request("r", "gate", "vessel", "", "read", true, nil) }, true},
		"the type is not each of it":     {"read vessel/v-1", func(g *ground) { g.request("r", "gate", "vessel", "", "read", true, nil) }, false},
		"one is not the type":            {"read vessel", func(g *ground) { g.request("r", "gate", "vessel", "v-1", "read", true, nil) }, false},
		"a node":                         {"read vessel/known", func(g *ground) { g.request("r", "gate", "vessel", "#known", "read", true, nil) }, true},
		"a node that is another":         {"read vessel/known", func(g *ground) { g.request("r", "gate", "vessel", "#gone", "read", true, nil) }, false},
		"an instance that became a node": {"read vessel/known", func(g *ground) { g.request("r", "gate", "vessel", "known", "read", true, nil) }, false},
		"a node that became an instance": {"read vessel/gone", func(g *ground) { g.request("r", "gate", "vessel", "#gone", "read", true, nil) }, false},
		"one of several that has not ended": {"read vessel/v-1", func(g *ground) {
			g.request("r1", "gate", "vessel", "v-1", "read", true, &end)
			g.request("r", "gate", "vessel", "v-1", "read", true, &later)
		}, true},
	} {
		g := newGround(t)
		g.node("vessel", "known", "", "")
		g.grant("crew", "allow read vessel/*")
		g.chain("gate", "gate", "vessel:*", "")
		c.request(g)
		d := g.ask(c.question)
		require.Equal(t, c.open, d.Allowed, name)
		if c.open {
			require.Equal(t, []any{engine.GrantedByApproval, g.id("r")}, []any{d.Code, *d.RequestID}, name)
			continue
		}
		require.Equal(t, engine.ApprovalRequired, d.Code, name)
	}
}

func TestChains_TheMostSpecificGuards(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("vessel", "known", "", "")
	g.grant("crew", "allow * */*")
	g.grant("crew", "allow * api/users")
	for _, c := range [][2]string{
		{"any", "*:*"}, {"late", "vessel:*"}, {"glob", "vessel:a/*"}, {"deeper", "vessel:a/b/*"}, {"one", "vessel:a/b/c"}, {"node", "vessel:known"}, {"of roles", "role:*"},
	} {
		g.chain(c[0], "gate", c[1], "")
	}
	g.rows.Chains = append(g.rows.Chains, g.rows.Chains[1])
	inactive := &g.rows.Chains[len(g.rows.Chains)-1]
	inactive.ID, inactive.Name, inactive.IsActive, inactive.CreatedAt = g.id("off"), "off", false, time.Time{}
	for question, chain := range map[string]string{
		"read port/p": "any", "read port": "any", "read vessel/x": "late", "read vessel": "late", "read vessel/a/x": "glob", "read vessel/a/b/x/y": "deeper",
		"read vessel/a/b/c": "one", "read vessel/known": "node", "read role/x": "any",
	} {
		d := g.ask(question)
		require.Equal(t, engine.ApprovalRequired, d.Code, question)
		require.Equal(t, chain, d.Chain.Name, question)
	}
	require.Equal(t, "node", g.ask("read vessel/"+g.id("known").String()).Chain.Name)
	require.Equal(t, engine.Granted, g.ask("read api/users").Code)
	g.rows.Chains[1], g.rows.Chains[0] = g.rows.Chains[0], g.rows.Chains[1]
	g.chain("older", "gate", "vessel:*", "")
	g.rows.Chains[len(g.rows.Chains)-1].CreatedAt = time.Time{}
	require.Equal(t, "older", g.ask("read vessel/x").Chain.Name)
}

func TestAutoApproval_RestsOnWhatIsStoredAndTheServersClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auto     string
		question string
		ask      engine.Question
		open     bool
		clock    bool
	}{
		"the subject's attributes":       {auto: `{"subject.attributes.level": 3}`, question: "read vessel/v-1", open: true},
		"other attributes":               {auto: `{"subject.attributes.level": 4}`, question: "read vessel/v-1"},
		"unknown is not true":            {auto: `{"not": {"subject.attributes.rank": 4}}`, question: "read vessel/v-1"},
		"stored attributes of a node":    {auto: `{"flag": "NO"}`, question: "read vessel/known", open: true},
		"the caller's fill no gap":       {auto: `{"color": "red"}`, question: "read vessel/known", ask: engine.Question{Attributes: map[string]any{"color": "red"}}},
		"the caller's of an instance":    {auto: `{"flag": "NO"}`, question: "read vessel/v-1", ask: engine.Question{Attributes: map[string]any{"flag": "NO"}}},
		"id, type and path":              {auto: `{"resource.id": "known", "resource.type": "vessel", "resource.path": "/known"}`, question: "read vessel/known", open: true},
		"the action":                     {auto: `{"action.name": "read"}`, question: "read vessel/v-1", open: true},
		"another action":                 {auto: `{"action.name": "read"}`, question: "write vessel/v-1"},
		"properties are the caller's":    {auto: `{"action.urgent": true}`, question: "read vessel/v-1", ask: engine.Question{ActionProperties: map[string]any{"urgent": true}}},
		"so is the context":              {auto: `{"context.ip": "10.0.0.1"}`, question: "read vessel/v-1", ask: engine.Question{Context: map[string]any{"ip": "10.0.0.1"}}},
		"the clock":                      {auto: `{"time_range": ["09:30", "10:30"]}`, question: "read vessel/v-1", open: true, clock: true},
		"the clock is not the caller's":  {auto: `{"time_range": ["20:00", "21:00"]}`, question: "read vessel/v-1", ask: engine.Question{Context: map[string]any{"time": "2026-03-02T19:30:00Z"}}, clock: true},
		"nor what it says of it instead": {auto: `{"time_range": ["09:30", "10:30"]}`, question: "read vessel/v-1", ask: engine.Question{Context: map[string]any{"time": "2026-03-02T19:30:00Z"}}, open: true, clock: true},
		"the tenant":                     {auto: `{"tenant.code": "ACME"}`, question: "read vessel", open: true},
	} {
		g := newGround(t)
		g.tenant.AutoApprove = true
		g.node("vessel", "known", "", "")
		g.grant("crew", "allow read,write vessel/*")
		g.chain("gate", "gate", "vessel:*", c.auto)
		d := g.askWith(c.question, c.ask)
		require.Equal(t, c.open, d.Allowed, name)
		require.Equal(t, c.open, d.AutoApproved, name)
		require.Equal(t, g.id("gate"), d.Chain.ID, name)
		if c.open {
			require.Contains(t, d.Reason(), "the conditions of approval chain gate approve it", name)
		}
		g.tenant.AutoApprove = false
		require.Equal(t, engine.ApprovalRequired, g.askWith(c.question, c.ask).Code, name)
		g.tenant.AutoApprove = true
		if c.open {
			g.request("approved", "gate", "vessel", "v-1", "*", true, nil)
			g.request("approved node", "gate", "vessel", "#known", "*", true, nil)
			g.request("approved type", "gate", "vessel", "", "*", true, nil)
			d = g.askWith(c.question, c.ask)
			require.False(t, d.AutoApproved, "a person's approval comes first: %s", name)
			require.NotNil(t, d.RequestID)
		}
	}
}
