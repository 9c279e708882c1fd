package crud

import (
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const (
	// few is how many rows a search may find for them to be looked up by id. Of
	// more, rows in the list's order are judged instead.
	few = 1000
	// walked is how many rows are judged one by one for a page before all that
	// the search finds are collected.
	walked = 2000

	ofTenant = "tenant_id = ?"
	// Not a join, for which the planner might search anew for each row: what the
	// search finds is hashed once.
	isFound = "(id IN (SELECT sentinel.search(?, ?))) IS TRUE"
	byID    = "id = ANY (CAST(? AS uuid[]))"
)

// Search is [List] of the rows of which a searched column contains text, whatever
// the case; of all rows if it is empty. kind is the table, as the database's
// function search knows it; q is of the transaction's tenant, which is the only
// one that the function searches.
func Search[M, T any](q *gorm.DB, kind, text string, in httpapi.PageIn, order Order, view func(*M) *T) (httpapi.Page[T], error) {
	if text == "" {
		return List(q, in, order, view)
	}
	q = q.Session(&gorm.Session{})
	page := httpapi.Page[T]{Items: []T{}}
	var found struct {
		Total int64
		IDs   string
	}
	raw := q.Session(&gorm.Session{NewDB: true})
	if err := raw.Raw("SELECT total, CAST(ids AS text) AS ids FROM sentinel.search_first(?, ?, ?)", kind, text, few).Scan(&found).Error; err != nil {
		return page, fmt.Errorf("search: %w", err)
	}
	if found.Total <= few {
		// A plan for all texts, which PostgreSQL keeps from the sixth execution on,
		// would compare every row with every id instead of hashing them.
		if err := raw.Exec("SET LOCAL plan_cache_mode = force_custom_plan").Error; err != nil {
			return page, fmt.Errorf("search: %w", err)
		}
		return List(q.Where(byID, found.IDs), in, order, view)
	}
	narrowed := q.Where(isFound, kind, text).Session(&gorm.Session{})
	page.Total = found.Total
	if !isWhole(q) {
		if err := narrowed.Model(new(M)).Count(&page.Total).Error; err != nil {
			return page, fmt.Errorf("count: %w", err)
		}
	}
	w := windowOf(in, page.Total)
	if w.limit == 0 {
		return page, nil
	}
	near, err := walk(raw, kind, text, inOrder[M](q, order, w), w)
	if err != nil {
		return page, err
	}
	if near != nil {
		return page, show(q, &page, order, view, byID, near)
	}
	// Ordered first, by the index, and then narrowed: else the planner, which takes
	// the search for half of the rows, sorts all of them.
	all := raw.Table("(?) AS ordered", inOrder[M](q, order, w)).Select("id").Where(isFound, kind, text)
	return page, show(q, &page, order, view, "id = ANY (ARRAY(?))", w.ids(all))
}

// isWhole reports whether q is all rows of a tenant, so that as many are found
// as there are entries.
func isWhole(q *gorm.DB) bool {
	where, _ := q.Statement.Clauses["WHERE"].Expression.(clause.Where)
	if len(where.Exprs) != 1 {
		return false
	}
	only, ok := where.Exprs[0].(clause.Expr)
	return ok && only.SQL == ofTenant
}

// walk finds the window's rows among the first of the ordered ones. It returns
// nil where they do not hold as many that the search finds.
func walk(raw *gorm.DB, kind, text string, ordered *gorm.DB, w window) (db.UUIDs, error) {
	reach := w.offset + w.limit
	if reach > walked {
		return nil, nil
	}
	var near []uuid.UUID
	if err := raw.Raw("SELECT sentinel.search_among(?, ?, ARRAY(?))", kind, text, ordered.Limit(walked)).Scan(&near).Error; err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	if len(near) < reach {
		return nil, nil
	}
	return near[w.offset:reach], nil
}
