package httpapi

import (
	"net/http"
	"reflect"
	"strings"
)

// nameBody names the schema of an input's body after its route, where the type
// has no name of its own. Routes that share a type share the first one's name.
func (r *registry) nameBody(input reflect.Type, name string) {
	f, ok := input.FieldByName("Body")
	if !ok {
		return
	}
	t := f.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t.Name() == "" && r.bodies[t] == "" {
		r.bodies[t] = name
	}
}

// bodyName names the route's request body after its path and the function that
// registers it, which defaults to method: "POST /users" makes UserCreate,
// "PATCH /roles/{id}" RoleUpdate, "POST /auth/login" AuthLoginRequest.
func (r Route) bodyName(method string) string {
	suffix := "Request"
	switch {
	case r.creates:
		suffix = "Create"
	case method == http.MethodPatch:
		suffix = "Update"
	case method == http.MethodPut:
		suffix = "Replace"
	case method == http.MethodDelete:
		suffix = "Delete"
	}
	var words []string
	for segment := range strings.SplitSeq(r.Path, "/") {
		if segment != "" && !strings.HasPrefix(segment, "{") {
			words = append(words, segment)
		}
	}
	var name strings.Builder
	for i, word := range words {
		if i < len(words)-1 || suffix != "Request" {
			word = singular(word)
		}
		name.WriteString(camel(word))
	}
	return name.String() + suffix
}

// singular is right for the plurals that paths are made of.
func singular(word string) string {
	switch {
	case strings.HasSuffix(word, "ies"):
		return strings.TrimSuffix(word, "ies") + "y"
	case strings.HasSuffix(word, "ss"), !strings.HasSuffix(word, "s"):
		return word
	case strings.HasSuffix(word, "sses"), strings.HasSuffix(word, "xes"):
		return strings.TrimSuffix(word, "es")
	default:
		return strings.TrimSuffix(word, "s")
	}
}
