package entitlement

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSet_NarrowsAlongTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line [][]string
		has  []string
	}{
		"nothing said":                 {nil, Known()},
		"empty lists":                  {[][]string{nil, {}}, Known()},
		"one list":                     {[][]string{{Policies}}, []string{Policies}},
		"the child asks for more":      {[][]string{{Policies}, {Policies, Webhooks}}, []string{Policies}},
		"the child has less":           {[][]string{{Policies, Webhooks}, {Webhooks}}, []string{Webhooks}},
		"an empty list takes nothing":  {[][]string{{Policies}, {}, nil}, []string{Policies}},
		"nothing in common is nothing": {[][]string{{Policies}, {Webhooks}, {}}, nil},
		"what is unknown is nothing":   {[][]string{{"unknown"}}, nil},
	} {
		var s Set
		for _, own := range c.line {
			s = s.Narrowed(own)
		}
		var has []string
		for _, feature := range Known() {
			if s.Has(feature) {
				has = append(has, feature)
			}
		}
		require.Equal(t, c.has, has, name)
	}
}

func TestOfSection_NamesKnownFeatures(t *testing.T) {
	t.Parallel()
	for _, section := range []string{
		"service-accounts", "field-definitions", "navigation", "approval-chains", "access-requests", "policies", "webhooks", "authzen", "ai", "biometrics",
	} {
		feature, gated := OfSection(section)
		require.True(t, gated, section)
		require.Contains(t, Known(), feature)
	}
	for _, section := range []string{"users", "roles", "tenants", ""} {
		_, gated := OfSection(section)
		require.False(t, gated, section)
	}
}

func TestDisabled_NamesTheFeature(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]any{"feature": "ai"}, Disabled(AI).Details)
}
