package pattern_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		crosses bool
		typ, id string
		want    bool
	}{
		{"*", false, "vessel", "a/b", true},
		{"*", false, "vessel", "", true},
		{"*", false, "api", "users", false},
		{"*/*", false, "api", "users", false},
		{"api/*", false, "api", "users", true},
		{"vessel/*", false, "vessel", "a/b/c", true},
		{"vessel/*", false, "vessel", "", true},
		{"vessel/**", false, "vessel", "", true},
		{"vessel/*", false, "port", "a", false},
		{"vessel/a", false, "vessel", "a", true},
		{"vessel/a", false, "vessel", "ab", false},
		{"vessel/a", false, "vessel", "", false},
		{"*/a", false, "vessel", "a", true},
		{"*/a", false, "api", "a", false},
		{"page/reports/*", false, "page", "reports/x", true},
		{"page/reports/*", false, "page", "reports/x/y", false},
		{"page/reports/*", true, "page", "reports/x/y", true},
		{"page/reports/**", false, "page", "reports/x/y", true},
		{"page/reports/**", false, "page", "reports", false},
		{"page/*/edit", true, "page", "a/b/edit", false},
		{"page/*/edit", true, "page", "a/edit", true},
		{"page/**/edit", false, "page", "a/b/edit", true},
		{"page/***", false, "page", "a/b", true},
		{"page/a***", false, "page", "a/b", true},
		{"page//home", false, "page", "/home", true},
		{"page/{a,b}", false, "page", "a", false},
		{"page/{a,b}", false, "page", "{a,b}", true},
		{"page/{id}/*", false, "page", "{id}/x", true},
		{"page/a?c*", false, "page", "abc", false},
		{"page/a?c*", false, "page", "a?c=1", true},
		{"page/[ab]*", false, "page", "a", false},
		{"page/[ab]*", false, "page", "[ab]1", true},
		{"page/ü*", false, "page", "über", true},
	} {
		p, err := pattern.Compile(tc.pattern, tc.crosses)
		require.NoError(t, err, tc.pattern)
		require.Equal(t, tc.want, p.Match(tc.typ, tc.id), "%s (%t) on %s/%s", tc.pattern, tc.crosses, tc.typ, tc.id)
	}
}

func TestCompile_RefusesWhatCouldBeReadInTwoWays(t *testing.T) {
	for _, bad := range []string{"", "vessel", "vessel/", "/x", "Vessel/x", "ves*/x", "vessel/a\\b", "vessel/\xff", "vessel/" + strings.Repeat("a", pattern.MaxLength), "v/" + strings.Repeat("a*", 9)} {
		_, err := pattern.Compile(bad, false)
		require.Error(t, err, bad)
	}
}

func TestSpecificity_RanksByClassThenByLiteralSegments(t *testing.T) {
	var last [2]int
	for _, in := range []string{"*", "*/a", "*/a/b", "a/*", "a/**/*", "a/b/*", "a/b*c", "a/b/c*", "a/b"} {
		p, err := pattern.Compile(in, false)
		require.NoError(t, err)
		class, literals := p.Specificity()
		require.GreaterOrEqual(t, slices.Compare([]int{class, literals}, last[:]), 0, in)
		last = [2]int{class, literals}
	}
	for in, want := range map[string]int{"*": 0, "*/a/b": 2, "a/b/*": 1, "a/b/c*": 2, "a/**/c": 1, "a/b*c": 2, "a/b/c": 0, "a/*": 0} {
		p, err := pattern.Compile(in, false)
		require.NoError(t, err)
		_, literals := p.Specificity()
		require.Equal(t, want, literals, in)
	}
}

func TestLiteral_IsOfPatternsForOneIDAlone(t *testing.T) {
	for in, want := range map[string]string{"v/a": "a", "v/a/b": "a/b", "v/{a,b}": "{a,b}", "*/a": "a", "v/*": "", "v/a/**": "", "v/a*": "", "v/*/a": "", "*": ""} {
		for _, crosses := range []bool{false, true} {
			p, err := pattern.Compile(in, crosses)
			require.NoError(t, err)
			id, ok := p.Literal()
			require.Equal(t, want, id, in)
			require.Equal(t, want != "", ok, in)
		}
	}
}

func TestMatch_IsBoundedForHostilePatterns(t *testing.T) {
	for _, star := range []string{"*", "**"} {
		p, err := pattern.Compile("v/"+strings.Repeat(star+"a", pattern.MaxWildcards)+"b", false)
		require.NoError(t, err)
		start := time.Now()
		require.False(t, p.Match("v", strings.Repeat("a", 255)))
		require.Less(t, time.Since(start), time.Second)
	}
}

// FuzzMatch holds the fast paths, gobwas and OPA's glob.match against each
// other.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"*", "a/b"}, {"a*", "ab"}, {"a/**/b", "a/x/y/b"}, {"{a,b}", "a"}, {"[a-c]?", "b1"}, {"a**", "a/b"}, {"a-!,]", "a-!,]"}} {
		f.Add(s[0], s[1])
	}
	q, err := rego.New(rego.Query(`x := glob.match(input.glob, ["/"], input.id)`)).PrepareForEval(context.Background())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, g, id string) {
		for _, crosses := range []bool{false, true} {
			p, err := pattern.Compile("t/"+g, crosses)
			if err != nil || id == "" || strings.ToValidUTF8(id, "") != id {
				return
			}
			_, norm := p.Normalised()
			rs, err := q.Eval(context.Background(), rego.EvalInput(map[string]any{"glob": norm, "id": id}))
			require.NoError(t, err)
			require.Len(t, rs, 1)
			require.Equal(t, rs[0].Bindings["x"], p.Match("t", id), "%q as %q on %q", g, norm, id)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, s := range []string{"vessel/*", "vessel/mv-atlas", "vessel/fleet/**", "vessel/fleet/*/log"} {
		p, err := pattern.Compile(s, false)
		require.NoError(b, err)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match("vessel", "fleet/mv-atlas/log")
			}
		})
	}
}
