package serviceaccount

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func TestAddress_HasOneForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.9/24": "192.0.2.0/24", "0.0.0.0/0": "0.0.0.0/0", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:DB8:0::1": "2001:db8::1", "2001:db8::1/32": "2001:db8::/32",
	} {
		got, ok := address(text)
		require.True(t, ok, text)
		require.Equal(t, want, got)
		again, ok := address(got)
		require.True(t, ok)
		require.Equal(t, got, again)
	}
	for _, bad := range []string{"", "host", "192.0.2", "192.0.2.1/33", "192.0.2.01", "fe80::1%eth0", "::ffff:192.0.2.0/120", "192.0.2.1/", "*", " 192.0.2.1", "192.0.2.1-9"} {
		_, ok := address(bad)
		require.False(t, ok, bad)
	}
}

func TestSplit_TakesAddressesFromEitherPlace(t *testing.T) {
	t.Parallel()
	in := httpapi.Object{"zone": "eu", "allowed_ips": []any{"192.0.2.1"}}
	rest, ips, fields := split(in, nil)
	require.Empty(t, fields)
	require.Equal(t, httpapi.Object{"zone": "eu"}, rest)
	require.Equal(t, []string{"192.0.2.1"}, ips)
	require.Len(t, in, 2, "what was sent stays as it is")

	rest, ips, fields = split(httpapi.Object{"zone": "eu"}, nil)
	require.Empty(t, fields)
	require.Equal(t, httpapi.Object{"zone": "eu"}, rest)
	require.Nil(t, ips)

	_, ips, _ = split(nil, []string{})
	require.NotNil(t, ips, "an empty list is any address, not no change")

	_, _, fields = split(in, []string{})
	require.Equal(t, "attributes.allowed_ips", fields[0].Path)
	_, _, fields = split(httpapi.Object{"allowed_ips": []any{7}}, nil)
	require.Equal(t, "attributes.allowed_ips", fields[0].Path)
	_, _, fields = split(httpapi.Object{"allowed_ips": []any{"192.0.2.1", "x"}}, nil)
	require.Equal(t, "attributes.allowed_ips[1]", fields[0].Path)
	_, _, fields = split(nil, make([]string, maxAllowedIPs+1))
	require.Len(t, fields, 1)
}

func TestKeyOf_KnowsThePreviousKeyUntilItsEnd(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	mine, old, other := crypto.NewAPIKey(), crypto.NewAPIKey(), crypto.NewAPIKey()
	m := &models.User{ServiceAccountKeyHash: mine.Hash}
	require.Equal(t, current, keyOf(m, mine.Text, now))
	require.Equal(t, none, keyOf(m, old.Text, now))
	require.Equal(t, none, keyOf(m, "", now))
	m.PreviousKeyHash, m.PreviousKeyExpiresAt = old.Hash, &now
	require.Equal(t, none, keyOf(m, old.Text, now), "the end is excluded")
	require.Equal(t, previous, keyOf(m, old.Text, now.Add(-time.Nanosecond)))
	require.Equal(t, none, keyOf(m, other.Text, now.Add(-time.Minute)))
	require.Equal(t, none, keyOf(m, mine.ID, now), "its name is not the key")
}
