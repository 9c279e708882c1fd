package decision

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

func TestAsker_TrustsEnforcementPointsOnly(t *testing.T) {
	t.Parallel()
	plain := Check{Resource: Resource{Type: "vessel", ID: "mv-aurora"}, Action: "read"}
	for name, c := range map[string]struct {
		change func(*Check)
		named  string
	}{
		"attributes":                  {func(c *Check) { c.Resource.Attributes = httpapi.Object{"a": 1} }, "checks[3].resource.attributes"},
		"attributes without a member": {func(c *Check) { c.Resource.Attributes = httpapi.Object{} }, "checks[3].resource.attributes"},
		"a context":                   {func(c *Check) { c.Context = httpapi.Object{"ip": "10.0.0.1"} }, "checks[3].context"},
		"properties of the action":    {func(c *Check) { c.ActionProperties = httpapi.Object{"a": 1} }, "checks[3].action_properties"},
	} {
		check := plain
		c.change(&check)
		_, err := (&asker{}).question(&check, "checks[3].")
		require.True(t, fault.Is(err, fault.Denied), name)
		require.Contains(t, err.Error(), c.named, name)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, "api/decisions:execute", f.Details["required_permission"])

		q, err := (&asker{trusted: true}).question(&check, "")
		require.NoError(t, err, name)
		require.Equal(t, "vessel", q.Type)
	}
	q, err := (&asker{tenant: uuid.Max, user: uuid.Max}).question(&plain, "")
	require.NoError(t, err)
	require.Equal(t, &engine.Question{TenantID: uuid.Max, UserID: uuid.Max, Type: "vessel", ID: "mv-aurora", Action: "read"}, q)
}

func TestAsker_NamesEveryMemberThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	check := Check{Resource: Resource{Type: "Vessel", ID: "a\\b"}, Action: "re ad", Context: httpapi.Object{"time": "noon"}}
	_, err := (&asker{trusted: true}).question(&check, "checks[0].")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	var paths []string
	for _, field := range f.Fields {
		paths = append(paths, field.Path)
	}
	require.Equal(t, []string{"checks[0].resource.type", "checks[0].resource.id", "checks[0].action", "checks[0].context.time"}, paths)
}

func TestAnswer_ToAnUntrustedCallerSaysNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	d := &engine.Decision{ID: uuid.Max, Code: engine.SubjectUnknown, Revision: "7"}
	raw, err := json.Marshal((&asker{}).answer(d))
	require.NoError(t, err)
	require.JSONEq(t, `{"allowed":false,"decision_id":"`+uuid.Max.String()+`","reason_code":"subject_unknown"}`, string(raw))
}

func TestRequired_IsADenial(t *testing.T) {
	t.Parallel()
	err := required("api/users:read", "No.")
	var f *fault.Error
	require.True(t, errors.As(err, &f) && f.Kind == fault.Denied)
	require.True(t, strings.HasSuffix(f.Error(), "No."))
}
