package navigation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// drawn is a random tenant: an account, its grants, and a menu.
type drawn struct {
	*tenanttest.World
	r      *rapid.T
	tenant uuid.UUID
	user   uuid.UUID
	nodes  []node
	items  []*drawnItem
}

type node struct {
	id  uuid.UUID
	typ string
}

type drawnItem struct {
	id                 uuid.UUID
	name               string
	parent             *drawnItem
	node               *node
	permission, url    string
	visible, hidden    bool
	order              int
	displayOrder       int
	customOrder        *int
	inMenu, deservesIt bool
}

// TestMenu_ShowsWhatACheckAllowsAndNothingElse compares menus of random tenants
// with the answers to the checks that an application would make.
func TestMenu_ShowsWhatACheckAllowsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	s := &Service{Write: w.Writer}
	shownAtAll, refusedAtAll, codes := 0, 0, map[engine.Code]int{}
	rapid.Check(t, func(r *rapid.T) {
		d := &drawn{World: w, r: r, tenant: w.Tenant()}
		d.account()
		d.menu()
		for _, all := range []bool{false, true} {
			got, err := s.menu(w.As(d.tenant, d.user), &MenuIn{IncludeHidden: all})
			require.NoError(r, err)
			d.compare(got, all, codes)
		}
		for _, i := range d.items {
			if i.inMenu {
				shownAtAll++
			} else {
				refusedAtAll++
			}
		}
	})
	require.Positive(t, shownAtAll)
	require.Positive(t, refusedAtAll)
	for _, code := range []engine.Code{engine.Granted, engine.ExplicitDeny, engine.ConditionFailed, engine.NoMatchingPermission, engine.WorkflowState, engine.ApprovalRequired, engine.SubjectInactive} {
		require.Positive(t, codes[code], "%s never came: %v", code, codes)
	}
}

func pick[T any](d *drawn, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(d.r, label)
}

func (d *drawn) often(label string) bool { return rapid.IntRange(0, 5).Draw(d.r, label) > 0 }

// account makes somebody with a role of random permissions, in a tenant where
// one node has a workflow and one type is gated.
func (d *drawn) account() {
	d.user = d.User(d.tenant, "ann")
	if rapid.IntRange(0, 19).Draw(d.r, "locked") == 0 {
		d.SQL("UPDATE sentinel.users SET locked_until = now() + interval '1 hour' WHERE id = $1", d.user)
	}
	d.SQL("INSERT INTO sentinel.approval_chains (tenant_id, name, resource_type, resource_pattern, approval_levels) VALUES ($1, 'x', 'gated', 'gated:*', '[{\"level\":1}]')", d.tenant)
	var parent *uuid.UUID
	for i := range rapid.IntRange(1, 4).Draw(d.r, "nodes") {
		n := node{uuid.Must(uuid.NewV7()), pick(d, "type", "page", "vessel", "entity")}
		d.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, path, is_active, workflow_enabled) VALUES ($1, $2, $3, 'n', $4, $5, '', $6, $7)`,
			n.id, d.tenant, n.typ, pick(d, "code", "page", "vessel", "a")+strings.Repeat("x", i), parent, d.often("active"), !d.often("no workflow"))
		if rapid.Bool().Draw(d.r, "next below it") {
			parent = &n.id
		}
		d.nodes = append(d.nodes, n)
	}
	role := d.Role(d.tenant, "r", 1, uuid.UUID{})
	d.Assign(d.tenant, d.user, role)
	for range rapid.IntRange(0, 6).Draw(d.r, "permissions") {
		effect, conditions := pick(d, "effect", "allow", "allow", "allow", "deny"), pick(d, "conditions", "{}", "{}", `{"subject.username":"ann"}`, `{"subject.username":"bob"}`, `{"context.ip":{"exists":true}}`, `{"context.ip":"10.0.0.1"}`)
		action := pick(d, "action", "read", "write", "*")
		if i := rapid.IntRange(-len(d.nodes)-1, len(d.nodes)-1).Draw(d.r, "of a node"); i >= 0 {
			id := uuid.Must(uuid.NewV7())
			d.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions, effect, conditions) VALUES ($1, $2, 'p', $3, $4, $5, $6, $7)`,
				id, d.tenant, d.nodes[i].typ, d.nodes[i].id, []string{action}, effect, conditions)
			d.Own(d.tenant, role, id)
			continue
		}
		path := pick(d, "path", "page/*", "vessel/*", "gated/*", "gated/*", "gated/*", "*/*", "page/a*", "api/users", "api/*")
		if strings.HasPrefix(path, "api/") {
			effect = "allow"
		}
		d.Permission(d.tenant, role, path, effect, conditions, action)
	}
}

func (d *drawn) menu() {
	for i := range rapid.IntRange(1, 10).Draw(d.r, "items") {
		item := &drawnItem{
			id: uuid.Must(uuid.NewV7()), name: string(rune('a' + i)), url: pick(d, "url", "", "/x", "/x"), visible: d.often("visible"), hidden: !d.often("not hidden"),
			displayOrder: rapid.IntRange(-2, 2).Draw(d.r, "display order"),
			permission:   pick(d, "permission", "", "page:read", "vessel:read", "vessel:write", "gated:read", "gated:read", "gated:read", "api/users:read", "api/roles:write", "entity:read", "nonsense"),
		}
		item.order = item.displayOrder
		if p := rapid.IntRange(-3, i-1).Draw(d.r, "parent"); p >= 0 {
			item.parent = d.items[p]
		}
		if n := rapid.IntRange(-3, len(d.nodes)-1).Draw(d.r, "node"); n >= 0 {
			item.node = &d.nodes[n]
			item.permission = pick(d, "of the node", "", item.node.typ+":read", item.node.typ+":write", item.permission)
		}
		if rapid.IntRange(0, 2).Draw(d.r, "own order") == 0 {
			order := rapid.IntRange(-2, 2).Draw(d.r, "custom order")
			item.order, item.customOrder = order, &order
		}
		var parent, resource *uuid.UUID
		if item.parent != nil {
			parent = &item.parent.id
		}
		if item.node != nil {
			resource = &item.node.id
		}
		d.SQL(`INSERT INTO sentinel.menu_items (id, tenant_id, parent_id, name, url, resource_id, required_permission, display_order, is_visible) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			item.id, d.tenant, parent, item.name, item.url, resource, item.permission, item.displayOrder, item.visible)
		if item.hidden || item.customOrder != nil {
			d.SQL(`INSERT INTO sentinel.user_menu_customizations (tenant_id, user_id, item_id, is_hidden, custom_order) VALUES ($1, $2, $3, $4, $5)`,
				d.tenant, d.user, item.id, item.hidden, item.customOrder)
		}
		d.items = append(d.items, item)
	}
}

// allowed asks as POST /permissions/check does.
func (d *drawn) allowed(i *drawnItem, codes map[engine.Code]int) bool {
	q := &engine.Question{TenantID: d.tenant, UserID: d.user}
	what, action, ok := strings.Cut(i.permission, ":")
	q.Type, q.ID, _ = strings.Cut(what, "/")
	q.Action = action
	switch {
	case i.permission == "" && i.node == nil:
		q.Type, q.Action = "page", "read" // only whether the account counts at all
		code := d.Engine.Decide(d.r.Context(), q).Code
		return code != engine.SubjectInactive
	case i.permission == "":
		q.Type, q.ID, q.Action = i.node.typ, i.node.id.String(), "read"
	case !ok:
		return false
	case i.node != nil:
		if q.Type != i.node.typ {
			return false
		}
		q.ID = i.node.id.String()
	}
	require.NoError(d.r, q.Validate(""))
	decision := d.Engine.Decide(d.r.Context(), q)
	codes[decision.Code]++
	return decision.Allowed
}

func (d *drawn) compare(got *Menu, includeHidden bool, codes map[engine.Code]int) {
	byID := map[uuid.UUID]*drawnItem{}
	for _, i := range d.items {
		byID[i.id], i.inMenu = i, false
	}
	var walk func(nodes []Node, parent *drawnItem)
	walk = func(nodes []Node, parent *drawnItem) {
		require.True(d.r, slices.IsSortedFunc(nodes, func(a, b Node) int {
			x, y := byID[a.ID], byID[b.ID]
			if x.order != y.order {
				return x.order - y.order
			}
			return strings.Compare(x.name, y.name)
		}), "the account's own order")
		for _, n := range nodes {
			i := byID[n.ID]
			require.False(d.r, i.inMenu, "an item is there once")
			i.inMenu = true
			require.Same(d.r, parent, i.parent)
			require.Equal(d.r, i.hidden, n.IsHidden)
			require.True(d.r, n.URL != "" || len(n.Children) > 0, "it leads somewhere")
			walk(n.Children, i)
		}
	}
	walk(got.Items, nil)
	leads := map[*drawnItem]bool{}
	for _, i := range slices.Backward(d.items) { // children come after their parents
		i.deservesIt = true
		for at := i; at != nil; at = at.parent {
			i.deservesIt = i.deservesIt && at.visible && (includeHidden || !at.hidden) && d.allowed(at, codes)
		}
		i.deservesIt = i.deservesIt && (i.url != "" || leads[i])
		if i.deservesIt {
			leads[i.parent] = true
		}
	}
	for _, i := range d.items {
		require.Equal(d.r, i.deservesIt, i.inMenu, "%+v", i)
	}
}

func TestMenu_OfAnotherNeedsExecuteOnDecisions(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	s := &Service{Write: w.Writer}
	tenant := w.Tenant()
	ann, bob := w.User(tenant, "ann"), w.User(tenant, "bob")
	w.SQL("INSERT INTO sentinel.menu_items (tenant_id, name, url) VALUES ($1, 'home', '/')", tenant)
	other := &MenuIn{UserID: httpapi.Some(bob)}
	_, err := s.menu(w.As(tenant, ann), other)
	require.True(t, fault.Is(err, fault.Denied))
	role := w.Role(tenant, "gate", 1, uuid.UUID{})
	w.Permission(tenant, role, "api/decisions", "allow", "", "execute")
	w.Assign(tenant, ann, role)
	require.NoError(t, w.Engine.Refresh(t.Context(), tenant))
	got, err := s.menu(w.As(tenant, ann), other)
	require.NoError(t, err)
	require.Len(t, got.Items, 1)
	nobody := &MenuIn{UserID: httpapi.Some(uuid.New())}
	_, err = s.menu(w.As(tenant, ann), nobody)
	require.True(t, fault.Is(err, fault.NotFoundKind))
	// What cannot be decided is not shown, not even what everybody sees.
	w.SQL("UPDATE sentinel.users SET is_active = false WHERE id = $1", bob)
	require.NoError(t, w.Engine.Refresh(t.Context(), tenant))
	got, err = s.menu(w.As(tenant, ann), other)
	require.NoError(t, err)
	require.Empty(t, got.Items)
}

func TestCreate_IsBounded(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	s := &Service{Write: w.Writer}
	tenant := w.Tenant()
	ann := w.User(tenant, "ann")
	w.SQL("INSERT INTO sentinel.menu_items (tenant_id, name) SELECT $1, 'item ' || n FROM generate_series(1, $2::int) n", tenant, directory.MaxMenuItems-1)
	create := func(name string) error {
		in := &CreateIn{}
		in.Body.Name = name
		_, err := s.create(w.As(tenant, ann), in)
		return err
	}
	require.NoError(t, create("the last"))
	require.True(t, fault.Is(create("one more"), fault.ConflictKind))
}

func TestShown_KnowsNoItemBelowNothing(t *testing.T) {
	t.Parallel()
	id := func(n byte) uuid.UUID { return uuid.UUID{15: n} }
	lost, a, b := id(9), id(1), id(2)
	entries := []entry{
		{ID: id(3), URL: "/", IsVisible: true, ParentID: &lost},
		{ID: a, URL: "/", IsVisible: true, ParentID: &b},
		{ID: b, URL: "/", IsVisible: true, ParentID: &a},
		{ID: id(4), URL: "/", IsVisible: true},
	}
	got := shown(entries, func(*entry) bool { return true })
	require.Len(t, got, 1)
	require.Equal(t, id(4), got[0].ID)
}

// BenchmarkMenu_1000 is the menu of 1,000 items in a tenant of 500 permissions,
// with 200 different questions.
func BenchmarkMenu_1000(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	s := &Service{Write: w.Writer}
	tenant := w.Tenant()
	ann := w.User(tenant, "ann")
	role := w.Role(tenant, "r", 1, uuid.UUID{})
	w.Assign(tenant, ann, role)
	w.SQL(`INSERT INTO sentinel.permissions (tenant_id, name, resource_type, resource_path, actions, conditions)
SELECT $1, 'p' || n, 'page' || n % 200, 'page' || n % 200 || '/*', ARRAY['read'], CASE WHEN n % 3 = 0 THEN '{"subject.username": "ann"}'::jsonb ELSE '{}' END FROM generate_series(0, 499) n`, tenant)
	w.SQL(`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) SELECT $1, $2, id FROM sentinel.permissions WHERE tenant_id = $1`, tenant, role)
	w.SQL(`INSERT INTO sentinel.menu_items (id, tenant_id, parent_id, name, url, required_permission, display_order)
SELECT md5('item' || n)::uuid, $1, CASE WHEN n >= 20 THEN md5('item' || n % 20)::uuid END, 'item ' || n, '/p' || n, 'page' || n % 200 || ':read', n % 7 FROM generate_series(0, 999) n`, tenant)
	w.SQL(`INSERT INTO sentinel.user_menu_customizations (tenant_id, user_id, item_id, custom_order) SELECT $1, $2, id, 5 FROM sentinel.menu_items WHERE tenant_id = $1 LIMIT 200`, tenant, ann)
	w.SQL("ANALYZE")
	ctx := w.As(tenant, ann)
	for b.Loop() {
		got, err := s.menu(ctx, &MenuIn{})
		require.NoError(b, err)
		require.Len(b, got.Items, 20)
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 50*time.Millisecond {
		b.Errorf("a menu of 1,000 items took %s, more than 50ms", each)
	}
}
