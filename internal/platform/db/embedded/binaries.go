package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// oldestVersion is the first PostgreSQL with security_invoker views, which
// row-level security needs.
const oldestVersion = 15

// binaries is a folder with a PostgreSQL in it.
type binaries struct {
	dir     string
	version string // such as 15.13
	major   string
}

func (b binaries) postgres() string { return filepath.Join(b.dir, "postgres") }
func (b binaries) initdb() string   { return filepath.Join(b.dir, "initdb") }

// findBinaries returns a PostgreSQL for a cluster of the given major version,
// or the newest for none. SENTINEL_PG_BIN rules out all others.
func findBinaries(ctx context.Context, cfg Config, dir, clusterVersion string) (binaries, error) {
	if explicit := cfg.getenv("SENTINEL_PG_BIN"); explicit != "" {
		bin, err := inspect(ctx, explicit)
		if err != nil {
			return bin, fmt.Errorf("SENTINEL_PG_BIN: %w", err)
		}
		return bin, suits(bin, clusterVersion)
	}
	var first error
	for _, folder := range candidates(cfg, dir) {
		bin, err := inspect(ctx, folder)
		if err == nil {
			err = suits(bin, clusterVersion)
		}
		if err == nil {
			return bin, nil
		}
		if first == nil && !errors.Is(err, os.ErrNotExist) {
			first = err
		}
	}
	if clusterVersion != "" && first != nil {
		return binaries{}, first
	}
	bin, err := download(ctx, cfg, dir)
	if err != nil {
		return bin, noneFound(errors.Join(first, err))
	}
	return bin, suits(bin, clusterVersion)
}

// candidates lists folders in the order of preference.
func candidates(cfg Config, dir string) []string {
	var folders []string
	for _, p := range filepath.SplitList(cfg.getenv("PATH")) {
		// A link in the PATH leads to a folder that holds the other programs too.
		if real, err := filepath.EvalSymlinks(filepath.Join(p, "postgres")); err == nil {
			folders = append(folders, filepath.Dir(real))
			break
		}
	}
	for _, pattern := range cfg.searched {
		found, _ := filepath.Glob(pattern) // fails for a bad pattern only
		slices.SortFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
		folders = append(folders, found...)
	}
	return append(folders, downloaded(dir))
}

// packageFolders are patterns of where packages put PostgreSQL: Debian, Red
// Hat, Alpine, its own installer, Homebrew.
func packageFolders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
	}
}

// versionIn is the last number in a path, which is the version of a package's
// folder.
func versionIn(path string) int {
	numbers := regexp.MustCompile(`\d+`).FindAllString(path, -1)
	if len(numbers) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(numbers[len(numbers)-1]) // 0 for one too long for a version
	return n
}

// inspect asks the PostgreSQL in dir what it is. Its error is os.ErrNotExist if
// there is none.
func inspect(ctx context.Context, dir string) (binaries, error) {
	bin := binaries{dir: dir}
	for _, program := range []string{bin.postgres(), bin.initdb()} {
		if _, err := os.Stat(program); err != nil {
			return bin, fmt.Errorf("no PostgreSQL server in %s: %w", dir, err)
		}
	}
	out, err := exec.CommandContext(ctx, bin.postgres(), "--version").Output() //nolint:gosec // that is what the folder is for
	if err != nil {
		return bin, fmt.Errorf("run %s: %w", bin.postgres(), err)
	}
	m := regexp.MustCompile(`PostgreSQL\)? (\d+)(\S*)`).FindStringSubmatch(string(out))
	if m == nil {
		return bin, fmt.Errorf("%s is not PostgreSQL: it calls itself %q", bin.postgres(), out)
	}
	bin.major, bin.version = m[1], m[1]+m[2]
	return bin, nil
}

func suits(bin binaries, clusterVersion string) error {
	if clusterVersion != "" && bin.major != clusterVersion {
		return fmt.Errorf("the cluster was made by PostgreSQL %s, and %s holds PostgreSQL %s: install PostgreSQL %[1]s, or move the data with pg_dump or pg_upgrade", clusterVersion, bin.dir, bin.version)
	}
	if n, err := strconv.Atoi(bin.major); err != nil || n < oldestVersion {
		return fmt.Errorf("%s holds PostgreSQL %s, older than the %d that is needed", bin.dir, bin.version, oldestVersion)
	}
	return nil
}

func noneFound(cause error) error {
	install := "apt-get install postgresql (or dnf install postgresql-server, apk add postgresql)"
	if runtime.GOOS == "darwin" {
		install = "brew install postgresql@17"
	}
	return fmt.Errorf(`there is no PostgreSQL %d or newer on this machine, and it could not be downloaded. Three ways out:
  1. install it: %s
  2. set SENTINEL_PG_BIN to the folder of its programs (postgres, initdb)
  3. set DATABASE_URL to a PostgreSQL elsewhere
cause: %w`, oldestVersion, install, cause)
}
