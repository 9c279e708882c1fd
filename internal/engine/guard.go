package engine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/models"
)

// field is a field definition, as decisions need it.
type field struct {
	name, tier string
	// ceiling is what holds where no permission names the field.
	ceiling string
	// dataType is of its values, and place where rows hold it.
	dataType, place string
}

// chains reads the active approval chains that guard resources.
func (l *loader) chains() error {
	var rows []models.ApprovalChain
	err := l.tx.Where("tenant_id = ? AND is_active AND resource_type <> ?", l.snap.Tenant.ID, approval.RoleType).
		Order("created_at, id").Find(&rows).Error
	if err != nil {
		return fmt.Errorf("approval chains: %w", err)
	}
	return l.guard(rows)
}

// guard compiles chains. One that does not compile fails the whole graph, as a
// permission does: a gate that is skipped would stand open.
func (l *loader) guard(rows []models.ApprovalChain) error {
	s := l.snap
	for i := range rows {
		if !rows[i].IsActive || rows[i].ResourceType == approval.RoleType {
			continue
		}
		chain, err := approval.Compile(&rows[i])
		if err != nil {
			return err
		}
		s.chains = append(s.chains, chain)
	}
	approval.Sort(s.chains)
	s.guards = make(map[string][]*approval.Chain, len(s.chains))
	s.named = make(map[string]*approval.Chain, len(s.chains))
	for _, c := range s.chains {
		s.guards[c.Type] = append(s.guards[c.Type], c)
		s.named[c.Name] = c
	}
	return nil
}

// fields reads the active field definitions: the platform's and the tenant's.
func (l *loader) fields() error {
	rows, err := l.readFields()
	if err != nil {
		return err
	}
	l.define(rows)
	return nil
}

func (l *loader) readFields() (rows []models.FieldDefinition, err error) {
	err = l.tx.Select("entity_type", "field_name", "field_type", "data_type", "storage_column", "storage_path", "default_visibility", "is_active").
		Where("(tenant_id = ? OR tenant_id IS NULL) AND is_active", l.snap.Tenant.ID).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("field definitions: %w", err)
	}
	return rows, nil
}

// define takes the definitions down, in the order of tiers and names.
func (l *loader) define(rows []models.FieldDefinition) {
	l.snap.fields = map[string][]field{}
	for i := range rows {
		if r := &rows[i]; r.IsActive {
			l.snap.fields[r.EntityType] = append(l.snap.fields[r.EntityType], field{
				name: r.FieldName, tier: r.FieldType, ceiling: r.DefaultVisibility, dataType: r.DataType, place: FieldPlace(r),
			})
		}
	}
	for _, list := range l.snap.fields {
		slices.SortFunc(list, func(a, b field) int { return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.name, b.name)) })
	}
}
