package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme_KeepsATenantInAFile runs the commands of the section, as an
// administrator of an empty tenant and as that of the demo tenant, to whom the
// section before has given a token.
func TestReadme_KeepsATenantInAFile(t *testing.T) {
	t.Parallel()
	const heading = "## A tenant in a file"
	decision, section := readPage(t, "README.md", "## A first decision"), readPage(t, "README.md", heading)
	require.Equal(t, "sh", section[0].lang)

	t.Run("the demo tenant", func(t *testing.T) {
		t.Parallel()
		s := start(t, reachable(t))
		printed := player{url: s.url}.play(t, append(decision, section...))
		last := len(printed) - 1
		holds(t, decision, printed[:last])
		require.Regexp(t, `Applied\.\nNothing to change\.\n\z`, printed[last])
		require.NoError(t, s.end(t, syscall.SIGTERM))
	})
	s, token := onDatabase(t)
	tenant, _ := s.tenant(t, token, "ACME")
	s.post(t, token, tenant, "/users", `{"email":"admin@example.com","password":"`+operatorPassword+`","roles":["00000000-0000-0000-0000-000000000011"]}`)
	login := s.post(t, "", "", "/auth/login", `{"tenant_id":"ACME","email":"admin@example.com","password":"`+operatorPassword+`"}`)

	printed := player{url: s.url, env: []string{"TOKEN=" + login["access_token"].(string)}}.play(t, section)
	require.Regexp(t, `Applied\.\nNothing to change\.\n\z`, printed[0])
}
