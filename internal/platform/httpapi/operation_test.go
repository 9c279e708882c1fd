package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOperationID_ReadsLikeACall(t *testing.T) {
	t.Parallel()
	list, create := Route{Method: http.MethodGet, lists: true}, Route{Method: http.MethodPost, creates: true}
	with := func(method string) Route { return Route{Method: method} }
	for path, c := range map[string]struct {
		route Route
		want  string
	}{
		"/roles":                               {list, "listRoles"},
		"/users/{id}/permissions":              {list, "listUserPermissions"},
		"/roles/templates":                     {list, "listRoleTemplates"},
		"/service-accounts":                    {create, "createServiceAccount"},
		"/tenants/{id}/sub-tenants":            {create, "createTenantSubTenant"},
		"/roles/{id}":                          {with(http.MethodGet), "getRole"},
		"/resources/{id}/hierarchy":            {with(http.MethodGet), "getResourceHierarchy"},
		"/tenants/code/{code}":                 {with(http.MethodGet), "getTenantByCode"},
		"/users/me":                            {with(http.MethodPatch), "updateOwnUser"},
		"/tenants/{id}/terminology":            {with(http.MethodPut), "replaceTenantTerminology"},
		"/auth/sessions/{id}":                  {with(http.MethodDelete), "deleteAuthSession"},
		"/auth/sessions":                       {with(http.MethodDelete), "deleteAuthSessions"},
		"/groups/{id}/users/{member_id}":       {with(http.MethodDelete), "removeGroupUser"},
		"/groups/{id}/users":                   {with(http.MethodPost), "addGroupUsers"},
		"/users/{id}/lock":                     {with(http.MethodPost), "lockUser"},
		"/users/{id}/change-password":          {with(http.MethodPost), "changeUserPassword"},
		"/users/{id}/roles/{role_id}/extend":   {with(http.MethodPost), "extendUserRole"},
		"/groups/{id}/users/bulk":              {with(http.MethodPost), "bulkGroupUsers"},
		"/permissions/batch-check":             {with(http.MethodPost), "batchCheckPermissions"},
		"/auth/login":                          {with(http.MethodPost), "authLogin"},
		"/auth/mfa/totp/verify":                {with(http.MethodPost), "authMfaTotpVerify"},
		"/.well-known/jwks.json":               {with(http.MethodGet), "getWellKnownJwksJson"},
		"/users/me/sessions":                   {with(http.MethodGet), "getOwnUserSessions"},
		"/access/v1/evaluation":                {with(http.MethodPost), "accessV1Evaluation"},
		"/import/jobs/{id}":                    {with(http.MethodGet), "getImportJob"},
		"/roles/{id}/hierarchy/{version}/undo": {with(http.MethodPost), "undoRoleHierarchy"},
	} {
		r := c.route
		r.Path = path
		require.Equal(t, c.want, r.operationID(), path)
	}
}

func TestRegister_RefusesTwoOperationsOfOneName(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	sec := s.Section("Things", "")
	h := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
	Get(sec, Route{Path: "/things", Summary: "One", Access: Public()}, h)
	require.PanicsWithValue(t, "httpapi: route GET /things: GET /api/v1/things has the operation id getThings too; set OperationID", func() {
		Get(sec, Route{Path: "/things", Root: true, Summary: "Two", Access: Public()}, h)
	})
	Get(sec, Route{Path: "/things", Root: true, Summary: "Two", Access: Public(), OperationID: "getOtherThings"}, h)
	require.Len(t, s.Routes(), 2)
}

// Account and Twin are named like other types.
type (
	Account struct{ A int }
	Twin    struct{ B int }
)

func TestRegistry_TellsTypesOfOneNameApart(t *testing.T) {
	t.Parallel()
	type Twin struct{ C int }
	r := newRegistry()
	r.learnWord("Service accounts")
	names := map[string]bool{}
	for _, one := range []reflect.Type{reflect.TypeFor[Account](), reflect.TypeFor[Envelope[Account]](), reflect.TypeFor[httpapiTwin](), reflect.TypeFor[Twin]()} {
		ref := r.Schema(one, true, "").Ref
		names[strings.TrimPrefix(ref, schemaPrefix)] = true
	}
	require.Equal(t, map[string]bool{"Account": true, "AccountEnvelope": true, "Twin": true, "HttpapiTwin": true}, names)
	require.Equal(t, "ServiceAccount", r.qualified("x/serviceaccount", "Account", false))
	require.Equal(t, "ServiceAccountCreated", r.qualified("x/serviceaccount", "Created", false))
	require.Equal(t, "RoleCreated", r.qualified("x/role", "Created", false))
	require.Equal(t, "Role", r.qualified("x/role", "Role", false))
	require.Equal(t, "Import", r.qualified("x/importing", "Import", false))
	require.Equal(t, "Permission", r.qualified("x/directory", "Permission", false))
	require.Equal(t, "DirectoryPermission", r.qualified("x/directory", "Permission", true))
	require.Equal(t, "SessionLogout", r.qualified("x/session", "LogoutOut", false))
}

// httpapiTwin is Twin, where a local type of the same name hides it.
type httpapiTwin = Twin

func TestDocument_IsWrittenInEveryForm(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	Get(s.Section("Things", ""), Route{Path: "/things", Summary: "One", Access: Public()}, func(context.Context, *struct{}) (*Account, error) { return nil, nil })
	for form, want := range map[Form]string{
		{}:                      `"openapi":"3.1.0"`,
		{Old: true}:             `"openapi":"3.0.3"`,
		{YAML: true}:            "openapi: 3.1.0\n",
		{Old: true, YAML: true}: "openapi: 3.0.3\n",
	} {
		raw, err := s.Document(form)
		require.NoError(t, err)
		require.Contains(t, string(raw), want)
	}
}
