package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// State is all that decisions in a tenant are made of, as the rows in which it is
// stored. They may be changed: nobody else sees them.
type State struct {
	// Tx is the reading transaction, valid while the state is changed.
	Tx     *db.Tx
	Tenant Tenant
	Rows   *Rows

	stored, changed map[uuid.UUID]*Subject
}

// Subject returns a subject to be changed, nil if the tenant has no such user. It
// is the state's own: the one that is stored stays as it is.
func (s *State) Subject(id uuid.UUID) (*Subject, error) {
	if own := s.changed[id]; own != nil {
		return own, nil
	}
	stored, known := s.stored[id]
	if !known {
		var err error
		if stored, err = LoadSubject(s.Tx, s.Tenant.ID, id); err != nil {
			return nil, err
		}
		s.stored[id] = stored
	}
	if stored == nil {
		return nil, nil //nolint:nilnil // "no such user" is an answer, not a failure
	}
	own := stored.clone()
	own.Attributes, own.Assignments, own.Requests = maps.Clone(own.Attributes), slices.Clone(own.Assignments), slices.Clone(own.Requests)
	s.changed[id] = own
	return own, nil
}

// now is the subject as the changes have made it.
func (s *State) now(id uuid.UUID) *Subject {
	if own := s.changed[id]; own != nil {
		return own
	}
	return s.stored[id]
}

// readState reads a tenant whole, and some of its users, with its graph as it is.
func readState(tx *db.Tx, tenant uuid.UUID, users []uuid.UUID, opt LoadOptions) (*State, *Snapshot, error) {
	l := &loader{tx: tx, opt: opt, snap: &Snapshot{}}
	if err := l.tenant(tenant); err != nil {
		return nil, nil, err
	}
	s := &State{Tx: tx, Tenant: l.snap.Tenant, Rows: &Rows{}, changed: map[uuid.UUID]*Subject{}}
	for _, id := range l.scope {
		if err := l.readShared(id, s.Rows); err != nil {
			return nil, nil, err
		}
	}
	if err := l.readOwn(s.Rows); err != nil {
		return nil, nil, err
	}
	if err := l.policies(); err != nil {
		return nil, nil, err
	}
	var err error
	if s.stored, err = findSubjects(tx, tenant, users); err != nil {
		return nil, nil, err
	}
	before, err := NewSnapshot(s.Tenant, s.Rows)
	if err != nil {
		return nil, nil, err
	}
	before.policies, before.publication, before.sources = l.snap.policies, l.snap.publication, l.snap.sources
	return s, before, before.CheckDepth()
}

// readShared adds the roles and permissions of a tenant whose roles can be used.
func (l *loader) readShared(tenant uuid.UUID, rows *Rows) error {
	if err := l.tx.Act(tenant); err != nil {
		return err
	}
	q := l.tx.Where("tenant_id = ?", tenant)
	if tenant == identity.PlatformTenant && l.systemOnly {
		q = q.Where("type = 'system'")
	}
	var more Rows
	if err := q.Order("id").Find(&more.Roles).Error; err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	if err := l.tx.Where("tenant_id = ?", tenant).Order("id").Find(&more.Permissions).Error; err != nil {
		return fmt.Errorf("permissions: %w", err)
	}
	if err := l.tx.Where("tenant_id = ?", tenant).Order("permission_id, role_id").Find(&more.RolePermissions).Error; err != nil {
		return fmt.Errorf("permissions of roles: %w", err)
	}
	rows.Roles = append(rows.Roles, more.Roles...)
	rows.Permissions = append(rows.Permissions, more.Permissions...)
	rows.RolePermissions = append(rows.RolePermissions, more.RolePermissions...)
	return nil
}

// readOwn adds what is a tenant's own and never inherited.
func (l *loader) readOwn(rows *Rows) (err error) {
	if rows.Resources, err = l.readNodes(); err != nil {
		return err
	}
	if rows.Fields, err = l.readFields(); err != nil {
		return err
	}
	tenant := l.snap.Tenant.ID
	if err := l.tx.Where("tenant_id = ?", tenant).Order("id").Find(&rows.Groups).Error; err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	if err := l.tx.Where("tenant_id = ?", tenant).Order("group_id, role_id").Find(&rows.GroupRoles).Error; err != nil {
		return fmt.Errorf("roles of groups: %w", err)
	}
	if err := l.tx.Where("tenant_id = ?", tenant).Order("created_at, id").Find(&rows.Chains).Error; err != nil {
		return fmt.Errorf("approval chains: %w", err)
	}
	return nil
}

// findSubjects reads users by their ids. Of one that the tenant does not have it
// knows so.
func findSubjects(tx *db.Tx, tenant uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]*Subject, error) {
	out := make(map[uuid.UUID]*Subject, len(ids))
	for _, id := range ids {
		out[id] = nil
	}
	var rows []models.User
	if err := tx.Where("tenant_id = ? AND id = ANY(CAST(? AS uuid[]))", tenant, db.UUIDs(ids)).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("find subjects: %w", err)
	}
	if len(rows) == 0 {
		return out, nil
	}
	found, err := subjects(tx, tenant, rows)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		out[s.ID] = s
	}
	return out, nil
}

// CheckDepth refuses a graph with a path that would be cut off.
func (s *Snapshot) CheckDepth() error {
	if depth := s.Graph.Depth(); depth > rbac.MaxDepth {
		return fault.Conflict("", "The path from a group to an inherited role would be %d steps long; at most %d are possible. Shorten the chain of parents.", depth, rbac.MaxDepth)
	}
	return nil
}
