package group

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Member is a user in a group.
type Member struct {
	UserID  uuid.UUID  `json:"user_id"`
	AddedBy *uuid.UUID `json:"added_by" nullable:"true"`
	AddedAt time.Time  `json:"added_at"`
}

// PageOfIn lists something of one group.
type PageOfIn struct {
	IDIn
	httpapi.PageIn
}

func (s *Service) users(ctx context.Context, in *PageOfIn) (page httpapi.Page[Member], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Group](tx, tenant, in.ID, "group"); err != nil {
			return err
		}
		q := tx.Where("tenant_id = ? AND group_id = ?", tenant, in.ID)
		page, err = crud.List(q, in.PageIn, crud.Order{}, func(m *models.UserGroup) *Member {
			return &Member{UserID: m.UserID, AddedBy: m.AddedBy, AddedAt: m.CreatedAt}
		})
		return err
	})
	return page, err
}

// AddUsersIn adds users to a group.
type AddUsersIn struct {
	IDIn
	Body struct {
		UserIDs []uuid.UUID `json:"user_ids" minItems:"1" maxItems:"1000"`
	}
}

// Added says what a call added.
type Added struct {
	Added int64 `json:"added" doc:"How many were not there before."`
}

func (s *Service) addUsers(ctx context.Context, in *AddUsersIn) (*Added, error) {
	tenant, _ := identity.TenantFrom(ctx)
	out := &Added{}
	err := s.Write.Granting(ctx, "group.add_users", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		ids := in.Body.UserIDs
		if err := crud.Exist[models.User](w.Tx, tenant, ids, "user_ids", "user"); err != nil {
			return granting.Change{}, err
		}
		rows := make([]models.UserGroup, len(ids))
		for i, id := range ids {
			rows[i] = directory.Membership(ctx, id, m.ID)
		}
		made := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows)
		if made.Error != nil {
			return granting.Change{}, fmt.Errorf("add members: %w", made.Error)
		}
		out.Added = made.RowsAffected
		return granting.Change{Accounts: ids, Handed: []string{rbac.Group(m.ID)}},
			w.Record(audit.Event{Action: "group.add_users", ResourceType: "group", ResourceID: m.ID, After: map[string]any{"user_ids": ids}})
	})
	return out, err
}

// MemberIn names a member, or a role, of a group.
type MemberIn struct {
	IDIn
	MemberID uuid.UUID `path:"member_id"`
}

func (s *Service) removeUser(ctx context.Context, in *MemberIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "group.remove_user", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		gone := w.Where("tenant_id = ? AND group_id = ? AND user_id = ?", tenant, m.ID, in.MemberID).Delete(&models.UserGroup{})
		if gone.Error != nil {
			return granting.Change{}, fmt.Errorf("remove member: %w", gone.Error)
		}
		if gone.RowsAffected == 0 {
			return granting.Change{}, fault.NotFound("member of the group")
		}
		return granting.Change{Accounts: []uuid.UUID{in.MemberID}, Handed: []string{rbac.Group(m.ID)}, Removal: true},
			w.Record(audit.Event{Action: "group.remove_user", ResourceType: "group", ResourceID: m.ID, Before: map[string]any{"user_id": in.MemberID}})
	})
}

// HeldRole is a role that a group has.
type HeldRole struct {
	RoleID    uuid.UUID  `json:"role_id"`
	Name      string     `json:"name" doc:"The role's name; empty for one that is inactive, or that the tenant can use no more."`
	GrantedBy *uuid.UUID `json:"granted_by" nullable:"true"`
	GrantedAt time.Time  `json:"granted_at"`
}

func (s *Service) roles(ctx context.Context, in *PageOfIn) (page httpapi.Page[HeldRole], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	snapshot, err := s.Write.Engine.Snapshot(ctx, tenant)
	if err != nil {
		return page, err
	}
	name := func(role uuid.UUID) string {
		if at, usable := snapshot.Graph.Index(rbac.Role(role)); usable {
			return snapshot.RoleAt(at).Name
		}
		return ""
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Group](tx, tenant, in.ID, "group"); err != nil {
			return err
		}
		q := tx.Where("tenant_id = ? AND group_id = ?", tenant, in.ID)
		page, err = crud.List(q, in.PageIn, crud.Order{}, func(m *models.GroupRole) *HeldRole {
			return &HeldRole{RoleID: m.RoleID, Name: name(m.RoleID), GrantedBy: m.GrantedBy, GrantedAt: m.CreatedAt}
		})
		return err
	})
	return page, err
}

// AddRolesIn gives roles to a group.
type AddRolesIn struct {
	IDIn
	Body struct {
		RoleIDs []uuid.UUID `json:"role_ids" minItems:"1" maxItems:"100" doc:"Roles of this tenant, of an ancestor from which it inherits, or system roles."`
	}
}

func (s *Service) addRoles(ctx context.Context, in *AddRolesIn) (*Added, error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	out := &Added{}
	err := s.Write.Granting(ctx, "group.add_roles", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		owners, err := directory.AssignableRoles(w, in.Body.RoleIDs, "role_ids")
		if err != nil {
			return granting.Change{}, err
		}
		rows := make([]models.GroupRole, len(in.Body.RoleIDs))
		handed := make([]string, len(rows))
		for i, id := range in.Body.RoleIDs {
			rows[i] = models.GroupRole{
				TenantID: tenant, GroupID: m.ID, RoleID: id, RoleTenantID: owners[id],
				GrantedBy: &caller.UserID, GrantedByTenant: &caller.HomeTenantID,
			}
			handed[i] = rbac.Role(id)
		}
		made := w.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows)
		if made.Error != nil {
			return granting.Change{}, directory.RefusedRole(fmt.Errorf("give roles: %w", made.Error))
		}
		out.Added = made.RowsAffected
		return granting.Change{Nodes: []string{rbac.Group(m.ID)}, Handed: handed},
			w.Record(audit.Event{Action: "group.add_roles", ResourceType: "group", ResourceID: m.ID, After: map[string]any{"role_ids": in.Body.RoleIDs}})
	})
	return out, err
}

func (s *Service) removeRole(ctx context.Context, in *MemberIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "group.remove_role", func(w *change.Write) (granting.Change, error) {
		m, err := crud.Locked[models.Group](w.Tx, tenant, in.ID, "group")
		if err != nil {
			return granting.Change{}, err
		}
		gone := w.Where("tenant_id = ? AND group_id = ? AND role_id = ?", tenant, m.ID, in.MemberID).Delete(&models.GroupRole{})
		if gone.Error != nil {
			return granting.Change{}, fmt.Errorf("take role: %w", gone.Error)
		}
		if gone.RowsAffected == 0 {
			return granting.Change{}, fault.NotFound("role of the group")
		}
		return granting.Change{Nodes: []string{rbac.Group(m.ID)}, Handed: []string{rbac.Role(in.MemberID)}, Removal: true},
			w.Record(audit.Event{Action: "group.remove_role", ResourceType: "group", ResourceID: m.ID, Before: map[string]any{"role_id": in.MemberID}})
	})
}
