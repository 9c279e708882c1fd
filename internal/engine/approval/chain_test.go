package approval

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/models"
)

func stored(typ, pattern string) *models.ApprovalChain {
	return &models.ApprovalChain{ID: uuid.New(), Name: typ + " " + pattern, ResourceType: typ, ResourcePattern: pattern, Mode: "gate", CreatedAt: noon}
}

func compiled(t *testing.T, m *models.ApprovalChain) *Chain {
	t.Helper()
	c, err := Compile(m)
	require.NoError(t, err)
	return c
}

func TestCompile_RefusesWhatWouldStandOpen(t *testing.T) {
	t.Parallel()
	for _, m := range []*models.ApprovalChain{
		stored("invoice", "vessel:*"), stored("invoice", `a\b`), stored("Invoice", "*"), stored("invoice", "*a*b*c*d*e*f*g*h*i*"),
	} {
		_, err := Compile(m)
		require.ErrorContains(t, err, "resource_pattern", m.Name)
	}
	m := stored("invoice", "*")
	m.AutoApproveConditions = models.JSON(`{"subject.id": {"like": "x"}}`)
	_, err := Compile(m)
	require.ErrorContains(t, err, "auto_approve_conditions")
	m.AutoApproveConditions = models.JSON(`{"resource.attributes.amount": {"lt": 100}}`)
	require.NotNil(t, compiled(t, m).Auto)
	for _, none := range []string{"", "null", "{}"} {
		m.AutoApproveConditions = models.JSON(none)
		require.Nil(t, compiled(t, m).Auto, "conditions that say nothing approve nothing")
	}
}

func TestMatches_WhatAChainGuards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ, pattern string
		yes, no      [][2]string
	}{
		"every id":         {"invoice", "*", [][2]string{{"invoice", ""}, {"invoice", "1"}, {"invoice", "a/b"}}, [][2]string{{"vessel", "1"}}},
		"left out":         {"invoice", "", [][2]string{{"invoice", ""}}, nil},
		"written with it":  {"invoice", "invoice:eu/*", [][2]string{{"invoice", "eu/1"}, {"invoice", "eu/1/2"}}, [][2]string{{"invoice", ""}, {"invoice", "us/1"}}},
		"an id with colon": {"urn", "x-1:2", [][2]string{{"urn", "x-1:2"}}, [][2]string{{"urn", "2"}}},
		"every type":       {"*", "*", [][2]string{{"invoice", ""}, {"vessel", "1"}}, [][2]string{{"api", "roles"}}},
		"roles":            {"role", "role:*", nil, [][2]string{{"role", "1"}, {"role", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain := compiled(t, stored(c.typ, c.pattern))
			for _, q := range c.yes {
				require.True(t, chain.Matches(q[0], q[1]), q)
			}
			for _, q := range c.no {
				require.False(t, chain.Matches(q[0], q[1]), q)
			}
		})
	}
}

func TestSort_TheMostSpecificThenTheOldest(t *testing.T) {
	t.Parallel()
	older := stored("invoice", "*")
	older.CreatedAt = noon.Add(-time.Hour)
	var chains []*Chain
	for _, m := range []*models.ApprovalChain{stored("*", "*"), stored("invoice", "*"), older, stored("*", "eu/x"), stored("invoice", "eu/*"), stored("invoice", "eu/fr/*"), stored("invoice", "7")} {
		chains = append(chains, compiled(t, m))
	}
	Sort(chains)
	var order []string
	for _, c := range chains {
		order = append(order, strings.TrimSpace(c.Name))
	}
	require.Equal(t, []string{"invoice 7", "invoice eu/fr/*", "invoice eu/*", "invoice *", "invoice *", "* eu/x", "* *"}, order)
	require.Equal(t, older.ID, chains[3].ID)
}
