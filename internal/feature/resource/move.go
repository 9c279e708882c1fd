package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// MoveIn says where a node goes.
type MoveIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		ParentID httpapi.Opt[uuid.UUID] `json:"parent_id,omitempty" doc:"The new parent; null: a root. It must be given."`
	}
}

func (s *Service) move(ctx context.Context, in *MoveIn) (*Resource, error) {
	if !in.Body.ParentID.Set {
		return nil, fault.InvalidAt("parent_id", "must be given; null makes the node a root")
	}
	return s.change(ctx, "resource.move", in.ID, in.IfMatchIn, true, func(w *change.Write, m *models.Resource) error {
		return place(w, m, in.Body.ParentID.Ptr())
	})
}

// place puts m below parent, or makes it a root with nil. It refuses a parent
// that is not there, and one that m is above or is itself; the tenant is locked,
// so that nobody moves that one meanwhile.
func place(w *change.Write, m *models.Resource, parent *uuid.UUID) error {
	m.ParentID = parent
	if parent == nil {
		return nil
	}
	p, err := crud.One[models.Resource](w.Tx, m.TenantID, *parent, "resource")
	if fault.Is(err, fault.NotFoundKind) {
		e := fault.NotFound("resource")
		e.Fields = []fault.Field{{Path: "parent_id", Message: "there is no such resource in this tenant"}}
		return e
	}
	if err != nil {
		return err
	}
	if m.Lineage.Holds(p.Lineage) {
		return cycle(w.Tx, m, p)
	}
	return nil
}

// cycle is the refusal to put m below p, which is below m already, with the
// codes from the one to the other.
func cycle(tx *db.Tx, m, p *models.Resource) error {
	ids := p.Lineage.IDs()
	ids = ids[slices.Index(ids, m.ID):]
	var nodes []models.Resource
	err := tx.Select("code").Where("tenant_id = ? AND id IN ?", m.TenantID, ids).Order("octet_length(lineage)").Find(&nodes).Error
	if err != nil {
		return fmt.Errorf("name a cycle: %w", err)
	}
	codes := make([]string, 0, len(nodes)+1)
	for i := range nodes {
		codes = append(codes, nodes[i].Code)
	}
	e := fault.Conflict("parent_id", "The resource would be its own ancestor: %s. Choose a parent that is not below it.", strings.Join(append(codes, codes[0]), " > "))
	e.Details = map[string]any{"cycle": append(ids, m.ID)}
	return e
}

// countSubtree returns how many nodes a subtree has, its root included.
func countSubtree(tx *db.Tx, tenant uuid.UUID, root *models.Resource) (n int64, err error) {
	err = tx.Model(&models.Resource{}).Where(subtree, tenant, root.Lineage, root.Lineage).Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count a subtree: %w", err)
	}
	return n, nil
}

// subtree selects a node and all below it, by the tenant and twice by the
// node's lineage.
const subtree = "tenant_id = ? AND lineage >= ? AND lineage < sentinel.lineage_end(?)"
