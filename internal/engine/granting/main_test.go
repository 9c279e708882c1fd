package granting_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// world is a tenant with a tenant_admin, a user_manager who is also captain, a
// captain who may write roles, and a sailor.
//
// Roles: captain (priority 50, read and update vessels), inheriting sailor
// (priority 10, read vessels); owner (priority 90, everything on invoices).
type world struct {
	*tenanttest.World
	t                               *testing.T
	tenant                          uuid.UUID
	captain, sailor, owner, writing uuid.UUID
	readVessels, allInvoices        uuid.UUID
	admin, manager, author, ada     uuid.UUID
}

func setup(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{World: tenanttest.New(t, dbtest.New(t), engine.Config{}), t: t}
	w.tenant = w.Tenant()
	none := uuid.UUID{}
	w.sailor = w.Role(w.tenant, "sailor", 10, none)
	w.captain = w.Role(w.tenant, "captain", 50, w.sailor)
	w.owner = w.Role(w.tenant, "owner", 90, none)
	w.writing = w.Role(w.tenant, "writing", 20, none)
	w.readVessels = w.Permission(w.tenant, w.sailor, "vessel/*", "allow", "", "read")
	w.Permission(w.tenant, w.captain, "vessel/*", "allow", "", "update")
	w.allInvoices = w.Permission(w.tenant, w.owner, "invoice/*", "allow", "", "*")
	w.Permission(w.tenant, w.writing, "api/roles", "allow", "", "*")
	w.admin, w.manager = w.User(w.tenant, "admin"), w.User(w.tenant, "manager")
	w.author, w.ada = w.User(w.tenant, "author"), w.User(w.tenant, "ada")
	w.Assign(w.tenant, w.admin, tenanttest.TenantAdmin)
	w.Assign(w.tenant, w.manager, tenanttest.UserManager)
	w.Assign(w.tenant, w.manager, w.captain)
	w.Assign(w.tenant, w.author, w.captain)
	w.Assign(w.tenant, w.author, w.writing)
	w.Assign(w.tenant, w.ada, w.sailor)
	return w
}

// write is one write, with what it declares to the judge.
type write struct {
	change granting.Change
	sql    string
	args   []any
}

func (w *world) try(ctx context.Context, x write) error {
	return w.Writer.Granting(ctx, "test.write", func(tx *change.Write) (granting.Change, error) {
		_, err := tx.Pgx.Exec(ctx, x.sql, x.args...)
		return x.change, err
	})
}

// refused makes the write as user and wants it refused, in whole.
func (w *world) refused(user uuid.UUID, x write, why string) {
	w.t.Helper()
	before := w.rows()
	err := w.try(w.As(w.tenant, user), x)
	require.True(w.t, fault.Is(err, fault.Denied), "%s: %v", why, err)
	require.Equal(w.t, before, w.rows(), "nothing stays: %s", why)
}

func (w *world) accepted(user uuid.UUID, x write, why string) {
	w.t.Helper()
	require.NoError(w.t, w.try(w.As(w.tenant, user), x), why)
}

func (w *world) conflict(user uuid.UUID, x write, why string) {
	w.t.Helper()
	before := w.rows()
	err := w.try(w.As(w.tenant, user), x)
	require.True(w.t, fault.Is(err, fault.ConflictKind), "%s: %v", why, err)
	require.Equal(w.t, before, w.rows(), "nothing stays: %s", why)
}

// rows is a digest of everything a granting write can change.
func (w *world) rows() (digest string) {
	w.Scan([]any{&digest}, `SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (
  SELECT 'u' || (u.*)::text AS x FROM sentinel.users u
  UNION ALL SELECT 'ur' || (r.*)::text FROM sentinel.user_roles r
  UNION ALL SELECT 'ug' || (r.*)::text FROM sentinel.user_groups r
  UNION ALL SELECT 'r' || (r.*)::text FROM sentinel.roles r
  UNION ALL SELECT 'g' || (r.*)::text FROM sentinel.groups r
  UNION ALL SELECT 'gr' || (r.*)::text FROM sentinel.group_roles r
  UNION ALL SELECT 'p' || (r.*)::text FROM sentinel.permissions r
  UNION ALL SELECT 'rp' || (r.*)::text FROM sentinel.role_permissions r) rows`)
	return digest
}

func (w *world) assign(user, role uuid.UUID) write {
	return write{
		change: granting.Change{Accounts: []uuid.UUID{user}, Handed: []string{rbac.Role(role)}},
		sql: `INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
VALUES ($1, $2, $3, $4)`,
		args: []any{w.tenant, user, role, w.home(role)},
	}
}

// home is the tenant that owns the role.
func (w *world) home(role uuid.UUID) (tenant uuid.UUID) {
	w.Scan([]any{&tenant}, `SELECT tenant_id FROM sentinel.roles WHERE id = $1`, role)
	return tenant
}

func (w *world) unassign(user, role uuid.UUID) write {
	return write{
		change: granting.Change{Accounts: []uuid.UUID{user}, Handed: []string{rbac.Role(role)}, Removal: true},
		sql:    `DELETE FROM sentinel.user_roles WHERE tenant_id = $1 AND user_id = $2 AND role_id = $3`,
		args:   []any{w.tenant, user, role},
	}
}

func (w *world) join(user, group uuid.UUID) write {
	return write{
		change: granting.Change{Accounts: []uuid.UUID{user}, Handed: []string{rbac.Group(group)}},
		sql:    `INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, $3)`,
		args:   []any{w.tenant, user, group},
	}
}

func (w *world) leave(user, group uuid.UUID) write {
	return write{
		change: granting.Change{Accounts: []uuid.UUID{user}, Handed: []string{rbac.Group(group)}, Removal: true},
		sql:    `DELETE FROM sentinel.user_groups WHERE tenant_id = $1 AND user_id = $2 AND group_id = $3`,
		args:   []any{w.tenant, user, group},
	}
}

func (w *world) groupRole(group, role uuid.UUID) write {
	return write{
		change: granting.Change{Nodes: []string{rbac.Group(group)}, Handed: []string{rbac.Role(role)}},
		sql:    `INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $1)`,
		args:   []any{w.tenant, group, role},
	}
}

func (w *world) moveGroup(group, parent uuid.UUID) write {
	node := []string{rbac.Group(group)}
	return write{
		change: granting.Change{Nodes: node, Handed: node},
		sql:    `UPDATE sentinel.groups SET parent_group_id = $2 WHERE id = $1`,
		args:   []any{group, parent},
	}
}

// own attaches a permission to a role.
func (w *world) own(role, permission uuid.UUID) write {
	return write{
		change: granting.Change{Nodes: []string{rbac.Role(role)}, Permissions: w.grants(permission)},
		sql:    `INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3)`,
		args:   []any{w.tenant, role, permission},
	}
}

func (w *world) disown(role, permission uuid.UUID) write {
	return write{
		change: granting.Change{Nodes: []string{rbac.Role(role)}, Permissions: w.grants(permission), Removal: true},
		sql:    `DELETE FROM sentinel.role_permissions WHERE tenant_id = $1 AND role_id = $2 AND permission_id = $3`,
		args:   []any{w.tenant, role, permission},
	}
}

// edit changes a role; its content before and after is judged.
func (w *world) edit(role uuid.UUID, set string, content ...uuid.UUID) write {
	nodes := []string{rbac.Role(role)}
	for _, id := range content {
		nodes = append(nodes, rbac.Role(id))
	}
	return write{
		change: granting.Change{Nodes: nodes[:1], Content: nodes},
		sql:    `UPDATE sentinel.roles SET ` + set + ` WHERE id = $1`,
		args:   []any{role},
	}
}

// touch changes an account itself, as a new password does.
func (w *world) touch(user uuid.UUID, set string) write {
	return write{
		change: granting.Change{Accounts: []uuid.UUID{user}},
		sql:    `UPDATE sentinel.users SET ` + set + ` WHERE id = $1`,
		args:   []any{user},
	}
}

func (w *world) remove(user uuid.UUID, roles ...uuid.UUID) write {
	x := write{
		change: granting.Change{Accounts: []uuid.UUID{user}, Removal: true},
		sql:    `DELETE FROM sentinel.users WHERE id = $1`,
		args:   []any{user},
	}
	for _, r := range roles {
		x.change.Handed = append(x.change.Handed, rbac.Role(r))
	}
	return x
}

func (w *world) model(id uuid.UUID) *models.Permission {
	var m models.Permission
	var (
		conditions, fields string
		actions            []string
	)
	w.Scan([]any{&m.ID, &m.TenantID, &m.Name, &m.ResourceType, &m.ResourcePath, &actions, &m.Effect, &conditions, &fields},
		`SELECT id, tenant_id, name, resource_type, resource_path, actions, effect, conditions::text, field_permissions::text FROM sentinel.permissions WHERE id = $1`, id)
	m.Conditions, m.FieldPermissions, m.Actions = models.JSON(conditions), models.JSON(fields), actions
	return &m
}
