package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// How long each way of stopping may take before the next, harder one.
const (
	fastStop      = 30 * time.Second
	immediateStop = 10 * time.Second
)

// process is a running postmaster.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; to be read after done
}

// startProcess starts the server and returns at once.
func startProcess(bin binaries, dirs layout, user account, settings []string, atOnce bool) (*process, error) {
	log, err := os.OpenFile(dirs.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	cmd := exec.Command(bin.postgres(), append([]string{"-D", dirs.data}, settings...)...) //nolint:gosec,noctx // ends by stop, not by a context
	cmd.Dir = dirs.home
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = user.attributes()
	dieWithParent(cmd.SysProcAttr, atOnce)

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel watches the thread that starts the child, not the process:
		// it must not end before the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = log.Close()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop asks for a fast shutdown (sessions end, data is written), then for an
// immediate one, then kills.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}, {syscall.SIGKILL, immediateStop}} {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop the server: %w", err)
		}
		select {
		case <-p.done:
			if p.err != nil && step.signal == syscall.SIGINT {
				return fmt.Errorf("the server ended badly: %w", p.err)
			}
			return nil
		case <-time.After(step.wait):
		}
	}
	return errors.New("the server cannot be stopped")
}

// environment keeps the caller's settings for PostgreSQL clients (PGDATA,
// PGOPTIONS) and its language away from the server.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}
