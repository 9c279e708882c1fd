package httpapi

import (
	"net/http"
	"strings"
)

// operationID names the operation as generated clients call it, by how it is
// registered and where it is:
//
//	List   /roles                          listRoles
//	Create /roles                          createRole
//	Get    /tenants/code/{code}            getTenantByCode
//	Update /users/me                       updateOwnUser
//	Delete /roles/{id}                     deleteRole
//	Delete /groups/{id}/users/{member_id}  removeGroupUser
//	Call   /groups/{id}/users              addGroupUsers
//	Call   /users/{id}/change-password     changeUserPassword
//	Call   /permissions/batch-check        batchCheckPermissions
//	Call   /auth/login                     authLogin
func (r Route) operationID() string {
	segments := pathSegments(r.Path)
	last := lastWord(segments)
	verb := map[string]string{
		http.MethodGet: "get", http.MethodPut: "replace", http.MethodPatch: "update", http.MethodDelete: "delete",
	}[r.Method]
	switch {
	case r.lists:
		verb = "list"
	case r.creates:
		verb = "create"
	case r.Method == http.MethodDelete && beneath(segments, last):
		verb = "remove"
	case r.Method == http.MethodPost && beneath(segments, last) && isPlural(segments[last]):
		verb = "add"
	case r.Method == http.MethodPost:
		return actionID(segments, last)
	}
	return lowerFirst(verb + objectName(segments, r.creates))
}

// actionID names a call whose last word is what it does. Below a collection that
// is the verb; elsewhere the first words are a mere prefix, as in authLogin.
func actionID(segments []string, last int) string {
	if last < 1 || !isPlural(segments[0]) {
		return lowerFirst(objectName(segments, false))
	}
	verb, rest := segments[last], ""
	if beneath(segments, last) {
		verb, rest, _ = strings.Cut(verb, "-")
	}
	return lowerFirst(camel(verb) + objectName(segments[:last], false) + camel(rest))
}

// objectName joins the words of a path. What is followed by more is one of its
// kind, and so is the last if single is set.
func objectName(segments []string, single bool) string {
	var name strings.Builder
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case isParam(segment) || segment == "me":
		case i > 0 && !isParam(segments[i-1]) && !last && isParam(segments[i+1]) && !isPlural(segment):
			name.WriteString("By" + camel(segment))
		case !last && segments[i+1] == "me":
			name.WriteString("Own" + camel(singular(segment)))
		case !last || single:
			name.WriteString(camel(singular(segment)))
		default:
			name.WriteString(camel(segment))
		}
	}
	return name.String()
}

func pathSegments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

func isPlural(word string) bool { return singular(word) != word }

// lastWord is the index of the last segment that is no parameter.
func lastWord(segments []string) int {
	for i := len(segments) - 1; i > 0; i-- {
		if !isParam(segments[i]) {
			return i
		}
	}
	return 0
}

// beneath reports whether the segment at index i belongs to one object of
// another kind.
func beneath(segments []string, i int) bool {
	for _, segment := range segments[:i] {
		if isParam(segment) || segment == "me" {
			return true
		}
	}
	return false
}

// camel makes "sub-tenants" "SubTenants".
func camel(segment string) string {
	var name strings.Builder
	for part := range strings.FieldsFuncSeq(segment, func(c rune) bool { return c == '-' || c == '.' || c == '_' }) {
		name.WriteString(upperFirst(part))
	}
	return name.String()
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToLower(s[:1]) + s[1:]
}
