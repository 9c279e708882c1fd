package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi/httpapitest"
)

// A large body takes many times its size: few are in memory at once, and fewer
// of one tenant.
func TestLargeBodies_OfOneTenantAreFew(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	s := httpapi.New(httpapi.Config{
		BodyLimit: 1000, Authenticate: authenticate,
		Authorize: func(context.Context, httpapi.Permission) error { return nil },
	})
	httpapi.Call(s.Section("Files", "Large ones."), httpapi.Route{Path: "/files", Summary: "Send", Access: httpapi.Requires("files", "create"), MaxBody: 1 << 20, Gzip: true},
		func(_ context.Context, in *struct {
			Body struct {
				Text string `json:"text"`
			}
		},
		) (*none, error) {
			if len(in.Body.Text) > 1000 {
				entered <- struct{}{}
				<-release
			}
			return &none{}, nil
		})
	c := httpapitest.Start(t, s).As("good")
	large := map[string]string{"text": strings.Repeat("x", 2000)}
	answered := make(chan int, 2)
	for range 2 {
		go func() { answered <- c.Do(http.MethodPost, "/api/v1/files", large).Status }()
	}
	<-entered
	<-entered
	c.Do(http.MethodPost, "/api/v1/files", large).Want(http.StatusServiceUnavailable)
	c.With("Content-Encoding", "gzip").Do(http.MethodPost, "/api/v1/files", map[string]string{"text": "x"}).Want(http.StatusServiceUnavailable)
	c.Do(http.MethodPost, "/api/v1/files", map[string]string{"text": "small"}).Want(http.StatusOK)
	close(release)
	require.Equal(t, http.StatusOK, <-answered)
	require.Equal(t, http.StatusOK, <-answered)
	c.Do(http.MethodPost, "/api/v1/files", large).Want(http.StatusOK)
}
