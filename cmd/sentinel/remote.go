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
	"os"
	"strings"

	"github.com/spf13/cobra"
)

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
	// zipFrom is the length from which a body is sent compressed: the server takes
	// no longer ones than 1 MiB as they are sent.
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

func (r *refusal) Error() string {
	text := r.Code + ": " + r.Message
	for _, what := range r.Details.Missing {
		text += "\n  missing: " + what
	}
	return text
}

// call sends a body, nil for none, and returns the whole answer. Only an answer
// that is no JSON is an error here, whatever its status is.
func (r *remote) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	token := r.token
	if token == "" {
		token = os.Getenv("SENTINEL_TOKEN")
	}
	if token == "" {
		return nil, errors.New("no token: log in with POST /api/v1/auth/login and give its access_token in --token or SENTINEL_TOKEN")
	}
	zipped := len(body) >= zipFrom
	if zipped {
		var err error
		if body, err = zip(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.server, "/")+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if r.tenant != "" {
		req.Header.Set("X-Tenant-ID", r.tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no server answers at %s: %w", r.server, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%s does not answer like Sentinel (status %d)", r.server, resp.StatusCode)
	}
	return raw, nil
}

// data is call, for the data of the answer. A refusal is an error.
func (r *remote) data(ctx context.Context, method, path string, body []byte) (json.RawMessage, error) {
	raw, err := r.call(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
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
