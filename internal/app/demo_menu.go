package app

import "github.com/sentinel-access/sentinel/models"

// demoMenu is a menu of which Ann sees the fleet, and the administrator all.
func demoMenu() []models.MenuItem {
	item := func(name, display, parent, url, permission string, order int) models.MenuItem {
		m := models.MenuItem{
			ID: demoID("menu " + name), TenantID: &demoTenant, Name: name, DisplayName: display, URL: url, RequiredPermission: permission,
			DisplayOrder: order, IsVisible: true, Metadata: models.Object(nil),
		}
		if parent != "" {
			m.ParentID = demoRef("menu " + parent)
		}
		return m
	}
	operations := item("vessel-operations", "Vessel operations", "", "/operations", "", 3)
	operations.ResourceID = demoRef("app vessel-operations")
	return []models.MenuItem{
		item("home", "Home", "", "/", "", 1),
		item("fleet", "Fleet", "", "", "", 2),
		item("vessels", "Vessels", "fleet", "/vessels", "vessel:read", 1),
		item("terminals", "Terminals", "fleet", "/terminals", "terminal:read", 2),
		operations,
		item("administration", "Administration", "", "", "", 9),
		item("users", "Users", "administration", "/users", "api/users:read", 1),
		item("roles", "Roles", "administration", "/roles", "api/roles:read", 2),
	}
}
