package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are given on the command line, so that they hold for a cluster of an
// older Sentinel as well.
func (s *Server) settings() []string {
	values := []string{
		"listen_addresses=",
		"port=" + socketPort,
		"unix_socket_directories=" + s.dirs.socket,
		"unix_socket_permissions=0700",
		"max_connections=100",
		"shared_buffers=128MB",
		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C",
		"logging_collector=off",
		"log_destination=stderr",
	}
	if s.cfg.FastUnsafe {
		values = append(values, "fsync=off", "full_page_writes=off")
	}
	args := make([]string, 0, 2*len(values))
	for _, v := range values {
		args = append(args, "-c", v)
	}
	return args
}

// initialize creates the cluster beside its place and moves it there when it is
// whole, so that an interrupted start leaves nothing half made.
func (s *Server) initialize(ctx context.Context) error {
	fresh := s.dirs.data + ".new"
	// UTF-8 with an order that does not change with the system's libraries.
	err := s.initdb(ctx, fresh, "C.UTF-8")
	if err != nil && strings.Contains(err.Error(), "locale") {
		err = s.initdb(ctx, fresh, "C")
	}
	if err != nil {
		return err
	}
	// An empty folder may be there, for a volume to be mounted on.
	if err := os.Remove(s.dirs.data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make place for the cluster: %w", err)
	}
	if err := os.Rename(fresh, s.dirs.data); err != nil {
		return fmt.Errorf("move the new cluster to its place: %w", err)
	}
	return nil
}

func (s *Server) initdb(ctx context.Context, dir, locale string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	args := []string{
		"-D", dir, "--username=" + ownerRole, "--encoding=UTF8", "--locale=" + locale,
		"--auth-local=trust", "--auth-host=reject",
	}
	if s.cfg.FastUnsafe {
		args = append(args, "--no-sync")
	} else {
		args = append(args, "--data-checksums")
	}
	cmd := exec.CommandContext(ctx, s.bin.initdb(), args...) //nolint:gosec // found by findBinaries
	cmd.Dir = s.dirs.home
	cmd.Env = environment()
	cmd.SysProcAttr = s.user.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create the cluster with %s: %w:\n%s", s.bin.initdb(), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// stopOrphan ends a server whose Sentinel was killed. The lock on the folder is
// held here, so nobody else wants it.
func (s *Server) stopOrphan(ctx context.Context) error {
	file := filepath.Join(s.dirs.data, "postmaster.pid")
	content, err := os.ReadFile(file) //nolint:gosec // below our own folder
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the process id of an earlier server: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		// Cut short while it was written: nothing runs. PostgreSQL would refuse.
		return removeStale(file)
	}
	if !alive(pid) {
		return nil // PostgreSQL replaces the file itself.
	}
	if !s.isPostmaster(ctx, pid) {
		// The number went to another process, for which PostgreSQL would refuse
		// to start.
		return removeStale(file)
	}
	s.cfg.Logger.WarnContext(ctx, "a PostgreSQL left behind by an earlier Sentinel is stopped", "pid", pid, "dir", s.dirs.root)
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}, {syscall.SIGKILL, immediateStop}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the earlier server, process %d: %w", pid, err)
		}
		if ended(ctx, pid, step.wait) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stop the earlier server, process %d: %w", pid, err)
		}
	}
	return fmt.Errorf("the earlier server, process %d, cannot be stopped", pid)
}

func removeStale(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a stale file: %w", err)
	}
	return nil
}

// alive reports whether there is such a process that still runs; one that has
// ended and was not yet waited for does not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return runtime.GOOS != "linux"
	}
	// "pid (name) state ...": the name may hold anything.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return !strings.HasPrefix(rest, "Z")
}

// isPostmaster reports whether the process is a server on this cluster and not
// one that came by its number later. A postmaster's working folder is its
// cluster.
func (s *Server) isPostmaster(ctx context.Context, pid int) bool {
	if runtime.GOOS == "linux" {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if err != nil {
			return false
		}
		data, err := filepath.EvalSymlinks(s.dirs.data)
		return err == nil && cwd == data
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	return err == nil && strings.Contains(string(out), s.dirs.data)
}

func ended(ctx context.Context, pid int, within time.Duration) bool {
	deadline := time.After(within)
	tick := time.NewTicker(connectPause)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-ctx.Done():
			return false
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}
