package client

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrNoValue is a request without the id that a route was said to have.
var ErrNoValue = errors.New("the request does not name the resource")

// Value takes the id of the resource out of a request. An empty id without an
// error asks about the type as a whole; see [NoID].
type Value func(*http.Request) (string, error)

// PathValue is the wildcard of that name in the pattern of an
// [http.ServeMux], as the handler sees it. A request without it is denied.
func PathValue(name string) Value {
	return func(r *http.Request) (string, error) {
		if id := r.PathValue(name); id != "" {
			return id, nil
		}
		return "", fmt.Errorf("path value %q: %w", name, ErrNoValue)
	}
}

// NoID asks about the type of the resource as a whole, as before a create.
func NoID(*http.Request) (string, error) { return "", nil }
