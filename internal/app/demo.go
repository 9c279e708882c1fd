package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// DemoTenantCode is the code of the demo tenant, a shipping company.
const DemoTenantCode = "TEST-001"

var (
	demoTenant    = uuid.MustParse("11111111-1111-1111-1111-111111111111")
	demoSubTenant = uuid.MustParse("11111111-1111-1111-1111-111111111112")
	tenantAdmin   = uuid.MustParse("00000000-0000-0000-0000-000000000011")
)

// demoPassword is everybody's in the demo: the demo runs on loopback only.
const demoPassword = "demo-password-1" //nolint:gosec // known on purpose

// demoID makes the id of a demo object from its name, the same at every seeding.
func demoID(name string) uuid.UUID { return uuid.NewSHA1(demoTenant, []byte(name)) }

func demoRef(name string) *uuid.UUID {
	id := demoID(name)
	return &id
}

// SeedDemo writes the demo tenant. What is there already stays as it is, so
// that seeding again changes nothing, not even what somebody changed.
func (a *App) SeedDemo(ctx context.Context) error {
	hash, err := a.passwords.Hash(ctx, demoPassword)
	if err != nil {
		return err
	}
	err = a.db.InSystemTx(identity.WithTenant(ctx, demoTenant), db.Bootstrap, func(tx *db.Tx) error {
		for _, part := range []struct {
			name string
			rows any
		}{
			{"tenants", demoTenants()},
			{"resources", demoResources()},
			{"roles", demoRoles()},
			{"permissions", demoPermissions()},
			{"role permissions", demoRolePermissions()},
			{"groups", demoGroups()},
			{"group roles", demoGroupRoles()},
			{"users", demoUsers(hash)},
			{"user groups", demoUserGroups()},
			{"user roles", demoUserRoles()},
			{"field definitions", demoFields()},
			{"menu items", demoMenu()},
			{"approval chains", demoChains()},
		} {
			if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(part.rows).Error; err != nil {
				return fmt.Errorf("write %s: %w", part.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.engine.Refresh(ctx, demoTenant)
}

func greetDemo(out io.Writer, url string) {
	fmt.Fprintf(out, `Demo tenant:   tenant %[2]s, admin@test-001.example, password %[3]s
A first decision, may Ann read the vessel MV Aurora:

  TOKEN=$(curl -s %[1]s/api/v1/auth/login -H 'Content-Type: application/json' \
    -d '{"tenant_id":"%[2]s","email":"admin@test-001.example","password":"%[3]s"}' | sed -E 's/.*"access_token":"([^"]+)".*/\1/')
  curl -s %[1]s/api/v1/permissions/check -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -d '{"user_id":"%[4]s","resource":{"type":"vessel","id":"mv-aurora"},"action":"read"}'

An approval, asked for by Ann and given by Bob and Dora (ann@test-001.example and so on, the same password):

  SENTINEL=%[1]s bash examples/approval-flow.sh

`, url, DemoTenantCode, demoPassword, demoID("user ann"))
}

func demoTenants() []models.Tenant {
	return []models.Tenant{
		{ID: demoTenant, Name: "Test Company", Code: DemoTenantCode, Type: "root", TimeZone: "Asia/Singapore", IsActive: true, Features: models.Strings{}},
		{
			ID: demoSubTenant, Name: "Test Company Europe", Code: "TEST-001-EU", Type: "sub_tenant", ParentTenantID: &demoTenant,
			Settings: models.Object(map[string]any{"inherit_permissions": true}), TimeZone: "Europe/Athens", IsActive: true, Features: models.Strings{},
		},
	}
}

func demoResources() []models.Resource {
	node := func(typ, code, name, parent string) models.Resource {
		r := models.Resource{ID: demoID(typ + " " + code), TenantID: demoTenant, Type: typ, Code: code, Name: name, IsActive: true}
		if parent != "" {
			r.ParentID = demoRef(parent)
		}
		return r
	}
	return []models.Resource{
		node("product_family", "fleet-management", "Fleet Management", ""),
		node("app", "vessel-operations", "Vessel Operations", "product_family fleet-management"),
		node("app", "port-services", "Port Services", "product_family fleet-management"),
		node("entity", "vessel", "Vessels", "app vessel-operations"),
		node("entity", "manifest", "Manifests", "app vessel-operations"),
		node("entity", "terminal", "Terminals", "app port-services"),
		node("entity", "sensitive_data", "Sensitive data", "app port-services"),
	}
}

func demoRoles() []models.Role {
	role := func(name, display string, priority int, parent string) models.Role {
		r := models.Role{ID: demoID("role " + name), TenantID: demoTenant, Name: name, DisplayName: display, Type: "custom", Priority: priority, IsAssignable: true, IsActive: true}
		if parent != "" {
			r.ParentRoleID = demoRef("role " + parent)
		}
		return r
	}
	director := role("director", "Director", 500, "")
	director.IsAssignable = false
	gateway := role("enforcement_point", "Enforcement point", 0, "")
	gateway.IsAssignable = false
	return []models.Role{
		role("fleet_viewer", "Fleet viewer", 100, ""),
		role("port_inspector", "Port inspector", 200, "fleet_viewer"),
		role("logistics_manager", "Logistics manager", 300, ""),
		director, gateway,
	}
}

// demoGrant is a permission with the role that owns it.
type demoGrant struct {
	role, name, typ, path, node string
	actions                     []string
	effect                      string
	conditions                  map[string]any
}

func demoGrants() []demoGrant {
	return []demoGrant{
		{role: "fleet_viewer", name: "Read vessels", typ: "vessel", path: "vessel/*", actions: []string{"read"}},
		{role: "fleet_viewer", name: "Read terminals", typ: "terminal", path: "terminal/*", actions: []string{"read"}},
		{
			role: "port_inspector", name: "Inspect terminals by day", typ: "terminal", path: "terminal/*", actions: []string{"inspect"},
			conditions: map[string]any{"time_range": []any{"06:00", "20:00"}},
		},
		{
			role: "port_inspector", name: "Change manifests of the own region", typ: "manifest", path: "manifest/*", actions: []string{"read", "update"},
			conditions: map[string]any{"region": map[string]any{"ref": "subject.attributes.region"}},
		},
		{role: "port_inspector", name: "Read sensitive data", typ: "sensitive_data", path: "sensitive_data/*", actions: []string{"read"}},
		{role: "port_inspector", name: "No closed manifests", typ: "manifest", path: "manifest/*", actions: []string{"update"}, effect: "deny", conditions: map[string]any{"status": "closed"}},
		{role: "logistics_manager", name: "All of Vessel Operations", typ: "app", node: "app vessel-operations", actions: []string{"*"}},
		{role: "director", name: "Everything in Fleet Management", typ: "product_family", node: "product_family fleet-management", actions: []string{"*"}},
		{role: "enforcement_point", name: "Ask about others", typ: "api", path: "api/decisions", actions: []string{"execute"}},
	}
}

func demoPermissions() []models.Permission {
	var rows []models.Permission
	for _, g := range demoGrants() {
		p := models.Permission{
			ID: demoID("permission " + g.name), TenantID: demoTenant, Name: g.name, ResourceType: g.typ, Actions: g.actions,
			Effect: "allow", Conditions: models.Object(g.conditions), IsActive: true,
		}
		if g.effect != "" {
			p.Effect = g.effect
		}
		if g.node != "" {
			p.ResourceID = demoRef(g.node)
		} else {
			p.ResourcePath = &g.path
		}
		rows = append(rows, p)
	}
	return rows
}

func demoRolePermissions() []models.RolePermission {
	var rows []models.RolePermission
	for _, g := range demoGrants() {
		rows = append(rows, models.RolePermission{
			ID: demoID("role permission " + g.name), TenantID: demoTenant, RoleID: demoID("role " + g.role), PermissionID: demoID("permission " + g.name),
		})
	}
	return rows
}

func demoGroups() []models.Group {
	return []models.Group{
		{ID: demoID("group operations"), TenantID: demoTenant, Name: "operations", DisplayName: "Operations", IsActive: true},
		{ID: demoID("group apac-team"), TenantID: demoTenant, Name: "apac-team", DisplayName: "APAC team", ParentGroupID: demoRef("group operations"), IsActive: true},
	}
}

func demoGroupRoles() []models.GroupRole {
	row := func(group, role string) models.GroupRole {
		return models.GroupRole{ID: demoID(group + " has " + role), TenantID: demoTenant, GroupID: demoID("group " + group), RoleID: demoID("role " + role), RoleTenantID: demoTenant}
	}
	return []models.GroupRole{row("operations", "fleet_viewer"), row("apac-team", "port_inspector")}
}

func demoUsers(hash string) []models.User {
	now := time.Now().UTC()
	person := func(name, display, region string) models.User {
		return models.User{
			ID: demoID("user " + name), TenantID: demoTenant, Email: name + "@test-001.example", EmailVerifiedAt: &now, DisplayName: display,
			PasswordHash: &hash, Attributes: models.Object(map[string]any{"region": region}), IsActive: true,
			AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		}
	}
	service := func(name, display string) models.User {
		// No key hashes to this: a key is made by rotating the credentials.
		sum := sha256.Sum256([]byte(uuid.NewString()))
		keyID := "demo" + name
		return models.User{
			ID: demoID("user " + name), TenantID: demoTenant, DisplayName: display, IsServiceAccount: true, OwnerID: demoRef("user admin"),
			ServiceAccountKeyID: &keyID, ServiceAccountKeyHash: sum[:], IsActive: true, AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		}
	}
	return []models.User{
		person("admin", "Test administrator", "hq"), person("ann", "Ann", "apac"), person("bob", "Bob", "emea"), person("dora", "Dora", "hq"),
		service("gateway", "API gateway"), service("reporting", "Reporting"),
	}
}

func demoUserGroups() []models.UserGroup {
	return []models.UserGroup{
		{ID: demoID("ann in apac-team"), TenantID: demoTenant, UserID: demoID("user ann"), GroupID: demoID("group apac-team")},
		{ID: demoID("bob in operations"), TenantID: demoTenant, UserID: demoID("user bob"), GroupID: demoID("group operations")},
	}
}

func demoUserRoles() []models.UserRole {
	row := func(user string, role, owner uuid.UUID) models.UserRole {
		return models.UserRole{
			ID: demoID(user + " has " + role.String()), TenantID: demoTenant, UserID: demoID("user " + user), RoleID: role, RoleTenantID: owner,
			IsActive: true, GrantedAt: time.Now().UTC(),
		}
	}
	return []models.UserRole{
		row("admin", tenantAdmin, identity.PlatformTenant),
		row("bob", demoID("role logistics_manager"), demoTenant),
		row("dora", demoID("role director"), demoTenant),
		row("gateway", demoID("role enforcement_point"), demoTenant),
		row("reporting", demoID("role fleet_viewer"), demoTenant),
	}
}

func demoFields() []models.FieldDefinition {
	platform := func(name, column, display string) models.FieldDefinition {
		return models.FieldDefinition{
			ID: demoID("field " + name), EntityType: "vessel", FieldName: name, FieldType: "core", DataType: "string", StorageColumn: &column,
			DisplayName: display, DefaultVisibility: "read", IsActive: true,
		}
	}
	dynamic := func(tenant *uuid.UUID, entity, name, typ, display, visibility string) models.FieldDefinition {
		path := "attributes." + name
		return models.FieldDefinition{
			ID: demoID("field " + name), TenantID: tenant, EntityType: entity, FieldName: name, FieldType: typ, DataType: "string", StoragePath: &path,
			DisplayName: display, DefaultVisibility: visibility, IsActive: true,
		}
	}
	return []models.FieldDefinition{
		platform("vessel_name", "vessel_name", "Name"),
		platform("imo_number", "imo_number", "IMO number"),
		dynamic(nil, "manifest", "hazardousMaterialCode", "platform_dynamic", "Hazardous material code", "read"),
		dynamic(nil, "vessel", "lastInspectionDate", "platform_dynamic", "Last inspection", "read"),
		dynamic(&demoTenant, "terminal", "portInspectionNotes", "tenant_specific", "Inspection notes", "hidden"),
		dynamic(&demoTenant, "vessel", "internalAuditID", "tenant_specific", "Internal audit id", "hidden"),
	}
}

func demoChains() []models.ApprovalChain {
	return []models.ApprovalChain{{
		ID: demoID("chain sensitive data"), TenantID: demoTenant, Name: "Sensitive data", ResourceType: "sensitive_data", ResourcePattern: "sensitive_data:*", Mode: "gate",
		ApprovalLevels: models.JSON(fmt.Sprintf(`[{"level":1,"approvers":{"any_of":[{"role":%q,"min":1}]},"timeout_hours":48},{"level":2,"approvers":{"any_of":[{"role":%q,"min":1}]},"timeout_hours":48,"final":true}]`,
			demoID("role logistics_manager").String(), demoID("role director").String())),
		IsActive: true,
	}}
}
