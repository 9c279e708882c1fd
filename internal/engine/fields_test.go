package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
)

func TestFields_AreOfReadUpdateAndCreate(t *testing.T) {
	t.Parallel()
	const readable, writable, hidden = "read", "write", "hidden"
	for name, c := range map[string]struct {
		grants []string
		policy string
		// open, closed and free are what becomes of fields with the default read,
		// hidden and write.
		open, closed, free string
	}{
		"nothing may be read":                  {[]string{"allow update vessel/*"}, "", hidden, hidden, hidden},
		"defaults to read":                     {[]string{"allow read vessel/*"}, "", readable, hidden, readable},
		"defaults to read and update":          {[]string{"allow read,update vessel/*"}, "", readable, hidden, writable},
		"create writes as well":                {[]string{"allow read,create vessel/*"}, "", readable, hidden, writable},
		"another action does not":              {[]string{"allow read,scrap vessel/*"}, "", readable, hidden, readable},
		"named to read":                        {[]string{`allow read,update vessel/* !{"open":"read","closed":"read","free":"read"}`}, "", readable, readable, readable},
		"named to write":                       {[]string{`allow read,update vessel/* !{"open":"write","closed":"write","free":"write"}`}, "", writable, writable, writable},
		"to write by what only reads":          {[]string{`allow read vessel/* !{"open":"write","closed":"write"}`}, "", readable, readable, readable},
		"named by what writes only":            {[]string{"allow read vessel/*", `allow update vessel/* !{"open":"write","closed":"write","free":"read"}`}, "", writable, writable, readable},
		"read by what writes is no reading":    {[]string{"allow read vessel/*", `allow update vessel/* !{"closed":"read"}`}, "", readable, hidden, writable},
		"the union":                            {[]string{`allow read,update vessel/* !{"closed":"read"}`, `allow update vessel/* !{"open":"write"}`}, "", writable, readable, writable},
		"hidden in any":                        {[]string{`allow read,update vessel/* !{"open":"write"}`, `allow read vessel/* !{"open":"hidden","free":"hidden"}`}, "", hidden, hidden, hidden},
		"hidden by what writes":                {[]string{"allow read vessel/*", `allow create vessel/* !{"open":"hidden"}`}, "", hidden, hidden, writable},
		"hidden by what does not count":        {[]string{"allow read vessel/*", `allow create vessel/* ?{"x":1} !{"open":"hidden"}`}, "", readable, hidden, readable},
		"hidden by what is denied":             {[]string{"allow read vessel/*", `allow create vessel/* !{"open":"hidden"}`, "deny create vessel/*"}, "", readable, hidden, readable},
		"reading is denied":                    {[]string{"allow read,update vessel/*", "deny read vessel/*"}, "", hidden, hidden, hidden},
		"restricted":                           {[]string{"allow read,update vessel/*"}, `restrict_fields contains {"field": "open"} if true` + "\n" + `restrict_fields contains {"field": "free", "to": "read"} if true`, hidden, hidden, readable},
		"restricted twice":                     {[]string{"allow read,update vessel/*"}, `restrict_fields := {{"field": "free", "to": "read"}, {"field": "free"}, {"field": "other"}}`, readable, hidden, hidden},
		"restricted for writing alone":         {[]string{"allow read,update vessel/*"}, `restrict_fields contains {"field": "free", "to": "read"} if input.action == "update"`, readable, hidden, readable},
		"restricted to read is given no read":  {[]string{"allow read vessel/*", `allow update vessel/* !{"closed":"write"}`}, `restrict_fields contains {"field": "closed", "to": "read"} if true`, readable, hidden, writable},
		"restricted for another action":        {[]string{"allow read,update vessel/*"}, `restrict_fields contains {"field": "open"} if input.action == "scrap"`, readable, hidden, writable},
		"a policy denies writing":              {[]string{"allow read,update vessel/*"}, `deny contains "x" if input.action == "update"`, readable, hidden, readable},
		"a policy denies reading":              {[]string{"allow read,update vessel/*"}, `deny contains "x" if input.action == "read"`, hidden, hidden, hidden},
		"a policy that denies restricts still": {[]string{"allow read,update vessel/*"}, "deny contains \"x\" if input.action == \"update\"\n\nrestrict_fields contains {\"field\": \"open\"} if input.action == \"update\"", hidden, hidden, readable},
		"writing is not evaluated":             {[]string{"allow read,update vessel/*"}, `obligations contains "x" if input.action == "update"`, readable, hidden, readable},
	} {
		g := newGround(t)
		g.field("vessel", "open", "core", readable)
		g.field("vessel", "closed", "platform_dynamic", hidden)
		g.field("vessel", "free", "core", writable)
		g.field("port", "open", "core", readable)
		for _, text := range c.grants {
			g.grant("crew", text)
		}
		if c.policy != "" {
			g.policies(map[string]string{"a": c.policy})
		}
		want := map[string]map[string]string{"core": {"open": c.open, "free": c.free}, "platform_dynamic": {"closed": c.closed}}
		for _, action := range []string{"read", "update", "create", "sail"} {
			if action == "update" && name == "writing is not evaluated" {
				continue
			}
			require.Equal(t, want, g.ask(action+" vessel/v-1").Fields, "%s, asked to %s", name, action)
		}
	}
}

func TestFields_OfThoseWhoMayDoNothing(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.field("vessel", "name", "core", "write")
	g.grant("crew", "allow * vessel/*")
	g.grant("crew", "allow * api/vessel")
	hidden := map[string]map[string]string{"core": {"name": "hidden"}}
	require.Equal(t, "write", g.ask("sail vessel/v-1").Fields["core"]["name"])
	require.Equal(t, "write", g.ask("read vessel").Fields["core"]["name"])
	require.Nil(t, g.ask("sail port/p-1").Fields)
	require.Nil(t, g.ask("sail api/vessel").Fields)

	g.subject.IsActive = false
	require.Equal(t, hidden, g.ask("read vessel/v-1").Fields)
	g.subject.IsActive, g.tenant.Active = true, false
	require.Equal(t, hidden, g.ask("read vessel/v-1").Fields)
	g.tenant.Active = true
	s, err := engine.NewSnapshot(g.tenant, &g.rows)
	require.NoError(t, err)
	d := s.Decide(t.Context(), &engine.Question{Type: "vessel", Action: "read"}, nil, g.now)
	require.Equal(t, []any{engine.SubjectUnknown, hidden}, []any{d.Code, d.Fields})
}

func TestFields_ByAnApprovalAreTheDefaults(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.field("vessel", "name", "core", "write")
	g.chain("escalation", "escalation", "vessel:*", "")
	g.request("read", "escalation", "vessel", "v-1", "read", true, nil)
	require.Equal(t, "read", g.ask("read vessel/v-1").Fields["core"]["name"])
	g.request("all", "escalation", "vessel", "v-1", "*", true, nil)
	require.Equal(t, "write", g.ask("read vessel/v-1").Fields["core"]["name"])
	require.Equal(t, "hidden", g.ask("read vessel/v-2").Fields["core"]["name"])
}

func TestFields_AreNotSaidOfAnAnswerThatWasNotEvaluated(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.field("vessel", "name", "core", "write")
	g.grant("crew", "allow * vessel/*")
	g.policies(map[string]string{"a": `obligations contains "x" if input.action == "sail"`})
	require.Nil(t, g.ask("sail vessel/v-1").Fields)
	require.NotNil(t, g.ask("read vessel/v-1").Fields)
}
