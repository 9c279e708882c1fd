package engine

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// Publication is the set of a tenant's policies that is live.
type Publication struct {
	ID       uuid.UUID
	Revision int64
	// Texts are the modules by path.
	Texts map[string]string

	versions []uuid.UUID
}

// LoadPublication reads the live policies of the transaction's tenant, nil if it
// never published any. A module whose text is gone fails it: what a policy would
// deny must not be allowed for want of it.
func LoadPublication(tx *db.Tx, tenant uuid.UUID) (*Publication, error) {
	p, err := findPublication(tx, tenant)
	if err != nil || p.Revision == 0 {
		return nil, err // nothing was published
	}
	return p, p.read(tx, tenant)
}

// findPublication reads which set is live, and of which texts: one of no revision
// where nothing was published, of no id where it holds no module.
func findPublication(tx *db.Tx, tenant uuid.UUID) (*Publication, error) {
	var rows []models.PolicyPublication
	err := tx.Select("id", "revision", "modules").Where("tenant_id = ?", tenant).Order("revision DESC").Limit(1).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("policy publications: %w", err)
	}
	p := &Publication{}
	if len(rows) == 0 {
		return p, nil
	}
	p.Revision = rows[0].Revision
	var modules []struct {
		VersionID uuid.UUID `json:"version_id"`
	}
	if err := json.Unmarshal(rows[0].Modules, &modules); err != nil {
		return nil, fmt.Errorf("modules of policy publication %s: %w", rows[0].ID, err)
	}
	if len(modules) > 0 {
		p.ID = rows[0].ID
	}
	for _, m := range modules {
		p.versions = append(p.versions, m.VersionID)
	}
	return p, nil
}

// read reads the texts.
func (p *Publication) read(tx *db.Tx, tenant uuid.UUID) error {
	p.Texts = make(map[string]string, len(p.versions))
	if len(p.versions) == 0 {
		return nil
	}
	var rows []models.PolicyVersion
	err := tx.Select("id", "path", "rego").Where("tenant_id = ? AND id = ANY(CAST(? AS uuid[]))", tenant, db.UUIDs(p.versions)).Find(&rows).Error
	if err != nil {
		return fmt.Errorf("modules of policy publication %s: %w", p.ID, err)
	}
	for i := range rows {
		p.Texts[rows[i].Path] = rows[i].Rego
	}
	if len(p.Texts) != len(p.versions) {
		return fmt.Errorf("modules of policy publication %s: %d of %d texts are there", p.ID, len(p.Texts), len(p.versions))
	}
	return nil
}
