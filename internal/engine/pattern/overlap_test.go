package pattern_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/pattern"
)

func compiled(t rapid.TB, path string, crosses bool) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(path, crosses)
	require.NoError(t, err)
	return p
}

func TestPattern_GlobIsWrittenAsInAPermission(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{"*": "*", "**": "*", "a": "a", "a*": "a*", "a/**": "a/**", "***/b": "**/b", "{x,y}-[1]?*": "{x,y}-[1]?*"} {
		require.Equal(t, want, compiled(t, "t/"+written, false).Glob())
	}
	require.Equal(t, "a**", compiled(t, "t/a*", true).Glob(), "in a deny or a chain the last star crosses")
	require.Equal(t, compiled(t, "t/*", false), pattern.Every("t"))
	require.Equal(t, compiled(t, "t/{a}/b", false), pattern.One("t", "{a}/b"))
	require.Equal(t, compiled(t, "t/a*", false), compiled(t, "*/a*", false).Of("t"))
}

func TestPattern_Overlaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b     string
		overlaps bool
	}{
		{"t/*", "t/a", true},
		{"t/*", "u/a", false},
		{"*/*", "u/a", true},
		{"*/*", "api/users", false},
		{"api/*", "api/users", true},
		{"t/a", "t/a", true},
		{"t/a", "t/b", false},
		{"t/a*", "*/ab", true},
		{"t/a*", "t/b*", false},
		{"t/a/**", "t/a/b/*", true},
		{"t/*/x", "t/a*/y", false},
		{"t/*/x", "t/a**", true},
		{"t/{a}/**", "t/{a}/b*", true},
	} {
		a, b := compiled(t, c.a, false), compiled(t, c.b, false)
		require.Equal(t, c.overlaps, a.Overlaps(b), "%s and %s", c.a, c.b)
		require.Equal(t, c.overlaps, b.Overlaps(a), "%s and %s", c.b, c.a)
	}
}

func TestPattern_WhatMatchesBothOverlaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		path := rapid.Custom(func(r *rapid.T) string {
			return rapid.SampledFrom([]string{"t", "u", "*"}).Draw(r, "type") + "/" + rapid.StringOfN(rapid.SampledFrom([]rune("ab/*{")), 1, 6, -1).Draw(r, "glob")
		})
		a, b := compiled(r, path.Draw(r, "a"), rapid.Bool().Draw(r, "crosses")), compiled(r, path.Draw(r, "b"), false)
		for range 20 {
			id := rapid.StringOfN(rapid.SampledFrom([]rune("ab/{")), 1, 6, -1).Draw(r, "id")
			if a.Match("t", id) && b.Match("t", id) {
				require.True(r, a.Overlaps(b) && b.Overlaps(a), "%s", id)
			}
			if a.Covers(b) && b.Match("t", id) {
				require.True(r, a.Match("t", id), "%s", id)
			}
			if glob := a.Glob(); strings.Trim(glob, "*") != "" || glob == "*" {
				require.Equal(r, a.MatchID(id), compiled(r, "t/"+glob, false).MatchID(id), "the glob reads back as the same")
			}
		}
	})
}
