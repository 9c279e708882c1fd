package models_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/models"
)

func TestStrings_ScanReadsArrayLiterals(t *testing.T) {
	for literal, want := range map[string]models.Strings{
		`{}`:                {},
		`{a,b}`:             {"a", "b"},
		`{"a,b","c\"d\\e"}`: {"a,b", `c"d\e`},
		`{""}`:              {""},
		`{"NULL"}`:          {"NULL"},
		`{read,*,"{x}"}`:    {"read", "*", "{x}"},
	} {
		var got models.Strings
		require.NoError(t, got.Scan(literal), literal)
		require.Equal(t, want, got, literal)
	}
	var got models.Strings
	require.NoError(t, got.Scan(nil))
	require.Nil(t, got)
}

func TestStrings_ScanRefusesTheRest(t *testing.T) {
	for _, literal := range []string{``, `{`, `a`, `{a`, `{a,}`, `{,a}`, `{NULL}`, `{{a}}`, `{"a}`, `{"a\`, `{"a"b}`, `{a}b`, `[0:0]={a}`} {
		require.Error(t, new(models.Strings).Scan(literal), literal)
	}
	require.Error(t, new(models.Strings).Scan(1))
}

func FuzzStrings(f *testing.F) {
	f.Add("a", `b"c`)
	f.Add(`\`, "")
	f.Add("NULL", "{,}")
	f.Fuzz(func(t *testing.T, a, b string) {
		in := models.Strings{a, b}
		literal, err := in.Value()
		require.NoError(t, err)
		var out models.Strings
		require.NoError(t, out.Scan(literal))
		require.True(t, slices.Equal(in, out))
		_ = new(models.Strings).Scan(strings.Join(in, ","))
	})
}

func TestJSON_KeepsTheText(t *testing.T) {
	row := struct{ Settings models.JSON }{models.JSON(`{"n":1.10}`)}
	text, err := json.Marshal(row)
	require.NoError(t, err)
	require.Contains(t, string(text), "1.10")
	require.NoError(t, json.Unmarshal([]byte(`{"Settings":{"m":2.00}}`), &row))
	require.Equal(t, `{"m":2.00}`, string(row.Settings))

	value, err := models.JSON(nil).Value()
	require.NoError(t, err)
	require.Nil(t, value)
	require.Error(t, row.Settings.Scan(1))
}
