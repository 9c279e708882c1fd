package live

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
)

// tenantAdmin is a role that every installation has.
const tenantAdmin = "00000000-0000-0000-0000-000000000011"

// World is a tenant of its own in which Ann may read invoices, except the secret
// one, and drafts that are hers, and make invoices; Ben may do nothing; and a service
// account may ask about both.
type World struct {
	Tenant   uuid.UUID
	Code     string
	Ann, Ben Person
	// Reader is the role that makes the difference.
	Reader uuid.UUID
	// Robot is the service account, Key its key.
	Robot uuid.UUID
	Key   string
	// Admin is a client's context that acts as the tenant's administrator.
	Admin context.Context //nolint:containedctx // carries the token of a test
	Calls *client.Client
}

// Person is an account with an access token.
type Person struct {
	ID    uuid.UUID
	Token string
}

// Login returns a person's access token.
func Login(t testing.TB, c *client.Client, tenant, email string) Person {
	t.Helper()
	got, err := c.AuthLoginWithResponse(t.Context(), client.AuthLoginJSONRequestBody{TenantID: tenant, Email: email, Password: Password})
	require.NoError(t, err)
	return Person{ID: got.JSON200.Data.User.ID, Token: got.JSON200.Data.AccessToken}
}

// World makes a tenant with its people through the API.
func (s *Server) World(t testing.TB) *World {
	t.Helper()
	c, err := client.New(s.URL, client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	operator := client.WithToken(t.Context(), Login(t, c, "PLATFORM", "operator@example.com").Token)
	w := &World{Calls: c, Code: "T" + strings.ToUpper(unique())}
	tenant, err := c.CreateTenantWithResponse(operator, nil, client.CreateTenantJSONRequestBody{Name: w.Code, Code: w.Code})
	require.NoError(t, err)
	w.Tenant = tenant.JSON201.Data.ID
	w.person(t, client.WithTenant(operator, w.Tenant.String()), "head", uuid.MustParse(tenantAdmin))
	w.Admin = client.WithToken(t.Context(), Login(t, c, w.Code, w.email("head")).Token)

	w.Reader = w.role(t, "reader",
		permission("Read invoices", "invoice", "invoice/*", "read", nil, nil),
		permission("Not the secret one", "invoice", "invoice/secret", "read", new(client.PermissionInputEffectDeny), nil),
		permission("The own drafts", "draft", "draft/*", "read", nil, map[string]any{"owner": "ann"}),
		permission("Make invoices", "invoice", "invoice/*", "create", nil, nil))
	asker := w.role(t, "asker", permission("Ask about others", "api", "api/decisions", "execute", nil, nil))
	w.Ann = w.person(t, w.Admin, "ann", w.Reader)
	w.Ben = w.person(t, w.Admin, "ben")
	robot, err := c.CreateServiceAccountWithResponse(w.Admin, nil, client.CreateServiceAccountJSONRequestBody{Name: "robot", Roles: []uuid.UUID{asker}})
	require.NoError(t, err)
	w.Robot, w.Key = robot.JSON201.Data.ID, robot.JSON201.Data.APIKey
	return w
}

func (w *World) email(name string) string { return name + "@" + strings.ToLower(w.Code) + ".example" }

func (w *World) person(t testing.TB, as context.Context, name string, roles ...uuid.UUID) Person {
	t.Helper()
	secret := Password
	_, err := w.Calls.CreateUserWithResponse(as, nil, client.CreateUserJSONRequestBody{
		Email: types.Email(w.email(name)), DisplayName: &name, Password: &secret, Roles: roles,
	})
	require.NoError(t, err)
	return Login(t, w.Calls, w.Code, w.email(name))
}

func permission(name, typ, path, action string, effect *client.PermissionInputEffect, conditions map[string]any) client.PermissionInput {
	return client.PermissionInput{Name: name, ResourceType: typ, ResourcePath: &path, Actions: []string{action}, Effect: effect, Conditions: conditions}
}

func (w *World) role(t testing.TB, name string, permissions ...client.PermissionInput) uuid.UUID {
	t.Helper()
	role, err := w.Calls.CreateRoleWithResponse(w.Admin, nil, client.CreateRoleJSONRequestBody{Name: name})
	require.NoError(t, err)
	_, err = w.Calls.AddRolePermissionsWithResponse(w.Admin, role.JSON201.Data.ID, client.AddRolePermissionsJSONRequestBody{Permissions: permissions})
	require.NoError(t, err)
	return role.JSON201.Data.ID
}

// Revoke takes the role from Ann.
func (w *World) Revoke(t testing.TB) {
	t.Helper()
	_, err := w.Calls.RemoveUserRoleWithResponse(w.Admin, w.Ann.ID, w.Reader)
	require.NoError(t, err)
}
