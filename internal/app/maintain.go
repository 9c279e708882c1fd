package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

const (
	// maintainEvery is how often partitions are made and what is past its time is
	// deleted.
	maintainEvery = time.Hour
	// purgeBatch bounds the rows of one statement, purgeBatches the statements for
	// one table in one run: what is left waits an hour.
	purgeBatch   = 10_000
	purgeBatches = 100
)

// maintain keeps the partitions of the coming days in place, forgets changes of
// subjects that every replica has seen, and deletes what is past its time.
func (a *App) maintain(ctx context.Context) error {
	ticker := time.NewTicker(maintainEvery)
	defer ticker.Stop()
	for {
		if err := a.Maintain(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "maintenance", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Maintain does once what a running server does every hour. Replicas may do it
// at the same time.
func (a *App) Maintain(ctx context.Context) error {
	err := a.db.InSystemTx(ctx, db.Retention, func(tx *db.Tx) error {
		if err := tx.Exec("SELECT sentinel.ensure_partitions(7)").Error; err != nil {
			return fmt.Errorf("make partitions: %w", err)
		}
		if err := tx.Exec("SELECT sentinel.prune_subject_changes(interval '10 minutes')").Error; err != nil {
			return fmt.Errorf("prune subject changes: %w", err)
		}
		if err := tx.Exec(stranded, purgeBatch).Error; err != nil {
			return fmt.Errorf("end deliveries that nobody makes: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, table := range []struct{ name, past string }{
		{"idempotency_keys", "expires_at < now()"},
		// An hour for clocks that go wrong: a token is judged by the server's.
		{"token_blacklist", "expires_at < now() - interval '1 hour'"},
		// A day more, since those of the last hour are counted against floods of mails.
		{"one_time_tokens", "expires_at < now() - interval '1 day'"},
		// Kept for a while, so that a session's history can be looked at.
		{"refresh_tokens", "expires_at < now() - interval '30 days'"},
		// What a failed import, or one that stands still, left of its file.
		{"import_parts", "updated_at < now() - interval '7 days'"},
		{"webhook_deliveries", "created_at < now() - interval '30 days'"},
		{"import_refusals", "created_at < now() - interval '30 days'"},
		// What conditions approved grants nothing; the audit log keeps that it was.
		{"access_requests", "auto_approved AND created_at < now() - interval '30 days'"},
		{"login_failures", "updated_at < now() - interval '30 days' AND (locked_until IS NULL OR locked_until < now())"},
	} {
		if err := a.purge(ctx, table.name, table.past); err != nil {
			return fmt.Errorf("purge %s: %w", table.name, err)
		}
	}
	return nil
}

// stranded ends deliveries to webhooks that are tried no more, since a process
// died with their last attempt, or for which there was no worker for so long.
const stranded = `
UPDATE sentinel.webhook_deliveries
SET status = 'failed', error = 'It did not get through within two days.', next_attempt_at = NULL
WHERE id IN (
    SELECT id
    FROM sentinel.webhook_deliveries
    WHERE status = 'pending'
    AND created_at < now() - interval '2 days'
    LIMIT ?
    FOR UPDATE SKIP LOCKED)`

// purge deletes the rows of a table for which a condition holds, batch by batch,
// so that no transaction holds many locks. Rows that another replica deletes
// are passed over.
func (a *App) purge(ctx context.Context, table, past string) error {
	for range purgeBatches {
		var deleted int64
		err := a.db.InSystemTx(ctx, db.Retention, func(tx *db.Tx) error {
			done := tx.Exec(`
DELETE FROM sentinel.`+table+`
WHERE id IN (
    SELECT id
    FROM sentinel.`+table+`
    WHERE `+past+`
    LIMIT ?
    FOR UPDATE SKIP LOCKED)`, purgeBatch)
			deleted = done.RowsAffected
			return done.Error
		})
		if err != nil {
			return err
		}
		if deleted < purgeBatch {
			return nil
		}
	}
	return nil
}
