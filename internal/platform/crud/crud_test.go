package crud

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// fixture is two tenants with groups "g0" to "g4" each, in one transaction that
// acts in the first.
type fixture struct {
	mine, other uuid.UUID
	ids, theirs []uuid.UUID
}

func inTx(t *testing.T, fn func(tx *db.Tx, f fixture)) {
	t.Helper()
	d := dbtest.New(t)
	f := fixture{mine: uuid.New(), other: uuid.New()}
	for i, tenant := range []uuid.UUID{f.mine, f.other} {
		d.Exec(t, "INSERT INTO sentinel.tenants (id, name, code, type) VALUES ($1, 'T', $2, 'root')", tenant, fmt.Sprintf("T%d", i))
		for n := range 5 {
			id := uuid.New()
			d.Exec(t, "INSERT INTO sentinel.groups (id, tenant_id, name, display_name) VALUES ($1, $2, $3, $4)", id, tenant, fmt.Sprintf("g%d", n), fmt.Sprintf("50%% of %d_x", n%2))
			if tenant == f.mine {
				f.ids = append(f.ids, id)
			} else {
				f.theirs = append(f.theirs, id)
			}
		}
	}
	err := d.DB.InTx(identity.WithTenant(t.Context(), f.mine), func(tx *db.Tx) error {
		fn(tx, f)
		return nil
	})
	require.NoError(t, err)
}

func TestOne_FindsInTheTenantOnly(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		for _, find := range []func(*db.Tx, uuid.UUID, uuid.UUID, string) (*models.Group, error){One[models.Group], Locked[models.Group]} {
			g, err := find(tx, f.mine, f.ids[2], "group")
			require.NoError(t, err)
			require.Equal(t, "g2", g.Name)
			_, theirs := find(tx, f.mine, f.theirs[2], "group")
			_, none := find(tx, f.mine, uuid.New(), "group")
			require.True(t, fault.Is(theirs, fault.NotFoundKind))
			require.Equal(t, none, theirs, "another tenant's reads as none")
		}
	})
}

func TestExist_NamesEveryOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		require.NoError(t, Exist[models.Group](tx, f.mine, nil, "groups", "group"))
		require.NoError(t, Exist[models.Group](tx, f.mine, append(f.ids, f.ids[0]), "groups", "group"))
		err := Exist[models.Group](tx, f.mine, []uuid.UUID{f.theirs[0], f.ids[0], uuid.New()}, "groups", "group")
		var refused *fault.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, fault.NotFoundKind, refused.Kind)
		message := "there is no such group in this tenant"
		require.Equal(t, []fault.Field{{Path: "groups[0]", Message: message}, {Path: "groups[2]", Message: message}}, refused.Fields)
	})
}

func TestList_PagesInATotalOrder(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		name := func(g *models.Group) *string { return &g.Name }
		q := tx.Where("tenant_id = ?", f.mine)
		first, err := List(q, httpapi.PageIn{Page: 1, Limit: 2}, Order{Column: "name"}, name)
		require.NoError(t, err)
		require.Equal(t, httpapi.Page[string]{Items: []string{"g0", "g1"}, Total: 5}, first)
		last, err := List(q, httpapi.PageIn{Page: 3, Limit: 2}, Order{Column: "name", Descending: true}, name)
		require.NoError(t, err)
		require.Equal(t, []string{"g0"}, last.Items)
		beyond, err := List(q, httpapi.PageIn{Page: 1_000_000, Limit: 1000}, Order{}, name)
		require.NoError(t, err)
		require.Equal(t, httpapi.Page[string]{Items: []string{}, Total: 5}, beyond)
		// Among equals the id decides, so that no row is on two pages.
		var seen []string
		for page := 1; page <= 5; page++ {
			one, err := List(q, httpapi.PageIn{Page: page, Limit: 1}, Order{Column: "tenant_id"}, name)
			require.NoError(t, err)
			seen = append(seen, one.Items...)
		}
		slices.Sort(seen)
		require.Equal(t, []string{"g0", "g1", "g2", "g3", "g4"}, seen)
	})
}

// Pages that are read from the end hold what those from the beginning would,
// with nulls among the order's column.
func TestList_PagesAreTheSameFromBothEnds(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		require.NoError(t, tx.Exec("UPDATE sentinel.groups SET parent_group_id = ? WHERE id IN ?", f.ids[0], f.ids[1:3]).Error)
		name, q := func(g *models.Group) *string { return &g.Name }, tx.Where("tenant_id = ?", f.mine)
		for _, order := range []Order{{Column: "parent_group_id"}, {Column: "parent_group_id", Descending: true}, {Column: "name"}, {Column: "is_active", Then: "name", Descending: true}} {
			whole, err := List(q, httpapi.PageIn{Page: 1, Limit: 1000}, order, name)
			require.NoError(t, err)
			require.Len(t, whole.Items, 5)
			for limit := 1; limit <= 6; limit++ {
				var seen []string
				for n := 1; n <= 6; n++ {
					page, err := List(q, httpapi.PageIn{Page: n, Limit: limit}, order, name)
					require.NoError(t, err)
					require.Equal(t, int64(5), page.Total)
					seen = append(seen, page.Items...)
				}
				require.Equal(t, whole.Items, seen, "%+v, %d in a page", order, limit)
			}
		}
	})
}

// Few are found by id, many by walking the order or, where they are far apart,
// all at once: each way gives the same pages.
func TestSearch_PagesManyAsItDoesFew(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		require.NoError(t, tx.Exec(`INSERT INTO sentinel.groups (tenant_id, name, display_name, is_active, created_at)
			SELECT ?, 'crew-' || n, CASE WHEN n % 4 = 0 THEN 'quarter' WHEN n > 4700 THEN 'late' ELSE 'other' END || CASE WHEN n > 3500 THEN ' end' ELSE '' END, n % 3 > 0, now() - n * interval '1 minute'
			FROM generate_series(1, 5000) n`, f.mine).Error)
		name := func(g *models.Group) *string { return &g.Name }
		for text, total := range map[string]int64{"crew": 5000, "QUARTER": 1250, "late": 225, "end": 1500, "nothing": 0} {
			for _, filter := range []string{"", "is_active"} {
				q := tx.Where("tenant_id = ?", f.mine)
				require.True(t, isWhole(q))
				if filter != "" {
					q = q.Where(filter)
					require.False(t, isWhole(q))
				}
				for _, in := range []httpapi.PageIn{{Page: 1, Limit: 7}, {Page: 30, Limit: 40}, {Page: 50, Limit: 50}, {Page: 2, Limit: 1000}, {Page: 625, Limit: 2}, {Page: 5, Limit: 1000}, {Page: 6, Limit: 1000}} {
					for _, order := range []Order{{}, {Column: "name", Descending: true}} {
						want, err := List(Contains(q, text, "name", "display_name"), in, order, name)
						require.NoError(t, err)
						got, err := Search(q, "groups", text, in, order, name)
						require.NoError(t, err)
						require.Equal(t, want, got, "%q %s %+v %+v", text, filter, in, order)
						if filter == "" {
							require.Equal(t, total, got.Total)
						}
					}
				}
			}
		}
		// A condition that holds more than the tenant is a filter.
		require.False(t, isWhole(tx.Where("tenant_id = ? AND is_active", f.mine)))
		require.False(t, isWhole(tx.DB))
	})
}

func TestSearch_TakesWildcardsAsText(t *testing.T) {
	t.Parallel()
	inTx(t, func(tx *db.Tx, f fixture) {
		for text, want := range map[string]int64{
			"": 5, "G3": 1, "50% OF": 5, "%": 5, "1_x": 2, "1-x": 0, "_": 5, "g_": 0, `\`: 0, "'": 0, "g0": 1, `%' OR ''='`: 0,
		} {
			q, in, view := tx.Where("tenant_id = ?", f.mine), httpapi.PageIn{Page: 1, Limit: 10}, func(g *models.Group) *uuid.UUID { return &g.ID }
			for how, find := range map[string]func() (httpapi.Page[uuid.UUID], error){
				"search": func() (httpapi.Page[uuid.UUID], error) { return Search(q, "groups", text, in, Order{}, view) },
				"contains": func() (httpapi.Page[uuid.UUID], error) {
					return List(Contains(q, text, "name", "display_name"), in, Order{}, view)
				},
			} {
				page, err := find()
				require.NoError(t, err)
				require.Equal(t, want, page.Total, "%s %q", how, text)
			}
		}
	})
}

func TestRefused_SaysWhatAConstraintStandsFor(t *testing.T) {
	t.Parallel()
	r := Refusals{"groups_name_key": {Path: "name", Message: "taken"}, "groups_parent_fk": {Message: "has groups below it"}}
	violation := func(name string) error {
		return fmt.Errorf("create: %w", &pgconn.PgError{Code: db.UniqueViolation, ConstraintName: name})
	}
	var got *fault.Error
	err := r.Refused(violation("groups_name_key"))
	require.ErrorAs(t, err, &got)
	require.Equal(t, fault.ConflictKind, got.Kind)
	require.Equal(t, []fault.Field{{Path: "name", Message: "taken"}}, got.Fields)
	require.NotContains(t, got.Message, "groups_name_key")
	var cause *pgconn.PgError
	require.ErrorAs(t, err, &cause, "the log keeps the cause")

	require.ErrorAs(t, r.Refused(violation("groups_parent_fk")), &got)
	require.Empty(t, got.Fields)
	require.Equal(t, "has groups below it", got.Message)

	for _, other := range []error{violation("groups_tenant_fk"), errors.New("else"), &pgconn.PgError{Code: "57014", ConstraintName: "groups_name_key"}} {
		require.Equal(t, other, r.Refused(other))
	}
	require.NoError(t, r.Refused(nil))
}
