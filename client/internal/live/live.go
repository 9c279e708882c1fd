// Package live runs a real Sentinel for the tests of the client: the binary of
// this repository, on a PostgreSQL of its own.
package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Password is everybody's.
const Password = "correct horse battery staple" //nolint:gosec // of accounts that live as long as a test

// startTimeout bounds the building of the binary and the start of the server.
const startTimeout = 5 * time.Minute

// Server is a running server.
type Server struct {
	URL  string
	cmd  *exec.Cmd
	done chan error
	log  *output
}

// Main runs the tests of a package with a server, which it puts in *s.
func Main(m *testing.M, s **Server) {
	code := 1
	err := func() (err error) {
		dir, err := os.MkdirTemp("", "sentinel-client-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // for PostgreSQL's user, under root
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if *s, err = start(ctx, dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, (*s).stop()) }()
		code = m.Run()
		http.DefaultClient.CloseIdleConnections() // or the server waits for them
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func start(ctx context.Context, dir string) (*Server, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "sentinel")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/sentinel") //nolint:gosec // a name of our own
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the server: %w\n%s", err, out)
	}
	s := &Server{cmd: exec.Command(binary, "serve"), done: make(chan error, 1), log: &output{}} //nolint:gosec,noctx // it ends with the tests, by stop
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "HTTP_ADDR=127.0.0.1:0", "METRICS_ADDR=off", "DATA_DIR="+dir, "DATABASE_URL=", "MIGRATE_DATABASE_URL=",
		"ADMIN_EMAIL=operator@example.com", "ADMIN_PASSWORD="+Password,
		"RATE_LIMIT_PER_MINUTE=0", "RATE_LIMIT_CHECKS_PER_MINUTE=0", "LOGIN_RATE_PER_ADDRESS=0", "LOGIN_RATE_PER_ACCOUNT=0")
	ready := &output{until: "\n", found: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = ready, s.log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	select {
	case <-ready.found:
	case err := <-s.done:
		return nil, fmt.Errorf("the server ended: %w\n%s", err, s.log)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop(), fmt.Errorf("the server does not get ready\n%s", s.log))
	}
	_, rest, _ := strings.Cut(ready.String(), "ready at ")
	s.URL, _, _ = strings.Cut(rest, " ")
	return s, nil
}

// stop ends the server and waits for it.
func (s *Server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("the server ended: %w\n%s", err, s.log)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the server does not end"), s.cmd.Process.Kill(), <-s.done)
	}
}

// repository finds the root of the repository above the package under test.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "sentinel")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("these tests run in Sentinel's repository only: there is no cmd/sentinel above")
		}
		dir = filepath.Dir(dir)
	}
}

// output keeps what a command prints, and says when a text has come.
type output struct {
	mu    sync.Mutex
	text  strings.Builder
	until string
	found chan struct{}
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.until != "" && strings.Contains(o.text.String(), o.until)
	o.text.Write(p)
	if o.until != "" && !before && strings.Contains(o.text.String(), o.until) {
		close(o.found)
	}
	return len(p), nil
}

// String is all that has come.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// unique makes a name that no other test has.
func unique() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
