package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
)

var refusals = crud.Refusals{
	"roles_name_not_reserved":        {Path: "manifest.roles", Message: "A role has the name of a system role. Choose another."},
	"roles_name_key":                 {Path: "manifest.roles", Message: "Somebody made a role of that name meanwhile. Try again."},
	"resources_code_not_uuid":        {Path: "manifest.resources", Message: "A code may not look like a UUID: it would be read as an id."},
	"resources_parent_depth":         {Path: "manifest.resources", Message: "The tree would be deeper than 64."},
	"roles_parent_depth":             {Path: "manifest.roles", Message: "The chain of parents would be longer than 64."},
	"groups_parent_depth":            {Path: "manifest.groups", Message: "The chain of parents would be longer than 64."},
	"menu_items_parent_no_cycle":     {Path: "manifest.menus", Message: "A menu item would be below itself, or more than 16 levels deep."},
	"menu_items_parent_fk":           {Path: "manifest.menus", Message: "A menu item that would be deleted has others below it."},
	"field_definitions_platform_key": {Path: "manifest.fields", Message: "A field of that name is defined by the platform for all tenants."},
	"field_definitions_field_key":    {Path: "manifest.fields", Message: "Somebody defined that field meanwhile. Try again."},
	"approval_chains_name_key":       {Path: "manifest.approval_chains", Message: "Somebody made an approval chain of that name meanwhile. Try again."},
	"permissions_system_immutable":   {Path: "manifest.permissions", Message: "The permissions of system roles can be used, not changed."},
	"group_roles_role_tenant":        {Path: "manifest.groups", Message: "A role cannot be given in this tenant."},
}

// write makes everything first, what others refer to before those, then deletes
// the other way round.
func (a *applier) write() error {
	if err := a.writeSettings(); err != nil {
		return err
	}
	if err := a.checkWorkflows(); err != nil {
		return err
	}
	if err := a.idleChains(); err != nil {
		return err
	}
	for _, t := range tables() {
		if err := a.save(t); err != nil {
			return refusals.Refused(fmt.Errorf("write %s: %w", section(t.kind), err))
		}
	}
	for _, set := range []struct{ kind, table, holder, member string }{
		{roleKind, "sentinel.role_permissions", "role_id", "permission_id"},
		{groupKind, "sentinel.group_roles", "group_id", "role_id"},
	} {
		if err := a.saveSets(set.kind, set.table, set.holder, set.member); err != nil {
			return refusals.Refused(fmt.Errorf("write the sets of %s: %w", section(set.kind), err))
		}
	}
	last := tables()
	slices.Reverse(last)
	for _, t := range last {
		if err := a.remove(t); err != nil {
			return refusals.Refused(fmt.Errorf("delete %s: %w", section(t.kind), err))
		}
	}
	if err := a.checkChains(); err != nil {
		return err
	}
	return a.limits()
}

// checkWorkflows refuses roles that the tenant cannot use in a workflow that
// changes. They are asked of the database, which alone knows all of them.
func (a *applier) checkWorkflows() error {
	for _, s := range a.of(nodeKind) {
		if s.after == nil {
			continue
		}
		if spec := s.after.workflow(); spec != nil {
			if err := directory.Workflow(spec.WorkflowConfig).CheckRoles(a.Tx, s.after.at+".workflow_config."); err != nil {
				return err
			}
		}
	}
	return nil
}

// save makes and changes the objects of one table. While some of them are not
// there yet, objects that will be below those have no parent: every line is at
// every moment a part of one that there will be, so that no order is needed in
// which they turn around.
func (a *applier) save(t table) error {
	var changed, later []map[string]any
	fresh := map[string]*object{}
	for _, s := range a.of(t.kind) {
		if s.before == nil {
			fresh[s.after.name] = s.after
		}
	}
	var news []*object
	for _, s := range a.of(t.kind) {
		switch {
		case s.after == nil:
		case s.before == nil:
			news = append(news, s.after)
		default:
			row := t.row(a, s.after)
			row["id"] = s.after.id
			if parent := s.after.text("parent"); t.parent != "" && parent != "" {
				if fresh[parent] != nil {
					later = append(later, map[string]any{"id": s.after.id, t.parent: fresh[parent].id})
				} else {
					row[t.parent] = a.parentID(t.kind, parent)
				}
			}
			changed = append(changed, row)
		}
	}
	if err := a.update(t, changed); err != nil {
		return err
	}
	for _, level := range levels(t, news, fresh) {
		rows := make([]map[string]any, len(level))
		for i, o := range level {
			rows[i] = t.row(a, o)
			rows[i]["id"] = o.id
			if parent := o.text("parent"); t.parent != "" && parent != "" {
				rows[i][t.parent] = a.parentID(t.kind, parent)
			}
		}
		if err := a.insert(t, rows); err != nil {
			return err
		}
	}
	return a.update(table{name: t.name, parent: t.parent}, later)
}

// levels are new objects with those first that others are below.
func levels(t table, news []*object, fresh map[string]*object) [][]*object {
	if t.parent == "" {
		return [][]*object{news}
	}
	depths := map[*object]int{}
	var depth func(o *object) int
	depth = func(o *object) int {
		if d, known := depths[o]; known {
			return d
		}
		d := 0
		if above := fresh[o.text("parent")]; above != nil {
			d = depth(above) + 1
		}
		depths[o] = d
		return d
	}
	var out [][]*object
	for _, o := range news {
		d := depth(o)
		for len(out) <= d {
			out = append(out, nil)
		}
		out[d] = append(out[d], o)
	}
	return out
}

// parentID finds the object above by its name, among what there will be.
func (a *applier) parentID(kind, name string) uuid.UUID {
	if a.parents[kind] == nil {
		all := names(a.outcome.result[kind])
		if kind == menuKind {
			for _, o := range a.current.menus {
				for _, name := range []string{o.name, o.id.String()} {
					if all[name] == nil {
						all[name] = o
					}
				}
			}
		}
		a.parents[kind] = all
	}
	return a.parents[kind][name].id
}

// columnsOf are the table's columns for a statement, those that are written.
func (t table) columnsOf() (list, typed []string) {
	columns := t.columns
	if t.parent != "" {
		columns = append(slices.Clone(columns), [2]string{t.parent, "uuid"})
	}
	for _, c := range columns {
		list, typed = append(list, c[0]), append(typed, c[0]+" "+c[1])
	}
	return list, typed
}

func (a *applier) insert(t table, rows []map[string]any) error {
	if len(rows) == 0 {
		return nil
	}
	list, typed := t.columnsOf()
	if t.kind == roleKind || t.kind == chainKind {
		list, typed = append(list, "created_by", "created_by_tenant"), append(typed, "created_by uuid", "created_by_tenant uuid")
	}
	return a.exec(`
INSERT INTO `+t.name+` (tenant_id, id, `+strings.Join(list, ", ")+`)
SELECT $2, x.id, x.`+strings.Join(list, ", x.")+`
FROM jsonb_to_recordset($1::jsonb) AS x (id uuid, `+strings.Join(typed, ", ")+`)`, rows, a.tenant)
}

func (a *applier) update(t table, rows []map[string]any) error {
	if len(rows) == 0 {
		return nil
	}
	list, typed := t.columnsOf()
	sets := make([]string, len(list))
	for i, c := range list {
		sets[i] = c + " = x." + c
	}
	return a.exec(`
UPDATE `+t.name+` o
SET `+strings.Join(sets, ", ")+`
FROM jsonb_to_recordset($1::jsonb) AS x (id uuid, `+strings.Join(typed, ", ")+`)
WHERE o.tenant_id = $2
AND o.id = x.id`, rows, a.tenant)
}

// remove deletes in one statement, so that a parent goes with those below it.
func (a *applier) remove(t table) error {
	var ids []uuid.UUID
	for _, s := range a.of(t.kind) {
		if s.after == nil {
			ids = append(ids, s.before.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return a.exec(`
DELETE FROM `+t.name+`
WHERE tenant_id = $2
AND id IN (SELECT CAST(x AS uuid) FROM jsonb_array_elements_text($1::jsonb) x)`, ids, a.tenant)
}

// saveSets takes from the holders what they have and shall not, and gives them
// what they lack.
func (a *applier) saveSets(kind, name, holder, member string) error {
	caller, _ := identity.PrincipalFrom(a.ctx)
	var gone, made []pair
	for _, s := range a.of(kind) {
		if s.after == nil {
			continue
		}
		has := map[*object]bool{}
		if s.before != nil {
			for _, o := range s.before.set {
				has[o.self()] = true
			}
		}
		for _, o := range difference(s) {
			if p := (pair{Holder: s.after.id, Member: o.id, Owner: o.owner}); has[o] {
				gone = append(gone, p)
			} else {
				made = append(made, p)
			}
		}
	}
	for some := range slices.Chunk(gone, pairsAtOnce) {
		err := a.exec(`
DELETE FROM `+name+` o
USING jsonb_to_recordset($1::jsonb) AS x (holder uuid, member uuid)
WHERE o.tenant_id = $2
AND o.`+holder+` = x.holder
AND o.`+member+` = x.member`, some, a.tenant)
		if err != nil {
			return err
		}
	}
	more, value := "", ""
	if kind == groupKind {
		more, value = ", role_tenant_id", ", x.owner"
	}
	for some := range slices.Chunk(made, pairsAtOnce) {
		err := a.exec(`
INSERT INTO `+name+` (tenant_id, `+holder+`, `+member+`, granted_by, granted_by_tenant`+more+`)
SELECT $2, x.holder, x.member, $3, $4`+value+`
FROM jsonb_to_recordset($1::jsonb) AS x (holder uuid, member uuid, owner uuid)`, some, a.tenant, caller.UserID, caller.HomeTenantID)
		if err != nil {
			return err
		}
	}
	return nil
}

// pairsAtOnce is how many pairs one statement writes.
const pairsAtOnce = 20_000

// pair is one object in the set of another.
type pair struct {
	Holder uuid.UUID `json:"holder"`
	Member uuid.UUID `json:"member"`
	Owner  uuid.UUID `json:"owner"`
}

// writeSettings writes those that change, and leaves the others as they are.
func (a *applier) writeSettings() error {
	set, gone := map[string]any{}, []string{}
	for _, s := range a.of(settingKind) {
		if s.after == nil {
			gone = append(gone, s.before.name)
		} else {
			set[s.after.name] = s.after.members["value"]
		}
	}
	if len(set)+len(gone) == 0 {
		return nil
	}
	return a.exec(`
UPDATE sentinel.tenants
SET settings = (settings - $3::text[]) || $1::jsonb
WHERE id = $2`, set, a.tenant, gone)
}

func (a *applier) exec(sql string, rows any, args ...any) error {
	raw, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	_, err = a.Pgx.Exec(a.ctx, sql, append([]any{string(raw)}, args...)...)
	return err
}
