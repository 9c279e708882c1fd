package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Extract is all of a tenant that decisions are made of, at one revision.
type Extract struct {
	Document *policy.Document
	// Texts are the live modules of the tenant, by path.
	Texts map[string]string
	// Modules are the same, compiled, with the platform's; nil where neither has
	// any.
	Modules *policy.Modules
	// Attributes are those of subjects that the tenant wants in its bundle,
	// settings.bundle_attributes.
	Attributes []string
	// Revision is the tenant's own counter, Publication that of its policies.
	Revision, Publication int64
	// Token is of the state, as [Decision.Revision] is.
	Token string
}

// Extract reads a tenant with all its subjects, of which there may be at most
// most, in one transaction. It fails with [ErrTooManySubjects] if there are more,
// since whoever is left out would be an unknown subject.
func (e *Engine) Extract(ctx context.Context, tenant uuid.UUID, most int) (*Extract, error) {
	var (
		s        *Snapshot
		subjects []*Subject
		x        Extract
	)
	err := e.db.InReadTx(identity.WithTenant(ctx, tenant), func(tx *db.Tx) (err error) {
		if s, err = LoadSnapshot(tx, tenant, e.loadOptions(e.loaded(tenant))); err != nil {
			return err
		}
		if subjects, err = LoadSubjects(tx, tenant, most); err != nil {
			return err
		}
		return x.read(tx, s)
	})
	if err == nil {
		e.compile(ctx, s)
		x.Document, err = s.Document(subjects)
	}
	if err != nil {
		return nil, fmt.Errorf("document of tenant %s: %w", tenant, err)
	}
	if s.policies != nil {
		x.Modules = s.policies.modules
	}
	for _, next := range x.Document.Edges {
		slices.Sort(next)
	}
	return &x, nil
}

// read reads what is not in the snapshot.
func (x *Extract) read(tx *db.Tx, s *Snapshot) error {
	revisions, epoch, err := loadRevisions(tx, s.sources)
	if err != nil {
		return err
	}
	x.Revision, x.Token = revisions[s.Tenant.ID].all, token(s, revisions, epoch)
	live, err := LoadPublication(tx, s.Tenant.ID)
	if err != nil {
		return err
	}
	if live != nil {
		x.Texts, x.Publication = live.Texts, live.Revision
	}
	var raw []byte
	err = tx.Raw(`
SELECT settings->'bundle_attributes'
FROM sentinel.tenants
WHERE id = ?`, s.Tenant.ID).Row().Scan(&raw)
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &x.Attributes)
	}
	if err != nil {
		return fmt.Errorf("attributes of the bundle: %w", err)
	}
	return nil
}

// Revision returns the token of the state that a decision in the tenant would be
// of just now.
func (e *Engine) Revision(ctx context.Context, tenant uuid.UUID) (string, error) {
	v, err := e.view(ctx, tenant)
	if err != nil {
		return "", err
	}
	return v.token, nil
}
