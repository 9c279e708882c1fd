package granting

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	if err := tx.Where("tenant_id = ? AND is_active AND resource_type IN ?", j.tenant, types).Find(&rows).Error; err != nil {
		return fmt.Errorf("read approval chains: %w", err)
	}
	for i := range rows {
		chain, err := approval.Compile(&rows[i])
		if err != nil {
			return err
		}
		reads := slices.ContainsFunc(chain.Auto.Paths(), func(path string) bool { return strings.HasPrefix(path, "resource.") })
		for typ, t := range n.types {
			for code := range t.codes {
				if !chain.Matches(typ, code) || chain.Pattern.TypeWide() && !reads {
					continue
				}
				if reads && chain.Mode == approval.Escalation && !j.admin {
					return fault.New(fault.Denied, "The approval chain %s opens nodes such as %s:%s by what they are, to whoever asks. Only a tenant_admin may write them; ask one to do it.", chain.Name, typ, code)
				}
				t.limited = true
			}
		}
	}
	return nil
}
