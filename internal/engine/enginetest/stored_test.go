package enginetest_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// store writes a random tenant to the database, but for requests of chains that
// are not there. All that the database fills in is left to it.
func (x *world) store(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.InSystemTx(t.Context(), db.Bootstrap, func(tx *db.Tx) error {
		for _, rows := range x.stored(t) {
			if err := tx.Create(rows).Error; err != nil {
				return fmt.Errorf("%T: %w", rows, err)
			}
		}
		return nil
	})
	require.NoError(x.T, err)
}

// stored are pointers to slices of models in the order in which they can be
// inserted.
func (x *world) stored(t *testing.T) (out []any) {
	t.Helper()
	tenant := &x.snapshot.Tenant
	add := func(rows any, n int) {
		if n > 0 {
			out = append(out, rows)
		}
	}
	out = append(out, &models.Tenant{
		ID: x.tenant, Name: "Acme", Code: fmt.Sprintf("ACME%d", x.nth), TimeZone: tenant.Location.String(), IsActive: tenant.Active, Features: models.Strings{},
		Settings: models.Object(map[string]any{"conflict_resolution": tenant.Conflict, "allow_rules": tenant.AllowRules}),
	})
	rows := &x.rows
	for i := range rows.Resources {
		rows.Resources[i].Name = rows.Resources[i].Code
	}
	for i := range rows.Roles {
		rows.Roles[i].Type = "custom"
	}
	for i := range rows.GroupRoles {
		g := &rows.GroupRoles[i]
		g.ID, g.TenantID, g.RoleTenantID = x.id(), x.tenant, x.tenant
	}
	for i := range rows.RolePermissions {
		rows.RolePermissions[i].ID, rows.RolePermissions[i].TenantID = x.id(), x.tenant
	}
	for i := range rows.Fields {
		f, path := &rows.Fields[i], "attributes."+rows.Fields[i].FieldName
		f.ID, f.TenantID, f.DataType, f.StoragePath = x.id(), &x.tenant, "string", &path
		if f.FieldType == "core" {
			f.StorageColumn, f.StoragePath = &f.FieldName, nil
		}
	}
	add(&rows.Resources, len(rows.Resources))
	add(&rows.Roles, len(rows.Roles))
	add(&rows.Groups, len(rows.Groups))
	add(&rows.GroupRoles, len(rows.GroupRoles))
	add(&rows.Permissions, len(rows.Permissions))
	add(&rows.RolePermissions, len(rows.RolePermissions))
	add(&rows.Chains, len(rows.Chains))
	add(&rows.Fields, len(rows.Fields))
	out = append(out, x.accounts()...)
	return append(out, x.published(t)...)
}

// accounts are the subjects with what they hold and what was requested for them.
func (x *world) accounts() []any {
	var (
		users    []models.User
		roles    []models.UserRole
		groups   []models.UserGroup
		requests []models.AccessRequest
	)
	for i, s := range x.subjects {
		users = append(users, models.User{
			ID: s.ID, TenantID: x.tenant, Email: fmt.Sprintf("ann%d@acme.example", i), DisplayName: fmt.Sprintf("Ann %d", i), IsActive: s.IsActive,
			IsServiceAccount: s.IsServiceAccount, Attributes: models.Object(s.Attributes), LockedUntil: s.LockedUntil,
			AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		})
		u := &users[i]
		if s.EmailVerified {
			at := enginetest.Now()
			u.EmailVerifiedAt = &at
		}
		if s.IsServiceAccount {
			key := s.ID.String()
			u.ServiceAccountKeyID, u.ServiceAccountKeyHash = &key, make([]byte, 32)
		}
		once := map[string]bool{}
		for _, a := range s.Assignments {
			if once[a.Node] || a.ValidFrom != nil && a.ExpiresAt != nil && !a.ExpiresAt.Truncate(time.Microsecond).After(a.ValidFrom.Truncate(time.Microsecond)) {
				continue
			}
			once[a.Node] = true
			if kind, id := rbac.Parse(a.Node); kind == rbac.GroupKind {
				groups = append(groups, models.UserGroup{ID: x.id(), TenantID: x.tenant, UserID: s.ID, GroupID: id})
			} else {
				roles = append(roles, models.UserRole{
					ID: x.id(), TenantID: x.tenant, UserID: s.ID, RoleID: id, RoleTenantID: x.tenant, ValidFrom: a.ValidFrom, ExpiresAt: a.ExpiresAt,
					IsActive: true, GrantedAt: enginetest.Now(),
				})
			}
		}
		for j := range s.Requests {
			if r := x.request(s.ID, &s.Requests[j]); r != nil {
				requests = append(requests, *r)
			}
		}
	}
	out := []any{&users}
	if roles != nil {
		out = append(out, &roles)
	}
	if groups != nil {
		out = append(out, &groups)
	}
	if requests != nil {
		out = append(out, &requests)
	}
	return out
}

// request is a row of one that was approved, nil for one of no chain and one that
// waits.
func (x *world) request(user uuid.UUID, r *engine.Request) *models.AccessRequest {
	known := false
	for i := range x.rows.Chains {
		known = known || x.rows.Chains[i].ID == r.Chain
	}
	if !known || !r.Approved {
		return nil
	}
	details := map[string]any{"resource_type": r.Type, "resource_id": r.ResourceID, "action": r.Action}
	kind := "permission"
	if r.Action == grants.AnyAction {
		kind = "resource_access"
		delete(details, "action")
	}
	if r.ResourceID == "" {
		delete(details, "resource_id")
	}
	if r.Node != uuid.Nil {
		details["node_id"] = r.Node
	}
	return &models.AccessRequest{
		ID: r.ID, TenantID: x.tenant, RequesterID: user, BeneficiaryID: user, RequestType: kind, RequestDetails: models.Object(details),
		Justification: "because", ChainID: &r.Chain, ChainSnapshot: models.JSON("{}"), Status: "approved", GrantExpiresAt: r.ExpiresAt, CurrentLevel: 1,
	}
}

// published are the tenant's policies.
func (x *world) published(t *testing.T) []any {
	t.Helper()
	if len(x.policies.texts) == 0 {
		return nil
	}
	var (
		modules  []models.Policy
		versions []models.PolicyVersion
		live     []map[string]any
	)
	for path, text := range x.policies.texts {
		p, v := x.id(), x.id()
		modules = append(modules, models.Policy{ID: p, TenantID: x.tenant, Path: path, Package: "tenant.x", Rego: text, Version: 1, Status: "published"})
		versions = append(versions, models.PolicyVersion{ID: v, TenantID: x.tenant, PolicyID: p, Version: 1, Path: path, Package: "tenant.x", Rego: text})
		live = append(live, map[string]any{"policy_id": p, "version_id": v, "path": path, "package": "tenant.x", "version": 1})
	}
	raw, err := json.Marshal(live)
	require.NoError(t, err)
	return []any{&modules, &versions, &[]models.PolicyPublication{{
		ID: x.id(), TenantID: x.tenant, Revision: 1, Modules: raw, Simulation: models.JSON("{}"), PublishedAt: enginetest.Now(),
	}}}
}
