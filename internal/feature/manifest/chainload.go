package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// chains reads the chains. A role or user that is gone is known by its id alone.
func (l *loader) chains() {
	var rows []models.ApprovalChain
	l.scan(&rows, "approval chains", `SELECT * FROM sentinel.approval_chains WHERE tenant_id = @tenant ORDER BY name LIMIT 10001`)
	stored := make([][]approval.Level, len(rows))
	var users []uuid.UUID
	for i := range rows {
		// Of a row that nobody checked when it was written there are none.
		stored[i], _ = approval.ParseLevels(rows[i].ApprovalLevels, 0, "")
		users = append(users, (&approval.Snapshot{Levels: stored[i]}).Users()...)
	}
	l.people(users)
	roles := &index{what: "role", objects: slices.Concat(l.state.objects[roleKind], l.state.roles)}
	name := func(id uuid.UUID, kind approverKind) string {
		switch role := l.byID[id]; {
		case kind == roleApprover && role != nil:
			return roles.reference(role)
		case kind == userApprover && l.state.emails[id] != "":
			return l.state.emails[id]
		default:
			return id.String()
		}
	}
	for i := range rows {
		m := &rows[i]
		s := &ApprovalChain{
			Name: m.Name, Description: m.Description, ResourceType: m.ResourceType, ResourcePattern: m.ResourcePattern, Mode: m.Mode,
			ApprovalLevels: written(stored[i], name), AutoApproveConditions: decoded(m.AutoApproveConditions), IsActive: &m.IsActive,
		}
		if m.MaxDurationHours != nil {
			s.MaxDurationHours = *m.MaxDurationHours
		}
		o, err := chainObject(s)
		o.id = m.ID
		l.add(o, err)
	}
}

// people reads the e-mail addresses of some accounts.
func (l *loader) people(ids []uuid.UUID) {
	l.state.emails, l.state.people = map[uuid.UUID]string{}, map[string]uuid.UUID{}
	if len(ids) == 0 || l.err != nil {
		return
	}
	var rows []models.User
	err := l.Select("id", "email").Where("tenant_id = ? AND NOT is_service_account AND id = ANY(CAST(? AS uuid[]))", l.tenant, db.UUIDs(ids)).Find(&rows).Error
	if err != nil {
		l.err = fmt.Errorf("read approvers: %w", err)
		return
	}
	for i := range rows {
		l.state.emails[rows[i].ID] = rows[i].Email
	}
}

// find reads the people that a manifest names, by their e-mail addresses or ids.
func (s *state) find(tx *db.Tx, tenant uuid.UUID, m *Manifest) error {
	var emails []string
	var ids []uuid.UUID
	for i := range m.ApprovalChains {
		m.ApprovalChains[i].specs(func(n approverName) uuid.UUID {
			if id, ok := looksLikeID(n.text); ok && n.kind == userApprover {
				ids = append(ids, id)
			} else if n.kind == userApprover {
				emails = append(emails, strings.ToLower(n.text))
			}
			return uuid.Nil
		})
	}
	if len(emails)+len(ids) == 0 {
		return nil
	}
	var rows []models.User
	err := tx.Select("id", "email").
		Where("tenant_id = ? AND NOT is_service_account AND (id = ANY(CAST(? AS uuid[])) OR email <> '' AND email = ANY(CAST(? AS text[])))", tenant, db.UUIDs(ids), models.Strings(emails)).
		Find(&rows).Error
	if err != nil {
		return fmt.Errorf("find approvers: %w", err)
	}
	for i := range rows {
		s.emails[rows[i].ID] = rows[i].Email
		s.people[rows[i].ID.String()] = rows[i].ID
		s.people[strings.ToLower(rows[i].Email)] = rows[i].ID
	}
	return nil
}

// chain is a chain as it is stored, with the ids of the roles and users that it
// names.
func (a *applier) chain(o *object) *models.ApprovalChain {
	m := &models.ApprovalChain{}
	in := a.chainInput(o)
	levels, _ := in.Validate(a.current.timeout, "")
	if err := in.Apply(m, levels); err != nil {
		return m // levels of the normal form can be encoded
	}
	return m
}

func (a *applier) chainInput(o *object) *directory.ChainInput {
	s, _ := o.spec.(*ApprovalChain)
	if a.roles == nil {
		a.roles = &index{what: "role", objects: slices.Concat(a.outcome.result[roleKind], a.current.roles)}
	}
	return s.input(func(n approverName) uuid.UUID {
		if n.kind == roleApprover {
			if role, _ := a.roles.find(n.text); role != nil {
				return role.id
			}
		} else if id, there := a.current.people[strings.ToLower(n.text)]; there {
			return id
		}
		id, _ := looksLikeID(n.text)
		return id
	})
}

// checkChains refuses approvers that the tenant cannot have, in levels that
// change. They are asked of the database, which alone knows all of them.
func (a *applier) checkChains() error {
	for _, s := range a.of(chainKind) {
		if s.after == nil || !s.after.differs("approval_levels") {
			continue
		}
		if err := directory.CheckApprovers(a.Tx, a.tenant, a.chainInput(s.after).ApprovalLevels, s.after.at+".approval_levels"); err != nil {
			return err
		}
	}
	return nil
}

// idleChains refuses to delete chains through which requests wait. Until the
// transaction ends no request begins to go through them.
func (a *applier) idleChains() error {
	for _, s := range a.of(chainKind) {
		if s.after != nil {
			continue
		}
		if _, err := crud.Locked[models.ApprovalChain](a.Tx, a.tenant, s.before.id, "approval chain"); err != nil {
			return err
		}
		use, err := directory.UseOfChain(a.Write, a.tenant, s.before.id)
		if err != nil {
			return err
		}
		if err := use.Idle(s.before.name); err != nil {
			return err
		}
	}
	return nil
}
