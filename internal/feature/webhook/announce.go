package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/models"
)

// mostAtOnce is how many deliveries one statement writes.
const mostAtOnce = 1_000

// Announce is the audit log's follower: it writes a delivery and its job for
// every event and every active webhook that asks for it, with the transaction
// that the event is of. In a tenant without webhooks it is one look-up by an
// index, whatever the number of events.
func (s *Service) Announce(ctx context.Context, tx *db.Tx, rows []*audit.Row) error {
	if len(rows) == 0 {
		return nil
	}
	hooks, err := listening(ctx, tx, rows[0].TenantID)
	if err != nil || len(hooks) == 0 {
		return err
	}
	var list []models.WebhookDelivery
	for _, r := range rows {
		if r.Action == testEvent || r.Action == redeliverEvent {
			continue
		}
		name := nameOf(r)
		var body []byte
		for i := range hooks {
			if !wants(hooks[i].Events, name) {
				continue
			}
			if body == nil {
				if body, err = json.Marshal(payload(r, name)); err != nil {
					return fmt.Errorf("encode event: %w", err)
				}
			}
			list = append(list, models.WebhookDelivery{
				ID: uuid.Must(uuid.NewV7()), TenantID: r.TenantID, WebhookID: hooks[i].ID, Event: name, Payload: models.JSON(body),
			})
		}
	}
	return s.enqueue(ctx, tx, list)
}

// listeningSQL is asked by every write of every tenant.
const listeningSQL = `
SELECT id, events
FROM sentinel.webhooks
WHERE tenant_id = $1
AND is_active`

// listening returns the active webhooks of a tenant, with their events.
func listening(ctx context.Context, tx *db.Tx, tenant uuid.UUID) (hooks []models.Webhook, err error) {
	rows, err := tx.Pgx.Query(ctx, listeningSQL, tenant)
	if err != nil {
		return nil, fmt.Errorf("find webhooks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m models.Webhook
		if err := rows.Scan(&m.ID, (*[]string)(&m.Events)); err != nil {
			return nil, fmt.Errorf("read webhooks: %w", err)
		}
		hooks = append(hooks, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	return hooks, nil
}

// enqueue writes deliveries that wait and the jobs that make them, in sets.
func (s *Service) enqueue(ctx context.Context, tx *db.Tx, list []models.WebhookDelivery) error {
	for part := range slices.Chunk(list, mostAtOnce) {
		todo := make([]jobs.Args, len(part))
		ids, hooks, names, bodies := make([]uuid.UUID, len(part)), make([]uuid.UUID, len(part)), make([]string, len(part)), make([]string, len(part))
		for i := range part {
			d := &part[i]
			ids[i], hooks[i], names[i], bodies[i] = d.ID, d.WebhookID, d.Event, string(d.Payload)
			todo[i] = Job{Tenant: d.TenantID, Delivery: d.ID}
		}
		_, err := tx.Pgx.Exec(ctx, `
INSERT INTO sentinel.webhook_deliveries (tenant_id, id, webhook_id, event, payload, next_attempt_at)
SELECT $1, id, webhook_id, event, payload::jsonb, now()
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS t (id, webhook_id, event, payload)`,
			part[0].TenantID, ids, hooks, names, bodies)
		if err != nil {
			return fmt.Errorf("write %d deliveries: %w", len(part), err)
		}
		if err := s.cfg.Queue.InsertAll(ctx, tx, todo); err != nil {
			return err
		}
	}
	return nil
}
