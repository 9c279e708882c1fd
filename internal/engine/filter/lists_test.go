package filter_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// TestSQL_ComparesListsAsConditionsDo goes through all that can stand on either
// side of an operator of lists: there missing, null, empty and mixed lists differ
// most.
func TestSQL_ComparesListsAsConditionsDo(t *testing.T) {
	t.Parallel()
	member := rapid.SampledFrom([]any{"a", "a", "b", json.Number("1"), json.Number("2"), nil, true, json.Number("1e400"), []any{"a"}, []any{}, map[string]any{}})
	value := rapid.OneOf(listOf(rapid.SampledFrom([]any{"a", "b", "c"}), 2), listOf(rapid.SampledFrom([]any{json.Number("1"), json.Number("1.0"), json.Number("1e400")}), 2), listOf(member, 3), listOf(member, 2), member)
	rows := make([]record, 120)
	for i := range rows {
		v := rapid.MapOfN(rapid.SampledFrom([]string{"x", "y"}), value, 1, 2).Example(i)
		rows[i] = record{id: "a", document: v, columns: map[string]any{"name": "a", "rank": json.Number("1"), "score": json.Number("1"), "open": true, "tags": value.Example(1000 + i)}}
	}
	rows[0].document, rows[0].columns = nil, nil
	tb := newTable(t, rows)
	env := condition.Env{Subject: condition.Subject{Attributes: map[string]any{
		"mixed": []any{"a", nil, json.Number("1")}, "empty": []any{}, "texts": []any{"a", "b"}, "null": nil, "text": "a", "odd": json.Number("1e400"), "odds": []any{json.Number("1e400")}, "number": json.Number("1"),
	}}}
	ref := func(path string) any { return map[string]any{"ref": path} }
	x, tags, name := ref("attributes.x"), ref("attributes.tags"), ref("attributes.name")
	one := []any{"a", nil, json.Number("1"), true, ref("subject.attributes.odd"), ref("subject.attributes.null"), ref("subject.attributes.nope"), x, tags, name, ref("attributes.rank"), ref("attributes.open"), ref("attributes.score")}
	many := []any{
		[]any{},
		[]any{"a"},
		[]any{"a", "b"},
		[]any{nil},
		[]any{"a", nil},
		[]any{"a", json.Number("1")},
		[]any{true, nil},
		[]any{json.Number("1")},
		[]any{x, "a"},
		[]any{x},
		[]any{ref("subject.attributes.odd"), "a"},
		[]any{tags, nil, name},
		ref("subject.attributes.mixed"), ref("subject.attributes.empty"), ref("subject.attributes.texts"), ref("subject.attributes.odds"), ref("subject.attributes.text"), x, tags, name,
	}
	operators := map[string][]any{"contains": one, "eq": one, "prefix": {x, name}, "suffix": {tags}, "contains_all": many, "contains_any": many, "in": many, "lt": {x, name, ref("attributes.rank"), ref("attributes.score")}}
	kinds := map[filter.Kind]int{}
	for _, left := range []string{"x", "tags", "name", "rank", "score", "subject.attributes.mixed", "subject.attributes.empty", "subject.attributes.texts", "subject.attributes.null", "subject.attributes.text", "subject.attributes.number"} {
		for op, rights := range operators {
			for _, right := range rights {
				conditions := map[string]any{left: map[string]any{op: right}}
				p, violations := compile(t, conditions)
				if len(violations) > 0 {
					require.Contains(t, []string{"lt", "prefix", "suffix"}, op)
					continue
				}
				for _, want := range []condition.Truth{condition.True, condition.False} {
					e, err := p.Reduce(&env, condition.Row{ID: true, Attributes: true}, want)
					if errors.As(err, new(*filter.Untranslatable)) {
						continue
					}
					require.NoError(t, err)
					c := written(t, e, layout)
					kinds[c.Kind]++
					require.Equal(t, tb.expected(p, env, idOf[0].id, want), tb.selected(t, c), "%s is %s\n%s\n%q", text(t, conditions), want, c.SQL, c.Params)
				}
			}
		}
	}
	t.Log(kinds)
	require.Greater(t, kinds[filter.Some], 300)
}

func TestSQL_LooksKeysWithDotsUpAsConditionsDo(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	absent := struct{}{}
	wholes := []any{absent, "a", "b", nil, []any{"a"}}
	heads := []any{absent, "s", object{"y.z": "a"}, object{"y.z": "b", "y": object{"z": "a"}}, object{"y.z": nil, "y": object{"z": "a"}}, object{"y": object{"z": "a"}}, object{"y": object{"z": []any{"a"}}}, object{"y": "a"}, []any{"y.z", "y"}}
	var rows []record
	for _, whole := range wholes {
		for _, head := range heads {
			for _, column := range []any{absent, object{"y.z": "a"}, object{"y": object{"z": "b"}}, object{"y": "a"}, "a"} {
				r := record{id: "a", document: object{"doc": object{"y": object{"z": "a"}}}, columns: object{"name": "a"}}
				for key, v := range map[string]any{"x.y.z": whole, "doc.y.z": whole, "name.y": whole, "x": head} {
					if v != absent {
						r.document[key] = v
					}
				}
				if column != absent {
					r.columns["doc"] = column
				}
				rows = append(rows, r)
			}
		}
	}
	tb := newTable(t, rows)
	for _, key := range []string{"x.y.z", "doc.y.z", "doc.y", "name.y", "x.y"} {
		for _, comparison := range []any{
			"a", nil, []any{"a", nil}, map[string]any{"ne": "a"}, map[string]any{"exists": true}, map[string]any{"contains": "a"}, map[string]any{"contains_any": []any{"a", "b"}}, map[string]any{"ref": "attributes.x.y.z"},
		} {
			conditions := map[string]any{key: comparison}
			p, violations := compile(t, conditions)
			require.Empty(t, violations)
			for _, want := range []condition.Truth{condition.True, condition.False} {
				e, err := p.Reduce(&condition.Env{}, condition.Row{ID: true, Attributes: true}, want)
				require.NoError(t, err)
				c := written(t, e, layout)
				require.Equal(t, tb.expected(p, condition.Env{}, idOf[0].id, want), tb.selected(t, c), "%s is %s\n%s\n%q", text(t, conditions), want, c.SQL, c.Params)
			}
		}
	}
}
