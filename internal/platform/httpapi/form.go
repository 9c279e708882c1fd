package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// IsForm reports whether the call in ctx came with a form where one is accepted.
func IsForm(ctx context.Context) bool {
	c := callFrom(ctx)
	return c != nil && c.form
}

type eitherReply struct {
	Status int
	Body   any
}

// CallOrForm registers an operation that answers JSON like [Call], and a form
// with the bare result, as the standards of OAuth have it: nothing at all for a
// nil one.
func CallOrForm[I, T any](s *Section, r Route, h func(context.Context, *I) (*T, error)) {
	status := orDefault(r.Status, http.StatusOK)
	register(s, r, http.MethodPost, status, func(ctx context.Context, in *I) (*eitherReply, error) {
		result, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		out := &eitherReply{Status: status}
		switch {
		case !IsForm(ctx):
			if result == nil {
				result = new(T)
			}
			out.Body = &Envelope[T]{Data: *result, Meta: metaFrom(ctx)}
		case result == nil:
			out.Body = []byte{}
		default:
			out.Body = result
		}
		return out, nil
	})
	if document := s.server.registered(withMethod(r, http.MethodPost)); document != nil {
		document.Responses[strconv.Itoa(status)].Content = map[string]*huma.MediaType{
			"application/json": {Schema: s.server.registry.Schema(reflect.TypeFor[Envelope[T]](), true, "")},
		}
	}
}
