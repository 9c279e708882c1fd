package asking_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func cursor(t testing.TB, parts ...any) *asking.Cursor {
	t.Helper()
	c, err := asking.NewCursor(parts...)
	require.NoError(t, err)
	return c
}

func TestCursor_GoesOnWhereThePageEnded(t *testing.T) {
	t.Parallel()
	check := func(n string) asking.Check {
		return asking.Check{Resource: asking.CheckResource{Type: "vessel", Attributes: httpapi.Object{"n": json.Number(n)}}, Action: "read"}
	}
	first := cursor(t, "who-can", uuid.Max, check("1"))
	token := first.Token("4711")
	got, err := cursor(t, "who-can", uuid.Max, check("1")).Position(token, "page_token")
	require.NoError(t, err)
	require.Equal(t, "4711", got)

	require.Empty(t, first.Token(""), "the end has no token")
	got, err = first.Position("", "page_token")
	require.NoError(t, err)
	require.Empty(t, got, "no token is the beginning")

	for name, other := range map[string]*asking.Cursor{
		"another call":        cursor(t, "what-can", uuid.Max, check("1")),
		"another tenant":      cursor(t, "who-can", uuid.Nil, check("1")),
		"another question":    cursor(t, "who-can", uuid.Max, check("1.0")),
		"parts cut elsewhere": cursor(t, "who-can", uuid.Max.String()+`","x`, check("1")),
	} {
		_, err := other.Position(token, "page_token")
		require.True(t, fault.Is(err, fault.Validation), name)
	}
	_, err = asking.NewCursor(func() {})
	require.Error(t, err)
}

func TestCursor_RefusesWhatItDidNotMake(t *testing.T) {
	t.Parallel()
	c := cursor(t, "who-can", uuid.Max)
	raw, err := base64.RawURLEncoding.DecodeString(c.Token("4711"))
	require.NoError(t, err)
	for i := range raw {
		altered := append([]byte(nil), raw...)
		altered[i] ^= 1
		_, err := c.Position(base64.RawURLEncoding.EncodeToString(altered), "page.token")
		var f *fault.Error
		require.ErrorAs(t, err, &f, "byte %d", i)
		require.Equal(t, fault.Validation, f.Kind)
		require.Equal(t, "page.token", f.Fields[0].Path)
	}
	_, err = c.Position(c.Token("4711")+"=", "page_token")
	require.True(t, fault.Is(err, fault.Validation), "one text for one position")
	rapid.Check(t, func(r *rapid.T) {
		_, err := c.Position(rapid.String().Filter(func(s string) bool { return s != "" }).Draw(r, "token"), "page_token")
		require.True(r, fault.Is(err, fault.Validation))
	})
}
