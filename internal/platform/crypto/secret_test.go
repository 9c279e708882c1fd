package crypto

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestAPIKey_IsTakenApartAsItWasMade(t *testing.T) {
	t.Parallel()
	made := NewAPIKey()
	require.Regexp(t, `^snt_[a-z2-9]{8}[A-Za-z0-9_-]{43}$`, made.Text)
	require.Len(t, made.ID, 8)
	read, ok := ParseAPIKey(made.Text)
	require.True(t, ok)
	require.Equal(t, made, read)
	require.NotEqual(t, made, NewAPIKey())
	for _, bad := range []string{"", "snt_", made.Text + "x", made.Text[:54], "sntx" + made.Text[4:]} {
		_, ok := ParseAPIKey(bad)
		require.False(t, ok, "%q", bad)
	}
}

func TestOpaque_CarriesItsTenant(t *testing.T) {
	t.Parallel()
	for _, tenant := range []uuid.UUID{{}, uuid.New()} {
		made := NewOpaque("snr_", tenant)
		read, ok := ParseOpaque("snr_", made.Text)
		require.True(t, ok)
		require.Equal(t, tenant, read.Tenant)
		require.True(t, SameHash(made.Hash, read.Hash))
		require.False(t, SameHash(made.Hash, NewOpaque("snr_", tenant).Hash))
		for _, bad := range []string{"", "snr_", made.Text + "x", "snp_" + made.Text[4:], "snr_!" + made.Text[5:]} {
			_, ok := ParseOpaque("snr_", bad)
			require.False(t, ok, "%q", bad)
		}
	}
}
