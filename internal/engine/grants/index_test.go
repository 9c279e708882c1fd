package grants_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

func grant(t testing.TB, path string, effect grants.Effect, actions []string, owners ...int32) *grants.Grant {
	t.Helper()
	p, err := pattern.Compile(path, effect == grants.Deny)
	require.NoError(t, err)
	typ, _ := p.Normalised()
	return &grants.Grant{ID: uuid.New(), Name: path, Effect: effect, Actions: actions, ResourceType: typ, Path: path, Pattern: p, Owners: owners}
}

func TestIndex_Candidates(t *testing.T) {
	t.Parallel()
	read := []string{"read"}
	node := uuid.New()
	onNode := &grants.Grant{ID: uuid.New(), Effect: grants.Allow, Actions: []string{"*"}, ResourceType: "service", Node: node, Owners: []int32{2}}
	all := []*grants.Grant{
		0: grant(t, "vessel/*", grants.Allow, read, 0, 1),
		1: grant(t, "vessel/v-1", grants.Allow, []string{"read", "update"}, 1),
		2: grant(t, "*/*", grants.Allow, []string{"*", "read"}, 3),
		3: grant(t, "api/*", grants.Allow, read, 3),
		4: grant(t, "api/*", grants.Deny, read, 3),
		5: grant(t, "vessel/eu/**", grants.Deny, []string{"*"}, 0),
		6: onNode,
		7: grant(t, "*/shared", grants.Allow, read, 2),
	}
	x := grants.NewIndex(all)
	require.Equal(t, all, x.All())
	require.Equal(t, []*grants.Grant{all[2], all[3], all[4]}, x.OfRole(3))
	require.Equal(t, []uuid.UUID{node}, x.Relevant([]uuid.UUID{uuid.New(), node}, nil))
	require.True(t, all[3].IsAPI())
	require.True(t, all[3].Unconditional())

	for name, c := range map[string]struct {
		roles  []int32
		target grants.Target
		want   []int
	}{
		"an instance":                    {[]int32{0}, grants.Target{Type: "vessel", Action: "read", ID: "v-1", HasID: true}, []int{0}},
		"one of two owners is enough":    {[]int32{1}, grants.Target{Type: "vessel", Action: "read", ID: "v-1", HasID: true}, []int{0, 1}},
		"each once":                      {[]int32{0, 1}, grants.Target{Type: "vessel", Action: "read", ID: "v-1", HasID: true}, []int{0, 1}},
		"another action":                 {[]int32{0, 1}, grants.Target{Type: "vessel", Action: "update", ID: "v-1", HasID: true}, []int{1}},
		"of the type":                    {[]int32{0, 1}, grants.Target{Type: "vessel", Action: "read"}, []int{0}},
		"every type and action":          {[]int32{3}, grants.Target{Type: "anything", Action: "fly", ID: "x", HasID: true}, []int{2}},
		"but api":                        {[]int32{2, 3}, grants.Target{Type: "api", Action: "read", ID: "shared", HasID: true, Nodes: []uuid.UUID{node}}, []int{3}},
		"a deny of every action":         {[]int32{0}, grants.Target{Type: "vessel", Action: "fly", ID: "eu/a/b", HasID: true}, []int{5}},
		"a node":                         {[]int32{2}, grants.Target{Type: "page", Action: "fly", ID: "x", HasID: true, Nodes: []uuid.UUID{uuid.New(), node}}, []int{6}},
		"a literal of every type":        {[]int32{2}, grants.Target{Type: "page", Action: "read", ID: "shared", HasID: true}, []int{7}},
		"other roles have nothing of it": {[]int32{4, 5, 6}, grants.Target{Type: "vessel", Action: "read", ID: "v-1", HasID: true}, nil},
		"no role":                        {nil, grants.Target{Type: "vessel", Action: "read", ID: "v-1", HasID: true}, nil},
	} {
		got := []int{}
		for _, g := range x.Candidates(nil, c.roles, &c.target) {
			got = append(got, slices.Index(all, g))
		}
		require.ElementsMatch(t, c.want, got, name)
	}
}

// The index against a walk over everything.
func TestIndex_FindsWhatAWalkFinds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	paths := []string{"a/*", "a/1", "a/2", "b/*", "*/*", "*/1", "a/1/**", "api/*", "api/1"}
	types, ids, actions := []string{"a", "b", "api"}, []string{"", "1", "2", "1/x", "3"}, []string{"r", "w", "*"}
	for range 100 {
		all := make([]*grants.Grant, r.IntN(40))
		for i := range all {
			effect := grants.Allow
			if r.IntN(3) == 0 {
				effect = grants.Deny
			}
			owners := []int32{int32(r.IntN(8))}
			if o := int32(r.IntN(8)); o > owners[0] {
				owners = append(owners, o)
			}
			all[i] = grant(t, paths[r.IntN(len(paths))], effect, []string{actions[r.IntN(3)]}, owners...)
		}
		x := grants.NewIndex(all)
		for range 50 {
			var roles []int32
			for role := range int32(8) {
				if r.IntN(3) == 0 {
					roles = append(roles, role)
				}
			}
			id := ids[r.IntN(len(ids))]
			target := grants.Target{Type: types[r.IntN(3)], Action: actions[r.IntN(2)], ID: id, HasID: id != ""}
			var want []*grants.Grant
			for _, g := range all {
				owned := slices.ContainsFunc(g.Owners, func(o int32) bool { return slices.Contains(roles, o) })
				reaches := target.HasID && g.Pattern.Match(target.Type, id) || !target.HasID && g.Pattern.TypeWide() && g.Pattern.Match(target.Type, "x")
				if owned && reaches && g.HasAction(target.Action) && (target.Type != "api" || g.Effect == grants.Allow) {
					want = append(want, g)
				}
			}
			require.ElementsMatch(t, want, x.Candidates(nil, roles, &target), "%+v %v", target, roles)
			require.ElementsMatch(t, x.Candidates(nil, []int32{0, 1, 2, 3, 4, 5, 6, 7}, &target), x.Reaching(&target), "%+v", target)
		}
	}
}
