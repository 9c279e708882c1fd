package tenant

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func TestValid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings string
		change   func(*models.Tenant)
		fields   []string
	}{
		"nothing set": {"", nil, nil},
		"all set": {
			`{"conflict_resolution":"deny_overrides","inherit_permissions":true,"allow_rules":false,"max_users":10000000,"authzen_subject_types":["user","identity"]}`,
			func(m *models.Tenant) { m.TimeZone, m.Features = "Europe/Athens", entitlement.Known() }, nil,
		},
		"all wrong": {
			`{"conflict_resolution":"first","inherit_permissions":"yes","allow_rules":1,"max_users":0,"authzen_subject_types":[],"max_user":1}`,
			func(m *models.Tenant) {
				m.TimeZone, m.IsolationMode, m.Features = "Mars/Olympus", "dedicated", models.Strings{"ai", "AI"}
			},
			[]string{
				"settings.allow_rules", "settings.authzen_subject_types", "settings.conflict_resolution", "settings.inherit_permissions",
				"settings.max_user", "settings.max_users", "features[1]", "isolation_mode", "time_zone",
			},
		},
		"null for a truth":       {`{"inherit_permissions":null}`, nil, []string{"settings.inherit_permissions"}},
		"a fraction of a user":   {`{"max_users":1.5}`, nil, []string{"settings.max_users"}},
		"too many users":         {`{"max_users":10000001}`, nil, []string{"settings.max_users"}},
		"a text for a number":    {`{"max_users":"10"}`, nil, []string{"settings.max_users"}},
		"a type in capitals":     {`{"authzen_subject_types":["User"]}`, nil, []string{"settings.authzen_subject_types"}},
		"a type that is none":    {`{"authzen_subject_types":["user",7]}`, nil, []string{"settings.authzen_subject_types"}},
		"no zone":                {"", func(m *models.Tenant) { m.TimeZone = "" }, []string{"time_zone"}},
		"the machine's zone":     {"", func(m *models.Tenant) { m.TimeZone = "Local" }, []string{"time_zone"}},
		"a path, not a zone":     {"", func(m *models.Tenant) { m.TimeZone = "../UTC" }, []string{"time_zone"}},
		"a path from the root":   {"", func(m *models.Tenant) { m.TimeZone = "/etc/localtime" }, []string{"time_zone"}},
		"a setting misspelt":     {`{"inherit_permission":true}`, nil, []string{"settings.inherit_permission"}},
		"a feature there is not": {"", func(m *models.Tenant) { m.Features = models.Strings{"everything"} }, []string{"features[0]"}},
	} {
		m := &models.Tenant{IsolationMode: "shared", TimeZone: "UTC", Settings: models.JSON(c.settings)}
		if c.settings == "" {
			m.Settings = models.Object(nil)
		}
		if c.change != nil {
			c.change(m)
		}
		var got []string
		var f *fault.Error
		if err := valid(m); errors.As(err, &f) {
			for _, field := range f.Fields {
				got = append(got, field.Path)
			}
		}
		require.Equal(t, c.fields, got, name)
	}
}

func TestTree_SaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	root := &models.Tenant{ID: uuid.New()}
	child := &models.Tenant{ID: uuid.New(), ParentTenantID: &root.ID}
	grandchild := models.Tenant{ID: uuid.New(), ParentTenantID: &child.ID}

	top, truncated := tree(root, nil, 1)
	require.False(t, truncated)
	require.NotNil(t, top.SubTenants)

	top, truncated = tree(root, []models.Tenant{*child, grandchild}, 2)
	require.False(t, truncated)
	require.Equal(t, grandchild.ID, top.SubTenants[0].SubTenants[0].ID)

	top, truncated = tree(root, []models.Tenant{*child, grandchild}, 1)
	require.True(t, truncated, "there is one deeper")
	require.Empty(t, top.SubTenants[0].SubTenants)

	many := make([]models.Tenant, maxNodes+1)
	for i := range many {
		many[i] = models.Tenant{ID: uuid.New(), ParentTenantID: &root.ID}
	}
	top, truncated = tree(root, many, 16)
	require.True(t, truncated, "there is one more")
	require.Len(t, top.SubTenants, maxNodes)
	_, truncated = tree(root, many[:maxNodes], 16)
	require.False(t, truncated)
}

func TestPresentable_IsWhatAScreenShows(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"Crew member", "Πλήρωμα", "船", strings.Repeat("x", 60), strings.Repeat("Ω", 60)} {
		require.True(t, presentable(good), good)
	}
	for _, bad := range []string{"", " ", " x", "x ", "a\tb", "a\nb", "a\u200bb", "a\u202eb", "\u0000", strings.Repeat("x", 61)} {
		require.False(t, presentable(bad), "%q", bad)
	}
}

func TestFromAbove_IsWhatATenantMayNotDecideAboutItself(t *testing.T) {
	t.Parallel()
	tenant := func(change func(*Tenant)) *Tenant {
		out := &Tenant{Name: "Alpha", Settings: json.RawMessage(`{"authzen_subject_types":["user"],"inherit_permissions":false}`), Features: []string{}, IsActive: true}
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
