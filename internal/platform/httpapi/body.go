package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// drainLimit is how much of an oversized body is read and thrown away, so that
// the client is done sending and reads the 413 instead of a reset connection.
const drainLimit = 32 << 20

var errTooLarge = errors.New("body too large")

// readBody replaces the stream of the request by its bytes, at most limit.
// Where it gives up before the end of the body, the connection is closed:
// what follows must not be read as another request.
func readBody(fctx *fasthttp.RequestCtx, limit int) error {
	stream := fctx.RequestBodyStream()
	if stream == nil {
		return nil
	}
	if fctx.Request.Header.ContentLength() == 0 {
		fctx.Request.SetBodyRaw(nil)
		return nil
	}
	declared := fctx.Request.Header.ContentLength()
	var body bytes.Buffer
	if declared > 0 && declared <= limit {
		body.Grow(declared + bytes.MinRead)
	}
	if declared <= limit {
		if _, err := io.Copy(&body, io.LimitReader(stream, int64(limit)+1)); err != nil {
			fctx.SetConnectionClose()
			return err
		}
	}
	if declared > limit || body.Len() > limit {
		n, err := io.Copy(io.Discard, io.LimitReader(stream, drainLimit))
		if err != nil || n == drainLimit {
			fctx.SetConnectionClose()
		}
		return errTooLarge
	}
	fctx.Request.SetBodyRaw(body.Bytes())
	return nil
}

// readLarge reads a body that may be larger than others, in the time that the
// route's call has.
func (s *Server) readLarge(fctx *fasthttp.RequestCtx, r *Route, timeout time.Duration) error {
	if err := fctx.Conn().SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return fault.InvalidAt("body", "could not be read to its end")
	}
	switch err := readBody(fctx, r.MaxBody); {
	case errors.Is(err, errTooLarge):
		return tooLarge(r.MaxBody)
	case err != nil:
		return fault.InvalidAt("body", "could not be read to its end")
	}
	return nil
}

// leaveBody throws away what a call left of its body, within a limit, beyond
// which the connection is closed: what follows must not be read as another
// request.
func leaveBody(fctx *fasthttp.RequestCtx) {
	stream := fctx.RequestBodyStream()
	if stream == nil {
		return
	}
	n, err := io.Copy(io.Discard, io.LimitReader(stream, drainLimit))
	if err != nil || n == drainLimit {
		fctx.SetConnectionClose()
	}
}

// jsonBody returns the body as JSON that keeps the strict rules, nil for none.
func (s *Server) jsonBody(fctx *fasthttp.RequestCtx, r *Route, p *plan) ([]byte, error) {
	body := fctx.Request.Body()
	body, err := s.decoded(fctx, r, body)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		if p.bodyRequired {
			return nil, fault.InvalidAt("body", "is required: send a JSON value")
		}
		return nil, nil
	}
	if p.raw {
		return body, consumes(fctx, r)
	}
	form, err := mediaType(fctx, r)
	if err != nil {
		return nil, err
	}
	if form {
		return formBody(body)
	}
	if violations := checkJSON(body); len(violations) > 0 {
		return nil, fault.Invalid(violations...)
	}
	if !p.hasBody && !isEmptyObject(body) {
		return nil, fault.InvalidAt("body", "this call takes no body")
	}
	return body, nil
}

// decoded undoes a Content-Encoding that the route accepts, within its limit.
func (s *Server) decoded(fctx *fasthttp.RequestCtx, r *Route, body []byte) ([]byte, error) {
	limit := r.MaxBody
	if limit == 0 {
		limit = s.cfg.BodyLimit
	}
	encoding := strings.ToLower(strings.TrimSpace(string(fctx.Request.Header.ContentEncoding())))
	switch {
	case encoding == "" || encoding == "identity":
	case encoding == "gzip" && r.Gzip:
		plain, err := gunzip(body, limit)
		if err != nil {
			return nil, err
		}
		body = plain
	default:
		return nil, fault.InvalidAt("header.Content-Encoding", "send the body without a content encoding")
	}
	if len(body) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

func gunzip(body []byte, limit int) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fault.InvalidAt("body", "is not gzip")
	}
	plain, err := io.ReadAll(io.LimitReader(zr, int64(limit)+1))
	switch {
	case len(plain) > limit:
		return nil, tooLarge(limit)
	case err != nil:
		return nil, fault.InvalidAt("body", "is not gzip")
	}
	return plain, nil
}

// mediaType reports whether the body is a form, or refuses it. A missing
// Content-Type means JSON.
func mediaType(fctx *fasthttp.RequestCtx, r *Route) (form bool, err error) {
	header := string(fctx.Request.Header.ContentType())
	if header == "" {
		return false, nil
	}
	kind, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	switch {
	case err == nil && charset != "" && charset != "utf-8" && charset != "us-ascii":
		return false, fault.InvalidAt("header.Content-Type", "the charset must be utf-8")
	case err == nil && (kind == "application/json" || kind == "application/merge-patch+json" && r.Method == fasthttp.MethodPatch):
		return false, nil
	case err == nil && kind == "application/x-www-form-urlencoded" && r.Form:
		return true, nil
	case r.Form:
		return false, fault.InvalidAt("header.Content-Type", "must be application/json or application/x-www-form-urlencoded")
	default:
		return false, fault.InvalidAt("header.Content-Type", "must be application/json")
	}
}

// consumes refuses a raw body of a media type that the route does not take.
func consumes(fctx *fasthttp.RequestCtx, r *Route) error {
	if len(r.Consumes) == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(string(fctx.Request.Header.ContentType()))
	if err != nil || !slices.Contains(r.Consumes, kind) {
		return fault.InvalidAt("header.Content-Type", "must be %s", strings.Join(r.Consumes, " or "))
	}
	if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return fault.InvalidAt("header.Content-Type", "the charset must be utf-8")
	}
	return nil
}

// formBody turns a form into a JSON object of strings.
func formBody(body []byte) ([]byte, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.InvalidAt("body", "is not a valid form")
	}
	members := make(map[string]string, len(values))
	var fields []fault.Field
	for name, all := range values {
		if len(all) > 1 {
			fields = append(fields, fault.Field{Path: printable(name, 100), Message: "occurs twice in this form"})
		}
		if !storable(name) || !storable(all[0]) {
			fields = append(fields, fault.Field{Path: printable(name, 100), Message: "is not valid UTF-8 or holds a NUL character"})
		}
		members[name] = all[0]
	}
	if len(fields) > 0 {
		return nil, fault.Invalid(fields...)
	}
	return json.Marshal(members)
}

func isEmptyObject(body []byte) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(body, &members) == nil && len(members) == 0
}
