-- What webhooks need beyond the first sketch: since when every delivery fails,
-- when one is tried again, and deliveries that nobody is to get any more.

-- +goose Up

ALTER TABLE sentinel.webhooks
    ADD COLUMN failing_since timestamptz,
    ADD CONSTRAINT webhooks_events_count CHECK (cardinality(events) <= 50);
COMMENT ON COLUMN sentinel.webhooks.failing_since IS 'When the first of the deliveries failed between which and now none got through.';

ALTER TABLE sentinel.webhook_deliveries
    ADD COLUMN next_attempt_at timestamptz,
    DROP CONSTRAINT webhook_deliveries_status_known,
    ADD CONSTRAINT webhook_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed', 'dropped'));
COMMENT ON COLUMN sentinel.webhook_deliveries.payload IS 'Ids only: no personal data and no secrets.';
CREATE INDEX webhook_deliveries_pending_idx ON sentinel.webhook_deliveries (tenant_id, created_at) WHERE status = 'pending';

-- +goose Down

DROP INDEX sentinel.webhook_deliveries_pending_idx;
-- The owner may be bound by row-level security.
SELECT set_config('sentinel.scope', 'system', true);
UPDATE sentinel.webhook_deliveries SET status = 'failed' WHERE status = 'dropped';
ALTER TABLE sentinel.webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_status_known,
    DROP COLUMN next_attempt_at,
    ADD CONSTRAINT webhook_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed'));
COMMENT ON COLUMN sentinel.webhook_deliveries.payload IS NULL;
ALTER TABLE sentinel.webhooks
    DROP CONSTRAINT webhooks_events_count,
    DROP COLUMN failing_since;
