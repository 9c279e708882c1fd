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
	caller, _ := identity.PrincipalFrom(ctx)
	var nodes []string
	if len(roles) > 0 {
		owners, err := AssignableRoles(w, roles, "roles")
		if err != nil {
			return nil, err
		}
		rows := make([]models.UserRole, len(roles))
		for i, id := range roles {
			rows[i] = models.UserRole{
				TenantID: tenant, UserID: account, RoleID: id, RoleTenantID: owners[id], IsActive: true, GrantedAt: w.Now.UTC(),
				GrantedBy: &caller.UserID, GrantedByTenant: &caller.HomeTenantID,
			}
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
			rows[i] = models.UserGroup{TenantID: tenant, UserID: account, GroupID: id, AddedBy: &caller.UserID, AddedByTenant: &caller.HomeTenantID}
			nodes = append(nodes, rbac.Group(id))
		}
		if err := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
			return nil, fmt.Errorf("join groups: %w", err)
		}
	}
	return nodes, nil
}
