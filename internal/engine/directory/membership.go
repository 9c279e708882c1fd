package directory

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/models"
)

// Give assigns roles to a new account of the context's tenant and makes it a
// member of groups, within a granting write, and returns them as nodes for the
// judge. Those that do not exist in the tenant are refused as "roles[i]" and
// "groups[i]".
func Give(ctx context.Context, w *change.Write, account uuid.UUID, roles, groups []uuid.UUID) ([]string, error) {
	tenant, _ := identity.TenantFrom(ctx)
	var nodes []string
	if len(roles) > 0 {
		owners, err := AssignableRoles(w, roles, "roles")
		if err != nil {
			return nil, err
		}
		rows := make([]models.UserRole, len(roles))
		for i, id := range roles {
			rows[i] = Assignment(ctx, w, account, id, owners[id])
			nodes = append(nodes, rbac.Role(id))
		}
		if err := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
			return nil, RefusedRole(fmt.Errorf("assign roles: %w", err))
		}
	}
	if len(groups) > 0 {
		if err := crud.Exist[models.Group](w.Tx, tenant, groups, "groups", "group"); err != nil {
			return nil, err
		}
		rows := make([]models.UserGroup, len(groups))
		for i, id := range groups {
			rows[i] = Membership(ctx, account, id)
			nodes = append(nodes, rbac.Group(id))
		}
		if err := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
			return nil, fmt.Errorf("join groups: %w", err)
		}
	}
	return nodes, nil
}

// Assignment is the row by which the caller gives an account of the context's
// tenant a role, which owner owns.
func Assignment(ctx context.Context, w *change.Write, account, role, owner uuid.UUID) models.UserRole {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	return models.UserRole{
		TenantID: tenant, UserID: account, RoleID: role, RoleTenantID: owner, IsActive: true, GrantedAt: w.Now.UTC(),
		GrantedBy: &caller.UserID, GrantedByTenant: &caller.HomeTenantID,
	}
}

// Membership is the row by which the caller makes an account of the context's
// tenant a member of a group.
func Membership(ctx context.Context, account, group uuid.UUID) models.UserGroup {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	return models.UserGroup{TenantID: tenant, UserID: account, GroupID: group, AddedBy: &caller.UserID, AddedByTenant: &caller.HomeTenantID}
}
