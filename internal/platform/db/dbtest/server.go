package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/embedded"
	"github.com/sentinel-access/sentinel/migrations"
)

const (
	folderPrefix = "sentinel-pgtest-"
	// abandonedAfter is when a folder without a process may be removed. Younger
	// ones may be about to be locked.
	abandonedAfter = 10 * time.Minute
	// migrationLock is the key under which the processes that share a
	// TEST_DATABASE_URL migrate one after the other, since roles belong to all.
	migrationLock = 0x73656e74
)

// shared is the one server of this process: go test gives a package no other
// place to keep it.
var shared process

type process struct {
	mu      sync.Mutex
	allowed bool
	server  *server
	err     error
}

func (p *process) allow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = true
}

func (p *process) get(ctx context.Context) (*server, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.allowed {
		return nil, errors.New("nobody would stop the server: add func TestMain(m *testing.M) { dbtest.Main(m) }")
	}
	if p.server == nil && p.err == nil {
		// Not of the first test only: its end must not end the others' server.
		p.server, p.err = startServer(context.WithoutCancel(ctx), os.Getenv("TEST_DATABASE_URL"))
	}
	return p.server, p.err
}

func (p *process) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return nil
	}
	return p.server.close()
}

// server makes databases from a migrated template.
type server struct {
	owner    *pgxpool.Pool
	url      *url.URL // of a superuser
	password string   // of sentinel_app
	template string
	count    atomic.Int64
	cluster  *cluster // nil with TEST_DATABASE_URL

	mu sync.Mutex
	// kept are the databases that are copied, the template first.
	kept []string
}

func startServer(ctx context.Context, external string) (_ *server, err error) {
	s := &server{template: "sentinel_test_" + token()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if external == "" {
		if s.cluster, err = startCluster(ctx); err != nil {
			return nil, err
		}
		external = s.cluster.OwnerURL()
	} else {
		// The same in all processes, since they share the role.
		sum := sha256.Sum256([]byte(external))
		s.password = hex.EncodeToString(sum[:16])
	}
	if s.url, err = url.Parse(external); err != nil {
		return nil, errors.New("TEST_DATABASE_URL is not a URL")
	}
	if s.owner, err = pgxpool.New(ctx, external); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, s.makeTemplate(ctx)
}

func (s *server) makeTemplate(ctx context.Context) error {
	conn, err := s.owner.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return fmt.Errorf("wait for other processes: %w", err)
	}
	defer func() { _, _ = conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, migrationLock) }()

	if _, err := conn.Exec(ctx, "CREATE DATABASE "+s.template); err != nil {
		return fmt.Errorf("create the template: %w", err)
	}
	if err := migrate(ctx, s.ownerURL(s.template), s.password); err != nil {
		return err
	}
	if err := s.keep(ctx, s.template); err != nil {
		return fmt.Errorf("close the template: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, ownerURL, password string) error {
	if err := migrations.Up(ctx, ownerURL); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return db.EnsureAppLogin(ctx, ownerURL, password)
}

// create makes a copy of a database to which nobody is connected.
func (s *server) create(ctx context.Context, of string) (string, error) {
	name := fmt.Sprintf("%s_%d", s.template, s.count.Add(1))
	_, err := s.owner.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+of)
	return name, err
}

// keep makes a database one to copy, until the server is closed.
func (s *server) keep(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, name)
	// A session on it would stand in the way of copying it.
	_, err := s.owner.Exec(ctx, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	return err
}

func (s *server) drop(ctx context.Context, name string) error {
	_, err := s.owner.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return err
}

func (s *server) ownerURL(name string) string {
	u := *s.url
	u.Path = "/" + name
	return u.String()
}

func (s *server) appURL(name string) string {
	u := *s.url
	u.Path = "/" + name
	u.User = url.User("sentinel_app")
	if s.password != "" {
		u.User = url.UserPassword("sentinel_app", s.password)
	}
	return u.String()
}

func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	var err error
	if s.owner != nil {
		if s.cluster == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, name := range s.kept {
				err = errors.Join(err, s.drop(ctx, name))
			}
		}
		s.owner.Close()
	}
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.remove())
	}
	return err
}

// cluster is a server in a temporary folder.
type cluster struct {
	*embedded.Server
	dir string
}

func startCluster(ctx context.Context) (*cluster, error) {
	sweep(os.TempDir(), time.Now())
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	// Under root, the server's user passes through to its own folder below.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as said
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	s, err := embedded.Start(ctx, embedded.Config{Dir: dir, FastUnsafe: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &cluster{Server: s, dir: dir}, nil
}

func (c *cluster) remove() error {
	return errors.Join(c.Stop(), os.RemoveAll(c.dir))
}

// sweep removes the folders of processes that were killed: nobody holds their
// lock.
func sweep(parent string, now time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*")) // fails for a bad pattern only
	for _, dir := range dirs {
		lock, err := os.Open(filepath.Join(dir, "lock")) //nolint:gosec // of our own making
		if err != nil {
			continue
		}
		info, err := lock.Stat()
		if err == nil && now.Sub(info.ModTime()) > abandonedAfter &&
			syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			// What cannot be removed is another user's, and theirs to sweep.
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

func token() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
