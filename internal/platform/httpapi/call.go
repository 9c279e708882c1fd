package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// call is what the edge knows of one request while it is served. It is used by
// the goroutine that serves the request only.
type call struct {
	server *Server
	id     string
	// echo is the id of the request as it was sent, on a route that answers with
	// it.
	echo  string
	start time.Time
	ctx   context.Context //nolint:containedctx // the request's own, handed on by the guard
	route *Route
	// form is set if the body is a form and the route takes one.
	form bool
	// violations were found before huma's validation and are reported with it.
	violations []fault.Field
	header     map[string]string
	principal  *identity.Principal
	tenant     uuid.UUID
	// ifNoneMatch is the header of a conditional read.
	ifNoneMatch string
	cause       error
	panicked    bool
}

type callKey struct{}

// newCall starts the account of a request.
func (s *Server) newCall(fctx *fasthttp.RequestCtx) *call {
	sent := string(fctx.Request.Header.Peek("X-Request-ID"))
	id := sent
	if !validRequestID(id) {
		id = newRequestID()
	}
	c := &call{server: s, id: id, start: s.cfg.Now()}
	if r := s.literalRoute(fctx); r != nil && r.EchoRequestID && echoable(sent) {
		c.echo = sent
	}
	ctx := identity.WithRequest(context.Background(), identity.Request{
		ID:        id,
		Address:   s.proxies.client(fctx),
		UserAgent: printable(string(fctx.Request.Header.UserAgent()), 512),
		Forwarded: isForwarded(&fctx.Request.Header),
	})
	c.ctx = context.WithValue(ctx, callKey{}, c)
	c.ifNoneMatch = string(fctx.Request.Header.Peek("If-None-Match"))
	fctx.SetUserValue(callKey{}, c)
	return c
}

// isForwarded reports whether a proxy left its mark on a request.
func isForwarded(h *fasthttp.RequestHeader) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"} {
		if len(h.PeekAll(name)) > 0 {
			return true
		}
	}
	return false
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// SetHeader adds a header to the answer of the call in ctx, whether it
// succeeds or fails. Outside of a call it does nothing.
func SetHeader(ctx context.Context, name, value string) {
	c := callFrom(ctx)
	if c == nil {
		return
	}
	if c.header == nil {
		c.header = map[string]string{}
	}
	c.header[name] = printable(value, 4096)
}

func (c *call) meta() Meta {
	return Meta{RequestID: c.id, Timestamp: c.server.cfg.Now().UTC()}
}

func validRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := 0; i < len(id); i++ {
		if !isAlphanumeric(id[i]) && strings.IndexByte("._-", id[i]) < 0 {
			return false
		}
	}
	return true
}

// echoable reports whether a request id can be sent back as it is.
func echoable(id string) bool {
	return len(id) <= 128 && strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func isAlphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// printable drops what could break a log line, a header or a database text.
func printable(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
