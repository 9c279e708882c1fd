package importing

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// assignments gives accounts roles, and makes them members of groups.
func (b *batch) assignments(rows []row) error {
	p := assignmentPlan{batch: b, items: readAll[AssignmentSpec](b, rows)}
	if err := p.load(); err != nil {
		return err
	}
	for i := range p.items {
		p.one(&p.items[i])
	}
	if err := p.judge(); err != nil {
		return err
	}
	var roles, groups [][]any
	for _, a := range p.due {
		if a.old != nil || slices.Contains(p.has[a.account], a.node) {
			b.updated++
		} else {
			b.created++
		}
		if a.group == nil {
			roles = append(roles, b.assignment(a.account, a.role, a.from, a.until))
			b.events = append(b.events, audit.Event{
				Action: "user.assign_role", ResourceType: "user", ResourceID: a.account, Detail: b.detail(a.item.row, "", nil),
				After: map[string]any{"role_id": a.role.ID, "valid_from": utc(a.from), "expires_at": utc(a.until)},
			})
			continue
		}
		groups = append(groups, b.membership(a.account, a.group.ID))
		b.events = append(b.events, audit.Event{
			Action: "user.add_to_group", ResourceType: "user", ResourceID: a.account, Detail: b.detail(a.item.row, "", nil),
			After: map[string]any{"group_id": a.group.ID},
		})
	}
	if err := b.assign(roles); err != nil {
		return err
	}
	return b.insert("user_groups", userGroupColumns, groups)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// assigning is a row that may be written, as far as the row itself goes.
type assigning struct {
	item        *item[AssignmentSpec]
	account     uuid.UUID
	node        string
	role        usable
	group       *models.Group
	from, until *time.Time
	old         *models.UserRole
}

// assignmentPlan is what becomes of the assignments of a batch.
type assignmentPlan struct {
	*batch
	items    []item[AssignmentSpec]
	accounts map[string]uuid.UUID
	roles    map[string]usable
	groups   map[string][]*models.Group
	held     map[[2]uuid.UUID]*models.UserRole
	has      map[uuid.UUID][]string
	seen     map[[2]string]int
	due      []*assigning
}

func (p *assignmentPlan) load() (err error) {
	var groups []string
	var names, emails models.Strings
	var ids db.UUIDs
	for _, s := range p.items {
		groups = append(groups, s.spec.Group)
		names = append(names, s.spec.User)
		if address, ok := p.s.cfg.NormaliseEmail(s.spec.User); ok {
			emails = append(emails, address)
		}
		if id, err := uuid.Parse(s.spec.User); err == nil && len(s.spec.User) == 36 {
			ids = append(ids, id)
		}
	}
	if err := p.find(names, emails, ids); err != nil {
		return err
	}
	if p.groups, err = byName(p.batch, groups, func(m *models.Group) string { return m.Name }); err != nil {
		return err
	}
	if p.roles, err = p.usableRoles(); err != nil {
		return err
	}
	found := make(db.UUIDs, 0, len(p.accounts))
	for _, id := range p.accounts {
		found = append(found, id)
	}
	if p.has, err = granting.Has(p.w.Tx, p.tenant, found); err != nil {
		return err
	}
	var held []*models.UserRole
	if err := p.w.Where("tenant_id = ? AND user_id = ANY(CAST(? AS uuid[]))", p.tenant, found).Find(&held).Error; err != nil {
		return fmt.Errorf("roles of accounts: %w", err)
	}
	p.held, p.seen = make(map[[2]uuid.UUID]*models.UserRole, len(held)), map[[2]string]int{}
	for _, h := range held {
		p.held[[2]uuid.UUID{h.UserID, h.RoleID}] = h
	}
	return nil
}

// find looks accounts up by external id, then address, then id, as questions do.
func (p *assignmentPlan) find(names, emails models.Strings, ids db.UUIDs) error {
	var rows []struct {
		ID         uuid.UUID
		Email      string
		ExternalID *string
	}
	err := p.w.Raw(`
SELECT id, email, external_id
FROM sentinel.users
WHERE tenant_id = @tenant
AND (external_id = ANY(CAST(@names AS text[])) OR email <> '' AND email = ANY(CAST(@emails AS text[])) OR id = ANY(CAST(@ids AS uuid[])))`,
		map[string]any{"tenant": p.tenant, "names": names, "emails": emails, "ids": ids}).Scan(&rows).Error
	if err != nil {
		return fmt.Errorf("find accounts: %w", err)
	}
	p.accounts = make(map[string]uuid.UUID, 3*len(rows))
	for _, r := range rows {
		p.accounts[r.ID.String()] = r.ID
	}
	for _, r := range rows {
		p.accounts[r.Email] = r.ID
	}
	for _, r := range rows {
		if r.ExternalID != nil {
			p.accounts[*r.ExternalID] = r.ID
		}
	}
	return nil
}

func (p *assignmentPlan) account(name string) (uuid.UUID, bool) {
	if id, ok := p.accounts[name]; ok && name != "" {
		return id, true
	}
	if address, ok := p.s.cfg.NormaliseEmail(name); ok {
		id, ok := p.accounts[address]
		return id, ok
	}
	id, err := uuid.Parse(name)
	if err != nil {
		return id, false
	}
	id, ok := p.accounts[id.String()]
	return id, ok
}

// one says what becomes of a row.
func (p *assignmentPlan) one(s *item[AssignmentSpec]) {
	key := s.spec.User + " " + assigned(s.spec)
	a, field := p.settle(s)
	if field == nil {
		if other := p.seen[[2]string{a.account.String(), a.node}]; other != 0 {
			field = &fault.Field{Message: "is there already, on line " + itoa(other)}
		}
	}
	if field != nil {
		p.refuse(s.row, key, *field)
		return
	}
	p.seen[[2]string{a.account.String(), a.node}] = s.row.Line
	if p.stands(a) {
		p.unchanged++
		return
	}
	p.due = append(p.due, a)
}

// settle finds what the row names.
func (p *assignmentPlan) settle(s *item[AssignmentSpec]) (*assigning, *fault.Field) {
	account, ok := p.account(s.spec.User)
	if !ok {
		return nil, &fault.Field{Path: "user", Message: "there is no such account in this tenant"}
	}
	a := &assigning{item: s, account: account}
	if s.spec.Group != "" {
		if a.group, _ = only(p.groups[s.spec.Group]); a.group == nil {
			return nil, &fault.Field{Path: "group", Message: "there is no such group in this tenant"}
		}
		a.node = rbac.Group(a.group.ID)
		return a, nil
	}
	if a.role, ok = p.roles[s.spec.Role]; !ok {
		return nil, &fault.Field{Path: "role", Message: "there is no such active role in this tenant"}
	}
	a.node = rbac.Role(a.role.ID)
	a.old = p.held[[2]uuid.UUID{account, a.role.ID}]
	if a.old != nil {
		a.from, a.until = a.old.ValidFrom, a.old.ExpiresAt
	}
	set(s.has, "valid_from", &a.from, s.spec.ValidFrom)
	set(s.has, "expires_at", &a.until, s.spec.ExpiresAt)
	if a.from != nil && a.until != nil && !a.from.Before(*a.until) {
		return nil, &fault.Field{Path: "expires_at", Message: "must be after valid_from"}
	}
	return a, nil
}

// stands reports whether all of it is so already.
func (p *assignmentPlan) stands(a *assigning) bool {
	if a.group != nil {
		return slices.Contains(p.has[a.account], a.node)
	}
	return a.old != nil && a.old.IsActive && sameTime(a.old.ValidFrom, a.from) && sameTime(a.old.ExpiresAt, a.until)
}

// sameTime compares to the microsecond, as the database keeps it.
func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Round(time.Microsecond).Equal(b.Round(time.Microsecond))
}

// judge takes out what the actor may not do, each row as if it were a call of
// its own.
func (p *assignmentPlan) judge() error {
	changes := make([]granting.Change, len(p.due))
	for i, a := range p.due {
		changes[i] = granting.Change{Accounts: []uuid.UUID{a.account}, Handed: []string{a.node}}
	}
	verdicts, err := p.w.Judge.CheckEach(p.w.Tx, changes, p.has)
	if err != nil {
		return err
	}
	kept := p.due[:0]
	for i, verdict := range verdicts {
		a := p.due[i]
		if verdict == nil {
			p.change.Accounts = append(p.change.Accounts, changes[i].Accounts...)
			p.change.Handed = append(p.change.Handed, changes[i].Handed...)
			kept = append(kept, a)
			continue
		}
		reason, ok := reasonOf(verdict)
		if !ok {
			return verdict
		}
		p.refuse(a.item.row, a.item.spec.User+" "+assigned(a.item.spec), reason)
		p.events = append(p.events, audit.Event{
			Action: "user.import", ResourceType: "user", ResourceID: a.account, Result: audit.Denied, Detail: p.detail(a.item.row, "message", reason.Message),
		})
	}
	p.due = kept
	return nil
}
