package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const slow = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"

// stoppable is a server whose route /slow waits for the test to let it go.
type stoppable struct {
	*fixture
	address string
	stop    context.CancelFunc
	served  chan error
}

func serving(t *testing.T, timeout time.Duration) *stoppable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	s := &stoppable{
		fixture: &fixture{entered: make(chan struct{}, 2), release: make(chan struct{}), server: httpapi.New(httpapi.Config{ShutdownTimeout: timeout})},
		address: ln.Addr().String(), stop: stop, served: make(chan error, 1),
	}
	s.routes()
	go func() { s.served <- s.server.Serve(ctx, ln) }()
	return s
}

func (s *stoppable) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

// answered reads one answer and leaves the connection open.
func answered(t *testing.T, conn net.Conn) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestShutdown_ClosesConnectionsWithoutARequest(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"new": "", "half a head": "GET /slow HTTP/1.1\r\nHo", "used": slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serving(t, time.Minute)
			close(s.release)
			conn := s.dial(t, text)
			last := s.dial(t, slow) // accepted after the one before
			require.Equal(t, 200, answered(t, last))
			if name == "used" {
				require.Equal(t, 200, answered(t, conn))
			}
			s.stop()
			// Long before the timeout of the shutdown, and without an error.
			select {
			case err := <-s.served:
				require.NoError(t, err)
			case <-time.After(30 * time.Second):
				t.Fatal("it waits for a connection that asks nothing")
			}
			_, err := io.Copy(io.Discard, conn)
			require.NoError(t, err, "it is closed, not cut off")
		})
	}
}

func TestShutdown_AnswersWhatIsInFlightBesideIdleConnections(t *testing.T) {
	t.Parallel()
	s := serving(t, time.Minute)
	_ = s.dial(t, "")
	busy := s.dial(t, slow)
	<-s.entered
	s.stop()
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "nothing is accepted any more")
	close(s.release)
	require.Equal(t, 200, answered(t, busy))
	require.NoError(t, <-s.served)
}

func TestShutdown_TakesARequestThatArrivesWhileItBegins(t *testing.T) {
	t.Parallel()
	s := serving(t, time.Minute)
	late := s.dial(t, "")
	busy := s.dial(t, slow)
	<-s.entered
	s.stop()
	_, err := io.WriteString(late, slow)
	require.NoError(t, err)
	<-s.entered
	close(s.release)
	require.Equal(t, 200, answered(t, late))
	require.Equal(t, 200, answered(t, busy))
	require.NoError(t, <-s.served)
}
