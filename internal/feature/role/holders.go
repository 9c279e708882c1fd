package role

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
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

// Holder is an account that has a role, with the ways by which it has it.
type Holder struct {
	UserID uuid.UUID `json:"user_id"`
	Ways   []Way     `json:"ways" doc:"The role's own assignment first, then the shortest; at most 20."`
}

// Way is an assignment or a membership by which an account has a role.
type Way struct {
	Direct    bool       `json:"direct" doc:"The role itself is assigned to the account."`
	Path      string     `json:"path" doc:"Such as user > group:apac-team > role:inspector > role:reader."`
	RoleID    *uuid.UUID `json:"role_id,omitempty" doc:"The role that is assigned: this one, or one that inherits from it."`
	GroupID   *uuid.UUID `json:"group_id,omitempty" doc:"The group of which the account is a member."`
	Valid     bool       `json:"valid" doc:"Whether it counts now."`
	ValidFrom *time.Time `json:"valid_from" nullable:"true"`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true"`
	GivenBy   *uuid.UUID `json:"given_by" nullable:"true"`
	GivenAt   time.Time  `json:"given_at"`
}

// maxWays is how many ways are shown of one holder.
const maxWays = 20

// HoldersIn lists the holders of a role.
type HoldersIn struct {
	IDIn
	httpapi.PageIn
	IncludeInherited bool `query:"include_inherited" doc:"Also those that have it by groups and by roles that inherit from it, where all on the way are active. Default false."`
}

func (s *Service) holders(ctx context.Context, in *HoldersIn) (page httpapi.Page[Holder], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	snapshot, err := s.Write.Engine.Snapshot(ctx, tenant)
	if err != nil {
		return page, err
	}
	h := &holding{snapshot: snapshot, tenant: tenant, role: in.ID, now: s.Write.Engine.Now(), paths: map[string]string{}}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if err := h.find(tx, in.IncludeInherited); err != nil {
			return err
		}
		page, err = h.page(tx, in.PageIn)
		return err
	})
	return page, err
}

// holding finds who has one role of a tenant.
type holding struct {
	snapshot *engine.Snapshot
	tenant   uuid.UUID
	role     uuid.UUID
	now      time.Time
	// active is set if the role counts at all.
	active bool
	// roles and groups are those whose holders have the role.
	roles, groups []uuid.UUID
	// paths from those to the role, by node, as far as they were asked for.
	paths map[string]string
}

// find fills in the roles and groups. An inactive role is none of the graph's,
// but its assignments are there.
func (h *holding) find(tx *db.Tx, inherited bool) error {
	key := rbac.Role(h.role)
	h.roles = []uuid.UUID{h.role}
	if _, h.active = h.snapshot.Graph.Index(key); !h.active {
		m, err := crud.One[models.Role](tx, h.tenant, h.role, "role")
		if err != nil {
			return err
		}
		h.paths[key] = "user > role:" + m.Name
		return nil
	}
	if !inherited {
		return nil
	}
	for _, node := range h.snapshot.HolderNodes([]string{key}) {
		switch kind, id := rbac.Parse(node); {
		case kind == rbac.GroupKind:
			h.groups = append(h.groups, id)
		case id != h.role:
			h.roles = append(h.roles, id)
		}
	}
	return nil
}

// assignedSQL are the accounts to which one of the roles is assigned, each once
// where there is but one role; memberSQL those that are in one of the groups.
const (
	assignedSQL = `
  SELECT has.user_id
  FROM unnest(CAST(@roles AS uuid[])) r (role_id)
  CROSS JOIN LATERAL (
    SELECT user_id
    FROM sentinel.user_roles
    WHERE tenant_id = @tenant
    AND role_id = r.role_id
    OFFSET 0
  ) has`
	memberSQL = `
  SELECT has.user_id
  FROM unnest(CAST(@groups AS uuid[])) g (group_id)
  CROSS JOIN LATERAL (
    SELECT user_id
    FROM sentinel.user_groups
    WHERE tenant_id = @tenant
    AND group_id = g.group_id
    OFFSET 0
  ) has`
)

func (h *holding) page(tx *db.Tx, in httpapi.PageIn) (page httpapi.Page[Holder], err error) {
	args := map[string]any{
		"tenant": h.tenant, "role": h.role, "roles": db.UUIDs(h.roles), "groups": db.UUIDs(h.groups),
		"limit": in.Limit, "offset": in.Offset(), "most": maxWays,
	}
	held := assignedSQL
	if len(h.roles)+len(h.groups) > 1 {
		held += "\n  UNION" + memberSQL
	}
	// One reading serves the count and the page; an empty page is a row without
	// an account.
	var found []struct {
		Total  int64
		UserID *uuid.UUID
	}
	err = tx.Raw(`
WITH held AS MATERIALIZED (`+held+`
)
SELECT counted.total, paged.user_id
FROM (SELECT count(*) AS total FROM held) counted
LEFT JOIN (SELECT user_id FROM held ORDER BY user_id LIMIT @limit OFFSET @offset) paged ON true
ORDER BY paged.user_id`, args).Scan(&found).Error
	if err != nil {
		return page, fmt.Errorf("list holders: %w", err)
	}
	var users []uuid.UUID
	for _, f := range found {
		page.Total = f.Total
		if f.UserID != nil {
			users = append(users, *f.UserID)
		}
	}
	page.Items, err = h.ways(tx, users, args)
	return page, err
}

// ways shows accounts that have the role, in their order, with how they have it.
func (h *holding) ways(tx *db.Tx, users []uuid.UUID, args map[string]any) ([]Holder, error) {
	// Account by account, as above role by role: whatever the planner thinks of
	// lists and tenants that it has not met.
	args["users"] = db.UUIDs(users)
	var rows []struct {
		UserID   uuid.UUID
		IsActive bool
		Way
	}
	err := tx.Raw(`
SELECT *
FROM (
  SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY role_id IS DISTINCT FROM @role, given_at, role_id, group_id) AS place
  FROM (
    SELECT u.user_id, has.role_id, CAST(NULL AS uuid) AS group_id, has.is_active, has.valid_from, has.expires_at,
      has.granted_by AS given_by, has.granted_at AS given_at
    FROM unnest(CAST(@users AS uuid[])) u (user_id)
    CROSS JOIN LATERAL (
      SELECT role_id, is_active, valid_from, expires_at, granted_by, granted_at
      FROM sentinel.user_roles
      WHERE tenant_id = @tenant
      AND user_id = u.user_id
      OFFSET 0
    ) has
    WHERE has.role_id = ANY(CAST(@roles AS uuid[]))
    UNION ALL
    SELECT u.user_id, NULL, has.group_id, true, NULL, NULL, has.added_by, has.created_at
    FROM unnest(CAST(@users AS uuid[])) u (user_id)
    CROSS JOIN LATERAL (
      SELECT group_id, added_by, created_at
      FROM sentinel.user_groups
      WHERE tenant_id = @tenant
      AND user_id = u.user_id
      OFFSET 0
    ) has
    WHERE has.group_id = ANY(CAST(@groups AS uuid[]))
  ) held
) ways
WHERE place <= @most
ORDER BY user_id, place`, args).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list the ways of holders: %w", err)
	}
	list := []Holder{}
	for i := range rows {
		r := &rows[i]
		h.complete(&r.Way, r.IsActive)
		if n := len(list); n == 0 || list[n-1].UserID != r.UserID {
			list = append(list, Holder{UserID: r.UserID})
		}
		last := &list[len(list)-1]
		last.Ways = append(last.Ways, r.Way)
	}
	for i := range list {
		slices.SortStableFunc(list[i].Ways, func(a, b Way) int {
			return cmp.Compare(strings.Count(a.Path, " > "), strings.Count(b.Path, " > "))
		})
	}
	return list, nil
}

// complete fills in what the row of a way does not say.
func (h *holding) complete(w *Way, active bool) {
	node := rbac.Role(h.role)
	switch {
	case w.GroupID != nil:
		node = rbac.Group(*w.GroupID)
	case w.RoleID != nil:
		node = rbac.Role(*w.RoleID)
		w.Direct = *w.RoleID == h.role
	}
	assigned := engine.Assignment{Node: node, ValidFrom: w.ValidFrom, ExpiresAt: w.ExpiresAt}
	w.Valid = h.active && active && assigned.Valid(h.now)
	path, known := h.paths[node]
	if !known {
		from, _ := h.snapshot.Graph.Index(node)
		to, _ := h.snapshot.Graph.Index(rbac.Role(h.role))
		path = h.snapshot.Label(h.snapshot.Graph.Path([]int32{from}, to))
		h.paths[node] = path
	}
	w.Path = path
}

// AssignIn assigns the role to users.
type AssignIn struct {
	IDIn
	Body struct {
		UserIDs   []uuid.UUID `json:"user_ids" minItems:"1" maxItems:"1000" doc:"Users or service accounts of this tenant."`
		ValidFrom *time.Time  `json:"valid_from,omitempty" doc:"Default: at once."`
		ExpiresAt *time.Time  `json:"expires_at,omitempty" doc:"Default: never."`
	}
}

// Assigned says what a call assigned.
type Assigned struct {
	Assigned int `json:"assigned" doc:"How many have the role by this call, those that had it before included."`
}

func (s *Service) assign(ctx context.Context, in *AssignIn) (*Assigned, error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	if fields := directory.CheckValidity(b.ValidFrom, b.ExpiresAt, ""); fields != nil {
		return nil, fault.Invalid(fields...)
	}
	ids := slices.Clone(b.UserIDs)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	err := s.Write.Granting(ctx, "role.assign_users", func(w *change.Write) (granting.Change, error) {
		owner, err := assignable(w, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := crud.Exist[models.User](w.Tx, tenant, b.UserIDs, "user_ids", "user"); err != nil {
			return granting.Change{}, err
		}
		rows := make([]models.UserRole, len(ids))
		for i, id := range ids {
			rows[i] = directory.Assignment(ctx, w, id, in.ID, owner)
			rows[i].ValidFrom, rows[i].ExpiresAt = b.ValidFrom, b.ExpiresAt
		}
		if err := w.Clauses(directory.AssignedAgain()).Create(&rows).Error; err != nil {
			return granting.Change{}, directory.RefusedRole(fmt.Errorf("assign role: %w", err))
		}
		return granting.Change{Accounts: ids, Handed: []string{rbac.Role(in.ID)}},
			w.Record(audit.Event{Action: "role.assign_users", ResourceType: "role", ResourceID: in.ID, After: map[string]any{
				"user_ids": ids, "valid_from": b.ValidFrom, "expires_at": b.ExpiresAt,
			}})
	})
	return &Assigned{Assigned: len(ids)}, err
}

// assignable returns the tenant that owns a role which can be assigned here.
func assignable(w *change.Write, tenant, id uuid.UUID) (uuid.UUID, error) {
	if role := w.Judge.Role(rbac.Role(id)); role != nil {
		return role.TenantID, nil
	}
	if _, err := crud.One[models.Role](w.Tx, tenant, id, "role"); err != nil {
		return uuid.UUID{}, err
	}
	return uuid.UUID{}, fault.Conflict("", "The role is inactive. Activate it before it is assigned.")
}

// UnassignIn names one holder of a role.
type UnassignIn struct {
	IDIn
	UserID uuid.UUID `path:"user_id"`
}

func (s *Service) unassign(ctx context.Context, in *UnassignIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.Write.Granting(ctx, "role.unassign_user", func(w *change.Write) (granting.Change, error) {
		gone := w.Where("tenant_id = ? AND user_id = ? AND role_id = ?", tenant, in.UserID, in.ID).Delete(&models.UserRole{})
		if gone.Error != nil {
			return granting.Change{}, fmt.Errorf("take role: %w", gone.Error)
		}
		if gone.RowsAffected == 0 {
			return granting.Change{}, fault.NotFound("holder of the role")
		}
		return granting.Change{Accounts: []uuid.UUID{in.UserID}, Handed: []string{rbac.Role(in.ID)}, Removal: true},
			w.Record(audit.Event{Action: "role.unassign_user", ResourceType: "role", ResourceID: in.ID, Before: map[string]any{"user_id": in.UserID}})
	})
}
