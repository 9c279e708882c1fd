package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
)

var tenant, above = uuid.New(), uuid.New()

// build makes a graph of n nodes in one tenant, linked by pairs of indexes.
func build(t testing.TB, n int, links ...[2]int) *rbac.Graph {
	t.Helper()
	nodes := make([]rbac.Node, n)
	for i := range nodes {
		nodes[i] = rbac.Node{Key: key(i), Domain: tenant}
	}
	rules := make([][]string, len(links))
	for i, l := range links {
		rules[i] = []string{key(l[0]), key(l[1]), tenant.String()}
	}
	g, err := rbac.Build(nodes, rules)
	require.NoError(t, err)
	return g
}

func key(i int) string { return fmt.Sprint("role:", i) }

func TestBuild_FollowsChainsToTheirEnd(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{1, 9, 10, 11, 63, rbac.MaxDepth} {
		links := make([][2]int, steps)
		for i := range links {
			links[i] = [2]int{i, i + 1}
		}
		g := build(t, steps+1, links...)
		require.Len(t, g.Reach(0), steps+1, "%d steps", steps)
		require.Len(t, g.Path([]int32{0}, int32(steps)), steps+1)
		require.Equal(t, steps, g.Depth())
		require.Len(t, g.Holders(int32(steps)), steps+1)
	}
}

func TestBuild_IgnoresWhatTakesNoPart(t *testing.T) {
	t.Parallel()
	g, err := rbac.Build([]rbac.Node{{Key: "role:a", Domain: tenant}}, [][]string{
		{"role:a", "role:inactive", tenant.String()}, {"role:inactive", "role:a", tenant.String()},
	})
	require.NoError(t, err)
	require.Equal(t, []int32{0}, g.Reach(0))
	require.Empty(t, g.Next(0))
	require.Equal(t, 1, g.Len())
	_, ok := g.Index("role:inactive")
	require.False(t, ok)
}

func TestBuild_FollowsARoleOfAnotherTenantInItsOwn(t *testing.T) {
	t.Parallel()
	nodes := []rbac.Node{{"group:g", tenant}, {"role:parent", above}, {"role:grandparent", above}}
	g, err := rbac.Build(nodes, [][]string{
		{"group:g", "role:parent", tenant.String()}, {"role:parent", "role:grandparent", above.String()},
	})
	require.NoError(t, err)
	require.Equal(t, []int32{0, 1, 2}, g.Reach(0))
	require.Equal(t, nodes[2], g.Node(2))

	// The same link said by the wrong tenant means nothing.
	g, err = rbac.Build(nodes, [][]string{
		{"group:g", "role:parent", tenant.String()}, {"role:parent", "role:grandparent", tenant.String()},
	})
	require.NoError(t, err)
	require.NotContains(t, g.Next(1), int32(2))
}

func TestGraph_DepthOfACycleIsBeyondAnyLimit(t *testing.T) {
	t.Parallel()
	require.Greater(t, build(t, 2, [2]int{0, 1}, [2]int{1, 0}).Depth(), rbac.MaxDepth)
}

func TestGraph_PathIsTheShortest(t *testing.T) {
	t.Parallel()
	g := build(t, 6, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 3}, [2]int{4, 3})
	require.Equal(t, []int32{4, 3}, g.Path([]int32{0, 4, 4}, 3))
	require.Equal(t, []int32{3}, g.Path([]int32{3}, 3))
	require.Nil(t, g.Path([]int32{0, 4}, 5))
}

// Against a closure made in the plainest way.
func TestBuild_ReachIsTheClosure(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		const n = 20
		var links [][2]int
		linked := [n][n]bool{}
		for range 30 {
			a, b := r.IntN(n), r.IntN(n)
			if a < b && !linked[a][b] {
				linked[a][b] = true
				links = append(links, [2]int{a, b})
			}
		}
		for i := range n {
			linked[i][i] = true
		}
		for k := range n {
			for i := range n {
				for j := range n {
					linked[i][j] = linked[i][j] || linked[i][k] && linked[k][j]
				}
			}
		}
		g := build(t, n, links...)
		for i := range n {
			var want, holders []int32
			for j := range n {
				if linked[i][j] {
					want = append(want, int32(j))
				}
				if linked[j][i] {
					holders = append(holders, int32(j))
				}
			}
			require.Equal(t, want, g.Reach(int32(i)))
			require.Equal(t, holders, g.Holders(int32(i)))
			require.Equal(t, slices.Contains(want, n-1), g.Path([]int32{int32(i)}, n-1) != nil)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for name, want := range map[string]rbac.Kind{rbac.Role(id): rbac.RoleKind, rbac.Group(id): rbac.GroupKind} {
		kind, got := rbac.Parse(name)
		require.Equal(t, want, kind)
		require.Equal(t, id, got)
	}
	for _, name := range []string{"", "role", "role:x", "user:" + id.String()} {
		kind, _ := rbac.Parse(name)
		require.Empty(t, kind, name)
	}
}
