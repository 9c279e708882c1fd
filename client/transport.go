package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds an answer in JSON. What is downloaded in another form is as
// long as it is.
const maxAnswer = 64 << 20

// firstPause is waited before the first retry where the server does not say how
// long; each further one is twice as long.
const firstPause = 100 * time.Millisecond

// transport sends requests as one of the two accounts, again where that helps,
// and turns every failure into an error.
type transport struct {
	options Options
	// tokens are those of the client's own account, nil if it has none.
	tokens *tokens
}

// Do implements [HttpRequestDoer].
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.options.Timeout)
	resp, err := t.call(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	body := &answer{ReadCloser: resp.Body, cancel: cancel, left: -1}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		body.left = maxAnswer
	}
	resp.Body = body
	return resp, nil
}

func (t *transport) call(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	renewed := false
	for try := 0; ; {
		token, own, err := t.bearer(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := t.send(req, token)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified {
			return resp, nil
		}
		failure := readFailure(resp)
		switch {
		case req.Body != nil && req.GetBody == nil:
			return nil, failure // its body is used up
		case failure.Status == http.StatusUnauthorized && own && !renewed:
			renewed = true
			t.tokens.forget(token)
		case try < t.options.Retries && repeatable(req, failure) && t.pause(ctx, try, failure):
			try++
		default:
			return nil, failure
		}
	}
}

// bearer returns the token to call with, and whether it is the client's own.
func (t *transport) bearer(ctx context.Context) (token string, own bool, err error) {
	if given, ok := ctx.Value(tokenKey).(string); ok {
		return given, false, nil
	}
	if t.tokens == nil {
		return "", false, nil
	}
	token, err = t.tokens.current(ctx)
	return token, true, err
}

func (t *transport) send(req *http.Request, token string) (*http.Response, error) {
	ctx := req.Context()
	out := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("read the request again: %w", err)
		}
		out.Body = body
	}
	out.Header.Set("User-Agent", "sentinel-go")
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	for key, header := range map[contextKey]string{tenantKey: "X-Tenant-ID", requestKey: "X-Request-ID"} {
		if value, ok := ctx.Value(key).(string); ok {
			out.Header.Set(header, value)
		}
	}
	resp, err := t.options.HTTP.Do(out)
	if err != nil {
		return nil, fmt.Errorf("reach Sentinel: %w", err)
	}
	return resp, nil
}

// asks are POSTs that write nothing.
var asks = []string{"/permissions/check", "/permissions/batch-check", "/auth/service-account/token"}

// repeatable reports whether a refused request can be made again without doing
// anything twice. With 429 it was not looked at. With 503 it may have been done
// in part or in whole.
func repeatable(req *http.Request, failure *Error) bool {
	switch failure.Status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
	default:
		return false
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	for _, path := range asks {
		if strings.HasSuffix(req.URL.Path, path) {
			return true
		}
	}
	return req.Header.Get("Idempotency-Key") != ""
}

// pause waits for the next try. It reports false if that would be too long, or
// ctx ends before.
func (t *transport) pause(ctx context.Context, try int, failure *Error) bool {
	wait := failure.RetryAfter
	if wait == 0 {
		wait = min(firstPause<<try, t.options.MaxWait)
	}
	if deadline, ok := ctx.Deadline(); wait > t.options.MaxWait || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errTooLong is returned by reading an answer that is larger than any of
// Sentinel's.
var errTooLong = errors.New("the answer is too long")

// answer is a body that ends its call's context when it is closed.
type answer struct {
	io.ReadCloser
	cancel context.CancelFunc
	// left is how many bytes may still come, negative for any number.
	left int
}

// Read implements [io.Reader].
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left < 0 {
		return n, err
	}
	if n > a.left {
		return 0, errTooLong
	}
	a.left -= n
	return n, err
}

// Close implements [io.Closer].
func (a *answer) Close() error {
	defer a.cancel()
	return a.ReadCloser.Close()
}
