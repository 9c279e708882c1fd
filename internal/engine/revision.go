package engine

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// loadRevisions reads the counters of the given tenants and the epoch of the
// database.
func loadRevisions(tx *db.Tx, tenants []uuid.UUID) (map[uuid.UUID]revision, uuid.UUID, error) {
	var rows []struct {
		TenantID      uuid.UUID
		Revision      int64
		GraphRevision int64
		Epoch         uuid.UUID
	}
	err := tx.Raw(`
SELECT r.tenant_id, r.revision, r.graph_revision, i.epoch
FROM sentinel.policy_revision r
CROSS JOIN sentinel.installation i
WHERE r.tenant_id IN ?`, tenants).Scan(&rows).Error
	if err != nil {
		return nil, uuid.UUID{}, fmt.Errorf("read revisions: %w", err)
	}
	out := make(map[uuid.UUID]revision, len(rows))
	var epoch uuid.UUID
	for _, r := range rows {
		out[r.TenantID] = revision{all: r.Revision, graph: r.GraphRevision}
		epoch = r.Epoch
	}
	return out, epoch, nil
}

// loadSubjectChanges returns the users changed after revision from. complete is
// false when the record does not reach back that far.
func loadSubjectChanges(tx *db.Tx, tenant uuid.UUID, from int64) (users []uuid.UUID, complete bool, err error) {
	var floor int64
	err = tx.Raw(`
SELECT subject_floor
FROM sentinel.policy_revision
WHERE tenant_id = ?`, tenant).Scan(&floor).Error
	if err != nil {
		return nil, false, fmt.Errorf("read floor of subject changes: %w", err)
	}
	if from < floor {
		return nil, false, nil
	}
	err = tx.Raw(`
SELECT DISTINCT user_id
FROM sentinel.subject_changes
WHERE tenant_id = ?
AND revision > ?`, tenant, from).Scan(&users).Error
	if err != nil {
		return nil, false, fmt.Errorf("read subject changes: %w", err)
	}
	return users, true, nil
}

func graphMoved(old, now map[uuid.UUID]revision) bool {
	for id, r := range old {
		if now[id].graph != r.graph {
			return true
		}
	}
	return len(old) != len(now)
}

func newView(snapshot *Snapshot, revisions map[uuid.UUID]revision, epoch uuid.UUID) *view {
	return &view{snapshot: snapshot, revisions: revisions, epoch: epoch, token: token(snapshot, revisions, epoch)}
}

// token makes the revision token of an answer: the database's epoch and the
// counters of the tenant and of the graphs of every tenant on which the answer
// depends, in order of distance. To a client it is opaque.
func token(s *Snapshot, revisions map[uuid.UUID]revision, epoch uuid.UUID) string {
	parts := []string{"r1", epoch.String()[:8], s.Tenant.ID.String(), fmt.Sprint(revisions[s.Tenant.ID].all)}
	for _, id := range s.sources {
		parts = append(parts, fmt.Sprint(revisions[id].graph))
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, ".")))
}

// sourcesOf lists the tenants that any loaded snapshot depends on.
func (e *Engine) sourcesOf() []uuid.UUID {
	set := map[uuid.UUID]struct{}{}
	e.slots.Range(func(_, value any) bool {
		if v := value.(*slot).current.Load(); v != nil {
			for _, id := range v.snapshot.sources {
				set[id] = struct{}{}
			}
		}
		return true
	})
	return slices.Collect(maps.Keys(set))
}

// DecodeObject decodes a JSON object, keeping numbers exact.
func DecodeObject(raw json.RawMessage) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode object: %w", err)
	}
	return out, nil
}
