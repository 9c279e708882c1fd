package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWebhooks_GoDownAndUpAgain with deliveries in every state.
func TestWebhooks_GoDownAndUpAgain(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	f.mustAs(tenant, "INSERT INTO sentinel.webhooks (tenant_id, name, url, secret, failing_since) VALUES ($1, 'w', 'https://w.example', '\\x01', now())", tenant)
	f.mustAs(tenant, `
INSERT INTO sentinel.webhook_deliveries (tenant_id, webhook_id, event, payload, status, next_attempt_at)
SELECT w.tenant_id, w.id, 'user.created', '{}', s, now() FROM sentinel.webhooks w, unnest(ARRAY['pending', 'delivered', 'failed', 'dropped']) s`)
	f.exec(downPart(t, "00022_webhooks.sql"))
	f.exec(upPart(t, "00022_webhooks.sql"))
	require.Equal(t, []string{"delivered", "failed", "failed", "pending"}, rows[string](f, "SELECT status FROM sentinel.webhook_deliveries ORDER BY 1"))
	require.Equal(t, 1, one[int](f, "SELECT count(*)::int FROM sentinel.webhooks WHERE failing_since IS NULL"))
}
