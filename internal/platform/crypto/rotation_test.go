package crypto

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMasterKey_PreviousKeysOpenAndSealNothing(t *testing.T) {
	a, b, c := key(t, 1), key(t, 2), key(t, 3)
	both := b.WithPrevious(a, b)
	old := a.Seal([]byte("s"), "p")
	opened, err := both.Open(old, "p")
	require.NoError(t, err)
	require.Equal(t, "s", string(opened))
	_, err = both.Open(old, "q")
	require.ErrorIs(t, err, ErrTampered)
	_, err = both.Open(c.Seal([]byte("s"), "p"), "p")
	require.ErrorIs(t, err, ErrWrongKey)
	_, err = b.Open(old, "p")
	require.ErrorIs(t, err, ErrWrongKey, "the key it was made of is the same")
	fresh := both.Seal([]byte("s"), "p")
	_, err = b.Open(fresh, "p")
	require.NoError(t, err)
	require.Equal(t, both.Mark(), fresh[:len(both.Mark())])
	by, ok := both.Sealer(old)
	require.True(t, ok)
	require.Equal(t, a.ID(), by.ID())
	_, ok = both.Sealer([]byte{1})
	require.False(t, ok)
}

// TestRotation_SurvivesACrashAnywhere looks at what each step leaves.
func TestRotation_SurvivesACrashAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := LoadOrCreate(path)
	require.NoError(t, err)
	sealed := first.Seal([]byte("s"), "p")

	text, err := os.ReadFile(path) //nolint:gosec // of this test
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".previous", text, 0o600))
	halfway, err := LoadOrCreate(path)
	require.NoError(t, err)
	require.Equal(t, first.ID(), halfway.ID(), "the old key was kept, and the new one not made")

	begun, err := BeginRotation(path)
	require.NoError(t, err)
	require.NotEqual(t, first.ID(), begun.ID())
	_, err = begun.Open(sealed, "p")
	require.NoError(t, err)
	again, err := BeginRotation(path)
	require.NoError(t, err)
	require.Equal(t, begun.ID(), again.ID(), "it goes on and makes no third key")
	started, err := LoadOrCreate(path)
	require.NoError(t, err)
	_, err = started.Open(sealed, "p")
	require.NoError(t, err, "a server that starts meanwhile opens both")

	require.NoError(t, EndRotation(path))
	require.NoError(t, EndRotation(path))
	ended, err := LoadOrCreate(path)
	require.NoError(t, err)
	require.Equal(t, begun.ID(), ended.ID())
	_, err = ended.Open(sealed, "p")
	require.ErrorIs(t, err, ErrWrongKey)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")

	require.NoError(t, os.WriteFile(path+".previous", []byte("no key"), 0o600))
	_, err = LoadOrCreate(path)
	require.ErrorContains(t, err, "master.key.previous")
}

func TestDataKey_OpensOnlyAtItsPlace(t *testing.T) {
	k, err := ParseDataKey(NewDataKey())
	require.NoError(t, err)
	sealed := k.Seal([]byte("s"), "p")
	opened, err := k.Open(sealed, "p")
	require.NoError(t, err)
	require.Equal(t, "s", string(opened))
	_, err = k.Open(sealed, "q")
	require.ErrorIs(t, err, ErrTampered)
	other, err := ParseDataKey(NewDataKey())
	require.NoError(t, err)
	_, err = other.Open(sealed, "p")
	require.ErrorIs(t, err, ErrTampered)
	_, err = ParseDataKey([]byte("short"))
	require.ErrorContains(t, err, "32 bytes")
}
