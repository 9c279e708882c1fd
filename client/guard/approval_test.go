package guard_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
	"github.com/sentinel-access/sentinel/client/guard"
)

// TestProtect_LetsThroughWhatWasApproved goes from the refusal of a guard through
// the user's justification to the approval, on a real server.
func TestProtect_LetsThroughWhatWasApproved(t *testing.T) {
	t.Parallel()
	w := server.World(t)
	pattern := "invoice:guarded-*"
	chain, err := w.Calls.CreateApprovalChainWithResponse(w.Admin, nil, client.CreateApprovalChainJSONRequestBody{
		Name: "Guarded invoices", ResourceType: "invoice", ResourcePattern: &pattern,
		ApprovalLevels: []client.ApprovalLevelSpec{{Level: 1, Approvers: &client.ApprovalApproversSpec{AnyOf: []client.ApprovalApproverSpec{{User: &w.Ben.ID}}}}},
	})
	require.NoError(t, err)
	s := newSite(t, passing(t, server.URL, guard.Options{}))
	refused := s.get(t, "/invoices/guarded-1", w.Ann.Token)
	require.Equal(t, http.StatusForbidden, refused.status)
	require.Equal(t, "APPROVAL_REQUIRED", refused.Error.Code)
	require.Equal(t, chain.JSON201.Data.ID.String(), refused.Error.Details["approval_chain_id"])
	require.NotContains(t, refused.Error.Details, "approval_request_id", "a guard opens nothing")

	ann := client.WithToken(t.Context(), w.Ann.Token)
	q := client.Question{UserID: client.Self, Action: "read", Type: "invoice", ID: "guarded-1", Justification: "The auditor asks."}
	asked, err := w.Calls.Check(ann, q)
	require.NoError(t, err)
	require.False(t, asked.Allowed)
	require.True(t, asked.RequiresApproval)
	require.Equal(t, chain.JSON201.Data.ID, asked.ApprovalChainID)
	require.NotEqual(t, uuid.Nil, asked.ApprovalRequestID)
	again, err := w.Calls.Check(ann, q)
	require.NoError(t, err)
	require.Equal(t, asked.ApprovalRequestID, again.ApprovalRequestID)
	require.Equal(t, asked.ApprovalRequestID.String(), s.get(t, "/invoices/guarded-1", w.Ann.Token).Error.Details["approval_request_id"])
	require.Equal(t, "no_matching_permission", s.get(t, "/invoices/guarded-1", w.Ben.Token).Error.Details["reason_code"], "an approval is nothing without the permission")

	_, err = w.Calls.ApproveAccessRequestWithResponse(client.WithToken(t.Context(), w.Ben.Token), asked.ApprovalRequestID, nil, client.ApproveAccessRequestJSONRequestBody{})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, s.get(t, "/invoices/guarded-1", w.Ann.Token).status)
	require.Equal(t, http.StatusForbidden, s.get(t, "/invoices/guarded-2", w.Ann.Token).status)
	require.EqualValues(t, 1, s.reached.Load())
}
