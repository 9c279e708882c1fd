package app_test

import (
	"fmt"
	"net/http"
	"strings"
)

// response is what came of it.
type response struct {
	status int
	header http.Header
	body   []byte
	json   any
}

// at returns the member at a path such as "data.roles.0.id", nil if it is not
// there.
func (r *response) at(path string) any {
	value := r.json
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// fields are the paths of the members that the answer objects to.
func (r *response) fields() []string {
	list, _ := r.at("error.details.fields").([]any)
	paths := []string{}
	for _, f := range list {
		paths = append(paths, f.(map[string]any)["path"].(string))
	}
	return paths
}
