package directory_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func chainInput(t *testing.T, text string) *directory.ChainInput {
	t.Helper()
	in := &directory.ChainInput{}
	require.NoError(t, json.Unmarshal([]byte(text), in))
	return in
}

func placesOf(fields []fault.Field) (paths []string) {
	for _, f := range fields {
		paths = append(paths, f.Path)
	}
	return paths
}

func TestChainInput_NamesEveryOffendingMember(t *testing.T) {
	t.Parallel()
	const levels = `"approval_levels":[{"level":1,"approver_role":"0198c0de-0000-7000-8000-000000000001"}]`
	for name, c := range map[string]struct {
		text   string
		fields []string
	}{
		"a whole one":            {`{"name":"c","resource_type":"vessel","resource_pattern":"vessel:*","mode":"escalation","max_duration_hours":1,"auto_approve_conditions":{"level":1},` + levels + `}`, nil},
		"everything":             {`{"name":"c","resource_type":"*",` + levels + `}`, nil},
		"for roles":              {`{"name":"c","resource_type":"role","resource_pattern":"role:captain",` + levels + `}`, nil},
		"nothing":                {`{}`, []string{"p.name", "p.resource_type", "p.approval_levels"}},
		"the platform's":         {`{"name":"c","resource_type":"api",` + levels + `}`, []string{"p.resource_type"}},
		"for roles, by itself":   {`{"name":"c","resource_type":"role","auto_approve_conditions":{"level":1},` + levels + `}`, []string{"p.auto_approve_conditions"}},
		"another type's pattern": {`{"name":"c","resource_type":"vessel","resource_pattern":"page:*",` + levels + `}`, []string{"p.resource_pattern"}},
		"no pattern":             {`{"name":"c","resource_type":"vessel","resource_pattern":"a\\b",` + levels + `}`, []string{"p.resource_pattern"}},
		"no mode":                {`{"name":"c","resource_type":"vessel","mode":"open",` + levels + `}`, []string{"p.mode"}},
		"too long":               {`{"name":"c","resource_type":"vessel","max_duration_hours":87601,` + levels + `}`, []string{"p.max_duration_hours"}},
		"what the caller says":   {`{"name":"c","resource_type":"vessel","auto_approve_conditions":{"level":{"ref":"context.level"},"x":{}},` + levels + `}`, []string{"p.auto_approve_conditions.level.ref", "p.auto_approve_conditions.x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checked, fields := chainInput(t, c.text).Validate(7, "p.")
			require.ElementsMatch(t, c.fields, placesOf(fields))
			if c.fields == nil {
				require.Equal(t, 7, checked[0].TimeoutHours)
			}
		})
	}
}

func TestChainInput_AppliesItsDefaults(t *testing.T) {
	t.Parallel()
	in := chainInput(t, `{"name":"c","resource_type":"vessel","approval_levels":[{"level":1,"approver_role":"0198c0de-0000-7000-8000-000000000001"}]}`)
	levels, fields := in.Validate(0, "")
	require.Empty(t, fields)
	m := &models.ApprovalChain{MaxDurationHours: new(int)}
	require.NoError(t, in.Apply(m, levels))
	require.Equal(t, "*", m.ResourcePattern)
	require.Equal(t, "gate", m.Mode)
	require.True(t, m.IsActive)
	require.Nil(t, m.MaxDurationHours)
	require.Equal(t, models.JSON(`{}`), m.AutoApproveConditions)
	stored, wrong := approval.ParseLevels(m.ApprovalLevels, 0, "")
	require.Empty(t, wrong)
	require.Equal(t, levels, stored)
}

func TestCheckApprovers_SaysOfOthersWhatItSaysOfNone(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	parent := w.Tenant()
	tenant, other := w.Child(parent, true), w.Tenant()
	inherited, foreign := w.Role(parent, "inherited", 1, uuid.UUID{}), w.Role(other, "foreign", 1, uuid.UUID{})
	ada, eve, none := w.User(tenant, "ada"), w.User(other, "eve"), uuid.New()
	check := func(specs ...approval.LevelSpec) error {
		return w.DB.InTx(identity.WithTenant(t.Context(), tenant), func(tx *db.Tx) error { return directory.CheckApprovers(tx, tenant, specs, "levels") })
	}
	require.NoError(t, check())
	require.NoError(t, check(
		approval.LevelSpec{ApproverRole: &inherited},
		approval.LevelSpec{Approvers: &approval.ApproversSpec{AllOf: []approval.ApproverSpec{{User: &ada}, {Role: &tenanttest.TenantAdmin}}}},
	))
	for _, c := range []struct {
		specs []approval.LevelSpec
		paths []string
	}{
		{[]approval.LevelSpec{{ApproverRole: &foreign}, {Approvers: &approval.ApproversSpec{AnyOf: []approval.ApproverSpec{{Role: &inherited}, {Role: &none}}}}}, []string{"levels[0].approver_role", "levels[1].approvers.any_of[1].role"}},
		{[]approval.LevelSpec{{Approvers: &approval.ApproversSpec{AllOf: []approval.ApproverSpec{{User: &eve}, {User: &ada}, {User: &none}}}}}, []string{"levels[0].approvers.all_of[0].user", "levels[0].approvers.all_of[2].user"}},
	} {
		var f *fault.Error
		require.ErrorAs(t, check(c.specs...), &f)
		require.Equal(t, fault.NotFoundKind, f.Kind)
		require.Equal(t, c.paths, placesOf(f.Fields))
	}
}
