package user

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// load reads the accounts, locked in the order of their ids so that two batches
// do not wait for each other, and what each has.
func (b *batch) load() error {
	ids := db.UUIDs(b.in.Body.UserIDs)
	var rows []models.User
	err := b.w.Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("tenant_id = ? AND id = ANY(CAST(? AS uuid[]))", b.tenant, ids).Order("id").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("find accounts: %w", err)
	}
	found := make(map[uuid.UUID]*models.User, len(rows))
	for n := range rows {
		found[rows[n].ID] = &rows[n]
	}
	for _, i := range b.items {
		i.account = found[i.result.UserID]
	}
	b.has, err = granting.Has(b.w.Tx, b.tenant, b.in.Body.UserIDs)
	return err
}

// apply does the operation to all of them at once.
func (b *batch) apply(items []*item) error {
	if len(items) == 0 {
		return nil
	}
	ids := make(db.UUIDs, len(items))
	for n, i := range items {
		ids[n] = i.account.ID
	}
	d := &b.in.Body.Data
	named := map[string]any{"tenant": b.tenant, "ids": ids, "active": b.in.Body.Operation == Activate, "role": d.RoleID}
	var err error
	switch b.in.Body.Operation {
	case Activate, Deactivate:
		err = b.w.Exec(`
UPDATE sentinel.users
SET is_active = @active, token_epoch = token_epoch + 1
WHERE tenant_id = @tenant
AND id = ANY(CAST(@ids AS uuid[]))`, named).Error
	case Delete:
		err = b.w.Exec(`
DELETE FROM sentinel.users
WHERE tenant_id = @tenant
AND id = ANY(CAST(@ids AS uuid[]))`, named).Error
	case AssignRole:
		err = b.assign(ids)
	case RemoveRole:
		err = b.w.Exec(`
DELETE FROM sentinel.user_roles
WHERE tenant_id = @tenant
AND role_id = @role
AND user_id = ANY(CAST(@ids AS uuid[]))`, named).Error
	case AddToGroup:
		err = b.join(ids)
	}
	if err != nil {
		return fmt.Errorf("%s many: %w", b.in.Body.Operation, err)
	}
	return nil
}

func (b *batch) assign(ids []uuid.UUID) error {
	d := &b.in.Body.Data
	rows := make([]models.UserRole, len(ids))
	for n, id := range ids {
		rows[n] = directory.Assignment(b.ctx, b.w, id, *d.RoleID, b.roleOwner)
		rows[n].ValidFrom, rows[n].ExpiresAt = d.ValidFrom, d.ExpiresAt
	}
	return directory.RefusedRole(b.w.Clauses(directory.AssignedAgain()).CreateInBatches(&rows, 1_000).Error)
}

func (b *batch) join(ids []uuid.UUID) error {
	rows := make([]models.UserGroup, len(ids))
	for n, id := range ids {
		rows[n] = directory.Membership(b.ctx, id, *b.in.Body.Data.GroupID)
	}
	return b.w.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(&rows, 1_000).Error
}

// applyWeighed does the operation to administrators: to all at once if one stays
// then, else to one after the other, so that the last of them is left out.
func (b *batch) applyWeighed(items []*item) error {
	if len(items) == 0 {
		return nil
	}
	kept, err := b.attempt(items)
	if err != nil || kept == nil {
		return err
	}
	for _, i := range items {
		conflict, err := b.attempt([]*item{i})
		if err != nil {
			return err
		}
		if conflict != nil {
			i.fail(conflict)
		}
	}
	return nil
}

// attempt does the operation and takes it back if no administrator would stay;
// it returns why.
func (b *batch) attempt(items []*item) (conflict, err error) {
	if err := b.w.Exec("SAVEPOINT attempt").Error; err != nil {
		return nil, fmt.Errorf("set a savepoint: %w", err)
	}
	if err := b.apply(items); err != nil {
		return nil, err
	}
	conflict = b.w.Judge.KeepsAdministrator(b.w.Tx, b.w.Now)
	if conflict != nil && !fault.Is(conflict, fault.ConflictKind) {
		return nil, conflict
	}
	if conflict != nil {
		if err := b.w.Exec("ROLLBACK TO SAVEPOINT attempt").Error; err != nil {
			return nil, fmt.Errorf("go back to a savepoint: %w", err)
		}
	}
	if err := b.w.Exec("RELEASE SAVEPOINT attempt").Error; err != nil {
		return nil, fmt.Errorf("release a savepoint: %w", err)
	}
	return conflict, nil
}

// action is the audit's name for the operation, that of the call for a single
// account where there is one.
func (o Operation) action() string {
	if o == RemoveRole {
		return "user.unassign_role"
	}
	return "user." + string(o)
}

// record adds an event for each account that was changed, and for each that the
// actor was refused.
func (b *batch) record() error {
	var events []audit.Event
	for _, i := range b.items {
		if !i.due && i.denied == nil {
			continue
		}
		e := audit.Event{
			Action: b.in.Body.Operation.action(), ResourceType: "user", ResourceID: i.account.ID, Detail: map[string]any{"bulk": true},
		}
		if i.denied != nil {
			e.Result = audit.Denied
			e.Detail["message"] = i.result.Message
		} else {
			b.describe(&e, i.account)
		}
		events = append(events, e)
	}
	return b.w.RecordAll(events)
}

func (b *batch) describe(e *audit.Event, m *models.User) {
	d := &b.in.Body.Data
	switch b.in.Body.Operation {
	case Activate, Deactivate:
		e.Before, e.After = map[string]any{"is_active": m.IsActive}, map[string]any{"is_active": !m.IsActive}
	case Delete:
		e.Before, e.Person = view(m), m.ID
	case AssignRole:
		e.After = map[string]any{"role_id": d.RoleID, "valid_from": utc(d.ValidFrom), "expires_at": utc(d.ExpiresAt)}
	case RemoveRole:
		e.Before = map[string]any{"role_id": d.RoleID}
	case AddToGroup:
		e.After = map[string]any{"group_id": d.GroupID}
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
