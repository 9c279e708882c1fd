package resource

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// attack is a tenant in which mal may write resources and is no administrator.
type attack struct {
	*tenanttest.World
	t                     *testing.T
	tenant, mal, eve      uuid.UUID
	librarian, readerRole uuid.UUID
	service               *Service
	ctx                   context.Context //nolint:containedctx // mal's, for one test
}

func attackers(t *testing.T) *attack {
	t.Helper()
	t.Parallel()
	a := &attack{World: tenanttest.New(t, dbtest.New(t), engine.Config{}), t: t}
	a.tenant = a.Tenant()
	a.librarian = a.Role(a.tenant, "librarian", 10, uuid.UUID{})
	a.readerRole = a.Role(a.tenant, "reader", 5, uuid.UUID{})
	a.Permission(a.tenant, a.librarian, "api/resources", "allow", "", "*")
	a.mal, a.eve = a.User(a.tenant, "mal"), a.User(a.tenant, "eve")
	a.Assign(a.tenant, a.mal, a.librarian)
	a.Assign(a.tenant, a.eve, a.readerRole)
	a.service, a.ctx = &Service{Write: a.Writer}, a.As(a.tenant, a.mal)
	return a
}

func (a *attack) node(typ, code string, parent *uuid.UUID) uuid.UUID {
	id := uuid.New()
	a.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, path) VALUES ($1, $2, $3, $4, $4, $5, '')`, id, a.tenant, typ, code, parent)
	return id
}

func (a *attack) onNode(role, node uuid.UUID, typ, effect, action string) {
	id := uuid.New()
	a.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions, effect) VALUES ($1, $2, 'on', $3, $4, ARRAY[$5], $6)`, id, a.tenant, typ, node, action, effect)
	a.Own(a.tenant, role, id)
}

// keeps runs a write that must be refused and leave the answer as it was.
func (a *attack) keeps(user uuid.UUID, typ, id, action string, want engine.Code, write func() error) {
	a.t.Helper()
	require.NoError(a.t, a.Engine.Refresh(a.ctx, a.tenant))
	require.Equal(a.t, want, a.Ask(a.tenant, user, typ, id, action).Code)
	err := write()
	require.True(a.t, fault.Is(err, fault.Denied), "%v", err)
	require.Equal(a.t, want, a.Ask(a.tenant, user, typ, id, action).Code)
}

func (a *attack) create(typ, code string, parent *uuid.UUID) func() error {
	return func() error {
		in := &CreateIn{}
		in.Body.Type, in.Body.Name, in.Body.Code, in.Body.ParentID = typ, code, code, parent
		_, err := a.service.create(a.ctx, in)
		return err
	}
}

func (a *attack) update(id uuid.UUID, set func(*UpdateIn)) func() error {
	return func() error {
		in := &UpdateIn{}
		in.ID = id
		set(in)
		_, err := a.service.update(a.ctx, in)
		return err
	}
}

func TestAttack_NobodyBringsInstancesUnderAnOwnPermission(t *testing.T) {
	a := attackers(t)
	own := a.node("service", "own", nil)
	a.onNode(a.librarian, own, "service", "allow", "use")
	a.keeps(a.mal, "vessel", "any", "use", engine.NoMatchingPermission, a.create("entity", "vessel", &own))
	secret := a.node("page", "secret", nil)
	a.keeps(a.mal, "page", "secret", "use", engine.NoMatchingPermission, a.update(secret, func(in *UpdateIn) { in.Body.ParentID = httpapi.Some(own) }))
}

func TestAttack_NobodySlipsOutOfADeny(t *testing.T) {
	a := attackers(t)
	a.Permission(a.tenant, a.librarian, "doc/*", "allow", "", "read")
	a.Permission(a.tenant, a.librarian, "doc/secret*", "deny", "", "read")
	doc := a.node("doc", "secret-1", nil)
	a.keeps(a.mal, "doc", doc.String(), "read", engine.ExplicitDeny, a.update(doc, func(in *UpdateIn) {
		code := "open-1"
		in.Body.Code = &code
	}))
	crane := a.node("entity", "crane", nil)
	a.onNode(a.librarian, crane, "entity", "deny", "lift")
	a.Permission(a.tenant, a.librarian, "crane/*", "allow", "", "lift")
	a.keeps(a.mal, "crane", "c1", "lift", engine.ExplicitDeny, a.create("crane", "c1", nil))
}

func TestAttack_NobodyMovesAPathUnderAnothersCondition(t *testing.T) {
	a := attackers(t)
	a.Permission(a.tenant, a.readerRole, "sheet/*", "allow", `{"resource.path": {"prefix": "public/"}}`, "read")
	public, box := a.node("folder", "public", nil), a.node("folder", "box", nil)
	a.node("sheet", "s1", &box)
	a.keeps(a.eve, "sheet", "s1", "read", engine.ConditionFailed, a.update(box, func(in *UpdateIn) { in.Body.ParentID = httpapi.Some(public) }))
}

// Whoever may write resources does so where nobody's access depends on it.
func TestCreate_IsFreeWhereNothingDependsOnIt(t *testing.T) {
	a := attackers(t)
	shelf := a.node("shelf", "s", nil)
	require.NoError(t, a.create("book", "b", &shelf)())
	require.NoError(t, a.update(shelf, func(in *UpdateIn) {
		name := "Shelf"
		in.Body.Name = &name
	})())
}
