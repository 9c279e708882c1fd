package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
)

func TestNameOf_IsThePast(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"user.create": "user.created", "user.update": "user.updated", "user.delete": "user.deleted", "user.lock": "user.locked", "user.unlock": "user.unlocked",
		"user.assign_role": "user.assigned_role", "user.update_me": "user.updated_me", "user.reset_password": "user.reset_password", "user.add_to_group": "user.added_to_group",
		"access_request.create": "access_request.opened", "access_request.approve": "access_request.approved", "access_request.deny": "access_request.denied",
		"access_request.escalate": "access_request.escalated", "access_request.expire": "access_request.expired", "access_request.cancel": "access_request.cancelled",
		"access_request.revoke": "access_request.revoked", "access_request.auto_approve": "access_request.auto_approved",
		"policy.publish": "policy.published", "policy.rollback": "policy.rolled_back", "manifest.apply": "manifest.applied", "menu.reset": "menu.reset",
		"session.login": "session.login", "session.token": "session.token", "session.reuse": "session.reused", "tenant.terminology": "tenant.terminology",
		"credential.forgot_password": "credential.forgot_password", "credential.enrol_mfa": "credential.enrolled_mfa", "import.finish": "import.finished",
		"webhook.switch_off": "webhook.switched_off", "delegation.opened": "delegation.opened", "x.play": "x.played", "x.y": "x.yed", "odd": "odd.",
	} {
		require.Equal(t, want, nameOf(&audit.Row{Action: action, Result: audit.Success}), action)
		require.Equal(t, "audit.denied", nameOf(&audit.Row{Action: action, Result: audit.Denied}))
		require.Equal(t, "audit.failed", nameOf(&audit.Row{Action: action, Result: audit.Failure}))
	}
	require.Len(t, nameOf(&audit.Row{Action: "a." + strings.Repeat("b", 200), Result: audit.Success}), maxEvent)
}

func TestWants_ByNameSectionOrAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		events []string
		name   string
		want   bool
	}{
		{[]string{"*"}, "user.created", true},
		{[]string{"user.*"}, "user.created", true},
		{[]string{"user.created"}, "user.created", true},
		{[]string{"role.*", "user.deleted", "user.created"}, "user.created", true},
		{[]string{"user.create"}, "user.created", false},
		{[]string{"user.created"}, "user.created_late", false},
		{[]string{"user.*"}, "user_group.created", false},
		{[]string{"use.*"}, "user.created", false},
		{[]string{"audit.*"}, "audit.denied", true},
		{[]string{"audit.*"}, "user.created", false},
		{nil, "user.created", false},
	} {
		require.Equal(t, c.want, wants(c.events, c.name), "%v %s", c.events, c.name)
	}
}

// TestSignature_IsWhatReceiversCompute has the example of docs/webhooks.md, which
// the tests of the client have too.
func TestSignature_IsWhatReceiversCompute(t *testing.T) {
	t.Parallel()
	const secret = "snw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	const body = `{"id":"01a20fe9-d45e-7432-9ff7-e2b478dd13db","event":"user.created","data":{"actor":{"id":null,"type":"system"}}}`
	require.Equal(t, "t=1700000000,v1=7d80043520ee77ed3ca42abf5c04c38236e5e585716dddd7106e7d127799f5a1", Signature(secret, []byte(body), time.Unix(1_700_000_000, 0)))
}

func TestPayload_HoldsIdsOnly(t *testing.T) {
	t.Parallel()
	actor := uuid.New()
	r := &audit.Row{
		ID: uuid.New(), TenantID: uuid.New(), ActorID: &actor, ActorType: "user", Action: "user.create", ResourceType: "user", ResourceID: "r", Result: audit.Success,
		RequestID: "q", Actor: []byte(`{"session_id":"hidden"}`), Changes: []byte(`{"after":"hidden"}`), Details: []byte(`"hidden"`), Metadata: []byte(`{"address":"hidden"}`),
	}
	p := payload(r, "user.created")
	require.Equal(t, Payload{ID: r.ID, Event: "user.created", TenantID: r.TenantID, Data: Data{
		Action: "user.create", Actor: Actor{ID: &actor, Type: "user"}, Resource: Resource{Type: "user", ID: "r"}, Result: audit.Success, RequestID: "q",
	}}, *p)
}
