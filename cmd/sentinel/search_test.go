package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// paging serves pages of subjects, two at a time whatever is asked for, and keeps
// the questions.
func paging(t *testing.T, pages int) (url string, questions *[]map[string]any) {
	t.Helper()
	questions = &[]map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]any
		_ = json.NewDecoder(r.Body).Decode(&q)
		*questions = append(*questions, q)
		n := len(*questions)
		next := fmt.Sprintf(`"next_page_token":"p%d","complete":false`, n+1)
		if n == pages {
			next = `"complete":true,"not_evaluated":1`
		}
		_, _ = fmt.Fprintf(w, `{"data":{"subjects":[
			{"user_id":"u%[1]da","email":"a@example.com","display_name":"A","reason_code":"granted","matched_roles":[{"path":"user > role:r"}]},
			{"user_id":"u%[1]db","reason_code":"granted_by_approval"}],"depends_on":["context.ip"],%[2]s}}`, n, next)
	}))
	t.Cleanup(server.Close)
	return server.URL, questions
}

func TestWhoCan_FollowsPagesToTheEnd(t *testing.T) {
	url, questions := paging(t, 2)
	out, err := run(t, "who-can", "read", "vessel:mv-aurora", "--server", url, "--token", "t", "--attributes", `{"flag":"GR"}`)
	require.NoError(t, err)
	require.Equal(t, `u1a A <a@example.com>
  by user > role:r
u1b
  granted_by_approval
u2a A <a@example.com>
  by user > role:r
u2b
  granted_by_approval
It depends on what the question does not say: context.ip. Say it with --attributes or --context.
Of 1 nothing could be said: they are not among these.
`, out)
	require.Len(t, *questions, 2)
	require.NotContains(t, (*questions)[0], "page_token")
	require.Equal(t, "p2", (*questions)[1]["page_token"])
	require.Equal(t, (*questions)[0]["resource"], (*questions)[1]["resource"])
	require.EqualValues(t, searchPage, (*questions)[0]["limit"])
}

func TestWhoCan_SaysSoWhereItIsCut(t *testing.T) {
	url, questions := paging(t, 9)
	out, err := run(t, "who-can", "read", "vessel", "--server", url, "--token", "t", "--limit", "3")
	require.NoError(t, err)
	require.Contains(t, out, "There may be more: raise --limit.\n")
	require.Len(t, *questions, 2)
	require.EqualValues(t, 3, (*questions)[0]["limit"])
	require.EqualValues(t, 1, (*questions)[1]["limit"])

	url, _ = paging(t, 9)
	out, err = run(t, "who-can", "read", "vessel", "--server", url, "--token", "t", "--limit", "1", "-o", "json")
	require.NoError(t, err)
	var all found
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.False(t, all.Complete)
	require.Equal(t, "p2", all.NextPageToken)
	require.Len(t, all.Subjects, 2, "what the server gave is shown whole")
}

func TestSearches_SayWhenThereIsNothing(t *testing.T) {
	url, _, _ := answering(t, http.StatusOK, `{"data":{"complete":true}}`)
	out, err := run(t, "who-can", "read", "vessel", "--server", url, "--token", "t")
	require.NoError(t, err)
	require.Equal(t, "Nobody.\n", out)
	out, err = run(t, "what-can", "--server", url, "--token", "t")
	require.NoError(t, err)
	require.Equal(t, "Nothing.\n", out)
	url, _, _ = answering(t, http.StatusOK, `{"data":{"complete":false}}`)
	_, err = run(t, "what-can", "--server", url, "--token", "t")
	require.ErrorContains(t, err, "says not where to go on", "and does not ask for ever")
	url, _, _ = answering(t, http.StatusOK, `{"data":{"complete":true,"subjects":[7]}}`)
	_, err = run(t, "who-can", "read", "vessel", "--server", url, "--token", "t")
	require.ErrorContains(t, err, "does not answer like Sentinel")
}

func TestWhatCan_ShowsNodesAndPatterns(t *testing.T) {
	url, _, question := answering(t, http.StatusOK, `{"data":{"complete":true,"patterns_complete":false,
		"nodes":[{"type":"vessel","code":"mv-aurora","actions":["read","update"]}],
		"patterns":[{"resource_type":"vessel","pattern":"*","actions":["read"],"conditional":true,"because":["conditions","overlaps_nodes"],"path":"user > role:r"}]}}`)
	out, err := run(t, "what-can", "--server", url, "--token", "t", "--user", "u", "--type", "vessel", "--action", "read", "--context", `{"ip":"10.0.0.1"}`)
	require.NoError(t, err)
	require.Equal(t, `vessel:mv-aurora  read, update

Of what is not registered:
vessel/*  read (perhaps: conditions, overlaps_nodes)
  by user > role:r
There are more patterns than are listed.
`, out)
	require.Equal(t, map[string]any{
		"user_id": "u", "resource_type": "vessel", "action": "read", "context": map[string]any{"ip": "10.0.0.1"}, "limit": float64(searchPage),
	}, *question)
}
