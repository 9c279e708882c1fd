package fiberguard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/fiberguard"
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

func TestProtect_LetsThroughWhatTheApplicationDoes(t *testing.T) {
	t.Parallel()
	address := saying(t, `"allowed":true,"reason_code":"granted","requires_approval":false,"obligations":[{"type":"log","to":"siem"}],"field_permissions":{"core":{"total":"hidden"}}`)
	s := newSite(t, passing(t, address, fiberguard.Options{}), fiber.Config{})
	r := s.get(t, "/invoices/1", "abc")
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "obligation_not_handled", r.Error.Details["reason_code"])
	require.Equal(t, "log", r.Error.Details["obligation_type"])
	require.Zero(t, s.reached.Load())

	g := passing(t, address, fiberguard.Options{Obligations: func(o client.Obligation) bool { return o.Type() == "log" }})
	app := fiber.New()
	var got client.Decision
	app.Get("/invoices/:id", g.Protect("read", "invoice", fiberguard.Param("id")), func(c *fiber.Ctx) error {
		got, _ = client.DecisionFrom(c.UserContext())
		return c.SendStatus(http.StatusOK)
	})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/invoices/1", http.NoBody)
	req.Header.Set("Authorization", "Bearer abc")
	resp, err := app.Test(req, -1)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, []client.Obligation{{"type": "log", "to": "siem"}}, got.Obligations)
	require.Equal(t, "hidden", got.Fields["core"]["total"])
}

func TestProtect_SaysWhatAnApprovalNeeds(t *testing.T) {
	t.Parallel()
	chain := uuid.NewString()
	s := newSite(t, passing(t, saying(t, `"allowed":false,"reason_code":"approval_required","requires_approval":true,"approval_chain_id":"`+chain+`"`), fiberguard.Options{}), fiber.Config{})
	r := s.get(t, "/invoices/1", "abc")
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "APPROVAL_REQUIRED", r.Error.Code)
	require.Equal(t, chain, r.Error.Details["approval_chain_id"])
	require.Zero(t, s.reached.Load())
}
