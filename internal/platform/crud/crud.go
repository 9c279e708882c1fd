// Package crud holds the plain operations that every section has: find one,
// list some, map what the database refuses. It has no hooks: the day an
// operation needs one, the feature writes a function of its own.
package crud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Read shows one row of the context's tenant, in a transaction of its own.
func Read[M, T any](ctx context.Context, d *db.DB, id uuid.UUID, what string, view func(*M) *T) (out *T, err error) {
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return nil, db.ErrNoTenant
	}
	err = d.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := One[M](tx, tenant, id, what)
		if err != nil {
			return err
		}
		out = view(m)
		return nil
	})
	return out, err
}

// One returns the row with that id in the transaction's tenant. A row of
// another tenant is not there: what names the kind of object in the fault.
func One[M any](tx *db.Tx, tenant, id uuid.UUID, what string) (*M, error) {
	return one[M](tx.DB, tenant, id, what)
}

// Locked is [One], held against other writers until the transaction ends.
func Locked[M any](tx *db.Tx, tenant, id uuid.UUID, what string) (*M, error) {
	return one[M](tx.Clauses(clause.Locking{Strength: "UPDATE"}), tenant, id, what)
}

// Shared is [One] for a kind of which some rows are the platform's, without a
// tenant: every tenant finds those too.
func Shared[M any](tx *db.Tx, tenant, id uuid.UUID, what string) (*M, error) {
	return take[M](tx.Where("(tenant_id = ? OR tenant_id IS NULL) AND id = ?", tenant, id), what)
}

// LockedShared is [Locked] for a row that [Shared] found. owner is the tenant's,
// nil for the platform's, whose rows are locked in the system scope only.
func LockedShared[M any](tx *db.Tx, owner *uuid.UUID, id uuid.UUID, what string) (*M, error) {
	return take[M](Owned(tx.Clauses(clause.Locking{Strength: "UPDATE"}), owner).Where("id = ?", id), what)
}

// Owned narrows q to the rows of one owner: a tenant, or nil for the platform.
func Owned(q *gorm.DB, owner *uuid.UUID) *gorm.DB {
	if owner == nil {
		return q.Where("tenant_id IS NULL")
	}
	return q.Where("tenant_id = ?", *owner)
}

func one[M any](q *gorm.DB, tenant, id uuid.UUID, what string) (*M, error) {
	return take[M](q.Where("tenant_id = ? AND id = ?", tenant, id), what)
}

func take[M any](q *gorm.DB, what string) (*M, error) {
	var row M
	err := q.Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, fault.NotFound(what)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", what, err)
	}
	return &row, nil
}

// Exist refuses ids that are not rows of M in the tenant: all of those, each
// with its place in the list at path. Of another tenant's it says the same as of
// none.
func Exist[M any](tx *db.Tx, tenant uuid.UUID, ids []uuid.UUID, path, what string) error {
	if len(ids) == 0 {
		return nil
	}
	var found []uuid.UUID
	if err := tx.Model(new(M)).Where("tenant_id = ? AND id IN ?", tenant, ids).Pluck("id", &found).Error; err != nil {
		return fmt.Errorf("find %s: %w", what, err)
	}
	have := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		have[id] = true
	}
	var fields []fault.Field
	for i, id := range ids {
		if !have[id] {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("%s[%d]", path, i), Message: "there is no such " + what + " in this tenant"})
		}
	}
	if fields == nil {
		return nil
	}
	e := fault.NotFound(what)
	e.Fields = fields
	return e
}

// Order is how a list is ordered: by a column, and by id among equals.
type Order struct {
	// Column comes from the feature's own enum, never from the caller. Default
	// created_at.
	Column     string
	Descending bool
}

// List returns one page of q's rows in a total order, and how many there are in
// all, each shown by view.
func List[M, T any](q *gorm.DB, in httpapi.PageIn, order Order, view func(*M) *T) (httpapi.Page[T], error) {
	if order.Column == "" {
		order.Column = "created_at"
	}
	q = q.Session(&gorm.Session{})
	page := httpapi.Page[T]{Items: []T{}}
	if err := q.Model(new(M)).Count(&page.Total).Error; err != nil {
		return page, fmt.Errorf("count: %w", err)
	}
	inOrder := clause.OrderBy{Columns: []clause.OrderByColumn{
		{Column: clause.Column{Name: order.Column}, Desc: order.Descending},
		{Column: clause.Column{Name: "id"}, Desc: order.Descending},
	}}
	// The page is found by id and read afterwards, so that what a deep page skips
	// or sorts is not whole rows. As an array, ids are looked up one by one
	// whatever the planner thinks of the list.
	ids := q.Model(new(M)).Select("id").Clauses(inOrder).Limit(in.Limit).Offset(in.Offset())
	var rows []M
	if err := q.Session(&gorm.Session{NewDB: true}).Where("id = ANY (ARRAY(?))", ids).Clauses(inOrder).Find(&rows).Error; err != nil {
		return page, fmt.Errorf("list: %w", err)
	}
	for i := range rows {
		page.Items = append(page.Items, *view(&rows[i]))
	}
	return page, nil
}

// Search narrows q to rows of which a searched column contains text, whatever
// the case. kind is the table, as the database's function search knows it; q is
// of the transaction's tenant, which is the only one that the function searches.
func Search(q *gorm.DB, kind, text string) *gorm.DB {
	if text == "" {
		return q
	}
	return q.Where("id IN (SELECT sentinel.search(?, ?))", kind, text)
}

// Contains narrows q to rows of which a column contains text, whatever the case,
// by looking at each: for tables without entries in the database's search.
func Contains(q *gorm.DB, text string, columns ...string) *gorm.DB {
	if text == "" {
		return q
	}
	like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
	terms := make([]string, len(columns))
	args := make([]any, len(columns))
	for i, c := range columns {
		terms[i], args[i] = c+" ILIKE ?", like
	}
	return q.Where("("+strings.Join(terms, " OR ")+")", args...)
}

// Refusals say in the caller's words what a constraint stands for: the member
// at fault and the message, by the constraint's name.
type Refusals map[string]fault.Field

// Refused turns a violation of one of the named constraints into a conflict.
// Every other error stays what it is.
func (r Refusals) Refused(err error) error {
	c, ok := db.Violation(err)
	if !ok {
		return err
	}
	field, known := r[c.Name]
	if !known {
		return err
	}
	return fault.Conflict(field.Path, "%s", field.Message).Because(err)
}
