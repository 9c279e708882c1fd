// Package embedded runs a private PostgreSQL below a folder, for an
// installation without DATABASE_URL and for tests. It owns the processes and
// the files of the cluster; it knows nothing of the schema.
//
// The server listens on a unix socket in a folder that only its user may enter,
// never on the network, and lets in whoever reaches the socket. PostgreSQL
// refuses to run as root, so under root it runs as the user postgres, or nobody.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	database  = "sentinel_db"
	ownerRole = "sentinel_owner"
	appRole   = "sentinel_app"

	// startTimeout bounds the wait for the first connection. Replaying the log
	// of a killed server is what takes long.
	startTimeout = 2 * time.Minute
	// connectPause is the time between two attempts while the server starts.
	connectPause = 20 * time.Millisecond
	// relaunchPause is the time between two starts while remains of an earlier
	// server are in the way.
	relaunchPause = 300 * time.Millisecond
)

// Config says where the cluster lives.
type Config struct {
	// Dir holds the cluster and everything of it. It is created if absent; under
	// root, the unprivileged user must be able to pass through every folder on
	// the way. Default: /var/lib/sentinel under root, else .sentinel.
	Dir string
	// Logger gets starts, stops and deaths; what the server itself says goes to
	// Dir/postgres/server.log. Default: none.
	Logger *slog.Logger
	// FastUnsafe gives up surviving a crash of the machine for speed. For tests.
	FastUnsafe bool

	// mirror replaces the site that binaries are downloaded from.
	mirror string
	// getenv replaces os.Getenv.
	getenv func(string) string
	// searched replaces the folders in which packages put PostgreSQL.
	searched []string
}

func (c Config) withDefaults() Config {
	if c.Dir == "" {
		c.Dir = ".sentinel"
		if os.Geteuid() == 0 {
			c.Dir = "/var/lib/sentinel"
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.getenv == nil {
		c.getenv = os.Getenv
	}
	if c.searched == nil {
		c.searched = packageFolders()
	}
	return c
}

// Server is a running PostgreSQL, or one paused by Stop.
type Server struct {
	cfg  Config
	user account
	bin  binaries
	dirs layout
	// attached is set where another process runs the server.
	attached bool

	mu   sync.Mutex
	lock *os.File
	proc *process
}

// Start brings the cluster up, creating it first if need be, and returns when
// it accepts connections. It fails with a message for the operator if the
// folder is in use, cannot be reached or is of another version of PostgreSQL,
// or if there is no PostgreSQL and none can be downloaded.
//
// ctx bounds the start only. The server ends with Stop, and on Linux also with
// this process.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg}
	if err := s.Restart(ctx); err != nil {
		return nil, fmt.Errorf("embedded PostgreSQL in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// OwnerURL connects as the superuser, for migrations.
func (s *Server) OwnerURL() string { return s.url(ownerRole, database) }

// AppURL connects as the role that row-level security binds. The role exists
// once the migrations and db.EnsureAppLogin have run.
func (s *Server) AppURL() string { return s.url(appRole, database) }

func (s *Server) url(role, name string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(role),
		Path:   "/" + name,
		RawQuery: url.Values{
			"host":    {s.dirs.socket},
			"port":    {socketPort},
			"sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}

// Restart brings a stopped server back on the same URLs. On a running one it
// does nothing.
func (s *Server) Restart(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && s.proc.running() {
		return nil
	}
	s.proc = nil
	began := time.Now()
	if err := s.prepare(ctx); err != nil {
		return errors.Join(err, s.unlock())
	}
	if err := s.launch(ctx); err != nil {
		return errors.Join(err, s.halt())
	}
	s.cfg.Logger.InfoContext(ctx, "embedded PostgreSQL is up",
		"dir", s.dirs.root, "version", s.bin.version, "user", s.user.name, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// prepare makes everything that must be true before the server is started.
func (s *Server) prepare(ctx context.Context) (err error) {
	dir, err := filepath.Abs(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	if s.user, err = unprivileged(); err != nil {
		return err
	}
	if err := makeRoot(dir, s.user); err != nil {
		return err
	}
	if s.lock == nil {
		if s.lock, err = lockFolder(dir); err != nil {
			return err
		}
	}
	if s.dirs, err = makeLayout(dir, s.user); err != nil {
		return err
	}
	clusterVersion, err := s.dirs.clusterVersion()
	if err != nil {
		return err
	}
	if s.bin, err = findBinaries(ctx, s.cfg, dir, clusterVersion); err != nil {
		return err
	}
	if err := checkReach(ctx, s.bin, s.dirs.home, s.user); err != nil {
		return err
	}
	if clusterVersion == "" {
		if err := s.initialize(ctx); err != nil {
			return err
		}
	}
	return s.stopOrphan(ctx)
}

// launch starts the server and waits until it answers. Sessions of a killed
// server may need a moment to notice and let go of its memory.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := s.launchOnce(ctx)
		if err == nil || !strings.Contains(err.Error(), "pre-existing shared memory block") {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(relaunchPause):
		}
	}
}

func (s *Server) launchOnce(ctx context.Context) error {
	proc, err := startProcess(s.bin, s.dirs, s.user, s.settings(), s.cfg.FastUnsafe)
	if err != nil {
		return err
	}
	s.proc = proc
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.done:
			return fmt.Errorf("the server ended while starting; the end of %s:\n%s", s.dirs.log, tail(s.dirs.log))
		case <-ctx.Done():
			return fmt.Errorf("the server did not answer in time (%w): %w", ctx.Err(), err)
		case <-time.After(connectPause):
		}
	}
}

// ensureDatabase succeeds when the server accepts connections and the database
// is there.
func (s *Server) ensureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url(ownerRole, "postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look up the database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+database); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// Stop ends all sessions, writes everything to disk and ends the server. What
// does not end in time is ended harder, which costs nothing but a longer next
// start. Stopping twice is harmless; Restart brings the server back.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halt()
}

// Done is closed when the server ends, by Stop or by itself. After a Restart,
// ask again.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return s.proc.done
}

func (s *Server) halt() error {
	var err error
	if s.proc != nil {
		err = s.proc.stop()
		s.proc = nil
		s.cfg.Logger.Info("embedded PostgreSQL is down", "dir", s.dirs.root)
	}
	return errors.Join(err, s.unlock())
}

func (s *Server) unlock() error {
	if s.lock == nil {
		return nil
	}
	// Closing the file releases the lock. The file stays: removing it would let
	// two others lock two files of the same name.
	err := s.lock.Close()
	s.lock = nil
	if err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}
