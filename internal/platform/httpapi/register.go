package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

type single[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"Changes whenever the object does"`
	Body   *Envelope[T]
}

type created[T any] struct {
	Location string `header:"Location" doc:"The path of the new object"`
	ETag     string `header:"ETag" doc:"Changes whenever the object does"`
	Body     Envelope[T]
}

type listed[T any] struct {
	Total int64 `header:"X-Total-Count" doc:"Objects in all pages"`
	Pages int64 `header:"X-Page-Count"`
	Page  int   `header:"X-Current-Page"`
	Limit int   `header:"X-Per-Page"`
	Body  ListEnvelope[T]
}

// Get registers a read of one object: 200 with the envelope.
func Get[I, T any](s *Section, r Route, h func(context.Context, *I) (*T, error)) {
	one(s, r, http.MethodGet, h)
}

// Call registers an operation that is no creation: POST, 200 with the
// envelope. A nil result is answered as "data": {}.
func Call[I, T any](s *Section, r Route, h func(context.Context, *I) (*T, error)) {
	one(s, r, http.MethodPost, h)
}

// Update registers a JSON merge of the members given: PATCH, 200 with the
// object as it is now. Its body is made of [Opt] members.
func Update[I, T any](s *Section, r Route, h func(context.Context, *I) (*T, error)) {
	one(s, r, http.MethodPatch, h)
}

// Put registers a replacement: PUT, 200 with the object as it is now.
func Put[I, T any](s *Section, r Route, h func(context.Context, *I) (*T, error)) {
	one(s, r, http.MethodPut, h)
}

func one[I, T any](s *Section, r Route, method string, h func(context.Context, *I) (*T, error)) {
	register(s, r, method, http.StatusOK, func(ctx context.Context, in *I) (*single[T], error) {
		result, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		if result == nil {
			result = new(T)
		}
		out := &single[T]{Status: orDefault(r.Status, http.StatusOK), ETag: tagOf(result)}
		if method == http.MethodGet && out.ETag != "" {
			if c := callFrom(ctx); c != nil && c.ifNoneMatch != "" && matches(c.ifNoneMatch, out.ETag) {
				out.Status = http.StatusNotModified
				return out, nil
			}
		}
		out.Body = &Envelope[T]{Data: *result, Meta: metaFrom(ctx)}
		return out, nil
	})
}

// List registers a list: 200 with an array, meta.pagination and the X-…-Count
// headers. The input embeds [PageIn] unless the list is short by nature.
func List[I, T any](s *Section, r Route, h func(context.Context, *I) (Page[T], error)) {
	r.lists = true
	register(s, r, http.MethodGet, http.StatusOK, func(ctx context.Context, in *I) (*listed[T], error) {
		page, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		return paged(metaFrom(ctx), page, in), nil
	})
}

func paged[T any](meta Meta, page Page[T], in any) *listed[T] {
	at := PageIn{Page: 1, Limit: len(page.Items)}
	if p, ok := in.(interface{ paging() PageIn }); ok {
		at = p.paging()
	} else {
		page.Total = max(page.Total, int64(len(page.Items)))
	}
	if page.Items == nil {
		page.Items = []T{}
	}
	pages := int64(0)
	if at.Limit > 0 {
		pages = (page.Total + int64(at.Limit) - 1) / int64(at.Limit)
	}
	return &listed[T]{
		Total: page.Total, Pages: pages, Page: at.Page, Limit: at.Limit,
		Body: ListEnvelope[T]{Data: page.Items, Meta: ListMeta{Meta: meta, Pagination: Pagination{
			Total: page.Total, Page: at.Page, Limit: at.Limit, Pages: pages, NextCursor: page.NextCursor,
		}}},
	}
}

// Create registers a creation: POST, 201 with the envelope and Location.
//
// Unless the route is public it takes the header Idempotency-Key: the same
// request under the same key is answered as before, with the secrets that
// [Route.ShownOnce] names left out, and not made again. The replay is admitted
// by the route's [Access] as a fresh call; h is not asked, so what h itself
// refuses some callers must not be in the answer to others.
func Create[I, T any](s *Section, r Route, h func(context.Context, *I) (Created[T], error)) {
	r.creates = true
	register(s, r, http.MethodPost, http.StatusCreated, func(ctx context.Context, in *I) (*created[T], error) {
		result, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		location := result.Location
		if location != "" && !r.Root {
			location = basePath + location
		}
		return &created[T]{Location: location, ETag: tagOf(&result.Data), Body: Envelope[T]{Data: result.Data, Meta: metaFrom(ctx)}}, nil
	})
}

// Delete registers a removal: DELETE, 204 without a body.
func Delete[I any](s *Section, r Route, h func(context.Context, *I) error) {
	register(s, r, http.MethodDelete, http.StatusNoContent, func(ctx context.Context, in *I) (*struct{}, error) {
		return nil, h(ctx, in)
	})
}

func tagOf(result any) string {
	if t, ok := result.(Tagged); ok {
		return t.ETag()
	}
	return ""
}

func metaFrom(ctx context.Context) Meta {
	if c := callFrom(ctx); c != nil {
		return c.meta()
	}
	return Meta{}
}

// register puts a route behind the guard and into the document. Every path
// into the server goes through here.
func register[I, O any](s *Section, r Route, method string, status int, h func(context.Context, *I) (*O, error)) {
	server := s.server
	r.Method = orDefault(r.Method, method)
	r.Tag = s.tag
	if problem := r.problem(server.cfg.BodyLimit); problem != "" {
		panic(fmt.Sprintf("httpapi: route %s %s: %s", r.Method, r.FullPath(), problem)) //nolint:forbidigo // an error of the program, found at its first start
	}
	if server.sealed {
		panic(fmt.Sprintf("httpapi: route %s %s: the server is serving already", r.Method, r.FullPath())) //nolint:forbidigo // likewise
	}
	r.OperationID = orDefault(r.OperationID, r.operationID())
	if other := server.operationOf(r.OperationID); other != nil {
		panic(fmt.Sprintf("httpapi: route %s %s: %s %s has the operation id %s too; set OperationID", r.Method, r.FullPath(), other.Method, other.FullPath(), r.OperationID)) //nolint:forbidigo // likewise
	}
	p := planFor(reflect.TypeFor[I](), r)
	server.registry.nameBody(reflect.TypeFor[I](), r.bodyName(method))
	op := server.operation(r, p, orDefault(r.Status, status))
	op.Middlewares = huma.Middlewares{server.guard(&r, p)}
	huma.Register(server.api, op, func(ctx context.Context, in *I) (*O, error) {
		c := callFrom(ctx)
		if c != nil && len(c.violations) > 0 {
			return nil, newFailure(c, fault.Invalid(c.violations...))
		}
		out, err := h(ctx, in)
		if err != nil {
			return nil, newFailure(c, err)
		}
		return out, nil
	})
	p.learn(server.registered(r), server.registry)
	if r.MaxBody > server.cfg.BodyLimit {
		server.large[r.Method+" "+r.FullPath()] = true
	}
	if !strings.Contains(r.Path, "{") {
		server.literal[r.Method+" "+r.FullPath()] = &r
	}
	if document := server.registered(r); document != nil && document.RequestBody != nil && len(r.Consumes) > 0 {
		document.RequestBody.Content = map[string]*huma.MediaType{}
		for _, media := range r.Consumes {
			document.RequestBody.Content[media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	server.routes = append(server.routes, r)
}

// operationOf finds the route whose operation has the id, nil if none has.
func (s *Server) operationOf(id string) *Route {
	for i := range s.routes {
		if s.routes[i].OperationID == id {
			return &s.routes[i]
		}
	}
	return nil
}

// registered finds the operation in the document.
func (s *Server) registered(r Route) *huma.Operation {
	item := s.api.OpenAPI().Paths[r.FullPath()]
	if item == nil {
		return nil
	}
	switch r.Method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	}
	return nil
}

// operation describes r for huma and for the document.
func (s *Server) operation(r Route, p *plan, status int) huma.Operation {
	op := huma.Operation{
		OperationID: r.OperationID, Method: r.Method, Path: r.FullPath(),
		Summary: r.Summary, Description: r.Description, Tags: []string{r.Tag},
		DefaultStatus: status, MaxBodyBytes: -1, BodyReadTimeout: -1,
		Security: []map[string][]string{}, Extensions: map[string]any{},
		Responses: map[string]*huma.Response{},
	}
	errors := append([]int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}, r.Errors...)
	if len(p.query) > 0 || len(p.path) > 0 || p.hasBody {
		errors = append(errors, http.StatusBadRequest)
	}
	if p.hasBody {
		errors = append(errors, http.StatusRequestEntityTooLarge)
	}
	if len(p.path) > 0 {
		errors = append(errors, http.StatusNotFound)
	}
	if !r.Access.IsPublic() {
		errors = append(errors, http.StatusUnauthorized)
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if permission, ok := r.Access.Permission(); ok {
		errors = append(errors, http.StatusForbidden)
		op.Extensions["x-permission"] = permission.String()
	}
	if r.Access.Reason() != "" {
		op.Extensions["x-access"] = r.Access.Reason()
	}
	if r.Granting {
		op.Extensions["x-granting"] = true
	}
	if r.repeatable() {
		errors = append(errors, http.StatusConflict)
		op.Parameters = append(op.Parameters, keyParam())
	}
	form := reflect.TypeFor[ErrorEnvelope]()
	if r.ErrorBody != nil {
		form = reflect.TypeOf(r.ErrorBody(http.StatusInternalServerError, fault.New(fault.Internal, "internal error")))
	}
	schema := s.registry.Schema(form, true, "Error")
	for _, code := range errors {
		op.Responses[strconv.Itoa(code)] = &huma.Response{
			Description: http.StatusText(code),
			Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}},
		}
	}
	return op
}

// keyParam documents the header of repeatable creations.
func keyParam() *huma.Param {
	one, most := 1, 255
	return &huma.Param{
		Name: keyHeader, In: "header",
		Description: "Makes the call repeatable for 24 hours: the same request under the same key is answered as before, with Idempotent-Replayed: true.",
		Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
	}
}
