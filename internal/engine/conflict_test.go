package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
)

// harbourTree is pier below dock, and the node that stands for all cranes below
// pier.
func harbourTree(t *testing.T) *ground {
	g := newGround(t)
	g.node("service", "dock", "", "")
	g.node("page", "pier", "dock", "")
	g.node("entity", "crane", "pier", "")
	return g
}

func TestMostSpecific_TheMoreSpecificWins(t *testing.T) {
	t.Parallel()
	const pier, crane = "read page/pier", "read crane/c/1"
	for name, c := range map[string]struct {
		question    string
		allow, deny string
		code        engine.Code
	}{
		"the node over a pattern for its code":     {pier, "allow read #pier", "deny read page/pier", engine.Granted},
		"a pattern for one id loses to the node":   {pier, "allow read page/pier", "deny read #pier", engine.ExplicitDeny},
		"one id over the node above":               {pier, "allow read page/pier", "deny read #dock", engine.Granted},
		"the node above loses to one id":           {pier, "allow read #dock", "deny read page/pier", engine.ExplicitDeny},
		"the nearer node":                          {crane, "allow read #crane", "deny read #dock", engine.Granted},
		"the farther node loses":                   {crane, "allow read #dock", "deny read #pier", engine.ExplicitDeny},
		"the node above over a glob":               {crane, "allow read #dock", "deny read crane/c/*", engine.Granted},
		"a glob loses to the node above":           {crane, "allow read crane/c/*", "deny read #dock", engine.ExplicitDeny},
		"a glob with more literal segments":        {crane, "allow read crane/c/1*", "deny read crane/c/**", engine.Granted},
		"a glob with fewer":                        {crane, "allow read crane/c/**", "deny read crane/c/1*", engine.ExplicitDeny},
		"a glob over the type":                     {crane, "allow read crane/c/**", "deny read crane/*", engine.Granted},
		"the type loses to a glob":                 {crane, "allow read crane/*", "deny read crane/c/**", engine.ExplicitDeny},
		"the type over every type":                 {crane, "allow read crane/*", "deny read */c/1", engine.Granted},
		"every type loses to the type":             {crane, "allow read */c/1", "deny read crane/*", engine.ExplicitDeny},
		"of every type the one with more literals": {crane, "allow read */c/1", "deny read */c/**", engine.Granted},
		"equal: the deny":                          {crane, "allow read crane/*", "deny * crane/*", engine.ExplicitDeny},
		"a deny alone":                             {crane, "allow write crane/*", "deny read */*", engine.ExplicitDeny},
		"a deny that may count outdone":            {crane, "allow read crane/c/1", `deny read crane/* ?{"x": 1}`, engine.Granted},
		"an allow that does not count":             {crane, `allow read crane/c/1 ?{"x": 1}`, "deny read crane/*", engine.ExplicitDeny},
		"about the type, the node of all":          {"read crane", "allow read #crane", "deny read crane/*", engine.Granted},
	} {
		g := harbourTree(t)
		g.tenant.Conflict = engine.MostSpecific
		allow, deny := g.grant("crew", c.allow), g.grant("crew", c.deny)
		d := g.ask(c.question)
		require.Equal(t, c.code, d.Code, name)
		want := []string{deny}
		if d.Allowed {
			want = []string{allow}
		}
		require.Equal(t, want, g.matched(d), name)
		g.tenant.Conflict = engine.DenyOverrides
		require.Equal(t, engine.ExplicitDeny, g.ask(c.question).Code, name)
	}
}

func TestMostSpecific_PriorityOfTheOwnersBreaksTies(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.tenant.Conflict = engine.MostSpecific
	g.role("mate", 20, true)
	g.role("captain", 30, false)
	deny, allow := g.grant("crew", "deny read vessel/*"), g.grant("mate", "allow read vessel/*")
	require.Equal(t, []string{allow}, g.matched(g.ask("read vessel/v-1")))
	g.own("captain", deny)
	require.Equal(t, engine.Granted, g.ask("read vessel/v-1").Code, "a role that the subject has not does not count")
	g.own("mate", deny)
	d := g.ask("read vessel/v-1")
	require.Equal(t, engine.ExplicitDeny, d.Code)
	require.Equal(t, []string{deny}, g.matched(d))
}

func TestMostSpecific_OnlyWhatOutdoesTheOtherSideCounts(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.tenant.Conflict = engine.MostSpecific
	g.grant("crew", "allow read vessel/*")
	glob := g.grant("crew", "deny read vessel/a/**")
	one := g.grant("crew", "allow read vessel/a/1")
	require.Equal(t, []string{one}, g.matched(g.ask("read vessel/a/1")))
	d := g.ask("read vessel/a/2")
	require.Equal(t, []any{engine.ExplicitDeny, []string{glob}}, []any{d.Code, g.matched(d)})

	g.grant("crew", "deny read */*")
	exact := g.grant("crew", "deny * vessel/a/1")
	d = g.ask("read vessel/a/1")
	require.Equal(t, []any{engine.ExplicitDeny, []string{exact}}, []any{d.Code, g.matched(d)}, "denies that an allow outdoes did not decide")
	require.Len(t, g.matched(g.ask("read vessel/a/3")), 1)
	require.Equal(t, engine.NoMatchingPermission, g.ask("write vessel/b").Code)
}

func TestMostSpecific_IsNothingToTheAPI(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.tenant.Conflict = engine.MostSpecific
	g.grant("crew", "allow read api/users")
	g.grant("crew", "deny read */*")
	g.grant("crew", "deny read api/*")
	require.True(t, g.ask("read api/users").Allowed)
}
