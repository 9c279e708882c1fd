package granting

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// deciders are the roles whose holders decide in approval chains and which the
// actor has not. That power is in no permission, and is given, or not, as one is.
type deciders []uuid.UUID

// deciders reads them for a change that gives roles or changes them. There are
// none for an administrator, who writes the chains.
func (j *Judge) deciders(tx *db.Tx, c Change) (deciders, error) {
	if j.admin || len(c.Handed)+len(c.Content) == 0 {
		return nil, nil
	}
	var roles []uuid.UUID
	err := tx.Raw(`
SELECT DISTINCT CAST(named.role #>> '{}' AS uuid)
FROM sentinel.approval_chains, jsonb_path_query(approval_levels, '$[*].approvers.*[*].role') AS named (role)
WHERE tenant_id = ?
AND is_active`, j.tenant).Scan(&roles).Error
	if err != nil {
		return nil, fmt.Errorf("read the roles of approvers: %w", err)
	}
	return slices.DeleteFunc(roles, func(id uuid.UUID) bool { return j.roles[id] }), nil
}

// among names what a holder of the nodes may decide.
func (d deciders) among(s *engine.Snapshot, nodes []string) (missing []string) {
	if len(d) == 0 {
		return nil
	}
	for _, at := range s.Reached(nodes) {
		if role := s.RoleAt(at); role != nil && slices.Contains(d, role.ID) {
			missing = append(missing, "decisions on requests as "+role.Name)
		}
	}
	return missing
}
