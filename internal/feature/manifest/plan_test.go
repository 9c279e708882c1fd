package manifest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// made is the state that a tenant is in once an outcome was written.
func (o *outcome) made() *state {
	s := &state{objects: map[string][]*object{}}
	for kind, list := range o.result {
		for _, one := range list {
			one = one.self()
			s.objects[kind] = append(s.objects[kind], one)
		}
	}
	for _, step := range o.steps {
		if step.after == nil {
			continue
		}
		one := step.after.self()
		if one.id == uuid.Nil {
			one.id = uuid.Must(uuid.NewV7())
		}
		one.name, one.members = step.after.name, step.after.members
		set := []*object{}
		for _, member := range step.after.set {
			set = append(set, member.self())
		}
		one.set = set
	}
	for _, list := range s.objects {
		for _, one := range list {
			one.alias, one.refs, one.at = uuid.Nil, nil, ""
		}
	}
	return s
}

// TestPlan_IsEmptyOnceItIsMade needs no database: random manifests are planned
// one over the other.
func TestPlan_IsEmptyOnceItIsMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		current := &state{objects: map[string][]*object{}}
		for range 3 {
			m := manifests(r)
			prune := rapid.Bool().Draw(r, "prune")
			o, err := plan(current, &m, prune)
			require.NoError(r, err)
			digest := o.view(0).Digest
			same, err := plan(current, &m, prune)
			require.NoError(r, err)
			require.Equal(r, digest, same.view(0).Digest, "planned twice")
			if prune {
				require.Len(r, o.result[roleKind], len(m.Roles), "what is not listed goes")
			} else {
				require.False(r, slices.ContainsFunc(o.steps, func(s *step) bool { return s.after == nil }), "without prune nothing goes")
			}
			current = o.made()
			again, err := plan(current, &m, prune)
			require.NoError(r, err)
			require.Empty(r, again.view(0).Changes, "made, and planned again")

			exported, err := current.manifest(nil, false)
			require.NoError(r, err)
			raw, err := json.Marshal(exported)
			require.NoError(r, err)
			var read Manifest
			require.NoError(r, json.Unmarshal(raw, &read))
			none, err := plan(current, &read, true)
			require.NoError(r, err)
			require.Empty(r, none.view(0).Changes, "exported: %s", raw)
		}
	})
}

func TestPlan_ShowsTheMembersThatDiffer(t *testing.T) {
	t.Parallel()
	no := false
	first := Manifest{Version: Version, Resources: []directory.NodeSpec{{Type: "app", Code: "a", Attributes: map[string]any{"n": json.Number("1.0")}}}}
	o, err := plan(&state{objects: map[string][]*object{}}, &first, false)
	require.NoError(t, err)
	current := o.made()
	second := Manifest{Version: Version, Resources: []directory.NodeSpec{{Type: "app", Code: "a", Name: "a", Attributes: map[string]any{"n": json.Number("1")}}}}
	o, err = plan(current, &second, true)
	require.NoError(t, err)
	require.Empty(t, o.steps, "a default that is given, and another spelling of a number")
	second.Resources[0].Name, second.Resources[0].IsActive = "A", &no
	o, err = plan(current, &second, true)
	require.NoError(t, err)
	change := o.view(7).Changes[0]
	require.Equal(t, Change{
		Action: "update", Kind: "resource", Name: "app:a", ID: change.ID,
		Before: map[string]any{}, After: map[string]any{"name": "A", "is_active": false},
	}, change)
	require.EqualValues(t, 7, o.view(7).Revision)
}

func TestPlan_TellsAHundredViolationsAtMost(t *testing.T) {
	t.Parallel()
	m := Manifest{Version: Version}
	for range 300 {
		m.Groups = append(m.Groups, directory.GroupSpec{Name: "g", Parent: "nobody"})
	}
	_, err := plan(&state{objects: map[string][]*object{}}, &m, false)
	var refused *fault.Error
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Fields, maxViolations)
}
