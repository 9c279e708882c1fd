package engine

import (
	"fmt"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// offers are the changes that give a role that may be asked for.
func (x *Explanation) offers() (out []*ExplainedChange) {
	for i := range x.Changes {
		for j := range x.Changes[i].Together {
			if c := &x.Changes[i].Together[j]; c.role != nil && c.role.IsAssignable && c.role.Name != superAdmin {
				out = append(out, c)
			}
		}
	}
	return out
}

// offer adds to the changes the calls that ask for the roles, where a chain
// guards them: as a request for a role finds it.
func (s *Snapshot) offer(tx *db.Tx, offers []*ExplainedChange) error {
	if offers == nil || !s.Tenant.Features.Has(entitlement.Approvals) {
		return nil
	}
	var rows []models.ApprovalChain
	err := tx.Where("tenant_id = ? AND is_active AND resource_type = ?", s.Tenant.ID, approval.RoleType).Limit(mostListed).Find(&rows).Error
	if err != nil {
		return fmt.Errorf("chains for an explanation: %w", err)
	}
	var chains []*approval.Chain
	for i := range rows {
		chain, err := approval.Compile(&rows[i])
		if err != nil {
			return err
		}
		chains = append(chains, chain)
	}
	approval.Sort(chains)
	for _, c := range offers {
		i := slices.IndexFunc(chains, func(chain *approval.Chain) bool {
			return chain.Pattern.MatchID(c.RoleName) && (c.RoleName != tenantAdmin || chain.Pattern.Exact())
		})
		if i < 0 || !s.unambiguous(c.role) {
			continue
		}
		c.ChainID, c.Chain = &chains[i].ID, chains[i].Name
		c.Request = asksFor("role", map[string]any{"role_id": c.RoleID.String()}, c.beneficiary, "Needed: the role "+c.RoleName+".")
	}
	return nil
}

// unambiguous reports whether no other role has the name of one of another tenant:
// chains name roles, and one that is ambiguous cannot be asked for.
func (s *Snapshot) unambiguous(r *Role) bool {
	if r.TenantID == s.Tenant.ID {
		return true
	}
	return !slices.ContainsFunc(s.roles, func(o *Role) bool { return o != nil && o != r && o.Name == r.Name })
}
