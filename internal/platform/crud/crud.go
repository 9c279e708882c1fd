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

// Order is how a list is ordered: by a column, and by id among equals, or by
// Then.
type Order struct {
	// Column comes from the feature's own enum, never from the caller. Default
	// created_at.
	Column string
	// Then is a column that with Column names one row of the tenant: an index on
	// both gives the order, which one on Column alone would not.
	Then       string
	Descending bool
}

// clause is the order for a query, or the same from the end.
func (o Order) clause(backwards bool) clause.OrderBy {
	if o.Column == "" {
		o.Column = "created_at"
	}
	if o.Then == "" {
		o.Then = "id"
	}
	desc := o.Descending != backwards
	return clause.OrderBy{Columns: []clause.OrderByColumn{
		{Column: clause.Column{Name: o.Column}, Desc: desc},
		{Column: clause.Column{Name: o.Then}, Desc: desc},
	}}
}

// window is a page's place in its list, counted from the end that is nearer, so
// that no page skips more than half of the rows.
type window struct {
	backwards     bool
	offset, limit int
}

// windowOf places a page in a list of total rows. Beyond its end nothing is
// left: the limit is zero.
func windowOf(in httpapi.PageIn, total int64) window {
	offset := in.Offset()
	left := int(total) - offset
	if left <= 0 {
		return window{}
	}
	w := window{offset: offset, limit: min(in.Limit, left)}
	if behind := left - w.limit; behind < offset {
		w.backwards, w.offset = true, behind
	}
	return w
}

// List returns one page of q's rows in a total order, and how many there are in
// all, each shown by view.
func List[M, T any](q *gorm.DB, in httpapi.PageIn, order Order, view func(*M) *T) (httpapi.Page[T], error) {
	q = q.Session(&gorm.Session{})
	page := httpapi.Page[T]{Items: []T{}}
	if err := q.Model(new(M)).Count(&page.Total).Error; err != nil {
		return page, fmt.Errorf("count: %w", err)
	}
	w := windowOf(in, page.Total)
	if w.limit == 0 {
		return page, nil
	}
	err := show(q, &page, order, view, "id = ANY (ARRAY(?))", w.ids(inOrder[M](q, order, w)))
	return page, err
}

// inOrder are the ids of q's rows, from the end that the window is near to.
func inOrder[M any](q *gorm.DB, order Order, w window) *gorm.DB {
	return q.Model(new(M)).Select("id").Clauses(order.clause(w.backwards))
}

// ids are those of the window's rows.
func (w window) ids(ordered *gorm.DB) *gorm.DB { return ordered.Limit(w.limit).Offset(w.offset) }

// show reads a page that was found by id, so that what a deep page skips or
// sorts is not whole rows. As an array, ids are looked up one by one whatever the
// planner thinks of the list.
func show[M, T any](q *gorm.DB, page *httpapi.Page[T], order Order, view func(*M) *T, where string, ids any) error {
	var rows []M
	if err := q.Session(&gorm.Session{NewDB: true}).Where(where, ids).Clauses(order.clause(false)).Find(&rows).Error; err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for i := range rows {
		page.Items = append(page.Items, *view(&rows[i]))
	}
	return nil
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
