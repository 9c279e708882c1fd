package resource

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Statistics count the tenant's resources.
type Statistics struct {
	Total           int         `json:"total"`
	Roots           int         `json:"roots"`
	Inactive        int         `json:"inactive"`
	WorkflowEnabled int         `json:"workflow_enabled"`
	Types           int         `json:"types" doc:"How many types there are."`
	ByType          []TypeCount `json:"by_type" doc:"The most frequent first, at most 1,000 types."`
	ByDepth         []int       `json:"by_depth" doc:"How many stand on each level, the roots first."`
}

// TypeCount is how many resources a type has.
type TypeCount struct {
	Type  string `json:"type"`
	Count int    `json:"count"`
}

// maxTypes bounds the types that are counted one by one in an answer.
const maxTypes = 1000

func (s *Service) statistics(ctx context.Context, _ *struct{}) (*Statistics, error) {
	tenant, _ := identity.TenantFrom(ctx)
	out := &Statistics{ByDepth: []int{}}
	types := map[string]int{}
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		var rows []struct {
			Type            string
			Depth           int
			IsActive        bool
			WorkflowEnabled bool
			Count           int
		}
		// Counted anew each time, which an index answers alone: a table of counters
		// would have to be kept by every write and move, and be locked by them.
		err := tx.Raw(`
SELECT type, octet_length(lineage) / @id AS depth, is_active, workflow_enabled, count(*) AS count
FROM sentinel.resources
WHERE tenant_id = @tenant
GROUP BY type, depth, is_active, workflow_enabled`, map[string]any{"tenant": tenant, "id": len(uuid.UUID{})}).Scan(&rows).Error
		if err != nil {
			return fmt.Errorf("count resources: %w", err)
		}
		for _, r := range rows {
			for len(out.ByDepth) < r.Depth {
				out.ByDepth = append(out.ByDepth, 0)
			}
			out.ByDepth[r.Depth-1] += r.Count
			out.Total += r.Count
			types[r.Type] += r.Count
			if !r.IsActive {
				out.Inactive += r.Count
			}
			if r.WorkflowEnabled {
				out.WorkflowEnabled += r.Count
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out.ByDepth) > 0 {
		out.Roots = out.ByDepth[0]
	}
	out.Types, out.ByType = len(types), mostFrequent(types)
	return out, nil
}

func mostFrequent(types map[string]int) []TypeCount {
	list := make([]TypeCount, 0, len(types))
	for _, name := range slices.Sorted(maps.Keys(types)) {
		list = append(list, TypeCount{name, types[name]})
	}
	slices.SortStableFunc(list, func(a, b TypeCount) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(len(list), maxTypes)]
}
