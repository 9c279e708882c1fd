package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
)

// newClient makes a client that asks with a key.
func newClient(t *testing.T, url, key string) *client.Client {
	t.Helper()
	c, err := client.New(url, client.Options{Key: key})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCheck_AnswersForOneselfAndForOthers(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	c := newClient(t, server.URL, w.Key)

	own, err := c.Check(client.WithToken(t.Context(), w.Ann.Token), client.Question{UserID: client.Self, Action: "read", Type: "invoice", ID: "4711"})
	require.NoError(t, err)
	require.True(t, own.Allowed)
	require.Equal(t, "granted", own.ReasonCode)
	require.NotEqual(t, uuid.Nil, own.ID)
	require.Empty(t, own.Reason, "who may not ask about others is not told of roles")

	for name, c2 := range map[string]struct {
		q      client.Question
		reason string
	}{
		"a role that allows":         {client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "4711"}, "granted"},
		"the type as a whole":        {client.Question{UserID: w.Ann.ID.String(), Action: "create", Type: "invoice"}, "granted"},
		"attributes that fit":        {client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "draft", ID: "1", Attributes: map[string]any{"owner": "ann"}}, "granted"},
		"attributes that do not fit": {client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "draft", ID: "1", Attributes: map[string]any{"owner": "ben"}}, "condition_failed"},
		"a deny":                     {client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "secret"}, "explicit_deny"},
		"no role":                    {client.Question{UserID: w.Ben.ID.String(), Action: "read", Type: "invoice", ID: "4711"}, "no_matching_permission"},
		"another action":             {client.Question{UserID: w.Ann.ID.String(), Action: "delete", Type: "invoice", ID: "4711"}, "no_matching_permission"},
	} {
		d, err := c.Check(t.Context(), c2.q)
		require.NoError(t, err, name)
		require.Equal(t, c2.reason, d.ReasonCode, name)
		require.Equal(t, c2.reason == "granted", d.Allowed, name)
		require.NotEmpty(t, d.Reason, name)
		require.NotEmpty(t, d.Revision, name)
	}
}

func TestCheck_SeesARevocationAtOnce(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	c := newClient(t, server.URL, w.Key)
	q := client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "4711"}
	d, err := c.Check(t.Context(), q)
	require.NoError(t, err)
	require.True(t, d.Allowed)
	w.Revoke(t)
	d, err = c.Check(t.Context(), q)
	require.NoError(t, err)
	require.False(t, d.Allowed)
}

func TestCheck_FailsTyped(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	c := newClient(t, server.URL, w.Key)
	for name, c2 := range map[string]struct {
		token, user, id string
		status          int
		code            string
		field           string
	}{
		"an id that cannot be":     {user: w.Ann.ID.String(), id: "a*", status: http.StatusBadRequest, code: "VALIDATION_ERROR", field: "resource.id"},
		"a user that is not there": {user: uuid.NewString(), id: "1", status: http.StatusNotFound, code: "RESOURCE_NOT_FOUND"},
		"another's, without right": {token: w.Ben.Token, user: w.Ann.ID.String(), id: "1", status: http.StatusForbidden, code: "PERMISSION_DENIED"},
		"a token that is none":     {token: "abc", user: client.Self, id: "1", status: http.StatusUnauthorized, code: "AUTHENTICATION_REQUIRED"},
	} {
		ctx := t.Context()
		if c2.token != "" {
			ctx = client.WithToken(ctx, c2.token)
		}
		d, err := c.Check(ctx, client.Question{UserID: c2.user, Action: "read", Type: "invoice", ID: c2.id})
		require.Equal(t, client.Decision{}, d, name)
		var e *client.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, c2.status, e.Status, "%s: %v", name, err)
		require.Equal(t, c2.code, e.Code, name)
		require.NotEmpty(t, e.Message, name)
		require.NotEmpty(t, e.RequestID, name)
		if c2.field != "" {
			require.Equal(t, c2.field, e.Fields[0].Path, name)
			require.Contains(t, err.Error(), c2.field, name)
		}
		if c2.status == http.StatusForbidden {
			require.Equal(t, "api/decisions:execute", e.Details["required_permission"])
		}
	}
	for _, nobody := range []string{"ann", ""} { // "" would be the application itself
		q := client.Question{UserID: nobody, Action: "read", Type: "invoice"}
		_, err := c.Check(t.Context(), q)
		require.ErrorContains(t, err, "UserID")
		_, err = c.CheckMany(t.Context(), []client.Question{q})
		require.ErrorContains(t, err, "UserID")
	}
	// JSON would make another id of it, one that Ann may read.
	for _, id := range []string{"\xff", "a\xc0\x80"} {
		q := client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: id}
		_, err := c.Check(t.Context(), q)
		require.ErrorContains(t, err, "UTF-8")
		_, err = c.CheckMany(t.Context(), []client.Question{q})
		require.ErrorContains(t, err, "UTF-8")
	}
}

func TestCheck_AJustificationIsAskedAlone(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	c := newClient(t, server.URL, w.Key)
	q := client.Question{UserID: client.Self, Action: "read", Type: "invoice", ID: "1", Justification: "The auditor asks."}
	d, err := c.Check(client.WithToken(t.Context(), w.Ben.Token), q)
	require.NoError(t, err)
	require.Equal(t, "no_matching_permission", d.ReasonCode, "nothing that an approval would open")
	require.Equal(t, uuid.Nil, d.ApprovalRequestID)
	_, err = c.CheckMany(t.Context(), []client.Question{q})
	require.ErrorContains(t, err, "asked alone")
	q.Justification = "\xff"
	_, err = c.Check(t.Context(), q)
	require.ErrorContains(t, err, "UTF-8")
	q.Justification, q.UserID = "x", w.Ann.ID.String()
	_, err = c.Check(t.Context(), q)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusForbidden, e.Status, "nobody justifies for another")
}

// TestCheck_AnEmptyTokenIsNobody must not fall back to the client's account.
func TestCheck_AnEmptyTokenIsNobody(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	_, err := newClient(t, server.URL, w.Key).Check(client.WithToken(t.Context(), ""), client.Question{UserID: client.Self, Action: "read", Type: "invoice", ID: "1"})
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusUnauthorized, e.Status)
}

func TestCheckMany_KeepsTheOrderAcrossSubjects(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	c := newClient(t, server.URL, w.Key)
	var questions []client.Question
	var want []bool
	for i := range 2100 { // more than fit one call
		q := client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "1"}
		if i%3 == 1 {
			q.ID = "secret"
		}
		if i%7 == 0 {
			q.UserID = w.Ben.ID.String()
		}
		questions, want = append(questions, q), append(want, i%3 != 1 && i%7 != 0)
	}
	decisions, err := c.CheckMany(t.Context(), questions)
	require.NoError(t, err)
	for i := range want {
		require.Equal(t, want[i], decisions[i].Allowed, i)
	}
	none, err := c.CheckMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)

	questions[2050].ID = "a*"
	decisions, err = c.CheckMany(t.Context(), questions)
	require.Error(t, err)
	require.Nil(t, decisions, "one question that cannot be asked leaves no decisions")
	questions[2050].UserID = "nobody"
	_, err = c.CheckMany(t.Context(), questions)
	require.ErrorContains(t, err, "UserID")
}

func TestClient_MakesTheCallsOfTheAPI(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	roles, err := w.Calls.ListRolesWithResponse(w.Admin, &client.ListRolesParams{Search: new("read")})
	require.NoError(t, err)
	require.Len(t, roles.JSON200.Data, 1)
	require.Equal(t, "1", roles.HTTPResponse.Header.Get("X-Total-Count"))

	role, err := w.Calls.GetRoleWithResponse(w.Admin, w.Reader)
	require.NoError(t, err)
	tag := role.HTTPResponse.Header.Get("ETag")
	change := client.UpdateRoleJSONRequestBody{}
	change.Description.Set("Reads invoices.")
	_, err = w.Calls.UpdateRoleWithResponse(w.Admin, w.Reader, &client.UpdateRoleParams{IfMatch: &tag}, change)
	require.NoError(t, err)
	change.Description.SetNull()
	_, err = w.Calls.UpdateRoleWithResponse(w.Admin, w.Reader, &client.UpdateRoleParams{IfMatch: &tag}, change)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "PRECONDITION_FAILED", e.Code)

	_, err = w.Calls.AuthIntrospectWithBodyWithResponse(client.WithToken(t.Context(), ""), "application/x-www-form-urlencoded", strings.NewReader("token=x"))
	require.ErrorAs(t, err, &e, "an error in the form of OAuth")
	require.Equal(t, http.StatusUnauthorized, e.Status)
	require.Equal(t, "invalid_token", e.Code)
	require.NotEmpty(t, e.Message)
}

func TestNew_RefusesWhatIsNoServer(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "sentinel.example", "ftp://sentinel.example", "https://", "https://user@sentinel.example", "https://sentinel.example?x=1", "http://[::1"} {
		_, err := client.New(address, client.Options{})
		require.Error(t, err, address)
	}
	c, err := client.New("https://sentinel.example/", client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.False(t, c.HasKey())
}
