package condition_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// known is a question about rows: what is known of it.
func known() *condition.Env {
	return &condition.Env{
		Subject: condition.Subject{ID: "ada", Attributes: map[string]any{
			"port": "oslo", "ports": []any{"oslo", nil, []any{}}, "level": json.Number("3"), "huge": json.Number("1e400"), "none": nil, "since": "2026-03-02T09:00:00Z",
		}},
		Resource: condition.Resource{ID: "atlas", Type: "vessel", Attributes: map[string]any{"hull": "steel", "deck": map[string]any{"wood": true}}, Supplied: map[string]any{"flag": "no"}},
		Context:  map[string]any{"time": "2026-03-02T09:30:00Z", "ip": "10.1.2.3"},
	}
}

var rowAttributes = condition.Row{ID: true, Attributes: true}

func reduce(t *testing.T, conditions string, row condition.Row, want condition.Truth) (filter.Expr, error) {
	p, violations := condition.Compile(json.RawMessage(conditions))
	require.Empty(t, violations, conditions)
	return p.Reduce(known(), row, want)
}

func TestReduce_FoldsWhatNoRowChanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		conditions  string
		row         condition.Row
		true, false bool
	}{
		{`{}`, rowAttributes, true, false},
		{`{"subject.id": "ada"}`, rowAttributes, true, false},
		{`{"subject.id": "bob"}`, rowAttributes, false, true},
		{`{"subject.attributes.nope": "bob"}`, rowAttributes, false, false},
		{`{"hull": "steel"}`, rowAttributes, true, false},
		{`{"deck.wood": true}`, rowAttributes, true, false},
		{`{"resource.id": "atlas", "flag": "no"}`, condition.Row{}, true, false},
		{`{"resource.id": "atlas"}`, condition.Row{Attributes: true}, true, false},
		{`{"flag": "no"}`, condition.Row{ID: true}, true, false},
		{`{"resource.type": "vessel", "any_of": [{"x": 1}, {"subject.id": "ada"}]}`, rowAttributes, true, false},
		{`{"subject.id": "bob", "x": {"matches": "^a"}}`, rowAttributes, false, true},
		{`{"not": {"any_of": [{"x": {"matches": "^a"}}, {"subject.id": "ada"}]}}`, rowAttributes, false, true},
		{`{"x": {"ref": "subject.attributes.none"}}`, rowAttributes, false, false},
		{`{"x": {"gt": {"ref": "subject.attributes.huge"}}}`, rowAttributes, false, false},
		{`{"x": {"prefix": {"ref": "subject.attributes.level"}}}`, rowAttributes, false, false},
		{`{"x": {"in": {"ref": "subject.attributes.port"}}}`, rowAttributes, false, false},
		{`{"x": {"contains_all": {"ref": "subject.attributes.port"}}}`, rowAttributes, false, false},
		{`{"x": {"between": [{"ref": "subject.attributes.level"}, {"ref": "subject.attributes.since"}]}}`, rowAttributes, false, false},
		{`{"subject.attributes.nope": {"ref": "resource.attributes.x"}}`, rowAttributes, false, false},
		{`{"subject.attributes.level": {"contains": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"subject.attributes.level": {"prefix": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"subject.attributes.level": {"contains_any": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"subject.attributes.level": {"weekday": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"subject.id": {"weekday": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"subject.id": {"cidr": {"ref": "resource.attributes.x"}}}`, rowAttributes, false, false},
		{`{"context.ip": {"cidr": "10.0.0.0/8"}, "context.time": {"weekday": "mon"}, "time_range": ["09:00", "10:00"]}`, rowAttributes, true, false},
	} {
		for want, holds := range map[condition.Truth]bool{condition.True: tc.true, condition.False: tc.false} {
			e, err := reduce(t, tc.conditions, tc.row, want)
			require.NoError(t, err, tc.conditions)
			if holds {
				require.Equal(t, filter.All{}, e, "%s is %s", tc.conditions, want)
			} else {
				require.Equal(t, filter.Any{}, e, "%s is %s", tc.conditions, want)
			}
		}
	}
	var nothing *condition.Program
	e, err := nothing.Reduce(nil, rowAttributes, condition.False)
	require.NoError(t, err)
	require.Equal(t, filter.Any{}, e)
}

func TestReduce_TurnsComparisonsRoundToTheFieldOfTheRow(t *testing.T) {
	t.Parallel()
	x, y, id := filter.Field{Key: "x"}, filter.Field{Key: "y.z"}, filter.Field{ID: true}
	for _, tc := range []struct {
		conditions string
		want       condition.Truth
		e          filter.Expr
	}{
		{`{"x": null}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Values: []any{nil}}},
		{`{"x": {"nin": ["a", 1]}}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Negated: true, Values: []any{"a", json.Number("1")}}},
		{`{"resource.id": {"ne": {"ref": "subject.id"}}}`, condition.True, &filter.Test{Op: filter.Eq, Field: id, Negated: true, Values: []any{"ada"}}},
		{`{"subject.attributes.level": {"ref": "resource.attributes.x"}}`, condition.False, &filter.Test{Op: filter.Eq, Field: x, Negated: true, Values: []any{json.Number("3")}}},
		{`{"subject.attributes.level": {"gt": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.Lt, Field: x, Values: []any{json.Number("3")}}},
		{`{"x": {"lte": 3}}`, condition.False, &filter.Test{Op: filter.Gt, Field: x, Values: []any{json.Number("3")}}},
		{`{"x": {"gt": {"ref": "attributes.y.z"}}}`, condition.True, &filter.Test{Op: filter.Gt, Field: x, Other: &y}},
		{`{"subject.id": {"in": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.ContainsAny, Field: x, Values: []any{"ada"}}},
		{`{"x": {"in": {"ref": "subject.attributes.ports"}}}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Values: []any{"oslo"}}},
		{`{"subject.attributes.ports": {"contains": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Values: []any{"oslo"}}},
		{`{"subject.attributes.ports": {"contains_all": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.Within, Field: x, Values: []any{"oslo"}}},
		{`{"x": {"contains_any": {"ref": "subject.attributes.ports"}}}`, condition.False, &filter.Test{Op: filter.ContainsAny, Field: x, Negated: true, Values: []any{"oslo", filter.Nothing{}, filter.Nothing{}}}},
		{`{"subject.id": {"prefix": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Values: []any{"", "a", "ad", "ada"}}},
		{`{"subject.id": {"suffix": {"ref": "resource.attributes.x"}}}`, condition.True, &filter.Test{Op: filter.Eq, Field: x, Values: []any{"ada", "da", "a", ""}}},
		{`{"x": {"exists": false}}`, condition.False, &filter.Test{Op: filter.Exists, Field: x}},
		{
			`{"x": {"between": [1, 2]}}`, condition.False,
			filter.Any{&filter.Test{Op: filter.Lt, Field: x, Values: []any{json.Number("1")}}, &filter.Test{Op: filter.Gt, Field: x, Values: []any{json.Number("2")}}},
		},
		{
			`{"not": {"all_of": [{"x": "a"}, {"not": {"y.z": {"suffix": "b"}}}]}}`, condition.True,
			filter.Any{&filter.Test{Op: filter.Eq, Field: x, Negated: true, Values: []any{"a"}}, &filter.Test{Op: filter.Suffix, Field: y, Values: []any{"b"}}},
		},
	} {
		e, err := reduce(t, tc.conditions, rowAttributes, tc.want)
		require.NoError(t, err, tc.conditions)
		require.Equal(t, tc.e, e, "%s is %s", tc.conditions, tc.want)
	}
}

func TestReduce_NamesWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ conditions, path, why string }{
		{`{"x": {"matches": "^a"}}`, "resource.attributes.x", "matches has expressions in RE2"},
		{`{"attributes.x.y": {"cidr": "10.0.0.0/8"}}`, "resource.attributes.x.y", "cidr cannot be stated"},
		{`{"context.ip": {"cidr": ["10.0.0.0/8", {"ref": "resource.attributes.net"}]}}`, "resource.attributes.net", "cidr cannot be stated"},
		{`{"x": {"weekday": "mon"}}`, "resource.attributes.x", "weekday depends on"},
		{`{"context.time": {"weekday": {"ref": "resource.attributes.days"}}}`, "resource.attributes.days", "weekday depends on"},
		{`{"resource.id": {"between": ["09:00", "10:00"]}}`, "resource.id", "between may compare clock times"},
		{`{"context.time": {"between": ["09:00", {"ref": "resource.attributes.closes"}]}}`, "resource.attributes.closes", "between may compare clock times"},
		{`{"subject.id": {"contains": {"ref": "resource.attributes.x"}}}`, "resource.attributes.x", "whether a known text contains it"},
		{`{"x": {"contains_all": {"ref": "resource.attributes.y"}}}`, "resource.attributes.y", "two lists of a row"},
		{`{"any_of": [{"subject.id": "bob"}, {"x": {"matches": "a"}}, {"y": {"cidr": "10.0.0.0/8"}}]}`, "resource.attributes.x", "matches has expressions in RE2"},
	} {
		for _, want := range []condition.Truth{condition.True, condition.False} {
			_, err := reduce(t, tc.conditions, rowAttributes, want)
			var u *filter.Untranslatable
			require.ErrorAs(t, err, &u, tc.conditions)
			require.Equal(t, tc.path, u.Path)
			require.Contains(t, u.Why, tc.why)
		}
	}
	p, violations := condition.Compile(json.RawMessage(`{"subject.id": {"prefix": {"ref": "resource.attributes.x"}}}`))
	require.Empty(t, violations)
	env := known()
	env.Subject.ID = string(make([]byte, condition.MaxList))
	_, err := p.Reduce(env, rowAttributes, condition.True)
	require.ErrorContains(t, err, "resource.attributes.x: the text that is to begin or end with it is too long")
}

func TestReduce_OfRefusedConditionsHoldsOfNoRow(t *testing.T) {
	t.Parallel()
	p, violations := condition.Compile(json.RawMessage(`{"x": {"like": "a"}}`))
	require.NotEmpty(t, violations)
	for _, want := range []condition.Truth{condition.True, condition.False} {
		e, err := p.Reduce(known(), rowAttributes, want)
		require.NoError(t, err)
		require.Equal(t, filter.Any{}, e)
	}
}
