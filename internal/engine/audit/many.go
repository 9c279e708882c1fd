package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// mostAtOnce is how many events one statement writes.
const mostAtOnce = 1_000

// RecordAll is [Log.Record] for many events of the transaction's tenant: linked
// in the order given, with a handful of statements for each thousand.
func (l *Log) RecordAll(ctx context.Context, tx *db.Tx, events []Event) error {
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return db.ErrNoTenant
	}
	for part := range slices.Chunk(events, mostAtOnce) {
		if err := l.recordPart(ctx, tx, tenant, part); err != nil {
			return fmt.Errorf("audit %d events: %w", len(part), err)
		}
	}
	return nil
}

func (l *Log) recordPart(ctx context.Context, tx *db.Tx, tenant uuid.UUID, events []Event) error {
	head, err := lockHead(ctx, tx, tenant)
	if err != nil {
		return err
	}
	keys, err := l.keysFor(ctx, tx, tenant, events)
	if err != nil {
		return err
	}
	rows := make([]*Row, len(events))
	for i, e := range events {
		if e.Result == "" {
			e.Result = Success
		}
		if e.ResourceType == "" {
			e.ResourceType, _, _ = strings.Cut(e.Action, ".")
		}
		if rows[i], err = l.newRow(ctx, tx, tenant, e, keys); err != nil {
			return fmt.Errorf("%s: %w", e.Action, err)
		}
	}
	if err := canonical(ctx, tx, rows); err != nil {
		return err
	}
	for _, r := range rows {
		r.Seq, r.Prev = head.Seq+1, head.Hash
		r.Hash = r.sum(l.key)
		head.Seq, head.Hash = r.Seq, r.Hash
	}
	if err := insertAll(ctx, tx, rows); err != nil {
		return err
	}
	_, err = tx.Pgx.Exec(ctx, `
UPDATE sentinel.audit_heads
SET seq = $1, hash = $2
WHERE tenant_id = $3`, head.Seq, head.Hash, tenant)
	if err != nil {
		return fmt.Errorf("move head: %w", err)
	}
	return l.tell(ctx, tx, rows...)
}

// lockHead returns the end of the tenant's chain, held until the transaction
// ends.
func lockHead(ctx context.Context, tx *db.Tx, tenant uuid.UUID) (h head, err error) {
	_, err = tx.Pgx.Exec(ctx, `
INSERT INTO sentinel.audit_heads (tenant_id, seq, hash)
VALUES ($1, 0, ''::bytea)
ON CONFLICT (tenant_id) DO NOTHING`, tenant)
	if err != nil {
		return h, fmt.Errorf("make head: %w", err)
	}
	err = tx.Pgx.QueryRow(ctx, `
SELECT seq, hash
FROM sentinel.audit_heads
WHERE tenant_id = $1
FOR UPDATE`, tenant).Scan(&h.Seq, &h.Hash)
	if err != nil {
		return h, fmt.Errorf("read head: %w", err)
	}
	return h, nil
}

// keysFor returns the keys of all persons whom events show, and makes those that
// there are not. The chain's head is locked, so that nobody makes them meanwhile.
func (l *Log) keysFor(ctx context.Context, tx *db.Tx, tenant uuid.UUID, events []Event) (personKeys, error) {
	var persons []uuid.UUID
	for _, e := range events {
		if e.Person != (uuid.UUID{}) && (e.Before != nil || e.After != nil) {
			persons = append(persons, e.Person)
		}
	}
	keys := make(personKeys, len(persons))
	if len(persons) == 0 || l.master == nil {
		return keys, nil
	}
	if err := l.storedKeys(ctx, tx, tenant, persons, keys); err != nil {
		return nil, err
	}
	var lacking []uuid.UUID
	var sealed [][]byte
	seen := map[uuid.UUID]bool{}
	for _, person := range persons {
		if keys[person] == nil && !seen[person] {
			seen[person] = true
			lacking, sealed = append(lacking, person), append(sealed, l.master.Seal(crypto.NewDataKey(), keyPlace(tenant, person)))
		}
	}
	if len(lacking) == 0 {
		return keys, nil
	}
	_, err := tx.Pgx.Exec(ctx, `
INSERT INTO sentinel.personal_keys (tenant_id, user_id, sealed_key)
SELECT $1, user_id, sealed_key
FROM unnest($2::uuid[], $3::bytea[]) AS t (user_id, sealed_key)
ON CONFLICT (tenant_id, user_id) DO NOTHING`, tenant, lacking, sealed)
	if err != nil {
		return nil, fmt.Errorf("store personal keys: %w", err)
	}
	return keys, l.storedKeys(ctx, tx, tenant, lacking, keys)
}

// storedKeys reads the keys of persons into keys.
func (l *Log) storedKeys(ctx context.Context, tx *db.Tx, tenant uuid.UUID, persons []uuid.UUID, keys personKeys) error {
	rows, err := tx.Pgx.Query(ctx, `
SELECT user_id, sealed_key
FROM sentinel.personal_keys
WHERE tenant_id = $1
AND user_id = ANY($2)`, tenant, persons)
	if err != nil {
		return fmt.Errorf("read personal keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var person uuid.UUID
		var sealed []byte
		if err := rows.Scan(&person, &sealed); err != nil {
			return fmt.Errorf("read personal keys: %w", err)
		}
		if keys[person], err = l.openKey(tenant, person, sealed); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read personal keys: %w", err)
	}
	return nil
}

// canonical puts the documents of the rows into the text that the database will
// give back for them, over which the hashes are made.
func canonical(ctx context.Context, tx *db.Tx, rows []*Row) error {
	var documents []*json.RawMessage
	var texts []string
	for _, r := range rows {
		for _, d := range []*json.RawMessage{&r.Changes, &r.Details, &r.Actor, &r.Metadata} {
			documents, texts = append(documents, d), append(texts, string(*d))
		}
	}
	found, err := tx.Pgx.Query(ctx, `
SELECT (d::jsonb)::text
FROM unnest($1::text[]) WITH ORDINALITY AS t (d, n)
ORDER BY n`, texts)
	if err != nil {
		return fmt.Errorf("read documents back: %w", err)
	}
	defer found.Close()
	i := 0
	for ; found.Next(); i++ {
		var text string
		if err := found.Scan(&text); err != nil {
			return fmt.Errorf("read documents back: %w", err)
		}
		*documents[i] = json.RawMessage(text)
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("read documents back: %w", err)
	}
	return nil
}

func insertAll(ctx context.Context, tx *db.Tx, rows []*Row) error {
	columns := make([][]any, 18)
	for _, r := range rows {
		for i, v := range []any{
			r.ID, r.TenantID, r.CreatedAt, r.ActorID, r.ActorTenant, r.ActorType, string(r.Actor), r.Action, r.ResourceType, r.ResourceID,
			string(r.Changes), string(r.Result), string(r.Details), string(r.Metadata), r.RequestID, r.Seq, r.Prev, r.Hash,
		} {
			columns[i] = append(columns[i], v)
		}
	}
	args := make([]any, len(columns))
	for i := range columns {
		args[i] = columns[i]
	}
	_, err := tx.Pgx.Exec(ctx, `
INSERT INTO sentinel.audit_logs
  (id, tenant_id, created_at, actor_id, actor_tenant_id, actor_type, actor_details, action, resource_type, resource_id,
  changes, result, error_details, metadata, request_id, seq, prev_hash, hash)
SELECT id, tenant_id, created_at, actor_id, actor_tenant_id, actor_type, actor_details::jsonb, action, resource_type, resource_id,
  changes::jsonb, result, error_details::jsonb, metadata::jsonb, request_id, seq, prev_hash, hash
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
  $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bytea[], $18::bytea[])
  AS t (id, tenant_id, created_at, actor_id, actor_tenant_id, actor_type, actor_details, action, resource_type, resource_id,
  changes, result, error_details, metadata, request_id, seq, prev_hash, hash)`, args...)
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}
