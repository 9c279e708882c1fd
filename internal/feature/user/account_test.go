package user

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestNormaliseEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ann@alpha.example":                         "ann@alpha.example",
		" Ann@Alpha.EXAMPLE\n":                      "ann@alpha.example",
		"ＡＮＮ＠alpha.example":                         "ann@alpha.example",
		"ﬁnn@alpha.example":                         "finn@alpha.example",
		"e\u0301@alpha.example":                     "é@alpha.example",
		"ann+tag@alpha.example":                     "ann+tag@alpha.example",
		"ann@bücher.example":                        "ann@xn--bcher-kva.example",
		"ann@BÜCHER.example":                        "ann@xn--bcher-kva.example",
		"ann@xn--bcher-kva.example":                 "ann@xn--bcher-kva.example",
		"o'hara@alpha.example":                      "o'hara@alpha.example",
		"ann@localhost":                             "ann@localhost",
		strings.Repeat("a", 306) + "@alpha.example": strings.Repeat("a", 306) + "@alpha.example",
		strings.Repeat("a", 307) + "@alpha.example": "",
		strings.Repeat("㌀", 100) + "@alpha.example": "", // each becomes four
		"":                             "",
		"ann":                          "",
		"@alpha.example":               "",
		"ann@":                         "",
		"ann@bob@alpha.example":        "",
		"ann bob@alpha.example":        "",
		"ann\x00@alpha.example":        "",
		"ann\x1b@alpha.example":        "",
		"ann\u200b@alpha.example":      "", // a space of no width
		"ann\u202e@alpha.example":      "", // text runs backwards after it
		"ann\u00a0b@alpha.example":     "",
		"ann@alpha.example\r\nBcc: b":  "",
		"<ann@alpha.example>":          "",
		"ann@al_pha\u0000.example":     "",
		"ann@xn--zzzzzzz99999.example": "",
	} {
		got, ok := NormaliseEmail(in)
		require.Equal(t, want, got, "%q", in)
		require.Equal(t, want != "", ok, "%q", in)
	}
}

func FuzzNormaliseEmail(f *testing.F) {
	for _, seed := range []string{"ann@alpha.example", "ＡＮＮ＠bücher.example", "İ@İ.example", "ẞ\u0345@ß.de", "㌀@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once, ok := NormaliseEmail(in)
		if !ok {
			return
		}
		require.True(t, utf8.ValidString(once))
		require.Equal(t, strings.ToLower(once), once)
		require.True(t, norm.NFKC.IsNormalString(once), "%q", once)
		twice, ok := NormaliseEmail(once)
		require.True(t, ok, "%q", once)
		require.Equal(t, once, twice)
	})
}

func TestCheckIdentity_NamesEveryMember(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		email    string
		external *string
		password string
		service  bool
		fields   []string
	}{
		"fine":                        {"ann@alpha.example", text("hr-7"), "twelve chars", false, nil},
		"own address as external id":  {"ann@alpha.example", text("Ann@Alpha.example"), "", false, nil},
		"all wrong":                   {"ann", text(""), "eleven char", false, []string{"email", "external_id", "password"}},
		"external id as UUID":         {"ann@alpha.example", text("99999999-9999-7999-8999-999999999999"), "", false, []string{"external_id"}},
		"external id as UUID, braced": {"ann@alpha.example", text("{99999999-9999-7999-8999-999999999999}"), "", false, []string{"external_id"}},
		"another's address":           {"ann@alpha.example", text("bob@alpha.example"), "", false, []string{"external_id"}},
		"eleven wide characters":      {"ann@alpha.example", nil, strings.Repeat("é", 11), false, []string{"password"}},
		"a service account":           {"", text("gw-1"), "", true, nil},
		"a person without address":    {"", nil, "", false, []string{"email"}},
	} {
		_, err := checkIdentity(c.email, c.external, c.password, c.service)
		var got []string
		var f *fault.Error
		if errors.As(err, &f) {
			require.Equal(t, fault.Validation, f.Kind)
			for _, field := range f.Fields {
				got = append(got, field.Path)
			}
		}
		require.Equal(t, c.fields, got, name)
	}
}
