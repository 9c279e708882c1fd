package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// downloadVersion is what is downloaded where no PostgreSQL is installed.
const downloadVersion = embeddedpostgres.V17

func downloaded(dir string) string { return filepath.Join(dir, "postgresql", "bin") }

// download fetches PostgreSQL from Maven Central, 10 to 30 MB, into dir.
func download(ctx context.Context, cfg Config, dir string) (binaries, error) {
	cfg.Logger.InfoContext(ctx, "PostgreSQL is downloaded", "version", string(downloadVersion))
	work, err := os.MkdirTemp(dir, "download-")
	if err != nil {
		return binaries{}, fmt.Errorf("make a folder for the download: %w", err)
	}
	finished := make(chan error, 1)
	// The library takes no context: at a cancellation it is left to itself, and
	// what it leaves is in a folder that nobody looks at.
	go func() { finished <- fetch(cfg, work) }()
	select {
	case <-ctx.Done():
		return binaries{}, fmt.Errorf("download PostgreSQL: %w", ctx.Err())
	case err = <-finished:
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err != nil {
		return binaries{}, fmt.Errorf("download PostgreSQL: %w", err)
	}
	place := filepath.Dir(downloaded(dir))
	if err := errors.Join(os.RemoveAll(place), os.Rename(filepath.Join(work, "bin"), place)); err != nil {
		return binaries{}, fmt.Errorf("move the download to its place: %w", err)
	}
	return inspect(ctx, downloaded(dir))
}

// fetch downloads, verifies and unpacks into work/bin. The library offers that
// only as the first part of a start, so it is given a cluster that cannot start,
// and what counts is whether the programs are there.
func fetch(cfg Config, work string) error {
	data := filepath.Join(work, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	major, _, _ := strings.Cut(string(downloadVersion), ".")
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	library := embeddedpostgres.DefaultConfig().
		Version(downloadVersion).
		Port(0). // none is opened; 0 passes its check for a free one
		CachePath(filepath.Join(work, "cache")).
		RuntimePath(filepath.Join(work, "bin")).
		DataPath(data).
		Logger(io.Discard)
	if cfg.mirror != "" {
		library = library.BinaryRepositoryURL(cfg.mirror)
	}
	startErr := embeddedpostgres.NewDatabase(library).Start()
	if _, err := os.Stat(filepath.Join(work, "bin", "bin", "postgres")); err != nil {
		return startErr
	}
	return openForOthers(filepath.Join(work, "bin"))
}

// openForOthers lets the server's user read the programs, whatever the umask.
func openForOthers(root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // public programs
	})
	if err != nil {
		return fmt.Errorf("make the programs readable: %w", err)
	}
	return nil
}
