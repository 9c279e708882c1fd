package embedded

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOwnFolder_RefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	us, err := unprivileged()
	require.NoError(t, err)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, ownFolder(file, us), "is not a folder")
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(dir, link))
	require.ErrorContains(t, ownFolder(link, us), "is not a folder")
	require.Error(t, ownFolder(filepath.Join(dir, "a", "b"), us))

	wide := filepath.Join(dir, "wide")
	require.NoError(t, os.Mkdir(wide, 0o755)) //nolint:gosec // to be closed
	require.NoError(t, ownFolder(wide, us))
	info, err := os.Stat(wide)
	require.NoError(t, err)
	require.EqualValues(t, 0o700, info.Mode().Perm())

	other := us
	other.uid, other.name, other.switched = us.uid+1, "other", false
	require.ErrorContains(t, ownFolder(wide, other), "belongs to user")
}

func TestMakeLayout_NeedsSomeShortPath(t *testing.T) {
	us, err := unprivileged()
	require.NoError(t, err)
	t.Setenv("TMPDIR", "/tmp/"+strings.Repeat("x", 120))
	_, err = makeLayout("/tmp/"+strings.Repeat("y", 120), us)
	require.ErrorContains(t, err, "set DATA_DIR or TMPDIR")
}

func TestRotate_SetsALargeLogAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "server.log")
	require.NoError(t, rotate(path))
	require.NoError(t, os.WriteFile(path, []byte("small"), 0o600))
	require.NoError(t, rotate(path))
	require.FileExists(t, path)
	require.NoError(t, os.Truncate(path, maxLog))
	require.NoError(t, rotate(path))
	require.NoFileExists(t, path)
	require.FileExists(t, path+".1")
}

func TestTail_IsTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 5000)+"end\n"), 0o600))
	got := tail(path)
	require.Less(t, len(got), 1001)
	require.True(t, strings.HasSuffix(got, "xend"))
	require.Contains(t, tail(path+"-none"), "no such file")
}

func TestAccountOf_NeedsNumbers(t *testing.T) {
	t.Parallel()
	_, err := accountOf(&user.User{Username: "a", Uid: "x", Gid: "1"})
	require.ErrorContains(t, err, "id of user a")
	_, err = accountOf(&user.User{Username: "a", Uid: "1", Gid: "x"})
	require.ErrorContains(t, err, "group of user a")
}

func TestConfig_Defaults(t *testing.T) {
	t.Parallel()
	cfg := Config{}.withDefaults()
	want := ".sentinel"
	if os.Geteuid() == 0 {
		want = "/var/lib/sentinel"
	}
	require.Equal(t, want, cfg.Dir)
	require.NotNil(t, cfg.Logger)
	require.NotEmpty(t, cfg.searched)
}
