package guard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/guard"
)

// saying is a server whose every answer to a question has these members beside
// the id.
func saying(t *testing.T, members string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":{"decision_id":"`+uuid.NewString()+`",`+members+`},"meta":{"request_id":"x","timestamp":"2026-01-31T09:00:00Z"}}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func logs(o client.Obligation) bool { return o.Type() == "log" }

func TestProtect_RefusesWhatDemandsMoreThanTheApplicationDoes(t *testing.T) {
	t.Parallel()
	const allowed = `"allowed":true,"reason_code":"granted","requires_approval":false,"obligations":`
	for name, c := range map[string]struct {
		obligations string
		handles     func(client.Obligation) bool
		status      int
		names       string
	}{
		"none":                     {`[]`, nil, 200, ""},
		"one that is done":         {`[{"type":"log","to":"siem"}]`, logs, 200, ""},
		"one that is not":          {`[{"type":"watermark"}]`, logs, 403, "watermark"},
		"one beside one":           {`[{"type":"log"},{"type":"watermark"}]`, logs, 403, "watermark"},
		"one without a type":       {`[{"log":true}]`, logs, 403, ""},
		"one with a strange type":  {`[{"type":["log"]}]`, logs, 403, ""},
		"where nothing is done":    {`[{"type":"log"}]`, nil, 403, "log"},
		"one in an empty document": {`[{}]`, nil, 403, ""},
	} {
		s := newSite(t, passing(t, saying(t, allowed+c.obligations), guard.Options{Obligations: c.handles}))
		r := s.get(t, "/invoices/1", "abc")
		require.Equal(t, c.status, r.status, name)
		require.Equal(t, c.status == 200, s.reached.Load() == 1, name)
		if c.status == 200 {
			continue
		}
		require.Equal(t, "PERMISSION_DENIED", r.Error.Code, name)
		require.Equal(t, "obligation_not_handled", r.Error.Details["reason_code"], name)
		require.Equal(t, c.names, r.Error.Details["obligation_type"], name)
		require.NotEmpty(t, r.Error.Details["decision_id"], name)
	}
}

func TestProtect_HandsTheDecisionToTheHandler(t *testing.T) {
	t.Parallel()
	const members = `"allowed":true,"reason_code":"granted","requires_approval":false,"obligations":[{"type":"log","to":"siem"}],"field_permissions":{"core":{"total":"hidden"}}`
	g := passing(t, saying(t, members), guard.Options{Obligations: logs})
	var got client.Decision
	var id string
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id = r.PathValue("id")
		got, _ = client.DecisionFrom(r.Context())
	})
	mux := http.NewServeMux()
	protect := g.Protect("read", "invoice", client.PathValue("id"))
	mux.Handle("GET /once/{id}", protect(handler))
	mux.Handle("GET /twice/{id}", protect(protect(handler)))
	ask := func(path string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		r.Header.Set("Authorization", "Bearer abc")
		mux.ServeHTTP(httptest.NewRecorder(), r)
	}
	one := client.Obligation{"type": "log", "to": "siem"}
	ask("/once/4711")
	require.Equal(t, "4711", id)
	require.Equal(t, []client.Obligation{one}, got.Obligations)
	require.Equal(t, map[string]map[string]string{"core": {"total": "hidden"}}, got.Fields)
	ask("/twice/4711")
	require.Equal(t, []client.Obligation{one, one}, got.Obligations, "those of every guard on the way")
	_, ok := client.DecisionFrom(t.Context())
	require.False(t, ok, "no guard, no decision")
}

func TestProtect_SaysWhatAnApprovalNeeds(t *testing.T) {
	t.Parallel()
	chain, request := uuid.NewString(), uuid.NewString()
	const members = `"allowed":false,"reason_code":"approval_required","requires_approval":true,"approval_chain_id":"`
	for _, waits := range []bool{false, true} {
		answer := members + chain + `"`
		if waits {
			answer += `,"approval_request_id":"` + request + `"`
		}
		s := newSite(t, passing(t, saying(t, answer), guard.Options{}))
		r := s.get(t, "/invoices/1", "abc")
		require.Equal(t, http.StatusForbidden, r.status)
		require.Equal(t, "APPROVAL_REQUIRED", r.Error.Code)
		require.Equal(t, "approval_required", r.Error.Details["reason_code"])
		require.Equal(t, chain, r.Error.Details["approval_chain_id"])
		require.Zero(t, s.reached.Load())
		if waits {
			require.Equal(t, request, r.Error.Details["approval_request_id"])
			require.Contains(t, r.Error.Message, "waits")
		} else {
			require.NotContains(t, r.Error.Details, "approval_request_id")
			require.Contains(t, r.Error.Message, "Ask for one")
		}
	}
}
