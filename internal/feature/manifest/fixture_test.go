package manifest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// fixture is a tenant with an administrator, on a database of its own.
type fixture struct {
	*tenanttest.World
	t             testing.TB
	tenant, admin uuid.UUID
	service       *Service
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{World: tenanttest.New(t, dbtest.New(t), engine.Config{}), t: t}
	f.tenant = f.Tenant()
	f.admin = f.administrator(f.tenant)
	f.service = &Service{Write: f.Writer, Authorize: func(ctx context.Context, p httpapi.Permission) error {
		caller, _ := identity.PrincipalFrom(ctx)
		if f.Engine.Permits(ctx, caller.HomeTenantID, caller.UserID, p.Section, p.Action) {
			return nil
		}
		return httpapi.Denied(p)
	}}
	return f
}

func (f *fixture) administrator(tenant uuid.UUID) uuid.UUID {
	admin := f.User(tenant, "admin-"+uuid.NewString())
	f.Assign(tenant, admin, tenanttest.TenantAdmin)
	return admin
}

// parsed reads a manifest as the route does, but for its schema.
func (f *fixture) parsed(text string) Manifest {
	f.t.Helper()
	var m Manifest
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(f.t, decoder.Decode(&m), text)
	return m
}

// as applies a manifest as an account of the tenant.
func (f *fixture) as(user uuid.UUID, m Manifest, prune bool) (*Plan, error) {
	f.t.Helper()
	require.NoError(f.t, f.Engine.Refresh(f.t.Context(), f.tenant))
	in := &ApplyIn{}
	in.Body.Manifest, in.Body.Prune = m, prune
	return f.service.apply(f.As(f.tenant, user), in)
}

// apply applies a manifest as the administrator.
func (f *fixture) apply(text string, prune bool) *Plan {
	f.t.Helper()
	done, err := f.as(f.admin, f.parsed(text), prune)
	f.noError(err)
	return done
}

func (f *fixture) noError(err error) {
	f.t.Helper()
	var refused *fault.Error
	if e, ok := err.(*fault.Error); ok { //nolint:errorlint // for the message alone
		refused = e
		require.NoError(f.t, err, "%v", refused.Fields)
	}
	require.NoError(f.t, err)
}

func (f *fixture) planned(m Manifest, prune bool) *Plan {
	f.t.Helper()
	in := &PlanIn{}
	in.Body.Manifest, in.Body.Prune = m, prune
	out, err := f.service.plan(f.As(f.tenant, f.admin), in)
	f.noError(err)
	return out
}

// exported is the tenant's manifest after a round through its text.
func (f *fixture) exported() Manifest {
	f.t.Helper()
	out, err := f.service.export(f.As(f.tenant, f.admin), &ExportIn{})
	f.noError(err)
	raw, err := json.Marshal(out)
	require.NoError(f.t, err)
	return f.parsed(string(raw))
}

// settled requires that the export of the tenant, applied, changes nothing.
func (f *fixture) settled() {
	f.t.Helper()
	require.Empty(f.t, f.planned(f.exported(), true).Changes)
}

// whole has something of every section.
const whole = `{"version": 1,
"settings": {"conflict_resolution": "deny_overrides"},
"resources": [{"type": "app", "code": "fleet", "name": "Fleet"}, {"type": "page", "code": "reports", "parent": "app:fleet", "attributes": {"level": 1.50, "big": 123456789012345678901234567890}}],
"permissions": [
  {"name": "Read vessels", "resource_path": "vessel/*", "actions": ["read"], "conditions": {"resource.attributes.region": {"ref": "subject.attributes.region"}}},
  {"name": "Use fleet", "node": "app:fleet", "actions": ["*"]},
  {"name": "Never scrap", "resource_path": "vessel/*", "actions": ["scrap"], "effect": "deny"}
],
"roles": [
  {"name": "captain", "parent": "sailor", "priority": 20, "permissions": ["Use fleet"]},
  {"name": "sailor", "permissions": ["Read vessels", "Never scrap"], "metadata": {"no": "yes"}}
],
"groups": [{"name": "bridge", "roles": ["captain", "viewer"]}, {"name": "watch", "parent": "bridge"}],
"approval_chains": [{"name": "Scrapping", "resource_type": "vessel", "mode": "escalation", "max_duration_hours": 8, "auto_approve_conditions": {"resource.attributes.value": {"lt": 1.50}},
  "approval_levels": [{"level": 1, "approver_role": "captain", "escalate_to_level": 2}, {"level": 2, "approvers": {"all_of": [{"role": "tenant_admin"}, {"role": "captain", "min": 2}]}, "timeout_hours": 4}]}],
"fields": [{"entity_type": "vessel", "field_name": "cost", "field_type": "tenant_specific", "data_type": "number", "default_visibility": "hidden"}],
"menus": [{"name": "fleet", "url": "/fleet", "node": "app:fleet", "required_permission": "app:read"}, {"name": "reports", "parent": "fleet", "url": "/reports"}]}`
