package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func key(t *testing.T, fill byte) *MasterKey {
	t.Helper()
	k, err := ParseMasterKey(hex.EncodeToString(bytes.Repeat([]byte{fill}, masterKeyBytes)))
	require.NoError(t, err)
	return k
}

func TestParseMasterKey_TakesHexAndBase64(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb, 0xff}, masterKeyBytes/2)
	want, err := ParseMasterKey(hex.EncodeToString(raw))
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprintf("%X", raw), " " + hex.EncodeToString(raw) + "\n",
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	} {
		got, err := ParseMasterKey(text)
		require.NoError(t, err, text)
		require.Equal(t, want.DeriveKey("x"), got.DeriveKey("x"), text)
	}
	for _, text := range []string{"", "secret", hex.EncodeToString(raw[:31]), base64.StdEncoding.EncodeToString(append(raw, 1))} {
		_, err := ParseMasterKey(text)
		require.ErrorContains(t, err, "openssl rand -hex 32", text)
		if text != "" {
			require.NotContains(t, err.Error(), text, "a wrong key may be nearly right")
		}
	}
}

func TestLoadOrCreate_MakesOneKeyForAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "master.key")
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			if k, err := LoadOrCreate(path); err == nil {
				ids[i] = k.ID()
			}
		})
	}
	all.Wait()
	again, err := LoadOrCreate(path)
	require.NoError(t, err)
	for _, id := range ids {
		require.Equal(t, again.ID(), id)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
}

func TestLoadOrCreate_RefusesBadFiles(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	require.NoError(t, os.WriteFile(open, []byte(hex.EncodeToString(make([]byte, 32))), 0o600))
	require.NoError(t, os.Chmod(open, 0o640))
	_, err := LoadOrCreate(open)
	require.ErrorContains(t, err, "can be read by others")

	short := filepath.Join(dir, "short")
	require.NoError(t, os.WriteFile(short, []byte("abc"), 0o600))
	_, err = LoadOrCreate(short)
	require.ErrorContains(t, err, "short: a master key is 32 bytes")

	_, err = LoadOrCreate(filepath.Join(short, "below-a-file"))
	require.Error(t, err)
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	_, err = LoadOrCreate(folder)
	require.ErrorContains(t, err, "read the master key")
}

func TestMasterKey_DerivesIndependentKeys(t *testing.T) {
	a, again, b := key(t, 1), key(t, 1), key(t, 2)
	require.Len(t, a.DeriveKey("x"), 32)
	require.Equal(t, a.DeriveKey("x"), again.DeriveKey("x"))
	require.NotEqual(t, a.DeriveKey("x"), a.DeriveKey("y"))
	require.NotEqual(t, a.DeriveKey("x"), b.DeriveKey("x"))
}

func TestMasterKey_DoesNotShowItself(t *testing.T) {
	k := key(t, 0xab)
	for _, format := range []string{"%v", "%s", "%+v", "%#v"} {
		require.Equal(t, "master key "+k.ID(), fmt.Sprintf(format, k))
	}
}

func TestSeal_OpensOnlyWithItsKeyAndPlace(t *testing.T) {
	k := key(t, 1)
	for _, secret := range [][]byte{nil, []byte("s"), bytes.Repeat([]byte("x"), 5000)} {
		sealed := k.Seal(secret, "signing_keys/a")
		require.NotEqual(t, sealed, k.Seal(secret, "signing_keys/a"), "nonces differ")
		opened, err := k.Open(sealed, "signing_keys/a")
		require.NoError(t, err)
		require.True(t, bytes.Equal(secret, opened))

		_, err = k.Open(sealed, "signing_keys/b")
		require.ErrorIs(t, err, ErrTampered)
		_, err = key(t, 2).Open(sealed, "signing_keys/a")
		require.ErrorIs(t, err, ErrWrongKey)
		require.ErrorContains(t, err, k.ID())
	}
}

func TestOpen_RefusesEveryChange(t *testing.T) {
	k := key(t, 1)
	sealed := k.Seal([]byte("secret"), "here")
	for i := range sealed {
		_, err := k.Open(sealed[:i], "here")
		require.Error(t, err, "cut at %d", i)
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err = k.Open(changed, "here")
		require.Error(t, err, "bit flipped at %d", i)
	}
}
