package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// Stock is a stock OPA: the tool of its makers, as a process of its own, that
// listens on a socket in a folder of its own.
type Stock struct {
	client *http.Client
	output *bytes.Buffer
}

// stockTimeout is how long the process may take to start, and to answer.
const stockTimeout = time.Minute

// StockOPA starts a stock OPA that has loaded a bundle. The process ends with the
// test.
func StockOPA(t testing.TB, bundle []byte) *Stock {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	require.NoError(t, os.WriteFile(file, bundle, 0o600))
	return RunOPA(t, "--bundle", file)
}

// RunOPA starts `opa run --server` with further arguments.
func RunOPA(t testing.TB, args ...string) *Stock {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "opa").Output()
	require.NoError(t, err, "find the opa tool")
	dir, err := os.MkdirTemp("", "opa") //nolint:usetesting // the path of a socket has to be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")

	s := &Stock{output: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	args = append([]string{"run", "--server", "--addr", "unix://" + socket, "--skip-version-check", "--log-level", "error"}, args...)
	cmd := exec.CommandContext(ctx, strings.TrimSpace(string(path)), args...) //nolint:gosec // the tool of go.mod
	cmd.Stdout, cmd.Stderr = s.output, s.output
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		failure = cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	s.client = &http.Client{Timeout: stockTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			_, err := s.call(t.Context(), http.MethodGet, "/health?bundles", nil)
			return err == nil
		}
	}, stockTimeout, 20*time.Millisecond, "the process does not answer")
	select {
	case <-ended:
		require.Fail(t, "the process ended", "%v: %s", failure, s.output)
	default:
	}
	return s
}

// Decide answers a question at now, as the library's decision does.
func (s *Stock) Decide(ctx context.Context, q policy.Question, now time.Time) (policy.Verdict, error) {
	var answer struct {
		Result []struct {
			Decision any `json:"decision"`
		} `json:"result"`
	}
	err := s.ask(ctx, "/v1/query", map[string]any{
		"query": fmt.Sprintf("decision = data.sentinel.authz.decision with time.now_ns as %d", now.UnixNano()),
		"input": q.Input(),
	}, &answer)
	if err != nil {
		return policy.Verdict{}, err
	}
	if len(answer.Result) != 1 {
		return policy.Verdict{}, errors.New("stock opa: the decision is undefined")
	}
	return policy.ReadVerdict(answer.Result[0].Decision)
}

// Data answers a question as applications ask it, by the path of the decision,
// at the moment of the process's own clock. A built-in function that fails is an
// error.
func (s *Stock) Data(ctx context.Context, q policy.Question) (policy.Verdict, error) {
	var answer struct {
		Result any `json:"result"`
	}
	if err := s.ask(ctx, "/v1/data/sentinel/authz/decision?strict-builtin-errors=true", map[string]any{"input": q.Input()}, &answer); err != nil {
		return policy.Verdict{}, err
	}
	return policy.ReadVerdict(answer.Result)
}

func (s *Stock) ask(ctx context.Context, path string, body, into any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	got, err := s.call(ctx, http.MethodPost, path, sent)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(got))
	decoder.UseNumber()
	return decoder.Decode(into)
}

func (s *Stock) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://opa"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("stock opa: %s: %s", response.Status, got)
	}
	return got, err
}
