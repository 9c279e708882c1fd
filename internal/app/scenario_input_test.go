package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// input is a call that somebody malicious or careless might make. What is
// refused writes nothing, and nothing makes the server fail.
type input struct {
	name   string
	route  string
	path   string
	body   string
	status int
	fields []string
}

func inputs() []input {
	const role, user, permission = "POST /roles", "POST /users", "POST /permissions"
	long := func(n int) string { return strings.Repeat("x", n) }
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	vessel := `"name":"x","resource_type":"vessel","resource_path":"vessel/*","actions":["read"]`
	return []input{
		{"no JSON", role, "", `name=x`, 400, nil},
		{"XML", role, "", `<role/>`, 400, nil},
		{"UTF-16", role, "", "\xff\xfe{\x00}\x00", 400, nil},
		{"a byte order mark", role, "", "\xef\xbb\xbf{\"name\":\"x\"}", 400, nil},
		{"a trailing comma", role, "", `{"name":"x",}`, 400, nil},
		{"a comment", role, "", `{"name":"x"/**/}`, 400, nil},
		{"a second value", role, "", `{"name":"x"} {"name":"y"}`, 400, nil},
		{"a number for a text", role, "", `{"name":7}`, 400, []string{"name"}},
		{"a text for a number", role, "", `{"name":"x","priority":"7"}`, 400, []string{"priority"}},
		{"a fraction for a whole number", role, "", `{"name":"x","priority":7.5}`, 400, []string{"priority"}},
		{"a huge whole number", role, "", `{"name":"x","priority":99999999999999999999}`, 400, []string{"priority"}},
		{"a text for a truth", role, "", `{"name":"x","is_assignable":"true"}`, 400, []string{"is_assignable"}},
		{"a list for an object", role, "", `{"name":"x","metadata":[]}`, 400, []string{"metadata"}},
		{"a text for an id", role, "", `{"name":"x","parent_role_id":"reader"}`, 400, []string{"parent_role_id"}},
		{"an id in braces", role, "", `{"name":"braces","parent_role_id":"{$reader}"}`, 400, []string{"parent_role_id"}},
		{"an id as a URN", role, "", `{"name":"urn","parent_role_id":"urn:uuid:$reader"}`, 400, []string{"parent_role_id"}},
		{"three faults at once", role, "", `{"name":"","priority":-1,"colour":"red"}`, 400, []string{"name", "priority", "colour"}},
		{"a member twice", role, "", `{"name":"x","name":"y"}`, 400, []string{"name"}},
		{"a member twice, once escaped", role, "", `{"name":"x","n\u0061me":"y"}`, 400, nil},
		{"a member twice inside", role, "", `{"name":"x","metadata":{"a":1,"a":2}}`, 400, []string{"metadata.a"}},
		{"a member in another case", role, "", `{"Name":"x"}`, 400, nil},
		{"a member in another case besides", role, "", `{"name":"x","NAME":"y"}`, 400, nil},
		{"ten megabytes", role, "", `{"name":"` + long(10<<20) + `"}`, 413, nil},
		{"ten megabytes of spaces", role, "", `{"name":"x"` + strings.Repeat(" ", 10<<20) + `}`, 413, nil},
		{"ten thousand levels", role, "", `{"name":"x","metadata":` + deep(10_000) + `}`, 400, nil},
		{"ten thousand open brackets", role, "", strings.Repeat("[", 10_000), 400, nil},
		{"a NUL in a text", role, "", `{"name":"x\u0000y"}`, 400, nil},
		{"a NUL in a name inside", role, "", `{"name":"x","metadata":{"a\u0000":1}}`, 400, nil},
		{"a raw NUL", role, "", "{\"name\":\"x\x00\"}", 400, nil},
		{"invalid UTF-8", role, "", "{\"name\":\"\xc3\x28\"}", 400, nil},
		{"half a surrogate pair", role, "", `{"name":"\ud800"}`, 400, []string{"name"}},
		{"the other half", role, "", `{"name":"x","metadata":{"a":["\udc00"]}}`, 400, []string{"metadata.a[0]"}},
		{"256 characters", role, "", `{"name":"` + long(256) + `"}`, 400, []string{"name"}},
		{"a long description", role, "", `{"name":"x","description":"` + long(2001) + `"}`, 400, []string{"description"}},
		{"an emoji", role, "", `{"name":"⛴ ferry","description":"👩‍✈️\u2028"}`, 201, nil},
		{"a right-to-left name", role, "", `{"name":"\u202eelor","metadata":{"":{"a.b":"'; DROP TABLE roles; --"}}}`, 201, nil},
		{"1e400", user, "", `{"email":"n@alpha.example","attributes":{"a":1e400}}`, 400, []string{"attributes.a"}},
		{"1e999999999", user, "", `{"email":"n@alpha.example","attributes":{"a":[1e999999999]}}`, 400, []string{"attributes.a[0]"}},
		{"-1e999999999 in a condition", permission, "", `{` + vessel + `,"conditions":{"a":{"gt":-1e999999999}}}`, 400, []string{"conditions.a.gt"}},
		{"a very small number", user, "", `{"email":"n1@alpha.example","attributes":{"a":1e-400}}`, 400, []string{"attributes.a"}},
		{"a smaller number", user, "", `{"email":"n2@alpha.example","attributes":{"a":-1e-20000}}`, 400, []string{"attributes.a"}},
		{"the smallest number", user, "", `{"email":"n3@alpha.example","attributes":{"a":0.01e-999999999}}`, 400, []string{"attributes.a"}},
		{"no number at all", user, "", `{"email":"n4@alpha.example","attributes":{"a":0e999999999,"b":-0.0E-7}}`, 201, nil},
		{"a small number in a condition", permission, "", `{` + vessel + `,"conditions":{"a":{"gt":1e-999999999}}}`, 400, []string{"conditions.a.gt"}},
		{"a small number in a question", "POST /permissions/check", "", `{"resource":{"type":"vessel","attributes":{"a":1e-999999999}},"action":"read","context":{"b":0e999999999}}`, 400, []string{"resource.attributes.a"}},
		{"a zero of many noughts in a question", "POST /permissions/check", "", `{"resource":{"type":"vessel"},"action":"read","context":{"b":0e999999999,"c":1.7e308}}`, 200, nil},
		{"a number of a thousand digits", user, "", `{"email":"n@alpha.example","attributes":{"a":` + strings.Repeat("9", 1000) + `}}`, 400, []string{"attributes.a"}},
		{"the largest float", user, "", `{"email":"f@alpha.example","attributes":{"a":1.7976931348623157e308,"b":-0.0,"c":5e-324}}`, 201, nil},
		{"an address that grows", user, "", `{"email":"` + strings.Repeat("\ufdfa", 60) + `@alpha.example"}`, 400, []string{"email"}},
		{"an address that grows more", user, "", `{"email":"` + strings.Repeat("㌀", 100) + `@alpha.example"}`, 400, []string{"email"}},
		{"an address with a control character", user, "", `{"email":"a\u0001b@alpha.example"}`, 400, []string{"email"}},
		{"an address with a line break", user, "", `{"email":"a@alpha.example\r\nBcc: b@alpha.example"}`, 400, []string{"email"}},
		{"an address with a name", user, "", `{"email":"Ann <ann@alpha.example>"}`, 400, []string{"email"}},
		{"an address of strange capitals", user, "", `{"email":"İΣẞǅᲠꞫ@İstanbul.example"}`, 0, nil},
		{"an address without a domain", user, "", `{"email":"ann@"}`, 400, []string{"email"}},
		{"an address with two", user, "", `{"email":"ann@bob@alpha.example"}`, 400, []string{"email"}},
		{"an address in an impossible domain", user, "", `{"email":"ann@xn--zzzzzzz99999.example"}`, 400, []string{"email"}},
		{"an international address", user, "", `{"email":"δοκιμή@παράδειγμα.δοκιμή"}`, 201, nil},
		{"a long password", user, "", `{"email":"p@alpha.example","password":"` + long(1001) + `"}`, 400, []string{"password"}},
		{"101 roles", user, "", `{"email":"p@alpha.example","roles":[` + strings.TrimSuffix(strings.Repeat(`"$reader",`, 101), ",") + `]}`, 400, []string{"roles"}},
		{"null roles", user, "", `{"email":"p@alpha.example","roles":null}`, 0, nil},
		{"a date that is none", "POST /users/{id}/roles", "/users/$plain/roles", `{"role_id":"$reader","valid_from":"2026-02-30T00:00:00Z"}`, 400, []string{"valid_from"}},
		{"a date without a zone", "POST /users/{id}/roles", "/users/$plain/roles", `{"role_id":"$reader","valid_from":"2026-02-03T00:00:00"}`, 400, []string{"valid_from"}},
		{"a date in the year 10000", "POST /users/{id}/roles", "/users/$plain/roles", `{"role_id":"$reader","expires_at":"10000-01-01T00:00:00Z"}`, 400, []string{"expires_at"}},
		{"an unknown operator", permission, "", `{` + vessel + `,"conditions":{"not":{"any_of":[{"a":{"like":"x"}}]}}}`, 400, []string{"conditions.not.any_of[0].a.like"}},
		{"a path with a NUL", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel/\u0000","actions":["read"]}`, 400, nil},
		{"a path that is only a type", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel","actions":["read"]}`, 400, nil},
		{"a path with nothing after the type", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel/","actions":["read"]}`, 400, nil},
		{"a path with a line break", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel/a\nb","actions":["read"]}`, 0, nil},
		{"a path with open brackets", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel/[[[{{{","actions":["read"]}`, 0, nil},
		{"a path of stars", permission, "", `{"name":"x","resource_type":"vessel","resource_path":"vessel/` + strings.Repeat("*a", 250) + `","actions":["read"]}`, 0, nil},
		{"a star alone", permission, "", `{"name":"x","resource_type":"*","resource_path":"*","actions":["read"]}`, 0, nil},
		{"a star alone on nodes", permission, "", `{"name":"x","resource_type":"*","resource_id":"$fleet","actions":["read"]}`, 400, []string{"resource_type"}},
		{"a regex that backtracks elsewhere", permission, "", `{` + vessel + `,"conditions":{"a":{"matches":"(a+)+$"}}}`, 201, nil},
		{"a regex with a huge repetition", permission, "", `{` + vessel + `,"conditions":{"a":{"matches":"((a{1000}){1000}){1000}"}}}`, 400, nil},
		{"an empty page size", "GET /users", "/users?limit=", "", 400, []string{"query.limit"}},
		{"a page twice", "GET /users", "/users?page=1&page=2", "", 400, []string{"query.page"}},
		{"the last page there can be", "GET /users", "/users?page=1000000&limit=1000", "", 200, nil},
		{"a page beyond", "GET /users", "/users?page=1000001", "", 400, []string{"query.page"}},
		{"a page no number can hold", "GET /users", "/users?page=99999999999999999999", "", 400, []string{"query.page"}},
		{"a page in exponents", "GET /users", "/users?page=1e3", "", 400, []string{"query.page"}},
		{"a parameter in another case", "GET /users", "/users?Page=1", "", 400, []string{"query.Page"}},
		{"a NUL in a search", "GET /users", "/users?search=%00", "", 400, []string{"query.search"}},
		{"a broken escape in a search", "GET /users", "/users?search=%zz%", "", 0, nil},
		{"invalid UTF-8 in a search", "GET /users", "/users?search=%ff", "", 400, []string{"query.search"}},
		{"a search of wildcards", "GET /roles", "/roles?search=%25%5F%5C", "", 200, nil},
		{"a search too long", "GET /roles", "/roles?search=" + long(101), "", 400, []string{"query.search"}},
		{"an injection in the order", "GET /roles", "/roles?sort=name%3Bdrop&order=desc--", "", 400, []string{"query.sort", "query.order"}},
		{"a type no database knows", "GET /permissions", "/permissions?resource_type=%F0%9F%9A%A2", "", 200, nil},
		{"a path upwards", "GET /users/{id}", "/users/%2e%2e", "", 400, []string{"path.id"}},
		{"an id of a question with dots", "POST /permissions/check", "", `{"resource":{"type":"page","id":"a/./b"},"action":"read"}`, 400, []string{"resource.id"}},
		{"with a backslash", "POST /permissions/check", "", `{"resource":{"type":"page","id":"a\\b"},"action":"read"}`, 400, []string{"resource.id"}},
		{"with a control character", "POST /permissions/check", "", `{"resource":{"type":"page","id":"a\u0085b"},"action":"read"}`, 400, []string{"resource.id"}},
		{"not in NFC", "POST /permissions/check", "", "{\"resource\":{\"type\":\"page\",\"id\":\"A\u030a\"},\"action\":\"read\"}", 400, []string{"resource.id"}},
		{"with a star", "POST /permissions/check", "", `{"resource":{"type":"page","id":"a/*"},"action":"read"}`, 400, []string{"resource.id"}},
		{"with 256 characters", "POST /permissions/check", "", `{"resource":{"type":"page","id":"` + long(256) + `"},"action":"read"}`, 400, []string{"resource.id"}},
		{"with anything else", "POST /permissions/check", "", `{"resource":{"type":"page","id":"https://x.example/{a}?b=[c]&d=%2e#é⛴ '\"$&"},"action":"a.b:c-d_E"}`, 200, nil},
		{"an action with a space", "POST /permissions/check", "", `{"resource":{"type":"page"},"action":"re ad"}`, 400, []string{"action"}},
		{"a context in another case", "POST /permissions/check", "", `{"resource":{"type":"page"},"action":"read","Context":{}}`, 400, nil},
		{"a context with a time that is none", "POST /permissions/check", "", `{"resource":{"type":"page"},"action":"read","context":{"time":1}}`, 400, []string{"context.time"}},
		{"a question twice inside", "POST /permissions/check", "", `{"resource":{"type":"page","type":"api"},"action":"read"}`, 400, nil},
	}
}

// TestInput_NeverFailsAndNeverWritesHalf calls with whatever a request can hold.
// A status of 0 accepts every answer but a failure of the server.
func TestInput_NeverFailsAndNeverWritesHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.token("admin")
	for _, in := range inputs() {
		t.Run(in.name, func(t *testing.T) {
			defer w.within(t)()
			method, path, _ := strings.Cut(in.route, " ")
			if in.path != "" {
				path = in.path
			}
			before := w.state(t)
			got := w.do(request{as: "admin", method: method, path: path, body: in.body})
			if in.status != 0 {
				require.Equal(t, in.status, got.status, "%.500s", got.body)
			}
			if in.fields != nil {
				require.ElementsMatch(t, in.fields, got.fields(), "%.500s", got.body)
			}
			if got.status >= 400 {
				require.Empty(t, changes(before, w.state(t)), "tables written")
				require.Less(t, len(got.body), 20_000, "a refusal is short")
			}
		})
	}
	// Whatever was accepted can be read and decided upon.
	for _, path := range []string{"/users?limit=1000", "/roles?limit=1000", "/permissions?limit=1000"} {
		require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodGet, path: path}).status)
	}
	for _, id := range w.column(t, "SELECT id::text FROM sentinel.users WHERE tenant_id = $1", w.ids["alpha"]) {
		got := w.do(request{as: "admin", method: http.MethodPost, path: "/permissions/check", body: `{"user_id":"` + id + `","resource":{"type":"vessel","id":"a"},"action":"read"}`})
		require.NotEqual(t, "not_evaluated", got.at("data.reason_code"), "%s", got.body)
	}
}

func TestInput_OtherMethodsAndPaths(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodPut, "/users", 405, "VALIDATION_ERROR"},
		{http.MethodDelete, "/users", 405, "VALIDATION_ERROR"},
		{http.MethodPost, "//health", 405, "VALIDATION_ERROR"},
		{http.MethodGet, "/nothing", 404, "RESOURCE_NOT_FOUND"},
		{http.MethodGet, "/users/", 404, "RESOURCE_NOT_FOUND"},
		{http.MethodGet, "/Users", 404, "RESOURCE_NOT_FOUND"},
		{http.MethodGet, "//", 404, "RESOURCE_NOT_FOUND"},
	} {
		got := w.do(request{as: "operator", method: c.method, path: c.path})
		require.Equal(t, c.status, got.status, "%s %s: %s", c.method, c.path, got.body)
		require.Equal(t, c.code, got.at("error.code"))
	}
	got := w.do(request{as: "operator", method: http.MethodGet, path: "/users/me", header: map[string]string{"X-Request-ID": "a b\tc"}})
	require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, got.header.Get("X-Request-ID"))
	got = w.do(request{as: "operator", method: http.MethodGet, path: "/users/me", header: map[string]string{"X-Request-ID": "trace-7.A_b"}})
	require.Equal(t, "trace-7.A_b", got.header.Get("X-Request-ID"))
}
