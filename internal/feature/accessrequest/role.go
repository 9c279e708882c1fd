package accessrequest

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// requestable returns a role that can be asked for in the transaction's tenant:
// an active one that the tenant can use and that may be handed out. super_admin
// reaches beyond every tenant, and no chain of one gives it.
func requestable(tx *db.Tx, tenant, id uuid.UUID) (*models.Role, error) {
	var role models.Role
	err := tx.Raw("SELECT * FROM sentinel.usable_roles() WHERE id = ? AND is_active", id).Take(&role).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, at(fault.NotFound("role"), "request_details.role_id")
	}
	if err != nil {
		return nil, fmt.Errorf("find role: %w", err)
	}
	if !role.IsAssignable || role.Type == "system" && role.Name == granting.SuperAdmin {
		return nil, fault.Conflict("request_details.role_id", "This role is not handed out. Ask for another.")
	}
	return &role, unambiguous(tx, tenant, &role)
}

// unambiguous refuses a role of a tenant above that another has the name of:
// chains name roles, and whoever approves one by its name means the nearer.
func unambiguous(tx *db.Tx, tenant uuid.UUID, role *models.Role) error {
	if role.TenantID == tenant {
		return nil
	}
	var others int64
	err := tx.Raw("SELECT count(*) FROM sentinel.usable_roles() WHERE name = ? AND id <> ?", role.Name, role.ID).Scan(&others).Error
	if err != nil {
		return fmt.Errorf("count roles of one name: %w", err)
	}
	if others > 0 {
		return fault.Conflict("request_details.role_id", "This role is a tenant's above, and another has the same name. Chains name roles, so that only the tenant's own can be asked for.")
	}
	return nil
}

// assigned returns the role as the account has it itself, nil if it has not or
// no more.
func assigned(w *change.Write, tenant, user, role uuid.UUID) (*models.UserRole, error) {
	var row models.UserRole
	err := w.Where("tenant_id = ? AND user_id = ? AND role_id = ? AND is_active AND (expires_at IS NULL OR expires_at > ?)", tenant, user, role, w.Now).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("find assignment: %w", err)
	}
	return &row, nil
}

// lacks refuses to ask for a role that the account has for ever.
func lacks(w *change.Write, a *ask, role *models.Role) error {
	row, err := assigned(w, a.tenant, a.beneficiary, role.ID)
	if err == nil && row != nil && row.ExpiresAt == nil && (row.ValidFrom == nil || !row.ValidFrom.After(w.Now)) {
		return fault.Conflict("request_details.role_id", "The account has this role already.")
	}
	return err
}

// assign gives the role of an approved request, until its grant ends. Who may
// write it was judged when the chain was: an approval grants what its chain was
// written to grant. An assignment that lasts longer stays as it is; one that
// ends before is replaced.
func (p *process) assign() error {
	role, err := requestable(p.w.Tx, p.m.TenantID, *p.d.RoleID)
	if fault.Is(err, fault.NotFoundKind) || fault.Is(err, fault.ConflictKind) {
		return fault.Conflict("", "The role that is asked for can no longer be given. Deny the request.").Because(err)
	}
	if err != nil {
		return err
	}
	end := p.r.GrantExpiresAt
	has, err := assigned(p.w, p.m.TenantID, p.m.BeneficiaryID, role.ID)
	if err != nil {
		return err
	}
	if has != nil && (has.ValidFrom == nil || !has.ValidFrom.After(p.now)) && (has.ExpiresAt == nil || end != nil && !end.After(*has.ExpiresAt)) {
		return nil
	}
	row := directory.Assignment(p.ctx, p.w, p.m.BeneficiaryID, role.ID, role.TenantID)
	row.GrantedAt, row.ExpiresAt, row.SourceRequestID = p.now, end, &p.m.ID
	if err := p.w.Clauses(directory.AssignedAgain()).Create(&row).Error; err != nil {
		return directory.RefusedRole(fmt.Errorf("assign role: %w", err))
	}
	return nil
}

// unassign takes the role that the request gave, if it is still by the request
// that the account has it. The tenant keeps an administrator.
func (p *process) unassign() error {
	return granting.Keeping(p.w.Tx, p.m.TenantID, p.w.Now, func() error {
		err := p.w.Where("tenant_id = ? AND source_request_id = ?", p.m.TenantID, p.m.ID).Delete(&models.UserRole{}).Error
		if err != nil {
			return fmt.Errorf("take role: %w", err)
		}
		return nil
	})
}
