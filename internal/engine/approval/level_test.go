package approval

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

var (
	managers  = uuid.MustParse("00000000-0000-4000-8000-0000000000a1")
	directors = uuid.MustParse("00000000-0000-4000-8000-0000000000a2")
	lawyer    = uuid.MustParse("00000000-0000-4000-8000-0000000000b1")
)

// text writes levels with the ids of the tests' roles and user.
func text(format string) []byte {
	return []byte(strings.NewReplacer("$m", managers.String(), "$d", directors.String(), "$l", lawyer.String()).Replace(format))
}

func TestParseLevels_WritesTheNormalForm(t *testing.T) {
	t.Parallel()
	levels, wrong := ParseLevels(text(`[
		{"level": 1, "approver_role": "$m", "min_approvals": 2, "timeout_hours": 4, "escalate_to_level": 3},
		{"level": 2, "approvers": {"all_of": [{"role": "$d"}, {"user": "$l", "min": 1}]}, "final": true},
		{"level": 3, "approvers": {"any_of": [{"role": "$d", "min": 20}]}}
	]`), 12, "approval_levels")
	require.Empty(t, wrong)
	require.Equal(t, []Level{
		{Number: 1, Approvers: Approvers{AnyOf: []Approver{{Role: managers, Min: 2}}}, TimeoutHours: 4, EscalateTo: 3},
		{Number: 2, Approvers: Approvers{AllOf: []Approver{{Role: directors, Min: 1}, {User: lawyer, Min: 1}}}, TimeoutHours: 12, Final: true},
		{Number: 3, Approvers: Approvers{AnyOf: []Approver{{Role: directors, Min: 20}}}, TimeoutHours: 12, Final: true},
	}, levels)
	raw, err := json.Marshal(levels)
	require.NoError(t, err)
	require.JSONEq(t, string(text(`[
		{"level":1,"approvers":{"any_of":[{"role":"$m","min":2}]},"timeout_hours":4,"escalate_to_level":3},
		{"level":2,"approvers":{"all_of":[{"role":"$d","min":1},{"user":"$l","min":1}]},"timeout_hours":12,"final":true},
		{"level":3,"approvers":{"any_of":[{"role":"$d","min":20}]},"timeout_hours":12,"final":true}]`)), string(raw))
	again, wrong := ParseLevels(raw, 99, "")
	require.Empty(t, wrong)
	require.Equal(t, levels, again, "the normal form is its own")
}

func TestParseLevels_NamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	many := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	level := func(members string) string { return `[{"level":1,"approver_role":"$m",` + members + `}]` }
	approvers := func(members string) string { return `[{"level":1,"approvers":` + members + `}]` }
	var users []string
	for i := range 21 {
		users = append(users, fmt.Sprintf(`{"user":"00000000-0000-4000-8000-0000000001%02d"}`, i))
	}
	for name, c := range map[string]struct {
		raw   string
		paths []string
	}{
		"no JSON":                 {`[`, []string{"l"}},
		"no list":                 {`{}`, []string{"l"}},
		"null":                    {`null`, []string{"l"}},
		"an unknown member":       {`[{"level":1,"approver":"x"}]`, []string{"l"}},
		"a second list":           {`[] []`, []string{"l"}},
		"too large":               {`"` + strings.Repeat("x", maxLevelsSize) + `"`, []string{"l"}},
		"no id":                   {`[{"level":1,"approver_role":"managers"}]`, []string{"l"}},
		"none":                    {`[]`, []string{"l"}},
		"too many":                {many(21, `{"level":1,"approver_role":"$m"}`), []string{"l"}},
		"numbered from 0":         {`[{"level":0,"approver_role":"$m"},{"level":1,"approver_role":"$m"}]`, []string{"l[0].level", "l[1].level"}},
		"out of order":            {`[{"level":2,"approver_role":"$m"},{"level":1,"approver_role":"$m"}]`, []string{"l[0].level", "l[1].level"}},
		"too long a time":         {level(`"timeout_hours":8761`), []string{"l[0].timeout_hours"}},
		"a negative time":         {level(`"timeout_hours":-1`), []string{"l[0].timeout_hours"}},
		"escalation beyond":       {level(`"escalate_to_level":2`), []string{"l[0].escalate_to_level"}},
		"escalation to itself":    {level(`"escalate_to_level":1`), []string{"l[0].escalate_to_level"}},
		"escalation back":         {`[{"level":1,"approver_role":"$m"},{"level":2,"approver_role":"$m","escalate_to_level":1}]`, []string{"l[1].escalate_to_level"}},
		"escalation below zero":   {level(`"escalate_to_level":-1`), []string{"l[0].escalate_to_level"}},
		"too many of a role":      {level(`"min_approvals":21`), []string{"l[0].min_approvals"}},
		"fewer than none":         {level(`"min_approvals":-1`), []string{"l[0].min_approvals"}},
		"a number without role":   {`[{"level":1,"min_approvals":2}]`, []string{"l[0].min_approvals", "l[0].approvers"}},
		"nobody":                  {`[{"level":1}]`, []string{"l[0].approvers"}},
		"an empty list":           {approvers(`{"all_of":[]}`), []string{"l[0].approvers"}},
		"both lists":              {approvers(`{"all_of":[{"role":"$m"}],"any_of":[{"role":"$m"}]}`), []string{"l[0].approvers"}},
		"both forms":              {level(`"approvers":{"any_of":[{"role":"$d"}]}`), []string{"l[0].approver_role"}},
		"role and user":           {approvers(`{"any_of":[{"role":"$m","user":"$l"}]}`), []string{"l[0].approvers.any_of[0]"}},
		"neither role nor user":   {approvers(`{"any_of":[{"min":1}]}`), []string{"l[0].approvers.any_of[0]"}},
		"one twice":               {approvers(`{"all_of":[{"role":"$m"},{"role":"$m","min":2}]}`), []string{"l[0].approvers.all_of[1]"}},
		"two of one user":         {approvers(`{"all_of":[{"user":"$l","min":2}]}`), []string{"l[0].approvers.all_of[0].min"}},
		"a negative number":       {approvers(`{"all_of":[{"role":"$m","min":-1}]}`), []string{"l[0].approvers.all_of[0].min"}},
		"the id of nothing":       {approvers(`{"any_of":[{"role":"00000000-0000-0000-0000-000000000000"}]}`), []string{"l[0].approvers.any_of[0]"}},
		"too many in a list":      {approvers(`{"any_of":[` + strings.Join(users, ",") + `]}`), []string{"l[0].approvers.any_of"}},
		"wrong in several places": {`[{"level":3,"timeout_hours":9999,"approvers":{"any_of":[{"min":21}]}}]`, []string{"l[0].level", "l[0].timeout_hours", "l[0].approvers.any_of[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			levels, wrong := ParseLevels(text(c.raw), 48, "l")
			require.Nil(t, levels)
			require.Equal(t, c.paths, paths(wrong))
			for _, f := range wrong {
				require.NotEmpty(t, f.Message)
			}
		})
	}
}

func paths(fields []fault.Field) (out []string) {
	for _, f := range fields {
		out = append(out, f.Path)
	}
	return out
}

func TestFreeze_KeepsTheChainAsItIs(t *testing.T) {
	t.Parallel()
	longest := 72
	m := &models.ApprovalChain{
		ID: uuid.New(), Name: "Sensitive data", Mode: "escalation", MaxDurationHours: &longest,
		ApprovalLevels: models.JSON(text(`[{"level":1,"approver_role":"$m"},{"level":2,"approvers":{"any_of":[{"user":"$l"},{"role":"$d"}]}},{"level":3,"approver_role":"$m"}]`)),
	}
	frozen, err := Freeze(m)
	require.NoError(t, err)
	require.Equal(t, DefaultTimeoutHours, frozen.Levels[0].TimeoutHours)
	raw, err := frozen.JSON()
	require.NoError(t, err)
	thawed, err := Thaw(raw)
	require.NoError(t, err)
	require.Equal(t, frozen, thawed)
	require.Equal(t, []uuid.UUID{managers, directors}, frozen.Roles())
	require.Equal(t, []uuid.UUID{lawyer}, frozen.Users())
	require.Nil(t, frozen.Level(0))
	require.Nil(t, frozen.Level(4))

	m.ApprovalLevels = models.JSON(`[]`)
	_, err = Freeze(m)
	require.Error(t, err, "a chain that nobody checked is no chain")
	for _, raw := range []string{`{}`, `[]`, `{"levels": [{"level": 1}]}`} {
		_, err := Thaw([]byte(raw))
		require.Error(t, err, raw)
	}
}

func FuzzParseLevels(f *testing.F) {
	f.Add(text(`[{"level":1,"approver_role":"$m","min_approvals":2}]`))
	f.Add(text(`[{"level":1,"approvers":{"all_of":[{"role":"$m","min":2},{"user":"$l"}]},"timeout_hours":1,"escalate_to_level":2},{"level":2,"approver_role":"$d","final":true}]`))
	f.Add([]byte(`[{"level":1,"approvers":{"any_of":[{"role":null}]}}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		levels, wrong := ParseLevels(raw, 48, "levels")
		if wrong != nil {
			require.Nil(t, levels)
			for _, f := range wrong {
				require.True(t, strings.HasPrefix(f.Path, "levels"), f.Path)
				require.NotEmpty(t, f.Message)
			}
			return
		}
		require.NotEmpty(t, levels)
		normal, err := json.Marshal(levels)
		require.NoError(t, err)
		again, wrong := ParseLevels(normal, 1, "levels")
		require.Empty(t, wrong)
		require.Equal(t, levels, again)
		for i, l := range levels {
			require.Equal(t, i+1, l.Number)
			require.NotEmpty(t, l.Approvers.Entries())
			require.True(t, l.EscalateTo == 0 || l.EscalateTo > l.Number && l.EscalateTo <= len(levels))
		}
		require.True(t, levels[len(levels)-1].Final)
	})
}

func TestSpecs_AreTheSameAgain(t *testing.T) {
	t.Parallel()
	levels, wrong := ParseLevels(text(`[{"level":1,"approver_role":"$m","min_approvals":2,"escalate_to_level":2},{"level":2,"approvers":{"all_of":[{"role":"$d"},{"user":"$l"}]}}]`), 0, "")
	require.Empty(t, wrong)
	again, wrong := NewLevels(Specs(levels), 1, "")
	require.Empty(t, wrong)
	require.Equal(t, levels, again)
	require.Equal(t, DefaultTimeoutHours, levels[0].TimeoutHours)
}

func TestEnough_WhetherALevelCouldAgree(t *testing.T) {
	t.Parallel()
	all := &Level{Number: 1, Approvers: Approvers{AllOf: []Approver{{Role: managers, Min: 2}, {User: lawyer, Min: 1}}}}
	require.False(t, all.Enough(nil))
	require.False(t, all.Enough([][]int{{0}, {0, 1}}), "nobody counts for two")
	require.True(t, all.Enough([][]int{{0}, {0, 1}, {0}}))
	one := &Level{Number: 1, Approvers: Approvers{AnyOf: []Approver{{Role: managers, Min: 2}, {User: lawyer, Min: 1}}}}
	require.False(t, one.Enough([][]int{{0}}))
	require.True(t, one.Enough([][]int{{1}}))
	many := make([][]int, 70_000)
	for i := range many {
		many[i] = []int{0, 1}
	}
	require.True(t, all.Enough(many))
}

func TestAutoForbidden_LeavesWhatNobodyCanSayOfThemselves(t *testing.T) {
	t.Parallel()
	for path, ok := range map[string]bool{
		"subject.id": true, "subject.attributes.level": true, "resource.path": true, "resource.attributes.a.b": true, "tenant.code": true, "action.name": true, "context.time": true,
		"context.ip": false, "context.timezone": false, "action.amount": false, "context.workflow_state": false,
	} {
		require.Equal(t, ok, AutoForbidden(path) == "", path)
	}
}
