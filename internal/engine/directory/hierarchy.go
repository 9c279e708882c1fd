package directory

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Relative is a role or group above or below another.
type Relative struct {
	ID          uuid.UUID  `json:"id"`
	Name        string     `json:"name"`
	DisplayName string     `json:"display_name"`
	ParentID    *uuid.UUID `json:"parent_id" nullable:"true" doc:"The one directly above it."`
	IsActive    bool       `json:"is_active" doc:"What is inactive passes nothing on."`
	Depth       int        `json:"depth" doc:"Steps between the two."`
	Path        string     `json:"path" doc:"The way from the lower to the higher of the two, such as role:inspector > role:reader."`
}

// Hierarchy is where a role or group stands among its kind.
type Hierarchy struct {
	Ancestors   []Relative `json:"ancestors" doc:"From the parent upwards: those whose permissions or roles this one has too."`
	Descendants []Relative `json:"descendants" doc:"Those that have what this one has, the nearest first, by name."`
	Truncated   bool       `json:"truncated" doc:"There are more descendants than are shown. Ask for the hierarchy of one of these."`
}

// maxRelatives bounds the descendants that are shown at once.
const maxRelatives = 1000

// Ladder is one of the two hierarchies that inherit: [Roles] or [Groups].
type Ladder struct {
	kind          rbac.Kind
	table, parent string
}

// Roles is the hierarchy of roles: the lower has what the higher has.
func Roles() Ladder {
	return Ladder{kind: rbac.RoleKind, table: "sentinel.roles", parent: "parent_role_id"}
}

// Groups is the hierarchy of groups: members of the lower are members of the
// higher.
func Groups() Ladder {
	return Ladder{kind: rbac.GroupKind, table: "sentinel.groups", parent: "parent_group_id"}
}

// filled puts the ladder's names into a query.
func (l Ladder) filled(query string) string {
	return strings.NewReplacer("<table>", l.table, "<parent>", l.parent, "<kind>", string(l.kind)).Replace(query)
}

// Of returns what stands above a role or group of the tenant, and below it down
// to depth steps. The caller has seen that it exists.
func (l Ladder) Of(tx *db.Tx, tenant, id uuid.UUID, depth int) (*Hierarchy, error) {
	h := &Hierarchy{Ancestors: []Relative{}, Descendants: []Relative{}}
	args := map[string]any{"tenant": tenant, "id": id, "depth": depth, "longest": rbac.MaxDepth, "most": maxRelatives + 1}
	err := tx.Raw(l.filled(`
WITH RECURSIVE up (id, name, display_name, parent_id, is_active, depth, path) AS (
  SELECT id, name, display_name, <parent>, is_active, 0, '<kind>:' || name
  FROM <table>
  WHERE tenant_id = @tenant
  AND id = @id
  UNION ALL
  SELECT t.id, t.name, t.display_name, t.<parent>, t.is_active, u.depth + 1, u.path || ' > <kind>:' || t.name
  FROM <table> t
  JOIN up u ON u.parent_id = t.id
  WHERE t.tenant_id = @tenant
  AND u.depth < @longest
)
SELECT *
FROM up
WHERE depth > 0
ORDER BY depth`), args).Scan(&h.Ancestors).Error
	if err != nil {
		return nil, fmt.Errorf("%ss above: %w", l.kind, err)
	}
	// One level and one row more than is shown tell whether there are. Each one's
	// children are looked up by themselves, however many roles a tenant has that
	// the planner has not met.
	err = tx.Raw(l.filled(`
WITH RECURSIVE down (id, name, display_name, parent_id, is_active, depth, path) AS (
  SELECT id, name, display_name, <parent>, is_active, 0, '<kind>:' || name
  FROM <table>
  WHERE tenant_id = @tenant
  AND id = @id
  UNION ALL
  SELECT t.id, t.name, t.display_name, t.parent_id, t.is_active, d.depth + 1, '<kind>:' || t.name || ' > ' || d.path
  FROM down d
  CROSS JOIN LATERAL (
    SELECT id, name, display_name, <parent> AS parent_id, is_active
    FROM <table>
    WHERE tenant_id = @tenant
    AND <parent> = d.id
    OFFSET 0
  ) t
  WHERE d.depth <= @depth
)
SELECT *
FROM down
WHERE depth > 0
ORDER BY depth, name, id
LIMIT @most`), args).Scan(&h.Descendants).Error
	if err != nil {
		return nil, fmt.Errorf("%ss below: %w", l.kind, err)
	}
	shown := 0
	for shown < min(len(h.Descendants), maxRelatives) && h.Descendants[shown].Depth <= depth {
		shown++
	}
	h.Truncated = shown < len(h.Descendants)
	h.Descendants = h.Descendants[:shown]
	return h, nil
}

// Acyclic refuses a parent from which a role or group, called name, would come to
// stand above itself, and names the circle: "reader > inspector > reader". It is
// asked inside a granting write, so that no other moves anything meanwhile.
func (l Ladder) Acyclic(w *change.Write, tenant, id uuid.UUID, name string, parent uuid.UUID) error {
	var line []struct {
		ID   uuid.UUID
		Name string
	}
	err := w.Raw(l.filled(`
WITH RECURSIVE up (id, name, parent_id, depth) AS (
  SELECT id, name, <parent>, 0
  FROM <table>
  WHERE tenant_id = @tenant
  AND id = @parent
  UNION ALL
  SELECT t.id, t.name, t.<parent>, u.depth + 1
  FROM <table> t
  JOIN up u ON u.parent_id = t.id
  WHERE t.tenant_id = @tenant
  AND u.id <> @id
  AND u.depth < @longest
)
SELECT id, name
FROM up
ORDER BY depth`), map[string]any{"tenant": tenant, "id": id, "parent": parent, "longest": rbac.MaxDepth}).Scan(&line).Error
	if err != nil {
		return fmt.Errorf("%ss above: %w", l.kind, err)
	}
	circle := name
	for _, above := range line {
		if above.ID == id {
			return fault.Conflict(l.parent, "The %s would be above itself: %s > %s. Choose another parent.", l.kind, circle, name)
		}
		circle += " > " + above.Name
	}
	return nil
}
