package enginetest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Record is what is kept of a decision.
type Record struct {
	ID        string
	TenantID  uuid.UUID
	SubjectID uuid.UUID
	Allowed   bool
	Code      string
	Question  json.RawMessage
	Answer    json.RawMessage
}

// CheckRecord fails unless the record tells of the case's question, of the
// answer that was given to it, and what the case says besides.
func (c *Case) CheckRecord(t testing.TB, given *Verdict, r *Record) {
	t.Helper()
	require.Equal(t, c.TenantID(), r.TenantID, c.Name)
	require.Equal(t, c.UserID(), r.SubjectID, c.Name)
	require.Equal(t, given.Allowed, r.Allowed, c.Name)
	require.Equal(t, given.Code, r.Code, c.Name)
	question := map[string]any{"resource": map[string]any{"type": c.Resource.Type, "id": c.Resource.ID}, "action": c.Action}
	require.Equal(t, Canonical(question), Canonical(r.Question), "%s: question", c.Name)
	var answer struct {
		Allowed     bool     `json:"allowed"`
		Code        string   `json:"reason_code"`
		Permissions []string `json:"matched_permissions"`
		Roles       []struct {
			Name string `json:"name"`
		} `json:"matched_roles"`
		Denials []struct {
			Policy string `json:"policy"`
			Reason string `json:"reason"`
		} `json:"denials"`
		Obligations []json.RawMessage `json:"obligations"`
		Chain       string            `json:"approval_chain_id"`
		Request     string            `json:"approval_request_id"`
		Auto        bool              `json:"auto_approved"`
	}
	require.NoError(t, json.Unmarshal(r.Answer, &answer), c.Name)
	// What the record does not hold is left to the answer.
	recorded := &Verdict{
		Allowed: answer.Allowed, Code: answer.Code, Permissions: answer.Permissions, Obligations: Objects(answer.Obligations),
		Chain: answer.Chain, Request: answer.Request, Levels: given.Levels, Fields: given.Fields, Denials: []string{}, Auto: &answer.Auto,
	}
	for _, role := range answer.Roles {
		recorded.Roles = append(recorded.Roles, role.Name)
	}
	recorded.Roles = slices.Compact(recorded.Roles)
	for _, d := range answer.Denials {
		recorded.Denials = append(recorded.Denials, d.Policy+": "+d.Reason)
	}
	Compare(t, given, recorded, "%s: record", c.Name)
	c.checkLiteral(t, r.Answer)
}

// checkLiteral compares the members of a record that the case writes out.
func (c *Case) checkLiteral(t testing.TB, answer json.RawMessage) {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(answer, &members), c.Name)
	for member, want := range c.Record {
		kind := map[string]string{"approval_chain_id": "chain", "approval_request_id": "request"}[member]
		if name, ok := want.(string); ok && kind != "" && name != "" {
			want = c.file.World.ids[c.file.World.key(c.Tenant, kind, name)].String()
		}
		have, ok := members[member]
		if !ok { // as what most answers lack is left out
			require.Empty(t, want, "%s: %s of the record", c.Name, member)
			continue
		}
		require.Equal(t, Canonical(want), Canonical(have), "%s: %s of the record", c.Name, member)
	}
}
