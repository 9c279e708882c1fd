package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// keyHeader is the header by which a client makes a creation repeatable.
const keyHeader = "Idempotency-Key"

// settleTimeout bounds what is written about a key once its request is done,
// which happens even when the client has gone.
const settleTimeout = 5 * time.Second

// Attempt is one request that carries an idempotency key. Whose it is, and in
// which tenant, stands in the context that goes with it.
type Attempt struct {
	// Route is the method and the template of the path.
	Route string
	// Key is 1 to 255 visible ASCII characters.
	Key string
	// Hash tells this request from others under the same key.
	Hash []byte
	// Timeout is how long the request may run. One that has no answer after it
	// will never have one.
	Timeout time.Duration
}

// Answer is what is kept of a success. It holds no secrets: members that are
// shown once are null in it.
type Answer struct {
	Status int
	// Header holds Location and ETag, where they were sent.
	Header map[string]string
	// Data is the member "data" of the body.
	Data []byte
}

// Idempotency keeps the answers to creations, so that one that is sent again is
// not made again.
type Idempotency interface {
	// Claim takes the key for this request, or returns the answer that it got
	// before. Exactly one of several equal requests is given the claim. A fault of
	// kind Conflict says that the key is another request's, that the first request
	// is still under way (details.retry_after), or that nobody knows how it ended.
	Claim(ctx context.Context, a Attempt) (claim uuid.UUID, kept *Answer, err error)
	// Keep stores the answer of a claim.
	Keep(ctx context.Context, claim uuid.UUID, answer Answer) error
	// Free gives the key of a claim up: its request failed for the given reason.
	// Where that leaves open whether anything was made, the key stays taken.
	Free(ctx context.Context, claim uuid.UUID, cause error) error
}

// idempotencyKey returns the key of a request, "" for none. Reads do not look
// at the header. A write that cannot be repeated by key refuses it, since a
// client that sends one relies on it.
func (s *Server) idempotencyKey(h *fasthttp.RequestHeader, r *Route) (string, error) {
	lines := h.PeekAll(keyHeader)
	if len(lines) == 0 || r.Method == http.MethodGet {
		return "", nil
	}
	if !r.repeatable() || s.cfg.Idempotency == nil {
		return "", fault.InvalidAt("header."+keyHeader, "is not taken by this call: leave it out")
	}
	key := string(lines[0])
	visible := strings.IndexFunc(key, func(c rune) bool { return c < '!' || c > '~' }) < 0
	if len(lines) > 1 || key == "" || len(key) > 255 || !visible {
		return "", fault.InvalidAt("header."+keyHeader, "must be one key of 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// repeatable reports whether the route takes idempotency keys. A public one has
// no caller to whom a key could belong.
func (r *Route) repeatable() bool { return r.creates && !r.Access.IsPublic() }

// once serves a request under its key: by the answer that was kept, or by next,
// whose answer is kept if it is a success. When next panics the key stays taken,
// as nobody knows what was made.
func (s *Server) once(ctx context.Context, fctx *fasthttp.RequestCtx, c *call, a Attempt, next func()) {
	claim, kept, err := s.cfg.Idempotency.Claim(ctx, a)
	if err != nil {
		newFailure(c, err).write(fctx)
		return
	}
	if kept != nil {
		c.replay(fctx, kept)
		return
	}
	next()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if status := fctx.Response.StatusCode(); status < 200 || status > 299 {
		cause := c.cause
		if cause == nil {
			cause = errors.New(http.StatusText(status))
		}
		err = s.cfg.Idempotency.Free(ctx, claim, cause)
	} else {
		err = s.keep(ctx, fctx, c.route, claim)
	}
	if err != nil {
		s.cfg.Logger.Warn("settle an idempotency key", "request_id", c.id, "error", err)
	}
}

func (s *Server) keep(ctx context.Context, fctx *fasthttp.RequestCtx, r *Route, claim uuid.UUID) error {
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(fctx.Response.Body(), &body); err != nil {
		return err
	}
	for _, path := range r.ShownOnce {
		var err error
		if body.Data, err = blank(body.Data, strings.Split(path, ".")); err != nil {
			return err
		}
	}
	answer := Answer{Status: fctx.Response.StatusCode(), Header: map[string]string{}, Data: body.Data}
	for _, name := range []string{"Location", "ETag"} {
		if value := fctx.Response.Header.Peek(name); len(value) > 0 {
			answer.Header[name] = string(value)
		}
	}
	return s.cfg.Idempotency.Keep(ctx, claim, answer)
}

// blank sets the member at a path to null, in every element of the arrays on
// the way. What is not there stays away.
func blank(data json.RawMessage, path []string) (json.RawMessage, error) {
	trimmed := bytes.TrimSpace(data)
	switch {
	case len(path) == 0:
		return json.RawMessage("null"), nil
	case len(trimmed) > 0 && trimmed[0] == '[':
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return nil, err
		}
		for i := range items {
			var err error
			if items[i], err = blank(items[i], path); err != nil {
				return nil, err
			}
		}
		return json.Marshal(items)
	case len(trimmed) > 0 && trimmed[0] == '{':
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			return nil, err
		}
		member, ok := members[path[0]]
		if !ok {
			return data, nil
		}
		var err error
		if members[path[0]], err = blank(member, path[1:]); err != nil {
			return nil, err
		}
		return json.Marshal(members)
	default:
		return data, nil
	}
}

// replay sends a kept answer with this request's own meta.
func (c *call) replay(fctx *fasthttp.RequestCtx, a *Answer) {
	body, err := json.Marshal(Envelope[json.RawMessage]{Data: a.Data, Meta: c.meta()})
	if err != nil {
		newFailure(c, err).write(fctx)
		return
	}
	fctx.SetStatusCode(a.Status)
	fctx.SetContentType("application/json")
	for name, value := range a.Header {
		fctx.Response.Header.Set(name, value)
	}
	fctx.Response.Header.Set("Idempotent-Replayed", "true")
	fctx.SetBody(body)
}

// requestHash is the SHA-256 of all that makes two requests the same, each part
// behind its length: the route, the values of the path, the query and the body
// byte for byte.
func requestHash(route string, path []string, query, body []byte) []byte {
	h := sha256.New()
	part := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(b))) // a hash takes all
		_, _ = h.Write(b)
	}
	part([]byte(route))
	for _, value := range path {
		part([]byte(value))
	}
	part(query)
	part(body)
	return h.Sum(nil)
}
