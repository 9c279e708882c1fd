package asking_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestCaller_TrustsEnforcementPointsOnly(t *testing.T) {
	t.Parallel()
	plain := asking.Check{Resource: asking.CheckResource{Type: "vessel", ID: "mv-aurora"}, Action: "read"}
	for name, c := range map[string]struct {
		change func(*asking.Check)
		named  string
	}{
		"attributes":                  {func(c *asking.Check) { c.Resource.Attributes = httpapi.Object{"a": 1} }, "checks[3].resource.attributes"},
		"attributes without a member": {func(c *asking.Check) { c.Resource.Attributes = httpapi.Object{} }, "checks[3].resource.attributes"},
		"a context":                   {func(c *asking.Check) { c.Context = httpapi.Object{"ip": "10.0.0.1"} }, "checks[3].context"},
		"words of the subject":        {func(c *asking.Check) { c.SubjectAttributes = httpapi.Object{"a": 1} }, "checks[3].subject_attributes"},
		"no word of the subject":      {func(c *asking.Check) { c.SubjectAttributes = httpapi.Object{} }, "checks[3].subject_attributes"},
		"properties of the action":    {func(c *asking.Check) { c.ActionProperties = httpapi.Object{"a": 1} }, "checks[3].action_properties"},
	} {
		check := plain
		c.change(&check)
		_, err := (&asking.Caller{}).Question(&check, "checks[3].")
		require.True(t, fault.Is(err, fault.Denied), name)
		require.Contains(t, err.Error(), c.named, name)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, "api/decisions:execute", f.Details["required_permission"])

		q, err := (&asking.Caller{Trusted: true, Asserts: true}).Question(&check, "")
		require.NoError(t, err, name)
		require.Equal(t, "vessel", q.Type)
	}
	q, err := (&asking.Caller{Tenant: uuid.Max, User: uuid.Max}).Question(&plain, "")
	require.NoError(t, err)
	require.Equal(t, &engine.Question{TenantID: uuid.Max, UserID: uuid.Max, Type: "vessel", ID: "mv-aurora", Action: "read"}, q)
}

func TestCaller_NamesEveryMemberThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	check := asking.Check{Resource: asking.CheckResource{Type: "Vessel", ID: "a\\b"}, Action: "re ad", Context: httpapi.Object{"time": "noon"}}
	_, err := (&asking.Caller{Trusted: true}).Question(&check, "checks[0].")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	var paths []string
	for _, field := range f.Fields {
		paths = append(paths, field.Path)
	}
	require.Equal(t, []string{"checks[0].resource.type", "checks[0].resource.id", "checks[0].action", "checks[0].context.time"}, paths)
}

func TestCaller_SaysOfSubjectsWhatItsAccountMaySay(t *testing.T) {
	t.Parallel()
	said := httpapi.Object{"level": 3, "shift": "night", "Shift": "day", "none": nil}
	check := asking.Check{Resource: asking.CheckResource{Type: "vessel"}, Action: "read", SubjectAttributes: said}
	for name, c := range map[string]struct {
		overrides        []string
		gaps, overridden map[string]any
	}{
		"nothing replaced":    {nil, said, nil},
		"something else":      {[]string{"level.x", "id"}, said, nil},
		"some replaced":       {[]string{"shift", "none"}, map[string]any{"level": 3, "Shift": "day"}, map[string]any{"shift": "night", "none": nil}},
		"everything replaced": {[]string{"none", "Shift", "shift", "level"}, nil, said},
	} {
		q, err := (&asking.Caller{Trusted: true, Asserts: true, Overrides: c.overrides}).Question(&check, "")
		require.NoError(t, err, name)
		require.Equal(t, c.gaps, q.SubjectAttributes, name)
		require.Equal(t, c.overridden, q.SubjectOverrides, name)
	}
	_, err := (&asking.Caller{Trusted: true, Overrides: []string{"shift"}}).Question(&check, "checks[3].")
	require.True(t, fault.Is(err, fault.Denied))
	require.ErrorContains(t, err, "checks[3].subject_attributes needs assert_subject")

	var q engine.Question
	err = (&asking.Caller{Asserts: true}).Assert(&q, said, "subject.properties")
	require.True(t, fault.Is(err, fault.Denied), "an account that lost execute on api/decisions")
	require.ErrorContains(t, err, "subject.properties")
	require.Equal(t, engine.Question{}, q)
}
