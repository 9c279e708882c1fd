package main

import (
	"bytes"
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

// remote is the server that a command talks to, and for whom.
type remote struct{ server, token, tenant string }

func (r *remote) flags(cmd *cobra.Command) {
	server := os.Getenv("SENTINEL_URL")
	if server == "" {
		server = "http://127.0.0.1:8080"
	}
	cmd.Flags().StringVar(&r.server, "server", server, "the server's URL (SENTINEL_URL)")
	cmd.Flags().StringVar(&r.token, "token", "", "the access token (default: SENTINEL_TOKEN)")
	cmd.Flags().StringVar(&r.tenant, "tenant", "", "the id of the tenant to act in, for operators (default: the token's)")
}

// apiError is a failure that the server told of.
type apiError struct{ Code, Message string }

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// call makes a call and reads the data of its answer into out.
func (r *remote) call(ctx context.Context, method, path, media string, body io.Reader, size int64, out any) error {
	token := r.token
	if token == "" {
		token = os.Getenv("SENTINEL_TOKEN")
	}
	if token == "" {
		return errors.New("no token: log in with POST /api/v1/auth/login and give its access_token in --token or SENTINEL_TOKEN")
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.server, "/")+"/api/v1"+path, body)
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
		req.ContentLength = size
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if r.tenant != "" {
		req.Header.Set("X-Tenant-ID", r.tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers at %s: %w", r.server, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	var answer struct {
		Data  json.RawMessage `json:"data"`
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Details struct {
				Fields []struct{ Path, Message string } `json:"fields"`
			} `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("%s does not answer like Sentinel (status %d)", r.server, resp.StatusCode)
	}
	if answer.Error != nil {
		e := &apiError{Code: answer.Error.Code, Message: answer.Error.Message}
		for _, f := range answer.Error.Details.Fields {
			e.Message += "\n  " + f.Path + " " + f.Message
		}
		return e
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return fmt.Errorf("%s does not answer like Sentinel (status %d)", r.server, resp.StatusCode)
	}
	return nil
}

// get is [remote.call] for a read.
func (r *remote) get(ctx context.Context, path string, out any) error {
	return r.call(ctx, http.MethodGet, path, "", http.NoBody, 0, out)
}

// post is [remote.call] with a JSON body.
func (r *remote) post(ctx context.Context, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the call: %w", err)
	}
	return r.call(ctx, http.MethodPost, path, "application/json", bytes.NewReader(raw), int64(len(raw)), out)
}
