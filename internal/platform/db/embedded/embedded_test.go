package embedded

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// childDir tells the test binary to be a Sentinel on that folder instead.
const childDir = "SENTINEL_EMBEDDED_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

// child runs a server until it is killed or its input ends.
func child(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir, FastUnsafe: true})
	if err != nil {
		_, _ = os.Stdout.WriteString("error: " + strings.ReplaceAll(err.Error(), "\n", " ") + "\n")
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(s.OwnerURL() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// folder is one that every user can pass through, unlike t.TempDir.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sentinel-embedded-") //nolint:usetesting // as said
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // as said
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir, FastUnsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func query[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

// mark leaves something that must be there later.
func mark(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `CREATE TABLE mark AS SELECT 'here' AS word`)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func requireMarked(t *testing.T, url string) {
	t.Helper()
	require.Equal(t, "here", query[string](t, url, `SELECT word FROM mark`))
}

func TestStart_GivesAPrivateServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s, err := Start(t.Context(), Config{Dir: filepath.Join(dir, "new", "dir")}) // as in production
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Stop()) }()
	url := s.OwnerURL()
	require.Equal(t, "sentinel_owner", query[string](t, url, `SELECT current_user::text`))
	require.Equal(t, "sentinel_db", query[string](t, url, `SELECT current_database()::text`))
	require.Equal(t, "UTF8", query[string](t, url, `SHOW server_encoding`))
	require.Equal(t, "UTC", query[string](t, url, `SHOW timezone`))
	require.Equal(t, "on", query[string](t, url, `SHOW fsync`))
	require.Equal(t, "on", query[string](t, url, `SHOW data_checksums`))
	require.Empty(t, query[string](t, url, `SHOW listen_addresses`))
	require.Contains(t, s.AppURL(), "sentinel_app@")
	for _, d := range []string{s.dirs.home, s.dirs.socket, s.dirs.data} {
		info, err := os.Stat(d)
		require.NoError(t, err)
		require.EqualValues(t, 0o700, info.Mode().Perm(), d)
	}
}

func TestRestart_KeepsURLsAndData(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	url := s.OwnerURL()
	mark(t, url)
	require.NoError(t, s.Restart(t.Context()), "of a running one does nothing")
	done := s.Done()
	require.NoError(t, s.Stop())
	<-done
	<-s.Done()
	require.NoError(t, s.Stop(), "twice")
	_, err := pgx.Connect(t.Context(), url)
	require.Error(t, err)
	require.NoError(t, s.Restart(t.Context()))
	requireMarked(t, url)
}

func TestStart_SecondOnSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	_, err := Start(t.Context(), Config{Dir: dir, FastUnsafe: true})
	require.ErrorContains(t, err, "another Sentinel runs on this folder")
	require.ErrorContains(t, err, dir)
	require.Equal(t, 1, query[int](t, s.OwnerURL(), `SELECT 1`), "the first is not disturbed")
	require.NoError(t, s.Stop())
	start(t, dir)
}

// startChild runs a Sentinel in a process of its own and returns the URL of its
// server.
func startChild(t *testing.T, program, dir string, attr *syscall.SysProcAttr) (*exec.Cmd, io.Closer, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program) //nolint:gosec // this binary
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	cmd.Dir = "/"
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "postgres://"), line)
	return cmd, in, strings.TrimSpace(line)
}

func postmasterPID(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.SplitN(string(content), "\n", 2)[0])
	require.NoError(t, err)
	return pid
}

func TestStart_AfterKilledParent(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd, _, url := startChild(t, self, dir, nil)
	mark(t, url)
	pid := postmasterPID(t, dir)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if runtime.GOOS == "linux" {
		require.True(t, ended(t.Context(), pid, 10*time.Second), "no server outlives its Sentinel")
	}
	requireMarked(t, start(t, dir).OwnerURL())
}

func TestRestart_AfterKilledServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	mark(t, s.OwnerURL())
	require.NoError(t, s.proc.cmd.Process.Kill())
	<-s.Done()
	require.NoError(t, s.Restart(t.Context()))
	requireMarked(t, s.OwnerURL())
}

func TestRestart_WaitsForSessionsOfAKilledServer(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a look at the server's log that only Linux is known to give")
	}
	s := start(t, folder(t))
	mark(t, s.OwnerURL())
	conn, err := pgx.Connect(t.Context(), s.OwnerURL())
	require.NoError(t, err)
	session := int(conn.PgConn().PID())
	require.NoError(t, syscall.Kill(session, syscall.SIGSTOP))
	require.NoError(t, s.proc.cmd.Process.Kill())
	<-s.Done()
	log := s.dirs.log
	restarted := make(chan error, 1)
	go func() { restarted <- s.Restart(context.WithoutCancel(t.Context())) }()
	require.Eventually(t, func() bool {
		return strings.Contains(tail(log), "pre-existing shared memory block")
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(session, syscall.SIGCONT))
	require.NoError(t, <-restarted)
	requireMarked(t, s.OwnerURL())
}

func TestStart_StopsServerLeftBehind(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := start(t, dir)
	mark(t, first.OwnerURL())
	// As after kill -9 on a system that cannot signal orphans.
	require.NoError(t, first.unlock())
	second := start(t, dir)
	<-first.Done()
	requireMarked(t, second.OwnerURL())
}

func TestStart_IgnoresProcessWithARecycledNumber(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	mark(t, s.OwnerURL())
	require.NoError(t, s.Stop())
	stranger := exec.CommandContext(t.Context(), "sleep", "600")
	stranger.SysProcAttr = s.user.attributes()
	require.NoError(t, stranger.Start())
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	for _, content := range []string{strconv.Itoa(stranger.Process.Pid) + "\n" + s.dirs.data + "\n", "", "x\n", "1\n"} {
		file := filepath.Join(s.dirs.data, "postmaster.pid")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		require.NoError(t, os.Chown(file, int(s.user.uid), int(s.user.gid)))
		require.NoError(t, s.Restart(t.Context()), "%q", content)
		requireMarked(t, s.OwnerURL())
		require.NoError(t, s.Stop())
	}
	require.True(t, alive(stranger.Process.Pid))
}

func TestStart_ReplacesUnfinishedCluster(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	user, err := unprivileged()
	require.NoError(t, err)
	l, err := makeLayout(dir, user)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(l.data+".new", 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(l.data+".new", "PG_VERSION"), []byte("15\n"), 0o600))
	require.NoError(t, os.Mkdir(l.data, 0o700))
	start(t, dir)
}

func TestStart_LongPathsGetAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("long", 30))
	s := start(t, dir)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(s.dirs.socket)) })
	require.True(t, strings.HasPrefix(s.dirs.socket, os.TempDir()), s.dirs.socket)
	require.Equal(t, 1, query[int](t, s.OwnerURL(), `SELECT 1`))
}

func TestStart_SaysWhyTheServerEnded(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	require.NoError(t, s.Stop())
	conf := filepath.Join(s.dirs.data, "postgresql.conf")
	require.NoError(t, os.WriteFile(conf, []byte("nonsense = on\n"), 0o600))
	require.ErrorContains(t, s.Restart(t.Context()), `"nonsense"`)
	// It can be corrected and tried again.
	require.NoError(t, os.WriteFile(conf, nil, 0o600))
	require.NoError(t, s.Restart(t.Context()))
}

func TestStart_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, Config{Dir: folder(t), FastUnsafe: true})
	require.Error(t, err)
}

func TestStart_AsRootRefusesFolderOutOfReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root changes users")
	}
	closed := t.TempDir() // below a folder of mode 0700
	_, err := Start(t.Context(), Config{Dir: filepath.Join(closed, "data"), FastUnsafe: true})
	require.ErrorContains(t, err, "who cannot enter "+filepath.Dir(closed)+":")
	require.ErrorContains(t, err, "set DATA_DIR")
}

func TestStart_AsPlainUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("all other tests run as a plain user already")
	}
	dir := folder(t)
	require.NoError(t, os.Chown(dir, 65534, 65534))
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self) //nolint:gosec // this binary
	require.NoError(t, err)
	public := filepath.Join(folder(t), "child")
	require.NoError(t, os.WriteFile(public, program, 0o755)) //nolint:gosec // to be run by another user

	cmd, in, url := startChild(t, public, dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	require.Equal(t, "sentinel_owner", query[string](t, url, `SELECT current_user::text`))
	info, err := os.Stat(filepath.Join(dir, "postgres", "data"))
	require.NoError(t, err)
	require.EqualValues(t, 65534, info.Sys().(*syscall.Stat_t).Uid) //nolint:forcetypeassert // on every unix
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait(), "stops cleanly")
}
