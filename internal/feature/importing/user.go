package importing

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

var (
	userColumns = []string{
		"id", "tenant_id", "email", "email_verified_at", "username", "display_name", "external_id", "attributes", "is_active", "token_epoch",
	}
	userRoleColumns = []string{
		"tenant_id", "user_id", "role_id", "role_tenant_id", "granted_by", "granted_by_tenant", "granted_at", "valid_from", "expires_at", "is_active",
	}
	userGroupColumns = []string{"tenant_id", "user_id", "group_id", "added_by", "added_by_tenant"}
)

// userView is an account as the audit shows it.
func userView(m *models.User) map[string]any {
	return map[string]any{
		"id": m.ID, "email": m.Email, "email_verified": m.EmailVerifiedAt != nil, "username": m.Username, "display_name": m.DisplayName,
		"external_id": m.ExternalID, "attributes": json.RawMessage(m.Attributes), "is_active": m.IsActive,
	}
}

// users writes accounts of people, and gives them roles and groups.
func (b *batch) users(rows []row) error {
	p := userPlan{batch: b, items: readAll[UserSpec](b, rows)}
	if err := p.load(); err != nil {
		return err
	}
	for i := range p.items {
		p.one(&p.items[i])
	}
	if err := p.judge(); err != nil {
		return err
	}
	if err := p.keepToLimit(); err != nil {
		return err
	}
	return p.writeAll()
}

// planned is a row that may be written, as far as the row itself goes.
type planned struct {
	item *item[UserSpec]
	old  *models.User
	m    *models.User
	// differs is set if the account itself changes; touches if the granting rule
	// asks about that.
	differs, touches bool
	roles            []usable
	groups           []*models.Group
}

func (u *planned) key() string {
	if u.item.spec.ExternalID != "" {
		return u.item.spec.ExternalID
	}
	return u.m.Email
}

// nodes are what the row gives, as in the role graph.
func (u *planned) nodes() []string {
	var nodes []string
	for _, r := range u.roles {
		nodes = append(nodes, rbac.Role(r.ID))
	}
	for _, g := range u.groups {
		nodes = append(nodes, rbac.Group(g.ID))
	}
	return nodes
}

// userPlan is what becomes of the accounts of a batch.
type userPlan struct {
	*batch
	items      []item[UserSpec]
	byExternal map[string]*models.User
	byEmail    map[string]*models.User
	roles      map[string]usable
	groups     map[string][]*models.Group
	has        map[uuid.UUID][]string
	due        []*planned
}

func (p *userPlan) load() (err error) {
	var emails, externals models.Strings
	var groups []string
	for i := range p.items {
		s := p.items[i].spec
		if address, ok := p.s.cfg.NormaliseEmail(s.Email); ok {
			emails = append(emails, address)
		}
		if s.ExternalID != "" {
			externals = append(externals, s.ExternalID)
		}
		groups = append(groups, s.Groups...)
	}
	var found []*models.User
	err = p.w.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).
		Where("tenant_id = ? AND (email = ANY(CAST(? AS text[])) AND email <> '' OR external_id = ANY(CAST(? AS text[])))", p.tenant, emails, externals).
		Order("id").Find(&found).Error
	if err != nil {
		return fmt.Errorf("find accounts: %w", err)
	}
	p.byEmail, p.byExternal = map[string]*models.User{}, map[string]*models.User{}
	ids := make([]uuid.UUID, len(found))
	for i, m := range found {
		ids[i] = m.ID
		p.byEmail[m.Email] = m
		if m.ExternalID != nil {
			p.byExternal[*m.ExternalID] = m
		}
	}
	if p.groups, err = byName(p.batch, groups, func(m *models.Group) string { return m.Name }); err != nil {
		return err
	}
	if p.roles, err = p.usableRoles(); err != nil {
		return err
	}
	p.has = map[uuid.UUID][]string{}
	if len(ids) > 0 {
		p.has, err = granting.Has(p.w.Tx, p.tenant, ids)
	}
	return err
}

// one says what becomes of a row.
func (p *userPlan) one(s *item[UserSpec]) {
	u, field := p.settle(s)
	if field == nil {
		field = p.give(u)
	}
	if field != nil {
		key := s.spec.ExternalID
		if key == "" {
			key = s.spec.Email
		}
		p.refuse(s.row, key, *field)
		return
	}
	p.byEmail[u.m.Email] = u.m
	if u.m.ExternalID != nil {
		p.byExternal[*u.m.ExternalID] = u.m
	}
	p.due = append(p.due, u)
}

// settle returns the account as the row has it, or what is wrong with it.
func (p *userPlan) settle(s *item[UserSpec]) (*planned, *fault.Field) {
	var external *string
	if s.spec.ExternalID != "" {
		external = &s.spec.ExternalID
	}
	email, err := p.s.cfg.CheckIdentity(s.spec.Email, external)
	if err != nil {
		field, _ := reasonOf(err)
		return nil, &field
	}
	old, byEmail := (*models.User)(nil), p.byEmail[email]
	if external != nil {
		old = p.byExternal[*external]
	}
	switch {
	case old == nil && byEmail != nil && external != nil && byEmail.ExternalID != nil:
		return nil, &fault.Field{Path: "email", Message: "is the address of an account with another external id"}
	case old == nil:
		old = byEmail
	case byEmail != nil && byEmail.ID != old.ID:
		return nil, &fault.Field{Path: "email", Message: refusals["users_email_key"].Message}
	}
	u := &planned{item: s, old: old}
	if old == nil {
		u.m = &models.User{ID: uuid.Must(uuid.NewV7()), TenantID: p.tenant, IsActive: true, Attributes: models.Object(nil)}
	} else {
		if old.IsServiceAccount {
			return nil, &fault.Field{Message: "is a service account: those are changed with /service-accounts"}
		}
		clone := *old
		u.m = &clone
	}
	p.apply(u, email, external)
	return u, nil
}

// apply writes the members given over the account.
func (p *userPlan) apply(u *planned, email string, external *string) {
	s, m := u.item, u.m
	if m.Email != email {
		m.Email, m.EmailVerifiedAt = email, &p.w.Now // an administrator's word is proof enough
	}
	if external != nil {
		m.ExternalID = external
	}
	if s.has["username"] {
		m.Username = nil
		if s.spec.Username != "" {
			m.Username = &s.spec.Username
		}
	}
	set(s.has, "display_name", &m.DisplayName, s.spec.DisplayName)
	setObject(s.has, "attributes", &m.Attributes, s.spec.Attributes)
	if s.spec.IsActive != nil && *s.spec.IsActive != m.IsActive {
		m.IsActive = *s.spec.IsActive
		if u.old != nil {
			m.TokenEpoch++
		}
	}
	if u.old == nil {
		u.differs, u.touches = true, true
		return
	}
	o := u.old
	u.touches = o.Email != m.Email || !same(o.Username, m.Username) || !same(o.ExternalID, m.ExternalID) || o.IsActive != m.IsActive ||
		!sameJSON(o.Attributes, m.Attributes)
	u.differs = u.touches || o.DisplayName != m.DisplayName
}

// give finds the roles and groups that the row adds, or says which there is not.
func (p *userPlan) give(u *planned) *fault.Field {
	has := p.has[u.m.ID]
	for i, name := range u.item.spec.Roles {
		role, ok := p.roles[name]
		if !ok {
			return &fault.Field{Path: fmt.Sprintf("roles[%d]", i), Message: "there is no such active role in this tenant"}
		}
		if !slices.Contains(has, rbac.Role(role.ID)) {
			u.roles = append(u.roles, role)
		}
	}
	for i, name := range u.item.spec.Groups {
		group, _ := only(p.groups[name])
		if group == nil {
			return &fault.Field{Path: fmt.Sprintf("groups[%d]", i), Message: "there is no such group in this tenant"}
		}
		if !slices.Contains(has, rbac.Group(group.ID)) {
			u.groups = append(u.groups, group)
		}
	}
	return nil
}

// judge takes out what the actor may not do, each row as if it were a call of
// its own. What is written is judged once more, together.
func (p *userPlan) judge() error {
	var asked []*planned
	var changes []granting.Change
	for _, u := range p.due {
		c := granting.Change{Accounts: []uuid.UUID{u.m.ID}, Handed: u.nodes()}
		if u.touches {
			c.Handed = append(c.Handed, p.has[u.m.ID]...)
		}
		if u.touches || len(c.Handed) > 0 {
			asked, changes = append(asked, u), append(changes, c)
		}
	}
	verdicts, err := p.w.Judge.CheckEach(p.w.Tx, changes, p.has)
	if err != nil {
		return err
	}
	refused := map[*planned]bool{}
	for i, verdict := range verdicts {
		if verdict == nil {
			p.change.Accounts = append(p.change.Accounts, changes[i].Accounts...)
			p.change.Handed = append(p.change.Handed, changes[i].Handed...)
			continue
		}
		reason, ok := reasonOf(verdict)
		if !ok {
			return verdict
		}
		u := asked[i]
		refused[u] = true
		p.refuse(u.item.row, u.key(), reason)
		p.events = append(p.events, audit.Event{Action: "user.import", Result: audit.Denied, Detail: p.detail(u.item.row, "message", reason.Message)})
	}
	p.due = slices.DeleteFunc(p.due, func(u *planned) bool { return refused[u] })
	return nil
}

// keepToLimit takes out whom the tenant has no room for.
func (p *userPlan) keepToLimit() error {
	left, limited, err := directory.Room(p.w.Tx, p.tenant)
	if err != nil || !limited {
		return err
	}
	full, _ := reasonOf(directory.Full())
	p.due = slices.DeleteFunc(p.due, func(u *planned) bool {
		if !u.m.IsActive || u.old != nil && u.old.IsActive {
			return false
		}
		left--
		if left < 0 {
			p.refuse(u.item.row, u.key(), full)
		}
		return left < 0
	})
	return nil
}
