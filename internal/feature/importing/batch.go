package importing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// batch is a part that is being written, with what has come of it so far.
type batch struct {
	ctx    context.Context //nolint:containedctx // a batch lives inside one call
	w      *change.Write
	s      *Service
	kind   Kind
	id     uuid.UUID
	tenant uuid.UUID

	change                      granting.Change
	events                      []audit.Event
	refusals                    []models.ImportRefusal
	created, updated, unchanged int

	// until is when the batch leaves what is not decided yet to another, so that
	// others can write in the tenant, and left are those rows.
	until time.Time
	left  []row
}

// changed is all that the batch changed, for the granting rule.
func (b *batch) changed() granting.Change {
	if b == nil {
		return granting.Change{}
	}
	return b.change
}

// count adds what came of the batch to the import.
func (b *batch) count(m *models.Import) {
	m.CreatedRows += b.created
	m.UpdatedRows += b.updated
	m.UnchangedRows += b.unchanged
	m.RefusedRows += len(b.refusals)
	m.ProcessedRows += b.created + b.updated + b.unchanged + len(b.refusals)
}

// add takes over what came of another batch.
func (b *batch) add(o *batch) {
	b.change = b.change.With(o.change)
	b.events = append(b.events, o.events...)
	b.refusals = append(b.refusals, o.refusals...)
	b.created, b.updated, b.unchanged = b.created+o.created, b.updated+o.updated, b.unchanged+o.unchanged
}

// run writes the rows that may be written and refuses the others. Rows are
// written together. Where the database or the granting rule refuses them
// together they are halved, until it is known which are at fault: each attempt
// reads the graph again. At least one row is decided.
func (b *batch) run(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := b.exec("SAVEPOINT import_rows"); err != nil {
		return err
	}
	try := &batch{ctx: b.ctx, w: b.w, s: b.s, kind: b.kind, id: b.id, tenant: b.tenant}
	refused := try.write(rows)
	if refused == nil {
		refused = b.w.Judge.Check(b.w.Tx, b.w.Now, b.change.With(try.change))
	}
	if refused == nil {
		b.add(try)
		return b.exec("RELEASE SAVEPOINT import_rows")
	}
	reason, ok := reasonOf(refused)
	if !ok {
		return refused
	}
	if err := b.exec("ROLLBACK TO SAVEPOINT import_rows"); err != nil {
		return err
	}
	if err := b.exec("RELEASE SAVEPOINT import_rows"); err != nil {
		return err
	}
	if len(rows) == 1 {
		b.refuse(rows[0], b.keyOf(rows[0]), reason)
		if fault.Is(refused, fault.Denied) {
			b.events = append(b.events, audit.Event{Action: string(b.kind) + ".import", Result: audit.Denied, Detail: b.detail(rows[0], "message", reason.Message)})
		}
		return nil
	}
	if err := b.run(rows[:len(rows)/2]); err != nil {
		return err
	}
	if time.Now().After(b.until) {
		b.left = append(b.left, rows[len(rows)/2:]...)
		return nil
	}
	return b.run(rows[len(rows)/2:])
}

func (b *batch) exec(sql string) error {
	if _, err := b.w.Pgx.Exec(b.ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", strings.ToLower(sql), err)
	}
	return nil
}

// reasonOf says in the caller's words why rows were refused, false if the error
// is about something else.
func reasonOf(err error) (fault.Field, bool) {
	var f *fault.Error
	if errors.As(err, &f) {
		switch f.Kind {
		case fault.Validation, fault.ConflictKind, fault.NotFoundKind, fault.Denied:
		default:
			return fault.Field{}, false
		}
		reason := fault.Field{Message: f.Message}
		if len(f.Fields) > 0 {
			reason = f.Fields[0]
		}
		if missing, ok := f.Details["missing"].([]string); ok {
			reason.Message = "By this row an account would have permissions that you do not hold yourself: " + strings.Join(missing, ", ")
		}
		return reason, true
	}
	if _, ok := db.Violation(err); ok {
		if errors.As(refusals.Refused(err), &f) {
			return fault.Field{Path: pathOf(f), Message: f.Message}, true
		}
		return fault.Field{Message: "breaks a rule of the database: it cannot be stored as it is"}, true
	}
	return fault.Field{}, false
}

func pathOf(f *fault.Error) string {
	if len(f.Fields) == 0 {
		return ""
	}
	return f.Fields[0].Path
}

// refusals say what the database's constraints stand for.
var refusals = crud.Refusals{
	"users_email_key":     {Path: "email", Message: "An account with this e-mail address exists already in this tenant."},
	"users_email_retired": {Path: "email", Message: "This e-mail address was another account's, if one that is deleted. It is not given out again."},
	"users_external_id_retired": {
		Path: "external_id", Message: "This external id was another account's, if one that is deleted. It is not given out again.",
	},
	"users_external_id_key":               {Path: "external_id", Message: "An account with this external id exists already in this tenant."},
	"roles_name_not_reserved":             {Path: "name", Message: "This name belongs to a system role. Choose another."},
	"roles_system_immutable":              {Path: "name", Message: "System roles can be used, not changed."},
	"permissions_system_immutable":        {Path: "name", Message: "System roles' permissions can be used, not changed."},
	"role_permissions_system_immutable":   {Path: "roles", Message: "System roles can be used, not changed."},
	"roles_parent_no_cycle":               {Path: "parent", Message: "The role would inherit from itself: the parent is below it."},
	"roles_parent_depth":                  {Path: "parent", Message: "The chain of parents would be longer than 64."},
	"groups_parent_no_cycle":              {Path: "parent", Message: "The group would be its own ancestor: the parent is below it."},
	"groups_parent_depth":                 {Path: "parent", Message: "The chain of parents would be longer than 64."},
	"resources_parent_no_cycle":           {Path: "parent", Message: "The node would be its own ancestor: the parent is below it."},
	"resources_parent_depth":              {Path: "parent", Message: "The tree would be deeper than 64."},
	"resources_code_not_uuid":             {Path: "code", Message: "A code may not look like a UUID: it would be read as an id."},
	"user_roles_role_tenant":              {Path: "role", Message: "This role cannot be assigned in this tenant."},
	"group_roles_role_tenant":             {Path: "roles", Message: "This role cannot be assigned in this tenant."},
	"user_roles_super_admin_in_platform":  {Path: "role", Message: "super_admin can be assigned to users of the platform's tenant only."},
	"group_roles_super_admin_in_platform": {Path: "roles", Message: "super_admin can be assigned to users of the platform's tenant only."},
	"user_roles_validity_ordered":         {Path: "expires_at", Message: "The assignment would end before it begins."},
}

// refuse notes that a row is not written, and why.
func (b *batch) refuse(r row, key string, fields ...fault.Field) {
	b.refusals = append(b.refusals, refusal(r.Line, b.kind, key, fields))
}

// keyOf is what a row's object is known by.
func (b *batch) keyOf(r row) string {
	spec, fields := decodeRow(b.kind, r.Raw)
	if fields != nil {
		return ""
	}
	var e entry
	(&file{email: b.s.cfg.NormaliseEmail}).name(&e, spec)
	return e.key
}

// detail is what every event of an import says, and one thing more.
func (b *batch) detail(r row, name string, value any) map[string]any {
	d := map[string]any{"import_id": b.id, "line": r.Line}
	if name != "" {
		d[name] = value
	}
	return d
}

func (b *batch) record(r row, action string, id uuid.UUID, before, after any) {
	kind, _, _ := strings.Cut(action, ".")
	b.events = append(b.events, audit.Event{Action: action, ResourceType: kind, ResourceID: id, Before: before, After: after, Detail: b.detail(r, "", nil)})
}

// write writes rows of the batch's kind. A row that is wrong by itself is
// refused; what the database refuses is an error.
func (b *batch) write(rows []row) error {
	switch b.kind {
	case Resource:
		return b.resources(rows)
	case Permission:
		return b.permissions(rows)
	case Role:
		return b.roles(rows)
	case Group:
		return b.groups(rows)
	case User:
		return b.users(rows)
	default:
		return b.assignments(rows)
	}
}

// put copies rows into a temporary table shaped like some columns of a table and
// runs sql, which takes them from import_stage, in their order by n. Row-level
// security has no COPY into the table itself.
func (b *batch) put(table string, columns []string, rows [][]any, sql string, args ...any) error {
	if len(rows) == 0 {
		return nil
	}
	if err := b.exec("CREATE TEMPORARY TABLE import_stage ON COMMIT DROP AS SELECT " + strings.Join(columns, ", ") + ", 0 AS n FROM sentinel." + table + " WITH NO DATA"); err != nil {
		return err
	}
	numbered := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return append(rows[i : i+1 : i+1][0], i), nil })
	if _, err := b.w.Pgx.CopyFrom(b.ctx, pgx.Identifier{"import_stage"}, append(columns[:len(columns):len(columns)], "n"), numbered); err != nil {
		return fmt.Errorf("copy rows for %s: %w", table, err)
	}
	if _, err := b.w.Pgx.Exec(b.ctx, sql, args...); err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	return b.exec("DROP TABLE import_stage")
}

// insert adds rows of a table, in their order. Pairs that are there already stay.
func (b *batch) insert(table string, columns []string, rows [][]any) error {
	list := strings.Join(columns, ", ")
	sql := "INSERT INTO sentinel." + table + " (" + list + ") SELECT " + list + " FROM import_stage ORDER BY n"
	if pair := pairs[table]; pair != "" {
		sql += " ON CONFLICT (" + pair + ") DO NOTHING"
	}
	return b.put(table, columns, rows, sql)
}

// pairs are the tables of pairs, with what is unique in them.
var pairs = map[string]string{
	"role_permissions": "tenant_id, role_id, permission_id",
	"group_roles":      "tenant_id, group_id, role_id",
	"user_groups":      "tenant_id, user_id, group_id",
}

// update writes all columns of rows but their id, which is the first.
func (b *batch) update(table string, columns []string, rows [][]any) error {
	set := make([]string, 0, len(columns)-1)
	for _, c := range columns[1:] {
		set = append(set, c+" = s."+c)
	}
	return b.put(table, columns, rows, "UPDATE sentinel."+table+" t SET "+strings.Join(set, ", ")+
		" FROM import_stage s WHERE t.tenant_id = $1 AND t.id = s.id", b.tenant)
}

// actor is who gives something, for the pairs that remember it.
func (b *batch) actor() (id, tenant uuid.UUID) {
	caller, _ := identity.PrincipalFrom(b.ctx)
	return caller.UserID, caller.HomeTenantID
}

func itoa(n int) string { return strconv.Itoa(n) }
