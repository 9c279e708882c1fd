package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPreconditions_StopStaleWrites holds for every kind of object: what was
// changed by somebody else since it was read is not overwritten.
func TestPreconditions_StopStaleWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("robot", "admin", "", "/service-accounts", `{"name":"robot"}`)
	w.fields()
	w.chains()
	w.items()
	w.webhooks()
	for _, object := range []struct{ path, body string }{
		{"/users/$plain", `{"display_name":"x"}`},
		{"/roles/$inspector", `{"description":"x"}`},
		{"/groups/$east", `{"description":"x"}`},
		{"/permissions/$loose", `{"name":"x"}`},
		{"/resources/$vessel", `{"name":"x"}`},
		{"/tenants/$sub", `{"name":"x"}`},
		{"/service-accounts/$robot", `{"description":"x"}`},
		{"/field-definitions/$field", `{"description":"x"}`},
		{"/approval-chains/$chain", `{"description":"x"}`},
		{"/navigation/menu-items/$item", `{"icon":"x"}`},
		{"/webhooks/$webhook", `{"name":"x"}`},
	} {
		t.Run(object.path, func(t *testing.T) {
			defer w.within(t)()
			call := func(method, name, tag string) *response {
				body := ""
				if method == http.MethodPatch {
					body = object.body
				}
				return w.do(request{as: "admin", method: method, path: object.path, body: body, header: map[string]string{name: tag}})
			}
			first := call(http.MethodGet, "Accept", "application/json").header.Get("ETag")
			require.NotEmpty(t, first)
			require.Equal(t, http.StatusNotModified, call(http.MethodGet, "If-None-Match", first).status)
			require.Equal(t, http.StatusOK, call(http.MethodGet, "If-None-Match", `"other"`).status)
			changed := call(http.MethodPatch, "If-Match", first)
			require.Equal(t, http.StatusOK, changed.status, "%s", changed.body)
			second := changed.header.Get("ETag")
			require.NotEqual(t, first, second)
			w.unchanged(t, func() {
				for _, method := range []string{http.MethodPatch, http.MethodDelete} {
					got := call(method, "If-Match", first)
					require.Equal(t, http.StatusPreconditionFailed, got.status, "%s", got.body)
					require.Equal(t, "PRECONDITION_FAILED", got.at("error.code"))
				}
			})
			require.Equal(t, second, call(http.MethodGet, "Accept", "*/*").header.Get("ETag"))
			require.Equal(t, http.StatusOK, call(http.MethodPatch, "If-Match", `"other", `+second).status)
			require.Equal(t, http.StatusOK, call(http.MethodPatch, "If-Match", "*").status)
			last := call(http.MethodGet, "Accept", "*/*").header.Get("ETag")
			require.Equal(t, http.StatusNoContent, call(http.MethodDelete, "If-Match", last).status)
		})
	}
}
