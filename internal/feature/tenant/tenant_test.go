package tenant

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func TestValid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]any
		zone     string
		fields   []string
	}{
		"nothing set":          {nil, "UTC", nil},
		"all set":              {map[string]any{"conflict_resolution": "deny_overrides", "inherit_permissions": true, "locale": "el"}, "Europe/Athens", nil},
		"all wrong":            {map[string]any{"conflict_resolution": "first", "inherit_permissions": "yes"}, "Mars/Olympus", []string{"settings.conflict_resolution", "settings.inherit_permissions", "time_zone"}},
		"null for a truth":     {map[string]any{"inherit_permissions": nil}, "UTC", []string{"settings.inherit_permissions"}},
		"no zone":              {nil, "", []string{"time_zone"}},
		"the machine's zone":   {nil, "Local", []string{"time_zone"}},
		"a path, not a zone":   {nil, "../UTC", []string{"time_zone"}},
		"a path from the root": {nil, "/etc/localtime", []string{"time_zone"}},
	} {
		var got []string
		var f *fault.Error
		if err := valid(c.settings, c.zone); errors.As(err, &f) {
			for _, field := range f.Fields {
				got = append(got, field.Path)
			}
		}
		require.Equal(t, c.fields, got, name)
	}
}

func TestFromAbove_IsWhatATenantMayNotDecideAboutItself(t *testing.T) {
	t.Parallel()
	tenant := func(change func(*Tenant)) *Tenant {
		out := &Tenant{Name: "Alpha", Settings: json.RawMessage(`{"locale":"el","inherit_permissions":false}`), Features: []string{}, IsActive: true}
		change(out)
		return out
	}
	before := tenant(func(*Tenant) {})
	for name, c := range map[string]struct {
		change func(*Tenant)
		above  bool
	}{
		"its name":                 {func(t *Tenant) { t.Name = "Beta" }, false},
		"another setting":          {func(t *Tenant) { t.Settings = json.RawMessage(`{"inherit_permissions":false}`) }, false},
		"its state":                {func(t *Tenant) { t.IsActive = false }, true},
		"its features":             {func(t *Tenant) { t.Features = []string{"f"} }, true},
		"inheritance":              {func(t *Tenant) { t.Settings = json.RawMessage(`{"inherit_permissions":true}`) }, true},
		"inheritance by leaving":   {func(t *Tenant) { t.Settings = json.RawMessage(`{}`) }, true},
		"rules that allow":         {func(t *Tenant) { t.Settings = json.RawMessage(`{"inherit_permissions":false,"allow_rules":true}`) }, true},
		"how many users there are": {func(t *Tenant) { t.Settings = json.RawMessage(`{"inherit_permissions":false,"max_users":10}`) }, true},
	} {
		require.Equal(t, c.above, fromAbove(before, tenant(c.change)), name)
	}
}

func TestInput_MakesARootOrASubTenant(t *testing.T) {
	t.Parallel()
	in := Input{Name: "Gamma", Code: "gamma-1"}
	root := in.model(nil)
	require.Equal(t, "root", root.Type)
	require.Equal(t, "GAMMA-1", root.Code)
	require.Equal(t, "UTC", root.TimeZone)
	require.NotNil(t, root.Features)
	parent := uuid.New()
	sub := in.model(&parent)
	require.Equal(t, "sub_tenant", sub.Type)
	require.Equal(t, &parent, sub.ParentTenantID)
	require.NotEqual(t, root.ID, sub.ID)
}

func TestChangeable_KeepsThePlatform(t *testing.T) {
	t.Parallel()
	require.True(t, fault.Is(changeable(identity.PlatformTenant), fault.ConflictKind))
	require.NoError(t, changeable(uuid.New()))
}
