package enginetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// Write stores the world. passwordHash is of the askers' password; empty gives
// them none.
func (w *World) Write(t testing.TB, d *db.DB, passwordHash string) {
	t.Helper()
	err := d.InSystemTx(t.Context(), db.Bootstrap, func(tx *db.Tx) error {
		for _, tenant := range w.Tenants {
			row := tenant.row()
			if tenant.Parent != "" {
				parent := w.tenant(tenant.Parent).ID()
				row.Type, row.ParentTenantID = "sub_tenant", &parent
			}
			if err := tx.Create(&row).Error; err != nil {
				return fmt.Errorf("tenant %s: %w", tenant.Name, err)
			}
		}
		for _, tenant := range w.Tenants {
			for _, rows := range w.rows(t, tenant, passwordHash) {
				if err := tx.Create(rows).Error; err != nil {
					return fmt.Errorf("tenant %s: %T: %w", tenant.Name, rows, err)
				}
			}
			if err := w.guard(t, tx, tenant); err != nil {
				return fmt.Errorf("tenant %s: %w", tenant.Name, err)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// guard stores what has a say beside permissions: chains, fields, policies and
// the requests of users.
func (w *World) guard(t testing.TB, tx *db.Tx, tenant *Tenant) error {
	x := &writer{t: t, world: w, tenant: tenant}
	create := func(table string, rows any, n int) error {
		if n == 0 {
			return nil
		}
		if err := tx.Table(table).Create(rows).Error; err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		return nil
	}
	chains, fields, requests := x.chains(), x.fields(), x.requests()
	modules, versions, publications := x.policies()
	return errors.Join(
		create("sentinel.approval_chains", chains, len(chains)),
		create("sentinel.field_definitions", fields, len(fields)),
		create("sentinel.policies", modules, len(modules)),
		create("sentinel.policy_versions", versions, len(versions)),
		create("sentinel.policy_revisions", publications, len(publications)),
		create("sentinel.access_requests", requests, len(requests)),
	)
}

func (t *Tenant) row() models.Tenant {
	zone := t.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	return models.Tenant{
		ID: t.ID(), Name: t.Name, Code: strings.ToUpper(t.Name), Settings: models.Object(t.Settings), TimeZone: zone,
		IsActive: !t.Inactive, Features: models.Strings{},
	}
}

// writer makes the rows of one tenant.
type writer struct {
	t      testing.TB
	world  *World
	tenant *Tenant
	roles  []models.UserRole
	groups []models.UserGroup
}

// rows are slices of models in the order in which they can be inserted. Of those
// that nothing stands in there is none.
func (w *World) rows(t testing.TB, tenant *Tenant, passwordHash string) []any {
	x := &writer{t: t, world: w, tenant: tenant}
	var out []any
	if rows := x.nodes(); len(rows) > 0 {
		out = append(out, rows)
	}
	out = append(out, x.roleRows())
	groups, groupRoles := x.groupRows()
	if len(groups) > 0 {
		out = append(out, groups)
	}
	if len(groupRoles) > 0 {
		out = append(out, groupRoles)
	}
	permissions, owners := x.permissions()
	out = append(out, permissions, owners, x.users(passwordHash), x.roles)
	if len(x.groups) > 0 {
		out = append(out, x.groups)
	}
	return out
}

// ref is the id of a thing that has to be there.
func (x *writer) ref(kind, name string) uuid.UUID {
	x.t.Helper()
	key := x.world.key(x.tenant.Name, kind, name)
	require.Contains(x.t, x.world.ids, key)
	return x.world.ids[key]
}

func (x *writer) optional(kind, name string) *uuid.UUID {
	if name == "" {
		return nil
	}
	id := x.ref(kind, name)
	return &id
}

// role is the id of a role and of the tenant that owns it.
func (x *writer) role(name string) (role, owner uuid.UUID) {
	system := map[string]string{"tenant_admin": "11", "user_manager": "12", "security_author": "13", "auditor": "15", "viewer": "16"}
	if name, ok := strings.CutPrefix(name, platform+"/"); ok {
		require.Contains(x.t, system, name)
		return uuid.MustParse("00000000-0000-0000-0000-0000000000" + system[name]), identity.PlatformTenant
	}
	key := x.world.key(x.tenant.Name, "role", name)
	ownerName, _, _ := strings.Cut(key, "/")
	return x.ref("role", name), id(ownerName)
}

func (x *writer) nodes() []models.Resource {
	var out []models.Resource
	for _, n := range x.tenant.Resources {
		row := models.Resource{
			ID: x.ref("node", n.Name), TenantID: x.tenant.ID(), Type: n.Type, Name: n.Name, Code: n.Code,
			ParentID: x.optional("node", n.Parent), Attributes: models.Object(n.Attributes), IsActive: !n.Inactive,
		}
		if n.Workflow != nil {
			row.WorkflowEnabled, row.WorkflowConfig = !n.Workflow.Disabled, x.workflow(n.Workflow)
		}
		out = append(out, row)
	}
	return out
}

func (x *writer) roleRows() []models.Role {
	var out []models.Role
	for _, r := range x.tenant.Roles {
		out = append(out, models.Role{
			ID: x.ref("role", r.Name), TenantID: x.tenant.ID(), Name: r.Name, Type: "custom", ParentRoleID: x.optional("role", r.Parent),
			Priority: r.Priority, IsAssignable: true, IsActive: !r.Inactive,
		})
	}
	return out
}

func (x *writer) groupRows() (groups []models.Group, roles []models.GroupRole) {
	for _, g := range x.tenant.Groups {
		groups = append(groups, models.Group{
			ID: x.ref("group", g.Name), TenantID: x.tenant.ID(), Name: g.Name, ParentGroupID: x.optional("group", g.Parent), IsActive: !g.Inactive,
		})
		for _, r := range g.Roles {
			role, owner := x.role(r)
			roles = append(roles, models.GroupRole{
				ID: uuid.New(), TenantID: x.tenant.ID(), GroupID: x.ref("group", g.Name), RoleID: role, RoleTenantID: owner,
			})
		}
	}
	return groups, roles
}

func (x *writer) permissions() (rows []models.Permission, owners []models.RolePermission) {
	for _, p := range x.tenant.Permissions {
		row := models.Permission{
			ID: x.ref("permission", p.Name), TenantID: x.tenant.ID(), Name: p.Name, Actions: p.Actions, Effect: "allow",
			Conditions: models.Object(p.Conditions), IsActive: !p.Inactive, ResourceID: x.optional("node", p.Node),
			FieldPermissions: fieldPermissions(p.Fields),
		}
		if p.Effect != "" {
			row.Effect = p.Effect
		}
		if p.Path != "" {
			row.ResourcePath = &p.Path
			row.ResourceType, _, _ = strings.Cut(p.Path, "/")
		} else {
			row.ResourceType = x.node(p.Node).Type
		}
		rows = append(rows, row)
		for _, r := range p.Roles {
			owners = append(owners, models.RolePermission{ID: uuid.New(), TenantID: x.tenant.ID(), RoleID: x.ref("role", r), PermissionID: row.ID})
		}
	}
	return rows, owners
}

func fieldPermissions(fields map[string]string) models.JSON {
	members := map[string]any{}
	for name, visibility := range fields {
		members[name] = visibility
	}
	return models.Object(members)
}

// node is the resource of a name, which has to be there.
func (x *writer) node(name string) *Node {
	x.t.Helper()
	for _, n := range x.tenant.Resources {
		if n.Name == name {
			return n
		}
	}
	require.FailNow(x.t, "no such node", name)
	return nil
}

func (x *writer) users(passwordHash string) []models.User {
	var out []models.User
	for _, u := range x.tenant.Users {
		row := models.User{
			ID: x.ref("user", u.Name), TenantID: x.tenant.ID(), Email: u.Email, Username: given(u.Username), ExternalID: given(u.ExternalID),
			IsServiceAccount: u.ServiceAccount, Attributes: models.Object(u.Attributes), LockedUntil: u.LockedUntil, IsActive: !u.Inactive,
			AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		}
		if row.Email == "" && !u.ServiceAccount {
			row.Email = u.Name + "@" + x.tenant.Name + ".example"
		}
		if u.EmailVerified {
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			row.EmailVerifiedAt = &at
		}
		if u.ServiceAccount {
			sum := sha256.Sum256([]byte(row.ID.String()))
			row.ServiceAccountKeyID, row.ServiceAccountKeyHash = given(row.ID.String()), sum[:]
		}
		if u.Name == Asker {
			row.PasswordHash = given(passwordHash)
			row.AssertSubject, row.AssertOverride = true, append(models.Strings{}, x.tenant.AssertOverride...)
		}
		out = append(out, row)
		x.assign(u, row.ID)
	}
	return out
}

func (x *writer) assign(u *User, user uuid.UUID) {
	for _, a := range u.Roles {
		role, owner := x.role(a.Role)
		x.roles = append(x.roles, models.UserRole{
			ID: uuid.New(), TenantID: x.tenant.ID(), UserID: user, RoleID: role, RoleTenantID: owner,
			ValidFrom: a.ValidFrom, ExpiresAt: a.ExpiresAt, IsActive: !a.Inactive, GrantedAt: Now(),
		})
	}
	for _, g := range u.Groups {
		x.groups = append(x.groups, models.UserGroup{ID: uuid.New(), TenantID: x.tenant.ID(), UserID: user, GroupID: x.ref("group", g)})
	}
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
