// Package httpapitest serves a [httpapi.Server] to tests, over a real
// connection.
package httpapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Client talks to the server under test.
type Client struct {
	t testing.TB
	// URL is the server's, without a path.
	URL string
	// Token is sent as bearer token unless it is empty.
	Token string
	// Header is sent with each request.
	Header http.Header
	http   *http.Client
}

// Answer is a response that has been read.
type Answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// Start serves s on the loopback interface until the test ends.
func Start(t testing.TB, s *httpapi.Server) *Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-done)
	})
	return &Client{t: t, URL: "http://" + ln.Addr().String(), Header: http.Header{}, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// As returns a client with another token, "" for none.
func (c *Client) As(token string) *Client {
	other := *c
	other.Token, other.Header = token, c.Header.Clone()
	return &other
}

// With returns a client that sends one more header.
func (c *Client) With(name, value string) *Client {
	other := c.As(c.Token)
	other.Header.Set(name, value)
	return other
}

// Do sends a request. A body that is a string or []byte is sent as it is,
// nil is none, anything else is encoded as JSON.
func (c *Client) Do(method, path string, body any) *Answer {
	c.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = bytes.NewReader([]byte(body))
	case []byte:
		reader = bytes.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		require.NoError(c.t, err)
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+path, reader)
	require.NoError(c.t, err)
	for name, values := range c.Header {
		req.Header[name] = values
	}
	if reader != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return &Answer{t: c.t, Status: res.StatusCode, Header: res.Header, Body: read}
}

// Want fails the test unless the status is the given one.
func (a *Answer) Want(status int) *Answer {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, "body: %s", a.Body)
	return a
}

// Data decodes "data" into v.
func (a *Answer) Data(v any) {
	a.t.Helper()
	a.Decode(&struct {
		Data any `json:"data"`
	}{v})
}

// Decode decodes the whole body into v.
func (a *Answer) Decode(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.Body, v), "body: %s", a.Body)
}

// Code returns the code of an error envelope, "" without one.
func (a *Answer) Code() string {
	var body httpapi.ErrorEnvelope
	_ = json.Unmarshal(a.Body, &body)
	return body.Error.Code
}

// Paths returns the paths in details.fields, in their order.
func (a *Answer) Paths() []string {
	var body struct {
		Error struct {
			Details struct {
				Fields []struct {
					Path string `json:"path"`
				} `json:"fields"`
			} `json:"details"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &body)
	var paths []string
	for _, f := range body.Error.Details.Fields {
		paths = append(paths, f.Path)
	}
	return paths
}
