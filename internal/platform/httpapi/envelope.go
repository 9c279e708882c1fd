package httpapi

import (
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Meta accompanies every answer in an envelope.
type Meta struct {
	RequestID string    `json:"request_id" doc:"The id of the request, as in X-Request-ID"`
	Timestamp time.Time `json:"timestamp" doc:"When the answer was made, UTC"`
}

// Envelope is the body of a success.
type Envelope[T any] struct {
	Data T    `json:"data"`
	Meta Meta `json:"meta"`
}

// Pagination says where in a list a page stands.
type Pagination struct {
	Total int64 `json:"total" doc:"Objects in all pages"`
	Page  int   `json:"page"`
	Limit int   `json:"limit"`
	Pages int64 `json:"pages"`
	// NextCursor continues a list that is read by cursor.
	NextCursor string `json:"next_cursor,omitempty" doc:"Where a list read by cursor goes on; absent at its end"`
}

// ListMeta is the [Meta] of a list.
type ListMeta struct {
	Meta
	Pagination Pagination `json:"pagination"`
}

// ListEnvelope is the body of a list.
type ListEnvelope[T any] struct {
	Data []T      `json:"data"`
	Meta ListMeta `json:"meta"`
}

// ErrorDetail is the "error" of an [ErrorEnvelope].
type ErrorDetail struct {
	Code    string         `json:"code" doc:"One of the codes of the error table"`
	Message string         `json:"message" doc:"What is wrong and what to do"`
	Details map[string]any `json:"details" doc:"fields lists every offending member; other members depend on the code"`
}

// ErrorEnvelope is the body of a failure.
type ErrorEnvelope struct {
	Error ErrorDetail `json:"error"`
	Meta  Meta        `json:"meta"`
}

// Page is what a list's function returns.
type Page[T any] struct {
	Items []T
	// Total counts the objects in all pages.
	Total int64
	// NextCursor is set by lists that are read by cursor.
	NextCursor string
}

// Created is what a creating function returns.
type Created[T any] struct {
	Data T
	// Location is the path of the new object, relative to /api/v1, such as
	// "/users/…". A replayed creation gives the same.
	Location string
}

// Reply is what the function of a route without envelope returns.
type Reply[T any] struct {
	// Status is 200 if zero.
	Status int
	// ContentType is application/json if empty. With a []byte body it must be
	// set.
	ContentType string
	// Header holds further headers.
	Header map[string]string
	Body   T
}

// Tagged is implemented by results that have an entity tag. Get, Create,
// Update and Put send it as ETag, and Get answers 304 to a matching
// If-None-Match.
type Tagged interface{ ETag() string }

// details joins the fields and the further details of a fault.
func details(f *fault.Error) map[string]any {
	all := make(map[string]any, len(f.Details)+1)
	for name, value := range f.Details {
		all[name] = value
	}
	if len(f.Fields) > 0 {
		all["fields"] = f.Fields
	}
	return all
}
