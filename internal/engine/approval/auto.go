package approval

import "strings"

// AutoForbidden says what is wrong with a path in a chain's conditions, "" if
// nothing is. They read what is stored and the clock, and nothing that whoever
// asks could say of themselves.
func AutoForbidden(path string) string {
	for _, root := range []string{"subject.", "resource.", "tenant."} {
		if strings.HasPrefix(path, root) {
			return ""
		}
	}
	if path == "action.name" || path == "context.time" {
		return ""
	}
	return "cannot be read by a chain, which trusts stored attributes and the server's clock alone: " +
		"subject.*, resource.*, tenant.*, action.name and context.time are"
}
