package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
)

func TestWorkflow_LimitsActionsByStateAndRole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		action string
		code   engine.Code
	}{
		"a role that is held":            {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": ["$crew"]}}}`, "read", engine.Granted},
		"a role that is inherited":       {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": ["$base"]}}}`, "read", engine.Granted},
		"another role":                   {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": ["$captain"]}}}`, "read", engine.WorkflowState},
		"a role by its name":             {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": ["crew"]}}}`, "read", engine.WorkflowState},
		"everybody":                      {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": ["*"]}}}`, "read", engine.Granted},
		"nobody":                         {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": []}}}`, "read", engine.WorkflowState},
		"an action that is left out":     {`{"states": ["a"], "state": "a", "state_actions": {"a": {"write": ["*"]}}}`, "read", engine.WorkflowState},
		"every action":                   {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": [], "*": ["$crew"]}}}`, "read", engine.Granted},
		"a state without an entry":       {`{"states": ["a", "b"], "state": "b", "state_actions": {"a": {}}}`, "read", engine.Granted},
		"a state with an empty entry":    {`{"states": ["a"], "state": "a", "state_actions": {"a": {}}}`, "read", engine.WorkflowState},
		"no limits at all":               {`{"states": ["a"], "state": "a"}`, "read", engine.Granted},
		"an unknown state":               {`{"states": ["a"], "state": "b", "state_actions": {"b": {"read": ["*"]}}}`, "read", engine.WorkflowState},
		"no state":                       {`{"states": ["a", ""]}`, "read", engine.WorkflowState},
		"no configuration":               {`{}`, "read", engine.WorkflowState},
		"one that cannot be read":        {`{"states": ["a"], "state": 1}`, "read", engine.WorkflowState},
		"roles that cannot be read":      {`{"states": ["a"], "state": "a", "state_actions": {"a": {"read": "*"}}}`, "read", engine.WorkflowState},
		"members in capitals":            {`{"States": ["a"], "State": "a"}`, "read", engine.WorkflowState},
		"before a missing permission":    {`{"states": ["a"], "state": "a", "state_actions": {"a": {}}}`, "sail", engine.WorkflowState},
		"not before it where it permits": {`{"states": ["a"], "state": "a"}`, "sail", engine.NoMatchingPermission},
		"a deny comes first":             {`{}`, "scrap", engine.ExplicitDeny},
	} {
		g := newGround(t)
		g.role("base", 1, false)
		g.role("captain", 1, false)
		base := g.id("base")
		g.rows.Roles[0].ParentRoleID = &base
		config := c.config
		for _, role := range []string{"crew", "base", "captain"} {
			config = strings.ReplaceAll(config, `"$`+role+`"`, fmt.Sprintf("%q", rbac.Role(g.id(role))))
		}
		g.node("vessel", "v-1", "", config)
		g.grant("crew", "allow read vessel/*")
		g.grant("crew", "deny scrap vessel/*")
		d := g.ask(c.action + " vessel/v-1")
		require.Equal(t, c.code, d.Code, name)
		require.Equal(t, d.Code == engine.WorkflowState, len(d.Matched) == 0 && d.Code != engine.NoMatchingPermission, name)
		require.Equal(t, c.code, g.ask(c.action+" vessel/"+g.id("v-1").String()).Code, "by its id: %s", name)
		if c.code == engine.WorkflowState {
			require.Contains(t, d.Reason(), "present state")
		}
	}
}

func TestWorkflow_OfTheEntitysNodeTakesTheStateOfTheQuestion(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("entity", "vessel", "", `{"states": ["docked", "sailing"], "state": "docked", "state_actions": {"docked": {"load": ["*"]}}}`)
	g.node("vessel", "registered", "", "")
	g.grant("crew", "allow load,sail vessel/*")
	in := func(state any) engine.Question {
		return engine.Question{Context: map[string]any{"workflow_state": state}}
	}
	for _, question := range []string{"vessel/v-1", "vessel"} {
		require.Equal(t, engine.Granted, g.askWith("load "+question, in("docked")).Code)
		require.Equal(t, engine.WorkflowState, g.askWith("sail "+question, in("docked")).Code)
		require.Equal(t, engine.Granted, g.askWith("sail "+question, in("sailing")).Code)
		for _, state := range []any{"sunk", "", 1, nil} {
			require.Equal(t, engine.WorkflowState, g.askWith("load "+question, in(state)).Code, "%v", state)
		}
		require.Equal(t, engine.WorkflowState, g.ask("load "+question).Code, "the node's own state is not that of an instance")
	}
	require.Equal(t, engine.Granted, g.ask("sail vessel/registered").Code, "a registered node without a workflow has none")
	g.rows.Resources[0].IsActive = false
	require.Equal(t, engine.WorkflowState, g.ask("load vessel/v-1").Code, "an inactive node passes no permission on, but its limits stay")
	g.rows.Resources[0].WorkflowEnabled = false
	require.Equal(t, engine.Granted, g.ask("load vessel/v-1").Code)
}

func TestWorkflow_StateOfANodeIsNotTheCallers(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("vessel", "v-1", "", `{"states": ["a", "b"], "state": "a", "state_actions": {"a": {}}}`)
	g.grant("crew", "allow read vessel/*")
	require.Equal(t, engine.WorkflowState, g.askWith("read vessel/v-1", engine.Question{Context: map[string]any{"workflow_state": "b"}}).Code)
}
