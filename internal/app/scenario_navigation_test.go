package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// items makes a menu in each of the root tenants and an item of the platform's.
// Of alpha's, plain sees "home" alone.
func (w *world) items() {
	w.t.Helper()
	w.make("item", "admin", "", "/navigation/menu-items", `{"name":"home","url":"/","display_order":5}`)
	w.make("item_b", "admin_b", "", "/navigation/menu-items", `{"name":"home","url":"/"}`)
	w.make("help", "operator", "", "/navigation/menu-items", `{"tenant_id":null,"name":"help","url":"https://help.example/","required_permission":"page:help"}`)
	w.make("ships", "admin", "", "/navigation/menu-items", `{"name":"ships","display_name":"Ships","display_order":3}`)
	w.make("all", "admin", "", "/navigation/menu-items", `{"name":"all ships","parent_id":"$ships","url":"/ships","required_permission":"vessel:read"}`)
	w.make("scrap", "admin", "", "/navigation/menu-items", `{"name":"scrap","parent_id":"$ships","url":"/scrap","required_permission":"vessel:scrap","display_order":-1}`)
	w.make("app", "admin", "", "/navigation/menu-items", `{"name":"app","url":"/app","resource_id":"$fleet","required_permission":"app:open","display_order":4}`)
	w.make("people", "admin", "", "/navigation/menu-items", `{"name":"people","url":"/users","required_permission":"api/users:read","display_order":6}`)
	w.make("off", "admin", "", "/navigation/menu-items", `{"name":"off","url":"/off","is_visible":false}`)
	w.make("below", "admin", "", "/navigation/menu-items", `{"name":"below off","parent_id":"$off","url":"/below"}`)
}

func navigationExamples() map[string]example {
	return map[string]example{
		"GET /navigation/menu":                        {path: "/navigation/menu", free: true, foreign: []call{{"/navigation/menu?user_id=$plain_b", ""}}},
		"POST /navigation/customize":                  {path: "/navigation/customize", body: `{"items":[{"item_id":"$item","is_hidden":true}]}`, free: true, foreign: []call{{"/navigation/customize", `{"items":[{"item_id":"$item_b","is_hidden":true}]}`}}},
		"DELETE /navigation/customizations/{item_id}": {path: "/navigation/customizations/$item", free: true, foreign: []call{{"/navigation/customizations/$item_b", ""}}},
		"GET /navigation/menu-items":                  {path: "/navigation/menu-items"},
		"POST /navigation/menu-items": {
			path: "/navigation/menu-items", body: `{"name":"new"}`,
			foreign: []call{{"/navigation/menu-items", `{"name":"new","parent_id":"$item_b"}`}, {"/navigation/menu-items", `{"name":"new","resource_id":"$fleet_b"}`}},
		},
		"GET /navigation/menu-items/{id}": {path: "/navigation/menu-items/$item", foreign: []call{{"/navigation/menu-items/$item_b", ""}}},
		"PATCH /navigation/menu-items/{id}": {
			path: "/navigation/menu-items/$item", body: `{"icon":"x"}`,
			foreign: []call{{"/navigation/menu-items/$item_b", `{"icon":"x"}`}, {"/navigation/menu-items/$item", `{"parent_id":"$item_b"}`}, {"/navigation/menu-items/$item", `{"resource_id":"$fleet_b"}`}},
		},
		"DELETE /navigation/menu-items/{id}": {path: "/navigation/menu-items/$item", foreign: []call{{"/navigation/menu-items/$item_b", ""}}},
	}
}

func navigationScenarios() []scenario {
	const (
		menu = "GET /navigation/menu"
		list = "GET /navigation/menu-items"
		add  = "POST /navigation/menu-items"
		one  = "PATCH /navigation/menu-items/{id}"
		gone = "DELETE /navigation/menu-items/{id}"
		wish = "POST /navigation/customize"
		back = "DELETE /navigation/customizations/{item_id}"
	)
	written, customized := []string{"menu_items"}, []string{"user_menu_customizations"}
	return []scenario{
		{name: "an administrator's menu", as: "admin", route: menu, status: 200, want: map[string]any{
			"data.items.0.id": "$help", "data.items.1.id": "$ships", "data.items.1.children.0.id": "$scrap", "data.items.1.children.1.id": "$all", "data.items.2.id": "$app",
			"data.items.3.id": "$item", "data.items.4.id": "$people", "data.items.5": nil, "data.items.1.display_name": "Ships", "data.items.1.order": 3, "data.items.0.required_permission": nil,
		}},
		{name: "a menu of little", as: "plain", route: menu, status: 200, want: map[string]any{"data.items.0.id": "$item", "data.items.1": nil}},
		{name: "a manager's menu", as: "manager", route: menu, status: 200, want: map[string]any{"data.items.0.id": "$item", "data.items.1.id": "$people", "data.items.2": nil}},
		{name: "another's menu", as: "manager", route: menu, path: "/navigation/menu?user_id=$plain", status: 403, want: map[string]any{"error.details.required_permission": "api/decisions:execute"}},
		{name: "another's menu, which the asker may see", as: "admin", route: menu, path: "/navigation/menu?user_id=$manager", status: 200, want: map[string]any{"data.items.1.id": "$people", "data.items.2": nil}},
		{name: "a menu of nobody", as: "admin", route: menu, path: "/navigation/menu?user_id=$absent", status: 404},
		{name: "an operator inside a tenant", as: "operator", header: map[string]string{"X-Tenant-ID": "$alpha"}, route: menu, status: 200, want: map[string]any{"data.items": "[]"}},

		{name: "list", as: "admin", route: list, path: "/navigation/menu-items?sort=name", status: 200, want: map[string]any{"meta.pagination.total": 9, "data.0.name": "all ships", "data.0.required_permission": "vessel:read"}},
		{name: "list the platform's", as: "admin", route: list, path: "/navigation/menu-items?scope=platform", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.tenant_id": nil}},
		{name: "list below", as: "admin", route: list, path: "/navigation/menu-items?scope=tenant&parent_id=$ships&is_visible=true&search=SHIPS", status: 200, want: map[string]any{"meta.pagination.total": 1, "data.0.id": "$all"}},
		{name: "list by those who see a menu only", as: "clerk", route: list, status: 403, want: map[string]any{"error.details.required_permission": "api/permissions:read"}},
		{name: "read by those who see a menu only", as: "clerk", route: "GET /navigation/menu-items/{id}", path: "/navigation/menu-items/$people", status: 403},
		{name: "read", as: "admin", route: "GET /navigation/menu-items/{id}", path: "/navigation/menu-items/$app", status: 200, want: map[string]any{"data.resource_id": "$fleet", "data.tenant_id": "$alpha"}},
		{name: "read the platform's", as: "admin", route: "GET /navigation/menu-items/{id}", path: "/navigation/menu-items/$help", status: 200, want: map[string]any{"data.tenant_id": nil}},

		{name: "create", as: "clerk", route: add, body: `{"name":"docks","display_name":"Docks","icon":"dock","url":"/docks","parent_id":"$help","display_order":-3,"metadata":{"badge":1.50}}`, status: 201, save: "docks", want: map[string]any{
			"data.parent_id": "$help", "data.is_visible": true, "data.metadata.badge": "1.50", "data.resource_id": nil, "data.required_permission": "",
		}, audit: []string{"menu_item.create success"}, writes: written},
		{name: "create with a taken name", as: "admin", route: add, body: `{"name":"docks"}`, status: 409, fields: []string{"name"}},
		{name: "create with the name of the platform's", as: "admin", route: add, body: `{"name":"help"}`, status: 201, save: "own_help", audit: []string{"menu_item.create success"}, writes: written},
		{name: "create what runs", as: "admin", route: add, body: `{"name":"x","url":"javascript:alert(1)","required_permission":"everything"}`, status: 400, fields: []string{"url", "required_permission"}},
		{name: "create of another type than the node's", as: "admin", route: add, body: `{"name":"x","resource_id":"$fleet","required_permission":"page:read"}`, status: 400, fields: []string{"required_permission"}},
		{name: "create for another tenant", as: "admin", route: add, body: `{"tenant_id":"$beta","name":"x"}`, status: 400, fields: []string{"tenant_id"}},
		{name: "create the platform's from a tenant", as: "admin", route: add, body: `{"tenant_id":null,"name":"x"}`, status: 403, code: "PERMISSION_DENIED", audit: []string{"menu_item.create denied"}},
		{name: "create the platform's with a node", as: "operator", route: add, body: `{"tenant_id":null,"name":"x","resource_id":"$fleet"}`, status: 400, fields: []string{"resource_id"}},
		{name: "an operator creates the platform's", as: "operator", route: add, body: `{"tenant_id":null,"name":"news","url":"/news","parent_id":"$help"}`, status: 201, save: "news", audit: []string{"menu_item.create success"}, writes: written},
		{name: "an operator creates it again", as: "operator", route: add, body: `{"tenant_id":null,"name":"news"}`, status: 409, fields: []string{"name"}},
		{name: "a tenant changes the platform's", as: "admin", route: one, path: "/navigation/menu-items/$news", body: `{"url":"https://evil.example"}`, status: 403, audit: []string{"menu_item.update denied"}},
		{name: "a tenant deletes the platform's", as: "admin", route: gone, path: "/navigation/menu-items/$news", status: 403, audit: []string{"menu_item.delete denied"}},
		{name: "an operator changes the platform's", as: "operator", route: one, path: "/navigation/menu-items/$news", body: `{"parent_id":null,"display_order":9}`, status: 200, want: map[string]any{"data.parent_id": nil, "data.tenant_id": nil}, audit: []string{"menu_item.update success"}, writes: written},
		{name: "an operator adds an item of the platform's own tenant", as: "operator", route: add, body: `{"name":"desk","url":"/desk"}`, status: 201, save: "desk", want: map[string]any{"data.tenant_id": "$platform"}, audit: []string{"menu_item.create success"}, writes: written},
		{name: "an operator hangs the platform's below it", as: "operator", route: one, path: "/navigation/menu-items/$news", body: `{"parent_id":"$desk"}`, status: 400, fields: []string{"parent_id"}},
		{name: "an operator makes a circle", as: "operator", route: one, path: "/navigation/menu-items/$news", body: `{"parent_id":"$news"}`, status: 409, fields: []string{"parent_id"}},
		{name: "an operator deletes what a tenant hangs below", as: "operator", route: gone, path: "/navigation/menu-items/$help", status: 409},
		{name: "an operator deletes the platform's", as: "operator", route: gone, path: "/navigation/menu-items/$news", status: 204, audit: []string{"menu_item.delete success"}, writes: written},

		{name: "update", as: "admin", route: one, path: "/navigation/menu-items/$docks", body: `{"parent_id":"$ships","icon":null,"url":"/d","required_permission":"page:docks","metadata":null,"is_visible":false,"display_name":"D","name":"dock"}`, status: 200, want: map[string]any{
			"data.parent_id": "$ships", "data.icon": "", "data.url": "/d", "data.required_permission": "page:docks", "data.metadata": "map[]", "data.is_visible": false, "data.name": "dock", "data.display_order": -3,
		}, audit: []string{"menu_item.update success"}, writes: written},
		{name: "update to a circle", as: "admin", route: one, path: "/navigation/menu-items/$ships", body: `{"parent_id":"$docks"}`, status: 409, code: "CONFLICT", fields: []string{"parent_id"}},
		{name: "update to a node of another type", as: "admin", route: one, path: "/navigation/menu-items/$docks", body: `{"resource_id":"$fleet"}`, status: 400, fields: []string{"required_permission"}},
		{name: "update to a node", as: "admin", route: one, path: "/navigation/menu-items/$docks", body: `{"resource_id":"$fleet","required_permission":null,"is_visible":true}`, status: 200, want: map[string]any{"data.resource_id": "$fleet", "data.required_permission": ""}, audit: []string{"menu_item.update success"}, writes: written},
		{name: "update to a taken name", as: "admin", route: one, path: "/navigation/menu-items/$docks", body: `{"name":"home"}`, status: 409, fields: []string{"name"}},
		{name: "delete what has others below it", as: "admin", route: gone, path: "/navigation/menu-items/$ships", status: 409, code: "CONFLICT"},

		{name: "customize", as: "plain", route: wish, body: `{"items":[{"item_id":"$item","is_hidden":true,"custom_order":7}]}`, status: 200, want: map[string]any{"data.items.0.item_id": "$item", "data.items.0.is_hidden": true, "data.items.0.custom_order": 7}, audit: []string{"menu.customize success"}, writes: customized},
		{name: "what is hidden is away", as: "plain", route: menu, status: 200, want: map[string]any{"data.items": "[]"}},
		{name: "but can be asked for", as: "plain", route: menu, path: "/navigation/menu?include_hidden=true", status: 200, want: map[string]any{"data.items.0.id": "$item", "data.items.0.is_hidden": true, "data.items.0.order": 7, "data.items.1": nil}},
		{name: "customize the rest", as: "plain", route: wish, body: `{"items":[{"item_id":"$item","custom_order":null}]}`, status: 200, want: map[string]any{"data.items.0.is_hidden": true, "data.items.0.custom_order": nil}, audit: []string{"menu.customize success"}, writes: customized},
		{name: "customize what one may not see", as: "plain", route: wish, body: `{"items":[{"item_id":"$item"},{"item_id":"$people"},{"item_id":"$off"},{"item_id":"$below"}]}`, status: 404, fields: []string{"items[1].item_id", "items[2].item_id", "items[3].item_id"}},
		{name: "customize twice", as: "plain", route: wish, body: `{"items":[{"item_id":"$item"},{"item_id":"$item","custom_order":1000001}]}`, status: 400, fields: []string{"items[1].custom_order"}},
		{name: "customize one twice", as: "plain", route: wish, body: `{"items":[{"item_id":"$item"},{"item_id":"$item"}]}`, status: 400, fields: []string{"items[1].item_id"}},
		{name: "the own order", as: "admin", route: wish, body: `{"items":[{"item_id":"$people","custom_order":-9},{"item_id":"$help","is_hidden":true}]}`, status: 200, audit: []string{"menu.customize success"}, writes: customized},
		{name: "is the own", as: "admin", route: menu, status: 200, want: map[string]any{"data.items.0.id": "$people", "data.items.1.id": "$ships"}},
		{name: "and nobody else's", as: "manager", route: menu, status: 200, want: map[string]any{"data.items.0.id": "$item", "data.items.1.id": "$people"}},
		{name: "reset", as: "plain", route: back, path: "/navigation/customizations/$item", status: 204, audit: []string{"menu.reset success"}, writes: customized},
		{name: "reset again", as: "plain", route: back, path: "/navigation/customizations/$item", status: 404},

		{name: "delete", as: "admin", route: gone, path: "/navigation/menu-items/$people", status: 204, audit: []string{"menu_item.delete success"}, writes: []string{"menu_items", "user_menu_customizations"}},
		{name: "delete again", as: "admin", route: gone, path: "/navigation/menu-items/$people", status: 404},
	}
}

func TestScenarios_Navigation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	w.items()
	w.play(t, navigationScenarios())
}

// A menu has sixteen levels, however its items get there.
func TestNavigation_DepthIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chain := func(name string, n int) (top, bottom string) {
		parent := ""
		for i := range n {
			id := fmt.Sprintf("%s%s", name, strings.Repeat("x", i))
			w.make(id, "admin", "", "/navigation/menu-items", `{"name":"`+id+`"`+parent+`}`)
			parent = `,"parent_id":"$` + id + `"`
			bottom = "$" + id
		}
		return "$" + name, bottom
	}
	_, deep := chain("a", 10)
	top, _ := chain("b", 7)
	shorter, _ := chain("c", 6)
	w.unchanged(t, func() {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: "/navigation/menu-items/" + top, body: `{"parent_id":"` + deep + `"}`})
		require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
	})
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/navigation/menu-items/" + shorter, body: `{"parent_id":"` + deep + `"}`})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	got = w.do(request{as: "admin", method: http.MethodPost, path: "/navigation/menu-items", body: `{"name":"deeper","parent_id":"$cxxxxx"}`})
	require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
}

func TestRace_MenuItemsMakeNoCircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.make("a", "admin", "", "/navigation/menu-items", fmt.Sprintf(`{"name":"a%d"}`, i))
		w.make("b", "admin", "", "/navigation/menu-items", fmt.Sprintf(`{"name":"b%d"}`, i))
		statuses := w.race(
			request{as: "admin", method: http.MethodPatch, path: "/navigation/menu-items/$a", body: `{"parent_id":"$b"}`},
			request{as: "admin", method: http.MethodPatch, path: "/navigation/menu-items/$b", body: `{"parent_id":"$a"}`},
		)
		require.ElementsMatch(t, []int{http.StatusOK, http.StatusConflict}, statuses)
	}
}

// Two calls of one person at once both count.
func TestRace_CustomizationsAddUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.items()
	statuses := w.race(
		request{as: "plain", method: http.MethodPost, path: "/navigation/customize", body: `{"items":[{"item_id":"$item","is_hidden":true}]}`},
		request{as: "plain", method: http.MethodPost, path: "/navigation/customize", body: `{"items":[{"item_id":"$item","custom_order":4}]}`},
	)
	require.Equal(t, []int{http.StatusOK, http.StatusOK}, statuses)
	require.Equal(t, []string{"true 4"}, w.column(t, "SELECT is_hidden || ' ' || custom_order FROM sentinel.user_menu_customizations"))
}

// The demo's menu is of those who may do what it leads to.
func TestDemo_MenusDifferByWhatOneMayDo(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	for range 2 {
		require.NoError(t, w.app.SeedDemo(t.Context()))
	}
	for email, want := range map[string]string{
		"ann@test-001.example":   "home fleet(vessels terminals)",
		"admin@test-001.example": "home fleet(vessels terminals) vessel-operations administration(users roles)",
	} {
		got := w.send(request{method: http.MethodGet, path: "/navigation/menu"}, w.login("TEST-001", email, "demo-password-1"))
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, want, namesOf(got.at("data.items")), email)
	}
}

// namesOf writes a menu as its names, with those below one in brackets.
func namesOf(items any) string {
	list, _ := items.([]any)
	var names []string
	for _, one := range list {
		item := members(one)
		name := fmt.Sprint(item["name"])
		if below := namesOf(item["children"]); below != "" {
			name += "(" + below + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}
