package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCheckJSON_Accepts(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `false`, ` "x" `, `0`, `-0`, `-1.5e+3`, `1E5`, `[1,[2,{"a":[]}]]`,
		`{"a":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}`, "{\"é\":\"😀\"}", `{"":1}`, `{"a":1,"A":2}`,
		strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("1", 64),
		`[{"a":1},{"a":1}]`, "\t\r\n{ \"a\" : 1 , \"b\" : [ ] }\n",
	} {
		require.Empty(t, checkJSON([]byte(text)), text)
	}
}

func TestCheckJSON_RefusesAndNamesThePlace(t *testing.T) {
	for text, paths := range map[string][]string{
		``: {"body"}, ` `: {"body"}, `{`: {"body"}, `[`: {"[0]"}, `[1`: {"[0]"}, `{"a"`: {"a"}, `{"a":`: {"a"}, `{"a":1`: {"a"},
		`{"a":1,}`: {"body"}, `[1,]`: {"[1]"}, `[,1]`: {"[0]"}, `{,}`: {"body"}, `{a:1}`: {"body"}, `{"a" 1}`: {"a"},
		`tru`: {"body"}, `nul`: {"body"}, `True`: {"body"}, `NaN`: {"body"}, `'a'`: {"body"},
		`01`: {"body"}, `-`: {"body"}, `1.`: {"body"}, `.5`: {"body"}, `1e`: {"body"}, `+1`: {"body"}, `0x1`: {"body"},
		`1 2`: {"body"}, `{} []`: {"body"}, `]`: {"body"}, `[}`: {"[0]"}, "\x00": {"body"}, "{}\x00": {"body"},
		`"a`: {"body"}, `"\`: {"body"}, `"\x"`: {"body"}, `"\u12"`: {"body"}, `"\u12g4"`: {"body"}, "\"a\nb\"": {"body"}, "\"\\n\n\"": {"body"},
		"\"\\\x00\"":                          {"body"},
		`{"a":"\u0000"}`:                      {"a"},
		`{"a\u0000":1}`:                       {"body"},
		`["\udc00"]`:                          {"[0]"},
		`["\ud800\u0041"]`:                    {"[0]"},
		`["\ud800\ud800"]`:                    {"[0]", "[0]"},
		`["\ud800\x"]`:                        {"[0]", "[0]"},
		"[\"\xff\"]":                          {"[0]"},
		"[\"\\n\xc0\x80\"]":                   {"[0]", "[0]"},
		"[\"\xed\xa0\x80\"]":                  {"[0]", "[0]", "[0]"},
		`[1e400,-1e400]`:                      {"[0]", "[1]"},
		`[1,` + strings.Repeat("1", 65) + `]`: {"[1]"},
		`{"a":{"b":[{"c":1,"c":2}]},"a":3}`:   {"a.b[0].c", "a"},
		`{"a":1,"\u0061":2}`:                  {"a"},
		strings.Repeat("[", 33):               {strings.Repeat("[0]", 32)},
	} {
		var got []string
		for _, f := range checkJSON([]byte(text)) {
			got = append(got, f.Path)
			require.NotEmpty(t, f.Message)
		}
		require.Equal(t, paths, got, text)
	}
}

func TestCheckJSON_IsCheapForHostileBodies(t *testing.T) {
	var members strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&members, `"k%d":1,`, i)
	}
	start := time.Now()
	require.Len(t, checkJSON([]byte(strings.Repeat(`{"a":`, 200_000))), 1)
	require.Len(t, checkJSON([]byte(strings.Repeat("[", 1<<20))), 1)
	require.Empty(t, checkJSON([]byte("{"+members.String()+`"z":1}`)))
	require.Len(t, checkJSON([]byte("["+strings.Repeat(`"\u0000",`, 100_000)+"1]")), maxViolations)
	require.Less(t, time.Since(start), 5*time.Second)
}

// FuzzCheckJSON compares with encoding/json: what is accepted is valid there,
// and what is valid there is refused only for breaking a stricter rule.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,"x\u00e9\ud83d\ude00",null,true,false,{}]}`, `{"a":1,"a":2}`, `"\ud800"`, `"\u0000"`, "\"\xff\"", `[[[[]]]]`,
		`1e999`, `{"a":{"a":{"a":1}}}`, ` [ ] x`, `-`, `{"":0}`, `"\`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		accepted, valid := len(checkJSON(data)) == 0, json.Valid(data)
		if accepted {
			require.True(t, valid, "%q", data)
		}
		stricter, known := breaksStricterRule(data, valid)
		if valid && known {
			require.Equal(t, !stricter, accepted, "%q: %v", data, checkJSON(data))
		}
	})
}

// breaksStricterRule is an independent, slow reading of the rules. It does not
// know where a lone surrogate cannot be told from a written U+FFFD.
func breaksStricterRule(data []byte, valid bool) (breaks, known bool) {
	if !valid {
		return false, false
	}
	if !utf8.Valid(data) {
		return true, true
	}
	type level struct {
		object bool
		name   bool
		names  map[string]bool
	}
	var stack []level
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return false, true
		}
		top := len(stack) - 1
		isName := top >= 0 && stack[top].object && stack[top].name
		if top >= 0 && stack[top].object {
			stack[top].name = !stack[top].name
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				if len(stack) == maxDepth {
					return true, true
				}
				stack = append(stack, level{object: token == '{', name: true, names: map[string]bool{}})
				continue
			}
			stack = stack[:top]
		case string:
			if strings.ContainsRune(token, utf8.RuneError) {
				return false, false
			}
			if strings.ContainsRune(token, 0) || isName && stack[top].names[token] {
				return true, true
			}
			if isName {
				stack[top].names[token] = true
			}
		case json.Number:
			if _, err := token.Float64(); err != nil || len(token) > maxNumber {
				return true, true
			}
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	body := []byte(`{"user_id":"01890000-0000-7000-8000-000000000001","resource":{"type":"invoice","id":"inv-77"},"action":"read","context":{"ip":"203.0.113.9","amount":120.5,"tags":["a","b"]}}`)
	b.ReportAllocs()
	for b.Loop() {
		checkJSON(body)
	}
}
