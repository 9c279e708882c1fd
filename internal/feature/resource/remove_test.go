package resource

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// administrator makes the calls those of a tenant_admin.
func (a *attack) administrator() {
	admin := a.User(a.tenant, "admin")
	a.Assign(a.tenant, admin, tenanttest.TenantAdmin)
	a.ctx = a.As(a.tenant, admin)
}

// gone is what an audit event says of one kind that went with a node.
type gone struct {
	Count int         `json:"count"`
	IDs   []uuid.UUID `json:"ids"`
}

func (a *attack) lastDeletion() map[string]gone {
	a.t.Helper()
	var raw []byte
	a.Scan([]any{&raw}, `SELECT error_details::text FROM sentinel.audit_logs WHERE action = 'resource.delete' AND result = 'success' ORDER BY seq DESC LIMIT 1`)
	var out map[string]gone
	require.NoError(a.t, json.Unmarshal(raw, &out), "%s", raw)
	return out
}

func TestDelete_TakesWhatIsOnTheNode(t *testing.T) {
	a := attackers(t)
	a.administrator()
	page := a.node("page", "home", nil)
	a.onNode(a.readerRole, page, "page", "allow", "use")
	a.onNode(a.readerRole, page, "page", "allow", "share")
	item := uuid.New()
	a.SQL(`INSERT INTO sentinel.menu_items (id, tenant_id, name, resource_id) VALUES ($1, $2, 'home', $3)`, item, a.tenant, page)
	require.NoError(t, a.Engine.Refresh(a.ctx, a.tenant))
	require.True(t, a.Allowed(a.tenant, a.eve, "page", "home", "use"))
	var permissions []uuid.UUID
	a.Scan([]any{&permissions}, `SELECT array_agg(id ORDER BY id) FROM sentinel.permissions WHERE resource_id = $1`, page)

	in := &DeleteIn{}
	in.ID = page
	require.NoError(t, a.service.delete(a.ctx, in))
	require.False(t, a.Allowed(a.tenant, a.eve, "page", "home", "use"), "the next check")
	require.Zero(t, a.Count(`SELECT count(*) FROM sentinel.permissions WHERE id = ANY($1)`, permissions))
	require.Zero(t, a.Count(`SELECT count(*) FROM sentinel.role_permissions WHERE permission_id = ANY($1)`, permissions))
	require.Equal(t, 1, a.Count(`SELECT count(*) FROM sentinel.menu_items WHERE id = $1 AND resource_id IS NULL`, item), "the item stays, without its link")
	require.Equal(t, map[string]gone{
		"nodes": {1, []uuid.UUID{page}}, "permissions": {2, permissions}, "menu_items": {1, []uuid.UUID{item}},
	}, a.lastDeletion())
}

func TestDelete_OfASubtree(t *testing.T) {
	a := attackers(t)
	a.administrator()
	box := a.node("folder", "box", nil)
	middle := a.node("folder", "middle", &box)
	page := a.node("page", "deep", &middle)
	beside := a.node("folder", "beside", nil)
	a.onNode(a.readerRole, box, "folder", "allow", "use")
	a.onNode(a.readerRole, middle, "folder", "allow", "share")
	a.onNode(a.readerRole, beside, "folder", "allow", "use")
	require.NoError(t, a.Engine.Refresh(a.ctx, a.tenant))
	require.True(t, a.Allowed(a.tenant, a.eve, "page", "deep", "use"))

	in := &DeleteIn{}
	in.ID = box
	err := a.service.delete(a.ctx, in)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	require.ErrorContains(t, err, "has 2 others below it")
	in.Recursive = true
	require.NoError(t, a.service.delete(a.ctx, in))
	require.Zero(t, a.Count(`SELECT count(*) FROM sentinel.resources WHERE id = ANY($1)`, []uuid.UUID{box, middle, page}))
	require.False(t, a.Allowed(a.tenant, a.eve, "page", "deep", "use"), "the next check")
	require.True(t, a.Allowed(a.tenant, a.eve, "folder", "beside", "use"))
	said := a.lastDeletion()
	require.Equal(t, 3, said["nodes"].Count)
	require.ElementsMatch(t, []uuid.UUID{box, middle, page}, said["nodes"].IDs)
	require.Equal(t, 2, said["permissions"].Count)
	require.Equal(t, gone{0, []uuid.UUID{}}, said["menu_items"])
}

// However much goes, the event stays small.
func TestDelete_NamesTheFirstHundred(t *testing.T) {
	a := attackers(t)
	a.administrator()
	box := a.node("folder", "box", nil)
	a.SQL(`INSERT INTO sentinel.resources (tenant_id, type, name, code, parent_id) SELECT $1, 'page', 'p', 'p' || n, $2 FROM generate_series(1, 150) n`, a.tenant, box)
	a.SQL(`INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_id, actions) SELECT tenant_id, 'on', type, id, '{use}' FROM sentinel.resources WHERE parent_id = $1`, box)
	require.NoError(t, a.remove(box)())
	said := a.lastDeletion()
	require.Equal(t, 151, said["nodes"].Count)
	require.Len(t, said["nodes"].IDs, 100)
	require.Equal(t, 150, said["permissions"].Count)
	require.Len(t, said["permissions"].IDs, 100)
}
