package granting

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// guarded marks the nodes for which an approval chain decides by what a write to
// them changes: by their code, where its pattern tells it from others, or by what
// its conditions read of them. What such a node is decides what all permissions
// that reach it grant, as a workflow does.
//
// A chain that opens by itself without a permission would give by such a write
// what is in no permission, so that only an administrator makes it.
func (j *Judge) guarded(tx *db.Tx, n *nodes) error {
	if len(n.types) == 0 {
		return nil
	}
	types := append(slices.Collect(maps.Keys(n.types)), pattern.AnyType)
	var rows []models.ApprovalChain
	err := tx.Where("tenant_id = ? AND is_active AND (resource_type IN ? OR auto_approve_conditions::text LIKE ?)", j.tenant, types, "%"+path+"%").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("read approval chains: %w", err)
	}
	var paths []*approval.Chain
	for i := range rows {
		chain, err := approval.Compile(&rows[i])
		if err != nil {
			return err
		}
		if slices.Contains(chain.Auto.Paths(), path) {
			paths = append(paths, chain)
		}
		reads := slices.ContainsFunc(chain.Auto.Paths(), func(path string) bool { return strings.HasPrefix(path, "resource.") })
		for typ, t := range n.types {
			for code := range t.codes {
				if !chain.Matches(typ, code) || chain.Pattern.TypeWide() && !reads {
					continue
				}
				if reads && chain.Mode == approval.Escalation && !j.admin {
					return opensBy(chain, typ+":"+code)
				}
				t.limited = true
			}
		}
	}
	return j.guardedBelow(tx, n, paths)
}

func opensBy(chain *approval.Chain, node string) error {
	return fault.New(fault.Denied, "The approval chain %s opens nodes such as %s by what they are, to whoever asks. Only a tenant_admin may write them; ask one to do it.", chain.Name, node)
}

// path is what conditions read that a node's place and code decide for all that
// is below it.
const path = "resource.path"

// guardedBelow marks the types of the nodes below those that are written which
// a chain opens by their path: it changes with the nodes above. Their codes are
// left aside.
func (j *Judge) guardedBelow(tx *db.Tx, n *nodes, chains []*approval.Chain) error {
	if len(chains) == 0 || len(n.tops) == 0 {
		return nil
	}
	const below = `
FROM sentinel.resources top
JOIN sentinel.resources r ON r.tenant_id = top.tenant_id AND r.lineage >= top.lineage AND r.lineage < sentinel.lineage_end(top.lineage)
WHERE top.tenant_id = @tenant
AND top.id = ANY(CAST(@tops AS uuid[]))`
	args := map[string]any{"tenant": j.tenant, "tops": db.UUIDs(n.tops)}
	var types []string
	if err := tx.Raw("SELECT DISTINCT r.type"+below, args).Scan(&types).Error; err != nil {
		return fmt.Errorf("read types of nodes below: %w", err)
	}
	found := false
	for _, chain := range chains {
		for _, typ := range types {
			if chain.Type != typ && chain.Type != pattern.AnyType {
				continue
			}
			if chain.Mode == approval.Escalation && !j.admin {
				return opensBy(chain, typ)
			}
			n.ofType(typ).moved, found = true, true
		}
	}
	if !found {
		return nil
	}
	var owning []uuid.UUID
	err := tx.Raw("SELECT DISTINCT r.id"+below+`
AND EXISTS (SELECT FROM sentinel.permissions p WHERE p.tenant_id = r.tenant_id AND p.resource_id = r.id)`, args).Scan(&owning).Error
	if err != nil {
		return fmt.Errorf("read nodes below that permissions are on: %w", err)
	}
	for _, id := range owning {
		n.above[id] = true
	}
	return nil
}
