package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// errInterrupted is of calls that were given up. The server may have got them.
var errInterrupted = errors.New("interrupted")

// remote is a running server that a command talks to.
type remote struct{ server, token, tenant string }

// flags adds --server, --token and --tenant. what is what the tenant is for.
func (r *remote) flags(cmd *cobra.Command, what string) {
	server := os.Getenv("SENTINEL_URL")
	if server == "" {
		server = "http://127.0.0.1:8080"
	}
	cmd.Flags().StringVar(&r.server, "server", server, "the server's URL (SENTINEL_URL)")
	cmd.Flags().StringVar(&r.token, "token", "", "the access token (default: SENTINEL_TOKEN)")
	cmd.Flags().StringVar(&r.tenant, "tenant", "", "the tenant to "+what+" in, for operators (default: the token's)")
}

const (
	// zipFrom is the length from which a JSON body is sent compressed.
	zipFrom = 256 << 10
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 256 << 20
)

// refusal is the error of the API's envelope.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details struct {
		Fields []struct {
			Path    string `json:"path"`
			Message string `json:"message"`
		} `json:"fields"`
		Missing []string `json:"missing"`
	} `json:"details"`
}

// summary is the message without the sentence that sends callers of the API to
// the members: here they follow.
func (r *refusal) summary() string {
	if len(r.Details.Fields) == 0 {
		return r.Message
	}
	return strings.TrimSuffix(r.Message, " Correct the members named in details.fields.")
}

func (r *refusal) Error() string {
	text := r.Code + ": " + r.summary()
	for _, f := range r.Details.Fields {
		text += "\n  " + f.Path + " " + f.Message
	}
	for _, what := range r.Details.Missing {
		text += "\n  missing: " + what
	}
	return text
}

// upload is a body as it is sent.
type upload struct {
	media string
	body  io.Reader
	size  int64
	// encoding is the body's Content-Encoding, "" for none.
	encoding string
}

// bearer is the token, without the spaces and line ends that files and secrets
// of a pipeline have around it.
func (r *remote) bearer() (string, error) {
	token := strings.TrimSpace(r.token)
	if token == "" {
		token = strings.TrimSpace(os.Getenv("SENTINEL_TOKEN"))
	}
	switch {
	case token == "":
		return "", errors.New("no token: log in with POST /api/v1/auth/login and give its access_token in --token or SENTINEL_TOKEN")
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", errors.New("the token has characters that no token has: give an access_token and nothing else in --token or SENTINEL_TOKEN")
	}
	return token, nil
}

// base is the server's address without a slash at the end.
func (r *remote) base() (string, error) {
	u, err := url.Parse(r.server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("--server %q: must be a URL such as http://127.0.0.1:8080", r.server)
	}
	return strings.TrimSuffix(r.server, "/"), nil
}

// unanswered says why there is no answer to a call that ended with err.
func (r *remote) unanswered(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errInterrupted
	case ctx.Err() != nil:
		return fmt.Errorf("the server at %s does not answer in time: %w", r.server, ctx.Err())
	}
	return fmt.Errorf("no server answers at %s: %w", r.server, err)
}

// send makes a call and returns the whole answer. Only an answer that is no JSON
// is an error here, whatever its status is.
func (r *remote) send(ctx context.Context, method, path string, up upload) ([]byte, error) {
	token, err := r.bearer()
	if err != nil {
		return nil, err
	}
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	if up.body == nil {
		up.body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, method, base+"/api/v1"+path, up.body)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if up.media != "" {
		req.Header.Set("Content-Type", up.media)
		req.ContentLength = up.size
	}
	if up.encoding != "" {
		req.Header.Set("Content-Encoding", up.encoding)
	}
	if r.tenant != "" {
		req.Header.Set("X-Tenant-ID", r.tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, r.unanswered(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, r.unanswered(ctx, err)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%s does not answer like Sentinel (status %d)", r.server, resp.StatusCode)
	}
	return raw, nil
}

// call is [remote.send] of a JSON body, nil for none.
func (r *remote) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	var up upload
	if body != nil {
		up.media = "application/json"
	}
	if len(body) >= zipFrom {
		var err error
		if body, err = zip(body); err != nil {
			return nil, err
		}
		up.encoding = "gzip"
	}
	if body != nil {
		up.body, up.size = bytes.NewReader(body), int64(len(body))
	}
	return r.send(ctx, method, path, up)
}

// data is [remote.call], for the data of the answer. A refusal is an error.
func (r *remote) data(ctx context.Context, method, path string, body []byte) (json.RawMessage, error) {
	raw, err := r.call(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return r.opened(raw)
}

// opened takes the data out of an answer's envelope.
func (r *remote) opened(raw []byte) (json.RawMessage, error) {
	var a struct {
		Data  json.RawMessage `json:"data"`
		Error *refusal        `json:"error"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.Data == nil && a.Error == nil {
		return nil, fmt.Errorf("%s does not answer like Sentinel", r.server)
	}
	if a.Error != nil {
		return nil, a.Error
	}
	return a.Data, nil
}

// get reads the data of an answer into out.
func (r *remote) get(ctx context.Context, path string, out any) error {
	return r.read(ctx, http.MethodGet, path, nil, out)
}

// post is [remote.get] with a JSON body.
func (r *remote) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the call: %w", err)
	}
	return r.read(ctx, http.MethodPost, path, body, out)
}

func (r *remote) read(ctx context.Context, method, path string, body []byte, out any) error {
	raw, err := r.data(ctx, method, path, body)
	if err != nil {
		return err
	}
	return r.decode(raw, out)
}

// put sends a file as it is and reads the data of the answer into out.
func (r *remote) put(ctx context.Context, path string, up upload, out any) error {
	raw, err := r.send(ctx, http.MethodPost, path, up)
	if err != nil {
		return err
	}
	if raw, err = r.opened(raw); err != nil {
		return err
	}
	return r.decode(raw, out)
}

func (r *remote) decode(raw []byte, out any) error {
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s does not answer like Sentinel: %w", r.server, err)
	}
	return nil
}

func zip(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("compress the body: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the body: %w", err)
	}
	return out.Bytes(), nil
}
