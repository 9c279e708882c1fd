package importing

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/personal"
)

// writeAll writes what is left, with the personal attributes sealed as GORM
// would.
func (p *userPlan) writeAll() error {
	keys, err := personal.Keys(p.w.DB, p.tenant)
	if err != nil {
		return err
	}
	var made, changed, roles, groups [][]any
	var moved []uuid.UUID
	for _, u := range p.due {
		m := u.m
		attributes, err := personal.SealAttributes(p.s.cfg.Master, m.ID, m.Attributes, keys)
		if err != nil {
			return err
		}
		if u.old == nil {
			m.EmailVerifiedAt = &p.w.Now
		}
		cells := []any{m.ID, m.TenantID, m.Email, m.EmailVerifiedAt, m.Username, m.DisplayName, m.ExternalID, []byte(attributes), m.IsActive, m.TokenEpoch}
		switch {
		case u.old == nil:
			p.created++
			made = append(made, cells)
		case u.differs:
			p.updated++
			changed = append(changed, cells)
			if u.old.Email != m.Email {
				moved = append(moved, m.ID)
			}
		case len(u.roles)+len(u.groups) > 0:
			p.updated++
		default:
			p.unchanged++
		}
		r, g := p.recordUser(u)
		roles, groups = append(roles, r...), append(groups, g...)
	}
	if err := p.insert("users", userColumns, made); err != nil {
		return err
	}
	if err := p.update("users", without(userColumns, "tenant_id"), cut(changed, userColumns, "tenant_id")); err != nil {
		return err
	}
	if err := p.endLinks(moved); err != nil {
		return err
	}
	if err := p.assign(roles); err != nil {
		return err
	}
	return p.insert("user_groups", userGroupColumns, groups)
}

// recordUser adds the events of a row, and returns the pairs that it adds.
func (p *userPlan) recordUser(u *planned) (roles, groups [][]any) {
	m := u.m
	var roleIDs, groupIDs []uuid.UUID
	for _, r := range u.roles {
		roles = append(roles, p.assignment(m.ID, r, nil, nil))
		roleIDs = append(roleIDs, r.ID)
	}
	for _, g := range u.groups {
		groups = append(groups, p.membership(m.ID, g.ID))
		groupIDs = append(groupIDs, g.ID)
	}
	e := audit.Event{Action: "user.create", ResourceType: "user", ResourceID: m.ID, Person: m.ID, After: userView(m), Detail: p.detail(u.item.row, "", nil)}
	if u.old != nil {
		e.Action, e.Before = "user.update", userView(u.old)
	}
	if len(roleIDs) > 0 {
		e.Detail["roles"] = roleIDs
	}
	if len(groupIDs) > 0 {
		e.Detail["groups"] = groupIDs
	}
	if u.differs || len(roleIDs)+len(groupIDs) > 0 {
		p.events = append(p.events, e)
	}
	return roles, groups
}

// endLinks ends the mailed links to accounts whose address changed.
func (p *userPlan) endLinks(accounts []uuid.UUID) error {
	if len(accounts) == 0 {
		return nil
	}
	err := p.w.Exec(`
UPDATE sentinel.one_time_tokens
SET expires_at = least(expires_at, ?)
WHERE tenant_id = ?
AND user_id = ANY(CAST(? AS uuid[]))
AND used_at IS NULL`, p.w.Now, p.tenant, db.UUIDs(accounts)).Error
	if err != nil {
		return fmt.Errorf("end links: %w", err)
	}
	return nil
}

func (b *batch) assignment(account uuid.UUID, r usable, from, until *time.Time) []any {
	by, home := b.actor()
	return []any{b.tenant, account, r.ID, r.TenantID, by, home, b.w.Now.UTC(), from, until, true}
}

func (b *batch) membership(account, group uuid.UUID) []any {
	by, home := b.actor()
	return []any{b.tenant, account, group, by, home}
}

// assign writes assignments. One that is there already is replaced.
func (b *batch) assign(rows [][]any) error {
	const columns = "tenant_id, user_id, role_id, role_tenant_id, granted_by, granted_by_tenant, granted_at, valid_from, expires_at, is_active"
	return b.put("user_roles", userRoleColumns, rows, `
INSERT INTO sentinel.user_roles (`+columns+`)
SELECT `+columns+`
FROM import_stage
ORDER BY n
ON CONFLICT (tenant_id, user_id, role_id) DO UPDATE
SET valid_from = excluded.valid_from, expires_at = excluded.expires_at, is_active = excluded.is_active,
  granted_by = excluded.granted_by, granted_by_tenant = excluded.granted_by_tenant, granted_at = excluded.granted_at,
  source_request_id = NULL`)
}
