package importing

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// lower is a rule for addresses that is enough here.
func lower(s string) (string, bool) { return strings.ToLower(s), strings.Contains(s, "@") }

func names(f *file) (out []string) {
	for _, p := range f.parts() {
		for _, r := range p.rows {
			var said map[string]any
			if json.Unmarshal(r.Raw, &said) != nil {
				continue
			}
			name, _ := said["name"].(string)
			if code, ok := said["code"].(string); ok {
				name = code
			}
			if len(r.Also) > 0 {
				name += "+" + strings.Join(r.Also, "+")
			}
			out = append(out, name)
		}
	}
	return out
}

func TestParts_ParentsComeFirstAndCyclesNever(t *testing.T) {
	t.Parallel()
	f, err := read([]byte(strings.Join([]string{
		`{"kind":"role","name":"d","parent":"c"}`,
		`{"kind":"role","name":"c","parent":"a"}`,
		`{"kind":"role","name":"below","parent":"x"}`,
		`{"kind":"role","name":"x","parent":"y"}`,
		`{"kind":"role","name":"y","parent":"x"}`,
		`{"kind":"role","name":"b","parent":"elsewhere"}`,
		`{"kind":"role","name":"a"}`,
		`{"kind":"permission","name":"p","resource_path":"vessel/*","actions":["read"],"roles":["a","other"]}`,
		`{"kind":"resource","type":"app","code":"low","parent":"app:high"}`,
		`{"kind":"resource","type":"app","code":"high"}`,
	}, "\n")), mixed, "jsonl", lower)
	require.NoError(t, err)
	require.Equal(t, []string{"high", "low", "p+a", "a+p", "c", "d", "below", "b"}, names(f))
	require.Equal(t, 2, f.refused)
	require.Equal(t, 10, f.total)
}

func TestParts_AreOfOneKindAndBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 600 {
		text.WriteString(`{"kind":"role","name":"r` + itoa(i) + `"}` + "\n" + `{"kind":"group","name":"g` + itoa(i) + `"}` + "\n")
	}
	f, err := read([]byte(text.String()), mixed, "jsonl", lower)
	require.NoError(t, err)
	var sizes []string
	for _, p := range f.parts() {
		sizes = append(sizes, string(p.kind)+" "+itoa(len(p.rows)))
	}
	require.Equal(t, []string{"role 250", "role 250", "role 100", "group 250", "group 250", "group 100"}, sizes)
}

func TestSameJSON_SeesMeaningAndNotSpelling(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":[1.50,true]}`, `{"b":[1.5,true],"a":1e0}`, true},
		{``, `{}`, true},
		{`{"a":100}`, `{"a":1e2}`, true},
		{`{"a":12345678901234567890}`, `{"a":12345678901234567891}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":null}`, `{}`, false},
		{`{"a":1e-320}`, `{"a":1e-321}`, false},
		{`{"a":0}`, `{"a":0}`, true},
		{`{`, `{}`, false},
	} {
		require.Equal(t, c.same, sameJSON([]byte(c.a), []byte(c.b)), "%s %s", c.a, c.b)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"user","email":"a@example.com","roles":["x"]}`+"\n"+`{"kind":"role","name":"x","parent":"x"}`), false)
	f.Add([]byte("email,attributes.level,roles\n\"a@example.com\",3,x|y\n\"\n"), true)
	f.Add([]byte("\xEF\xBB\xBFname,metadata\nx,{}\n"), true)
	f.Fuzz(func(t *testing.T, body []byte, csv bool) {
		kind, format := mixed, "jsonl"
		if csv {
			kind, format = "users", "csv"
		}
		got, err := read(body, kind, format, lower)
		if err != nil {
			var refused *fault.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		rows := 0
		for _, p := range got.parts() {
			require.NotEmpty(t, p.rows)
			require.LessOrEqual(t, len(p.rows), p.kind.partRows())
			for _, r := range p.rows {
				require.True(t, json.Valid(r.Raw))
				rows++
			}
		}
		require.Equal(t, got.total, rows+got.refused, "every row is written or refused")
		for _, r := range got.refusals {
			require.NotEmpty(t, r.Reason)
		}
	})
}
