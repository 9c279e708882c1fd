package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
)

type rawReply[T any] struct {
	Status      int
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        T
}

// Raw registers a route without envelope, for bodies that a standard or a
// prober defines. The method is the route's, GET by default. A body of type
// []byte is sent as it is, every other as JSON. Failures have the envelope
// unless the route has an ErrorBody.
func Raw[I, T any](s *Section, r Route, h func(context.Context, *I) (*Reply[T], error)) {
	register(s, r, http.MethodGet, http.StatusOK, func(ctx context.Context, in *I) (*rawReply[T], error) {
		reply, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		if reply == nil {
			reply = &Reply[T]{}
		}
		for name, value := range reply.Header {
			SetHeader(ctx, name, value)
		}
		return &rawReply[T]{
			Status:      orDefault(reply.Status, orDefault(r.Status, http.StatusOK)),
			ContentType: orDefault(reply.ContentType, orDefault(r.Produces, "application/json")),
			Body:        reply.Body,
		}, nil
	})
	document := s.server.registered(withMethod(r, http.MethodGet))
	if r.Produces == "" || document == nil {
		return
	}
	response := document.Responses[strconv.Itoa(orDefault(r.Status, http.StatusOK))]
	media := response.Content["application/json"]
	if reflect.TypeFor[T]() == reflect.TypeFor[[]byte]() {
		media = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	response.Content = map[string]*huma.MediaType{r.Produces: media}
}

func withMethod(r Route, method string) Route {
	r.Method = orDefault(r.Method, method)
	return r
}

// Streamed is an answer that is too large to hold.
type Streamed struct {
	ContentType string
	// Header holds further headers, such as Content-Disposition.
	Header map[string]string
	// Write writes the answer. Its context outlives the call's, up to
	// [streamTimeout], and carries the same identity. It runs once the status
	// is decided, so all it can do about an error is to return it: that is
	// logged, and the connection is cut so that nobody takes a part for the
	// whole.
	Write func(ctx context.Context, w io.Writer) error
}

const (
	// streamTimeout ends a stream however steadily its client reads.
	streamTimeout = 15 * time.Minute
	// stallTimeout ends a stream whose client reads nothing.
	stallTimeout = 30 * time.Second
)

type streamedReply struct {
	Body func(huma.Context)
}

// Stream registers a route whose answer is written as it is made. Failures
// before the first byte are answered like those of [Raw].
func Stream[I any](s *Section, r Route, h func(context.Context, *I) (*Streamed, error)) {
	register(s, r, http.MethodGet, http.StatusOK, func(ctx context.Context, in *I) (*streamedReply, error) {
		stream, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		for name, value := range stream.Header {
			SetHeader(ctx, name, value)
		}
		return &streamedReply{Body: func(hctx huma.Context) { s.server.stream(ctx, hctx, stream) }}, nil
	})
	if document := s.server.registered(withMethod(r, http.MethodGet)); document != nil {
		document.Responses[strconv.Itoa(orDefault(r.Status, http.StatusOK))].Content = map[string]*huma.MediaType{
			orDefault(r.Produces, "application/octet-stream"): {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}
	}
}

func (s *Server) stream(ctx context.Context, hctx huma.Context, stream *Streamed) {
	fctx := humafiber.Unwrap(hctx).Context()
	conn, id := fctx.Conn(), callFrom(ctx).id
	ctx = context.WithoutCancel(ctx)
	fctx.SetContentType(orDefault(stream.ContentType, "application/octet-stream"))
	fctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, cancel := context.WithTimeout(ctx, streamTimeout)
		defer cancel()
		err := writeStream(ctx, &patientWriter{w: w, conn: conn}, stream)
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			s.cfg.Logger.Error("stream broke off", "request_id", id, "error", err)
			_ = conn.Close()
		}
	})
}

// writeStream turns a panic into an error: the writer runs on a goroutine of
// fasthttp's, where nobody else would recover it.
func writeStream(ctx context.Context, w io.Writer, stream *Streamed) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return stream.Write(ctx, w)
}

// patientWriter moves the write deadline on as long as the client reads.
type patientWriter struct {
	w    *bufio.Writer
	conn net.Conn
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
