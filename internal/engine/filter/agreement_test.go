package filter_test

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// idOf are the columns that may be the id, and the id that a row then has.
var idOf = []struct {
	column string
	typ    filter.Type
	id     func(*record) string
}{
	{"id", filter.Text, func(r *record) string { return r.id }},
	{"uid", filter.UUID, func(r *record) string { return r.uid.String() }},
	{"num", filter.Integer, func(r *record) string { return strconv.FormatInt(r.num, 10) }},
}

// expected returns the rows of which the conditions are want.
func (tb *table) expected(p *condition.Program, env condition.Env, id func(*record) string, want condition.Truth) []int {
	out := []int{}
	for i := range tb.rows {
		env.Resource.ID, env.Resource.Supplied = id(&tb.rows[i]), tb.rows[i].attributes()
		if p.Eval(&env) == want {
			out = append(out, i)
		}
	}
	return out
}

// soak is how often a random test is done: as SOAK_QUESTIONS has it in a long
// run, which is not part of CI.
func soak(t testing.TB, usual int) int {
	if os.Getenv("SOAK") == "" {
		return usual
	}
	n, err := strconv.Atoi(os.Getenv("SOAK_QUESTIONS"))
	if err != nil {
		return 100 * usual
	}
	require.Positive(t, n)
	return n
}

// sample is conditions and what is known of a question.
type sample struct {
	conditions map[string]any
	env        *condition.Env
	id         int
}

func samples() *rapid.Generator[sample] {
	return rapid.Custom(func(t *rapid.T) sample {
		return sample{conditions(3).Draw(t, "conditions"), asked().Draw(t, "env"), rapid.IntRange(0, len(idOf)-1).Draw(t, "id")}
	})
}

func TestSQL_SelectsTheRowsOfWhichConditionsAreTrueOrFalse(t *testing.T) {
	t.Parallel()
	tb := newTable(t, randomRows(200))
	seen := map[string]int{}
	for seed := range soak(t, 600) {
		s := samples().Example(seed)
		p, violations := compile(t, s.conditions)
		if len(violations) > 0 {
			seen["refused"]++
			continue
		}
		columns, id := layout, idOf[s.id]
		columns.ID, columns.IDType = id.column, id.typ
		for _, want := range []condition.Truth{condition.True, condition.False} {
			e, err := p.Reduce(s.env, condition.Row{ID: true, Attributes: true}, want)
			var c filter.Condition
			if err == nil {
				c, err = filter.SQL(e, columns)
			}
			var untranslatable *filter.Untranslatable
			if errors.As(err, &untranslatable) {
				seen["untranslatable"]++
				continue
			}
			require.NoError(t, err)
			require.Equal(t, tb.expected(p, *s.env, id.id, want), tb.selected(t, c), "seed %d: %s is %s\n%s\n%q", seed, text(t, s.conditions), want, c.SQL, c.Params)
			seen[string(c.Kind)]++
		}
	}
	t.Log(seen)
	require.Greater(t, seen["condition"], 350)
}
