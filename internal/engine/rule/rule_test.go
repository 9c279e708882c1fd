package rule_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/rule"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var v any
	require.NoError(t, decoder.Decode(&v), text)
	return v
}

func compile(t *testing.T, dataType, rules string) (*rule.Rules, []fault.Field) {
	t.Helper()
	return rule.Compile(dataType, decode(t, rules).(map[string]any))
}

func TestCompile_RefusesRulesThatCannotHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, dataType, rules, path string }{
		{"an unknown type", "money", `{}`, ""},
		{"an unknown rule", "string", `{"regex":"x"}`, "regex"},
		{"a long unknown rule", "string", `{"` + strings.Repeat("x", 101) + `":1}`, strings.Repeat("x", 100) + "…"},
		{"a broken pattern", "string", `{"pattern":"("}`, "pattern"},
		{"a pattern that looks ahead", "string", `{"pattern":"(?=x)"}`, "pattern"},
		{"a pattern that is no text", "string", `{"pattern":1}`, "pattern"},
		{"a long pattern", "string", `{"pattern":"` + strings.Repeat("x", 501) + `"}`, "pattern"},
		{"a pattern that multiplies", "string", `{"pattern":"(?:` + strings.Repeat("x", 300) + `){100}"}`, "pattern"},
		{"a pattern that multiplies itself", "string", `{"pattern":"((x{30}){20}){4}"}`, "pattern"},
		{"a pattern without an end that multiplies", "string", `{"pattern":"((x{30,}){20}|y){4}"}`, "pattern"},
		{"a pattern of a number", "number", `{"pattern":"x"}`, "pattern"},
		{"a pattern of a boolean", "boolean", `{"pattern":"x"}`, "pattern"},
		{"a minimum of a text", "string", `{"min":1}`, "min"},
		{"a minimum that is no number", "number", `{"min":"1"}`, "min"},
		{"a minimum that is not whole", "integer", `{"min":1.5}`, "min"},
		{"a minimum beyond comparing", "number", `{"min":1e305}`, "min"},
		{"a minimum above the maximum", "number", `{"min":0.30000000000000001,"max":0.3}`, "max"},
		{"a minimum day after the maximum", "date", `{"min":"2026-02-01","max":"2026-01-31"}`, "max"},
		{"a day that is not there", "date", `{"min":"2026-02-30"}`, "min"},
		{"a day as a moment", "datetime", `{"max":"2026-02-01"}`, "max"},
		{"a negative length", "string", `{"min_length":-1}`, "min_length"},
		{"a length that is not whole", "string", `{"max_length":1.5}`, "max_length"},
		{"an enormous length", "array", `{"max_length":1000001}`, "max_length"},
		{"lengths in the wrong order", "text", `{"min_length":3,"max_length":2}`, "max_length"},
		{"a length of an object", "object", `{"max_length":2}`, "max_length"},
		{"required as text", "json", `{"required":"yes"}`, "required"},
		{"an unknown format", "string", `{"format":"phone"}`, "format"},
		{"a format of an integer", "integer", `{"format":"email"}`, "format"},
		{"no enum", "enum", `{}`, "enum"},
		{"an empty enum", "enum", `{"enum":[]}`, "enum"},
		{"an enum that is no list", "enum", `{"enum":"a"}`, "enum"},
		{"an enum of a number", "enum", `{"enum":["a",1]}`, "enum[1]"},
		{"an enum with one twice", "number", `{"enum":[1,1.0]}`, "enum[1]"},
		{"an enum of texts for integers", "integer", `{"enum":["1"]}`, "enum[0]"},
		{"an enum of a boolean", "boolean", `{"enum":[true]}`, "enum"},
		{"an enum of a long text", "enum", `{"enum":["` + strings.Repeat("x", 501) + `"]}`, "enum[0]"},
	} {
		rules, fields := compile(t, c.dataType, c.rules)
		require.Nil(t, rules, c.name)
		require.Len(t, fields, 1, "%s: %v", c.name, fields)
		require.Equal(t, c.path, fields[0].Path, c.name)
		require.NotEmpty(t, fields[0].Message, c.name)
	}
}

func TestCompile_NamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, fields := compile(t, "string", `{"pattern":"(","min":1,"nonsense":1,"min_length":-1}`)
	var paths []string
	for _, f := range fields {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{"min", "min_length", "nonsense", "pattern"}, paths)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	uuid := "0192d1a5-2f6c-7c39-9a3e-1b2c3d4e5f60"
	for _, c := range []struct {
		dataType, rules string
		good, bad       []string
	}{
		{"string", `{}`, []string{`"x"`, `""`, `null`}, []string{`1`, `true`, `[]`, `{}`}},
		{"string", `{"pattern":"^[A-Z]{3}$","max_length":3}`, []string{`"ABC"`}, []string{`"abc"`, `"ABCD"`, `""`}},
		{"text", `{"pattern":"^x*$"}`, []string{`"` + strings.Repeat("x", rule.MaxMatched) + `"`}, []string{`"` + strings.Repeat("x", rule.MaxMatched+1) + `"`}},
		{"string", `{"pattern":"^(?:[a-z]{1,50}-){1,15}é?$"}`, []string{`"abc-de-"`}, []string{`"abc"`}},
		{"text", `{"min_length":2,"max_length":3}`, []string{`"éé"`, `"ééé"`}, []string{`"é"`, `"éééé"`}},
		{"string", `{"enum":["a","b"]}`, []string{`"a"`}, []string{`"A"`, `"c"`}},
		{"enum", `{"enum":["a","b"]}`, []string{`"b"`}, []string{`"c"`, `1`}},
		{"integer", `{}`, []string{`3`, `-3`, `3.0`, `3e2`, `9007199254740993`, `123456789012345678901234567890`}, []string{`3.5`, `1e-1`, `"3"`, `1e305`}},
		{"integer", `{"min":9007199254740993}`, []string{`9007199254740993`, `9007199254740994`}, []string{`9007199254740992`}},
		{"number", `{"min":0.1,"max":0.3}`, []string{`0.1`, `0.10`, `0.3`, `3e-1`}, []string{`0.09999999999999999999`, `0.30000000000000000001`, `true`}},
		{"number", `{"enum":[1,2.50]}`, []string{`1.0`, `2.5`}, []string{`2`}},
		{"boolean", `{"required":true}`, []string{`true`, `false`}, []string{`"true"`, `0`}},
		{"date", `{"min":"2026-01-01","max":"2026-12-31"}`, []string{`"2026-01-01"`, `"2026-12-31"`}, []string{`"2025-12-31"`, `"2027-01-01"`, `"2026-02-30"`, `"2026-1-1"`, `20260101`}},
		{"date", `{"enum":["2026-01-01"]}`, []string{`"2026-01-01"`}, []string{`"2026-01-02"`}},
		{"datetime", `{"min":"2026-01-01T00:00:00Z"}`, []string{`"2026-01-01T00:00:00Z"`, `"2026-01-01T02:00:00+02:00"`}, []string{`"2026-01-01T01:00:00+02:00"`, `"2026-01-01"`, `1`}},
		{"uuid", `{}`, []string{`"` + uuid + `"`, `"` + strings.ToUpper(uuid) + `"`}, []string{`"{` + uuid + `}"`, `"x"`, `1`}},
		{"uuid", `{"enum":["` + uuid + `"]}`, []string{`"` + strings.ToUpper(uuid) + `"`}, []string{`"1192d1a5-2f6c-7c39-9a3e-1b2c3d4e5f60"`}},
		{"reference", `{"max_length":5}`, []string{`"mv-a"`, `"a/b"`}, []string{`""`, `"../x"`, `"mv-aurora"`, `"a*"`, `1`}},
		{"array", `{"min_length":1,"max_length":2}`, []string{`[1]`, `["a",{}]`}, []string{`[]`, `[1,2,3]`, `{}`, `"x"`}},
		{"object", `{}`, []string{`{}`, `{"a":1}`}, []string{`[]`, `"x"`}},
		{"json", `{}`, []string{`1`, `"x"`, `[]`, `{}`, `true`}, nil},
		{"string", `{"format":"email"}`, []string{`"a@b.example"`}, []string{`"a"`, `"Ann <a@b.example>"`}},
		{"string", `{"format":"uri"}`, []string{`"https://a.example/x"`, `"urn:isbn:1"`}, []string{`"/x"`, `"a b://"`, `"x:"`}},
		{"string", `{"format":"hostname"}`, []string{`"a.b-c.example"`, `"localhost"`}, []string{`"-a"`, `"a..b"`, `"a_b"`, `"` + strings.Repeat("a.", 127) + `"`}},
		{"string", `{"format":"ipv4"}`, []string{`"10.0.0.1"`}, []string{`"10.0.0"`, `"::1"`}},
		{"string", `{"format":"ipv6"}`, []string{`"::1"`}, []string{`"10.0.0.1"`, `"fe80::1%eth0"`}},
		{"string", `{"format":"uuid"}`, []string{`"` + uuid + `"`}, []string{`"x"`}},
		{"string", `{"format":"date"}`, []string{`"2026-01-31"`}, []string{`"2026-02-31"`}},
		{"string", `{"format":"date-time"}`, []string{`"2026-01-31T00:00:00Z"`}, []string{`"2026-01-31"`}},
		{"string", `{"format":"time"}`, []string{`"23:59:59"`, `"23:59:59.5"`}, []string{`"24:00:00"`, `"9"`}},
	} {
		rules, fields := compile(t, c.dataType, c.rules)
		require.Empty(t, fields, "%s %s", c.dataType, c.rules)
		for _, value := range c.good {
			require.Empty(t, rules.Check(decode(t, value)), "%s %s: %s", c.dataType, c.rules, value)
		}
		for _, value := range c.bad {
			require.NotEmpty(t, rules.Check(decode(t, value)), "%s %s: %s", c.dataType, c.rules, value)
		}
	}
}

func TestCheck_SaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	rules, fields := compile(t, "string", `{"pattern":"^x","min_length":4,"format":"email","enum":["a","b","c","d","e","f","g","h","i","j","k"]}`)
	require.Empty(t, fields)
	require.Equal(t, []string{
		"must have at least 4 characters", "must match the pattern ^x", "must have the format email",
		"must be one of a, b, c, d, e, f, g, h, i, j, and 1 more",
	}, rules.Check("z"))
}

// Rules may come from a decoder that knows Go's own numbers.
func TestCompile_TakesGoNumbers(t *testing.T) {
	t.Parallel()
	rules, fields := rule.Compile(rule.Number, map[string]any{"min": 1, "max": 2.5, "enum": []any{int64(1), 2}, "required": true})
	require.Empty(t, fields)
	require.True(t, rules.Required)
	require.Empty(t, rules.Check(json.Number("2")))
	require.Len(t, rules.Check(json.Number("3")), 2)
	_, fields = rule.Compile(rule.String, map[string]any{"max_length": uint8(1)})
	require.Len(t, fields, 1)
}

// FuzzCompile looks for rules that crash, and for values that crash those that
// do not.
func FuzzCompile(f *testing.F) {
	f.Add("string", `{"pattern":"^[a-z]+$","format":"uri"}`, `"x"`)
	f.Add("number", `{"min":1e-299,"max":1e299,"enum":[1]}`, `1`)
	f.Add("date", `{"min":"0000-01-01"}`, `"9999-12-31"`)
	f.Fuzz(func(t *testing.T, dataType, rules, value string) {
		var members map[string]any
		if json.Unmarshal([]byte(rules), &members) != nil {
			return
		}
		compiled, fields := rule.Compile(dataType, members)
		require.Equal(t, compiled == nil, len(fields) > 0)
		var v any
		if compiled != nil && json.Unmarshal([]byte(value), &v) == nil {
			compiled.Check(v)
		}
	})
}
