package yaml

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDecode_KeepsNumbersAndTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: 1.50":                               `{"a":1.50}`,
		"a: 123456789012345678901234567890.5":   `{"a":123456789012345678901234567890.5}`,
		"a: 1e3":                                `{"a":1e3}`,
		"a: no":                                 `{"a":"no"}`,
		"a: ~":                                  `{"a":null}`,
		"a:":                                    `{"a":null}`,
		"a: True":                               `{"a":true}`,
		"a: 2026-01-02":                         `{"a":"2026-01-02"}`,
		`a: "0755"`:                             `{"a":"0755"}`,
		"a: |\n  one\n  two\n":                  `{"a":"one\ntwo\n"}`,
		"a: &x [1, b]\nc: *x":                   `{"a":[1,"b"],"c":[1,"b"]}`,
		"- {}\n- []\n":                          `[{},[]]`,
		`{"a": [1, "b", null, true, {"c": 2}]}`: `{"a":[1,"b",null,true,{"c":2}]}`,
	} {
		d, err := Decode([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, string(d.JSON), text)
	}
}

func TestDecode_RefusesWhatHasTwoMeanings(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		name, last := "a"+string(rune('1'+i)), "*a"+string(rune('0'+i))
		bomb += name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat(last+", ", 10), ", ") + "]\n"
	}
	for text, want := range map[string]string{
		"":                           "nothing in it",
		"a: 1\na: 2":                 "line 2: a is given twice",
		"a: 1\n---\nb: 2":            "a second document",
		"a: !!str 1":                 "tags such as !!str",
		"a: !x b":                    "tags",
		"a: 0755":                    "line 1: 0755 means different things",
		"a: 0x1F":                    "different things",
		"a: 1_000":                   "different things",
		"a: .inf":                    "different things",
		"a: +1":                      "different things",
		"true: 1":                    `write "true"`,
		"1: a":                       `write "1"`,
		"? [a]\n: b":                 "must be a text",
		"a: &x {b: 1}\nc:\n  <<: *x": "merge keys",
		"a: [":                       "line 1",
		"a: &a [*a]":                 "deeper than 64",
		strings.Repeat("[", 70):      "line",
		bomb:                         "aliases stand for more",
		"a: b\n\tc: d":               "line",
		strings.Repeat("[", 66) + strings.Repeat("]", 66): "deeper than 64",
	} {
		_, err := Decode([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestDecode_KnowsTheLines(t *testing.T) {
	t.Parallel()
	d, err := Decode([]byte("version: 1\nroles:\n  - name: a\n    nam: b\n  - name: c\n"))
	require.NoError(t, err)
	require.Equal(t, 1, d.Lines["version"])
	require.Equal(t, 4, d.Lines["roles[0].nam"])
	require.Equal(t, 5, d.Lines["roles[1]"])
	require.Zero(t, d.Lines["roles[2]"])
}

func TestEncode_IsForPeople(t *testing.T) {
	t.Parallel()
	out, err := Encode([]byte(`{"version":1,"roles":[{"name":"captain","parent":"no","permissions":["Read vessels","vessel:mv-aurora","0755"],"metadata":{"a":{"b":[{"c":1.0}]},"e":{}}},{"name":"x"}],"groups":[]}`),
		map[string]string{"roles": "What people do.\nAll of it."})
	require.NoError(t, err)
	require.Equal(t, `version: 1

# What people do.
# All of it.
roles:
  - name: captain
    parent: "no"
    permissions: [Read vessels, vessel:mv-aurora, "0755"]
    metadata:
      a:
        b:
          - c: 1.0
      e: {}
  - name: x
groups: []
`, string(out))
	for _, bad := range []string{"", "{", `{"a"`, `{"a":`, "[", "[1", `{"a":[`} {
		_, err := Encode([]byte(bad), nil)
		require.Error(t, err, bad)
	}
}

// TestEncode_IsReadBackAsItWas tries random documents of the texts that YAML is
// known to take for something else.
func TestEncode_IsReadBackAsItWas(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-?:,\[\]{}#&*!|>'"%@`+"`"+` a0.~=<\n\t]{0,6}`), rapid.SampledFrom([]string{
		"no", "y", "On", "null", "~", "NaN", ".inf", "1", "1.0", "1e3", "0755", "0o17", "0x1f", "1_000", "12:30:45", "2026-01-02", "a: b", "a #b", "a:", "- a", "? a", "<<", "=", "---", "...",
		"\u0085", "\u2028", "\ufeff", "\x7f", "\u009f", "\U0001F6A2", "a\r\nb", " ", "",
	}))
	var value *rapid.Generator[any]
	value = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return rapid.MapOfN(text, rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "object")
		case 1:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "list")
		case 2:
			return json.Number(rapid.SampledFrom([]string{"0", "-1.50", "1e300", "123456789012345678901234567890"}).Draw(t, "number"))
		case 3:
			return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "word")
		default:
			return text.Draw(t, "text")
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		in, err := json.Marshal(value.Draw(r, "document"))
		require.NoError(t, err)
		out, err := Encode(in, nil)
		require.NoError(t, err)
		back, err := Decode(out)
		require.NoError(t, err, "%s\n%s", in, out)
		require.Equal(t, compact(t, in), compact(t, back.JSON), "%s", out)
	})
}

func compact(t *testing.T, raw []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a: [1, {b: c}]"))
	f.Add([]byte("a: &x b\nc: *x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := Decode(data); err == nil {
			require.True(t, json.Valid(d.JSON), "%s", d.JSON)
		}
	})
}
