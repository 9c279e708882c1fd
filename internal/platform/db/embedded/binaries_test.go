package embedded

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare is a machine without PostgreSQL, and without a site to download from.
func bare(t *testing.T, dir string) Config {
	t.Helper()
	site := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(site.Close)
	return Config{
		Dir: dir, FastUnsafe: true, mirror: site.URL, searched: []string{},
		getenv: func(string) string { return "" },
	}
}

// fake installs programs that call themselves PostgreSQL of a version.
func fake(t *testing.T, version string) string {
	t.Helper()
	dir := folder(t)
	for _, program := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s (Test)'\n", program, version)
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755)) //nolint:gosec // a program
	}
	return dir
}

func TestStart_WithoutBinariesNamesTheWaysOut(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), bare(t, folder(t)))
	for _, way := range []string{"install", "SENTINEL_PG_BIN", "DATABASE_URL", "no version found"} {
		require.ErrorContains(t, err, way)
	}
}

func TestStart_NamesBothVersionsOfAMismatch(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	require.NoError(t, s.Stop())
	require.NoError(t, os.WriteFile(filepath.Join(s.dirs.data, "PG_VERSION"), []byte("12\n"), 0o600))
	err := s.Restart(t.Context())
	require.ErrorContains(t, err, "made by PostgreSQL 12")
	require.ErrorContains(t, err, "holds PostgreSQL "+s.bin.version)

	require.NoError(t, os.Remove(filepath.Join(s.dirs.data, "PG_VERSION")))
	require.ErrorContains(t, s.Restart(t.Context()), "neither empty nor a PostgreSQL cluster")
}

func TestFindBinaries_PrefersTheClustersVersion(t *testing.T) {
	t.Parallel()
	old, new := fake(t, "15.13"), fake(t, "17.2")
	cfg := bare(t, folder(t))
	cfg.searched = []string{"/nowhere/*", new, old}
	for cluster, want := range map[string]string{"": new, "15": old, "17": new} {
		bin, err := findBinaries(t.Context(), cfg, cfg.Dir, cluster)
		if want == new {
			require.NoError(t, err)
		}
		require.Equal(t, want, bin.dir)
	}
	_, err := findBinaries(t.Context(), cfg, cfg.Dir, "16")
	require.ErrorContains(t, err, "made by PostgreSQL 16")
}

func TestFindBinaries_FollowsLinksInPATH(t *testing.T) {
	t.Parallel()
	real, links := fake(t, "16beta1"), folder(t)
	require.NoError(t, os.Symlink(filepath.Join(real, "postgres"), filepath.Join(links, "postgres")))
	cfg := bare(t, folder(t))
	cfg.getenv = func(name string) string { return map[string]string{"PATH": "/nowhere:" + links}[name] }
	bin, err := findBinaries(t.Context(), cfg, cfg.Dir, "")
	require.NoError(t, err)
	require.Equal(t, binaries{dir: real, version: "16beta1", major: "16"}, bin)
}

func TestFindBinaries_ExplicitFolderRulesOutOthers(t *testing.T) {
	t.Parallel()
	cfg := bare(t, folder(t))
	cfg.searched = []string{fake(t, "17.2")}
	for dir, want := range map[string]string{
		fake(t, "14.1"):                 "older than the 15",
		folder(t):                       "SENTINEL_PG_BIN: no PostgreSQL server in",
		fake(t, "x"):                    "is not PostgreSQL",
		broken(t):                       "run ",
		filepath.Join(dirOf(t), "none"): "no PostgreSQL server in",
	} {
		cfg.getenv = func(name string) string { return map[string]string{"SENTINEL_PG_BIN": dir}[name] }
		_, err := findBinaries(t.Context(), cfg, cfg.Dir, "")
		require.ErrorContains(t, err, want)
	}
}

func dirOf(t *testing.T) string { t.Helper(); return t.TempDir() }

func broken(t *testing.T) string {
	t.Helper()
	dir := fake(t, "17.2")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres"), []byte("#!/bin/sh\nexit 3\n"), 0o755)) //nolint:gosec // a program
	return dir
}

func TestCandidates_NewestPackageFirst(t *testing.T) {
	t.Parallel()
	root := folder(t)
	for _, v := range []string{"9.6", "15", "17"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, v, "bin"), 0o755)) //nolint:gosec // as packages do
	}
	found := candidates(Config{getenv: func(string) string { return "" }, searched: []string{root + "/*/bin"}}, "/data")
	require.Len(t, found, 4)
	for i, v := range []string{"17", "15", "9.6"} {
		require.Equal(t, filepath.Join(root, v, "bin"), found[i])
	}
	require.Equal(t, "/data/postgresql/bin", found[3])
}

// site serves an archive of PostgreSQL as Maven Central does.
func site(t *testing.T, programs string) string {
	t.Helper()
	work := t.TempDir()
	txz := filepath.Join(work, "postgres.txz")
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", programs, "-cJf", txz, "bin").CombinedOutput(); err != nil {
		t.Skipf("tar cannot make an archive here: %s", out)
	}
	archive, err := os.ReadFile(txz) //nolint:gosec // of this test
	require.NoError(t, err)
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	entry, err := w.Create("postgres.txz")
	require.NoError(t, err)
	_, err = entry.Write(archive)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(jar.Bytes())
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestFindBinaries_DownloadsOnceWhereNoneIsInstalled(t *testing.T) {
	programs := folder(t)
	require.NoError(t, os.Rename(fake(t, "17.5"), filepath.Join(programs, "bin")))
	cfg := bare(t, folder(t)).withDefaults()
	cfg.mirror = site(t, programs)
	first, err := findBinaries(t.Context(), cfg, cfg.Dir, "")
	require.NoError(t, err)
	require.Equal(t, downloaded(cfg.Dir), first.dir)
	require.Equal(t, "17.5", first.version)
	info, err := os.Stat(first.initdb())
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode().Perm())

	cfg.mirror = "http://127.0.0.1:1"
	again, err := findBinaries(t.Context(), cfg, cfg.Dir, "")
	require.NoError(t, err)
	require.Equal(t, first, again)
	entries, err := os.ReadDir(cfg.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
}

func TestDownload_EndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer s.Close()
	defer close(hang)
	cfg := bare(t, folder(t)).withDefaults()
	cfg.mirror = s.URL
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := download(ctx, cfg, cfg.Dir)
	require.ErrorIs(t, err, context.Canceled)
}
