package importing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// byName finds rows of a model in the tenant whose name is one of some, held
// against other writers. Names that are not unique have several.
func byName[M any](b *batch, names []string, name func(*M) string) (map[string][]*M, error) {
	var rows []*M
	err := b.w.Where("tenant_id = ? AND name = ANY(CAST(? AS text[]))", b.tenant, models.Strings(names)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find by name: %w", err)
	}
	found := make(map[string][]*M, len(rows))
	for _, r := range rows {
		found[name(r)] = append(found[name(r)], r)
	}
	return found, nil
}

// only returns the one object of a name, nil for none. Several are ambiguous.
func only[M any](found []*M) (m *M, ambiguous bool) {
	switch len(found) {
	case 0:
		return nil, false
	case 1:
		return found[0], false
	default:
		return nil, true
	}
}

// usable is a role that can be given in the tenant.
type usable struct {
	ID       uuid.UUID
	TenantID uuid.UUID
	Name     string
	Type     string
	Code     string
}

// usableRoles finds the active roles that can be given in the tenant, by the
// names that a file calls them: those of the tenant and the system roles by
// their name, an ancestor's as CODE:name.
func (b *batch) usableRoles() (map[string]usable, error) {
	var rows []usable
	err := b.w.Raw(`
SELECT r.id, r.tenant_id, r.name, r.type, COALESCE(t.code, '') AS code
FROM sentinel.usable_roles() r
LEFT JOIN sentinel.tenants t ON t.id = r.tenant_id
WHERE r.is_active`).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find roles: %w", err)
	}
	found := make(map[string]usable, len(rows))
	own := func(r usable) bool { return r.TenantID == b.tenant || r.Type == "system" }
	for _, r := range rows {
		if !own(r) {
			found[r.Code+":"+r.Name] = r
		}
	}
	for _, r := range rows { // a role of the tenant's can have such a name, too
		if own(r) {
			found[r.Name] = r
		}
	}
	return found, nil
}

// nodes finds registered nodes by type and code.
func (b *batch) nodes(refs map[directory.NodeRef]bool) (map[directory.NodeRef]*models.Resource, error) {
	types, codes := make(models.Strings, 0, len(refs)), make(models.Strings, 0, len(refs))
	for r := range refs {
		types, codes = append(types, r.Type), append(codes, r.Code)
	}
	var rows []*models.Resource
	err := b.w.Where("tenant_id = ? AND (type, code) IN (SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[])))", b.tenant, types, codes).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find nodes: %w", err)
	}
	found := make(map[directory.NodeRef]*models.Resource, len(rows))
	for _, r := range rows {
		found[directory.NodeRef{Type: r.Type, Code: r.Code}] = r
	}
	return found, nil
}

// pairsOf finds what some objects have by a table of pairs.
func (b *batch) pairsOf(table, owner, owned string, owners []uuid.UUID) (map[[2]uuid.UUID]bool, error) {
	if len(owners) == 0 {
		return nil, nil
	}
	rows, err := b.w.Pgx.Query(b.ctx, "SELECT "+owner+", "+owned+" FROM sentinel."+table+" WHERE tenant_id = $1 AND "+owner+" = ANY($2)", b.tenant, owners)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	found := map[[2]uuid.UUID]bool{}
	for rows.Next() {
		var pair [2]uuid.UUID
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		found[pair] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	return found, nil
}

// sameJSON reports whether two objects say the same: whatever the order of their
// members and the spelling of their numbers, which the database changes.
func sameJSON(a, b models.JSON) bool {
	if bytes.Equal(a, b) {
		return true
	}
	left, errLeft := canonical(a)
	right, errRight := canonical(b)
	return errLeft == nil && errRight == nil && left == right
}

// canonical is one text for equal objects; none is an empty one.
func canonical(raw models.JSON) (string, error) {
	if len(raw) == 0 {
		return directory.Canonical(map[string]any{}), nil
	}
	members, err := engine.DecodeObject(json.RawMessage(raw))
	return directory.Canonical(members), err
}

// item is a row with what it says.
type item[T any] struct {
	row  row
	spec *T
	has  given
}

// readAll decodes rows. One that cannot be decoded is refused.
func readAll[T any, P interface {
	*T
	validator
}](b *batch, rows []row,
) []item[T] {
	items := make([]item[T], 0, len(rows))
	for _, r := range rows {
		spec, has, fields := decode[T, P](b.kind, r.Raw)
		if fields != nil {
			b.refuse(r, "", fields...)
			continue
		}
		items = append(items, item[T]{row: r, spec: spec, has: has})
	}
	return items
}

// set writes a member over dst if the row has it.
func set[T any](has given, name string, dst *T, value T) {
	if has[name] {
		*dst = value
	}
}

// setFlag is [set] for a flag.
func setFlag(dst, value *bool) {
	if value != nil {
		*dst = *value
	}
}

// setObject is [set] for an object.
func setObject(has given, name string, dst *models.JSON, value httpapi.Object) {
	if has[name] {
		*dst = models.Object(value)
	}
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// without returns the columns apart from some.
func without(columns []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return slices.Contains(some, c) })
}

// cut returns rows without the cells of some columns.
func cut(rows [][]any, columns []string, some ...string) [][]any {
	out := make([][]any, len(rows))
	for i, r := range rows {
		for n, c := range columns {
			if !slices.Contains(some, c) {
				out[i] = append(out[i], r[n])
			}
		}
	}
	return out
}
