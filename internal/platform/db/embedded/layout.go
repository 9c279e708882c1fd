package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	socketPort = "5432"
	// maxSocketPath is the length of a unix socket's path that all systems take:
	// 103 bytes on macOS, 107 on Linux.
	maxSocketPath = 103
	// maxLog is the size at which the server's log is set aside at a start.
	maxLog = 10 << 20
)

// layout is where the parts of the cluster are.
type layout struct {
	root   string // Config.Dir, absolute
	home   string // everything of the server's user
	data   string
	socket string
	log    string
}

// makeRoot creates dir. Under root others may pass through it, to reach what is
// theirs; secrets beside it are protected by their own modes.
func makeRoot(dir string, user account) error {
	mode := os.FileMode(0o700)
	if user.switched {
		mode = 0o755
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	return nil
}

// lockFolder makes this process the only one with a server on dir. The kernel
// drops the lock when the process ends, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the operator's folder
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, fmt.Errorf("lock the folder: %w", err)
	}
	return f, nil
}

// errInUse says that another process has a server on the folder.
var errInUse = errors.New("another Sentinel runs on this folder: stop it, or set DATA_DIR to another folder, or share a database with DATABASE_URL")

func makeLayout(dir string, user account) (layout, error) {
	l := layoutOf(dir)
	if len(l.socketFile()) > maxSocketPath {
		return l, fmt.Errorf("the path of the socket %s is longer than %d bytes: set DATA_DIR or TMPDIR to a shorter one", l.socketFile(), maxSocketPath)
	}
	if err := ownFolder(l.home, user); err != nil {
		return l, err
	}
	if err := ownFolder(l.socket, user); err != nil {
		return l, err
	}
	return l, rotate(l.log)
}

// layoutOf says where everything is, and makes nothing.
func layoutOf(dir string) layout {
	home := filepath.Join(dir, "postgres")
	l := layout{
		root:   dir,
		home:   home,
		data:   filepath.Join(home, "data"),
		socket: filepath.Join(home, "run"),
		log:    filepath.Join(home, "server.log"),
	}
	if len(l.socketFile()) > maxSocketPath {
		sum := sha256.Sum256([]byte(dir))
		l.socket = filepath.Join(os.TempDir(), "sentinel-"+hex.EncodeToString(sum[:6]))
	}
	return l
}

func (l layout) socketFile() string { return filepath.Join(l.socket, ".s.PGSQL."+socketPort) }

// clusterVersion is the major version that created the cluster, "" if there is
// none yet.
func (l layout) clusterVersion() (string, error) {
	b, err := os.ReadFile(filepath.Join(l.data, "PG_VERSION"))
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the version of the cluster: %w", err)
	}
	entries, err := os.ReadDir(l.data)
	if err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is neither empty nor a PostgreSQL cluster: move it away", l.data)
	}
	return "", nil
}

// ownFolder makes a folder that only the server's user may enter. One of
// somebody else, which can wait in a shared temporary folder, is refused.
func ownFolder(path string, user account) error {
	err := os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("create a folder: %w", err)
	}
	created := err == nil
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at a folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("%s is not a folder: move it away", path)
	}
	switch {
	case stat.Uid == user.uid:
	case created, stat.Uid == 0 && user.switched:
		// Ours, as root; also one left by an earlier start that was cut short.
		if err := os.Lchown(path, int(user.uid), int(user.gid)); err != nil {
			return fmt.Errorf("give a folder to %s: %w", user.name, err)
		}
	default:
		return fmt.Errorf("%s belongs to user %d and not to %s, who runs the server: move it away or give it to %[3]s", path, stat.Uid, user.name)
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a folder needs x
			return fmt.Errorf("protect a folder: %w", err)
		}
	}
	return nil
}

// checkReach lets the server's user go where it will have to. Trying is the
// only check that sees access lists, mount options and security modules.
func checkReach(ctx context.Context, bin binaries, dir string, user account) error {
	if !user.switched {
		return nil
	}
	if err := tryAs(ctx, bin, "/", user); err != nil {
		return fmt.Errorf("user %s cannot run %s: %w; make it readable for others, or set SENTINEL_PG_BIN", user.name, bin.postgres(), err)
	}
	err := tryAs(ctx, bin, dir, user)
	if err == nil {
		return nil
	}
	blocked := dir
	for p := dir; p != "/"; p = filepath.Dir(p) {
		if tryAs(ctx, bin, p, user) != nil {
			blocked = p
		}
	}
	return fmt.Errorf("PostgreSQL does not run as root but as user %s, who cannot enter %s: set DATA_DIR to a folder such as /var/lib/sentinel, or allow it with: chmod o+x %[2]s (%[3]w)", user.name, blocked, err)
}

func tryAs(ctx context.Context, bin binaries, dir string, user account) error {
	cmd := exec.CommandContext(ctx, bin.postgres(), "--version") //nolint:gosec // found by findBinaries
	cmd.Dir = dir
	cmd.SysProcAttr = user.attributes()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("try: %w", err)
	}
	return nil
}

func rotate(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() < maxLog {
		return nil
	}
	if err := os.Rename(path, path+".1"); err != nil {
		return fmt.Errorf("set the log aside: %w", err)
	}
	return nil
}

// tail returns the last lines of a file, for a message.
func tail(path string) string {
	f, err := os.Open(path) //nolint:gosec // the server's log
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	const most = 1000
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}
