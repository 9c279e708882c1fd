// Package audit keeps what happened: events of the control plane, written in
// the transaction of what they report and chained by keyed hashes, and records
// of decisions, written behind the answers. It knows nothing of what an event
// means.
package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Result says how what an event reports ended.
type Result string

// The results of an event.
const (
	Success Result = "success"
	Failure Result = "failure"
	Denied  Result = "denied"
)

// Event is one thing that happened. Who did it comes from the context.
type Event struct {
	// Action is "<section>.<verb>", such as "role.create".
	Action string
	// ResourceType and ResourceID name what it happened to.
	ResourceType string
	ResourceID   uuid.UUID
	// Person is the account whose personal data Before and After show, none if
	// zero. That data is kept so that erasing the person erases it here too.
	Person uuid.UUID
	// Before and After are the object's public views; nil where there is none.
	// Members that hold secrets are masked.
	Before, After any
	// Result is Success when left empty.
	Result Result
	// Detail says more in a word or two, such as what was missing.
	Detail map[string]any
}

// Log writes events. The zero value is not usable: see [NewLog].
type Log struct {
	key      []byte
	master   *crypto.MasterKey
	now      func() time.Time
	follower Follower
}

// Follower is told of events as they are stored, in the transaction that records
// them, all of one tenant. With its error the transaction fails.
type Follower func(ctx context.Context, tx *db.Tx, rows []*Row) error

// NewLog makes a log whose hash chain is keyed with key, and in which personal
// data is encrypted with keys that master protects. Without master, for tests,
// events that show a person are refused.
func NewLog(key []byte, master *crypto.MasterKey, now func() time.Time) *Log {
	return &Log{key: key, master: master, now: now}
}

// Follow has fn told of every event from now on. It is called once, before
// anything is recorded.
func (l *Log) Follow(fn Follower) { l.follower = fn }

// tell tells the follower, if there is one.
func (l *Log) tell(ctx context.Context, tx *db.Tx, rows ...*Row) error {
	if l.follower == nil {
		return nil
	}
	return l.follower(ctx, tx, rows)
}

// head is the end of a tenant's chain, with the event's documents as the
// database will give them back: its jsonb text, over which the hash is made.
type head struct {
	Seq      int64
	Hash     []byte
	Changes  string
	Details  string
	Actor    string
	Metadata string
}

// Record adds an event to the chain of the transaction's tenant. It commits or
// rolls back with what it reports. Events of one tenant are written one after
// the other: the chain's head is locked until the transaction ends.
func (l *Log) Record(ctx context.Context, tx *db.Tx, e Event) error {
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return db.ErrNoTenant
	}
	return l.RecordIn(ctx, tx, tenant, e)
}

// RecordIn is [Log.Record] for a transaction in the system scope, which names
// the tenant.
func (l *Log) RecordIn(ctx context.Context, tx *db.Tx, tenant uuid.UUID, e Event) error {
	if e.Result == "" {
		e.Result = Success
	}
	if e.ResourceType == "" {
		e.ResourceType, _, _ = strings.Cut(e.Action, ".")
	}
	if err := tx.Exec(`
INSERT INTO sentinel.audit_heads (tenant_id, seq, hash)
VALUES (?, 0, ''::bytea)
ON CONFLICT (tenant_id) DO NOTHING`, tenant).Error; err != nil {
		return fmt.Errorf("audit %s: make head: %w", e.Action, err)
	}
	row, err := l.newRow(ctx, tx, tenant, e, nil)
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	var h head
	err = tx.Raw(`
SELECT h.seq, h.hash, CAST(CAST(@changes AS jsonb) AS text) AS changes, CAST(CAST(@details AS jsonb) AS text) AS details,
  CAST(CAST(@actor AS jsonb) AS text) AS actor, CAST(CAST(@metadata AS jsonb) AS text) AS metadata
FROM sentinel.audit_heads h
WHERE h.tenant_id = @tenant
FOR UPDATE OF h`, map[string]any{
		"tenant": tenant, "changes": string(row.Changes), "details": string(row.Details),
		"actor": string(row.Actor), "metadata": string(row.Metadata),
	}).Take(&h).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return fmt.Errorf("audit %s: the chain of tenant %s has no head", e.Action, tenant)
	}
	if err != nil {
		return fmt.Errorf("audit %s: read head: %w", e.Action, err)
	}
	row.Seq, row.Prev = h.Seq+1, h.Hash
	row.Changes, row.Details = json.RawMessage(h.Changes), json.RawMessage(h.Details)
	row.Actor, row.Metadata = json.RawMessage(h.Actor), json.RawMessage(h.Metadata)
	row.Hash = row.sum(l.key)
	if err := row.insert(tx); err != nil {
		return err
	}
	return l.tell(ctx, tx, row)
}

// Row is an event as it is stored.
type Row struct {
	ID           uuid.UUID
	TenantID     uuid.UUID
	CreatedAt    time.Time
	ActorID      *uuid.UUID
	ActorTenant  *uuid.UUID
	ActorType    string
	Actor        json.RawMessage
	Action       string
	ResourceType string
	ResourceID   string
	Changes      json.RawMessage
	Result       Result
	Details      json.RawMessage
	Metadata     json.RawMessage
	RequestID    string
	Seq          int64
	Prev         []byte
	Hash         []byte
}

// newRow makes the row of an event. keys are those of persons that are known
// already.
func (l *Log) newRow(ctx context.Context, tx *db.Tx, tenant uuid.UUID, e Event, keys personKeys) (*Row, error) {
	request := identity.RequestFrom(ctx)
	r := &Row{
		ID: uuid.Must(uuid.NewV7()), TenantID: tenant, CreatedAt: l.now().UTC().Truncate(time.Microsecond),
		ActorType: "system", Action: e.Action, ResourceType: e.ResourceType, Result: e.Result, RequestID: request.ID,
	}
	if e.ResourceID != (uuid.UUID{}) || e.ResourceType == "tenant" {
		r.ResourceID = e.ResourceID.String()
	}
	actor := map[string]any{}
	if p, ok := identity.PrincipalFrom(ctx); ok {
		r.ActorID, r.ActorTenant, r.ActorType = &p.UserID, &p.HomeTenantID, "user"
		if p.IsServiceAccount {
			r.ActorType = "service_account"
		}
		actor["session_id"] = p.SessionID
	}
	changes, details, err := l.documents(tx, tenant, e, keys)
	if err != nil {
		return nil, err
	}
	documents := []struct {
		into *json.RawMessage
		from any
	}{
		{&r.Actor, actor},
		{&r.Changes, changes},
		{&r.Details, details},
		{&r.Metadata, map[string]any{"address": request.Address, "user_agent": request.UserAgent}},
	}
	for _, d := range documents {
		if *d.into, err = json.Marshal(d.from); err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
	}
	return r, nil
}

// documents are the changes and the details as they are stored: secrets masked,
// personal data encrypted.
func (l *Log) documents(tx *db.Tx, tenant uuid.UUID, e Event, keys personKeys) (changes map[string]any, details any, err error) {
	changes = map[string]any{}
	if e.Before != nil {
		if changes["before"], err = masked(e.Before); err != nil {
			return nil, nil, err
		}
	}
	if e.After != nil {
		if changes["after"], err = masked(e.After); err != nil {
			return nil, nil, err
		}
	}
	if details, err = decoded(orEmpty(e.Detail)); err != nil {
		return nil, nil, err
	}
	if e.Person == (uuid.UUID{}) {
		return changes, details, conceal(details, unnamedMembers, maskMember)
	}
	seal := l.sealFor(tx, tenant, e.Person, keys[e.Person])
	if err := conceal(changes, personalMembers, seal); err != nil {
		return nil, nil, err
	}
	return changes, details, conceal(details, personalMembers, seal)
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// sum is the row's keyed hash: HMAC-SHA-256 over the previous hash and every
// column, each with its length before it, so that no two rows read the same.
func (r *Row) sum(key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	actor, actorTenant := "", ""
	if r.ActorID != nil {
		actor, actorTenant = r.ActorID.String(), r.ActorTenant.String()
	}
	for _, part := range []string{
		string(r.Prev), fmt.Sprint(r.Seq), r.ID.String(), r.TenantID.String(), r.CreatedAt.UTC().Format(time.RFC3339Nano),
		actor, actorTenant, r.ActorType, string(r.Actor), r.Action, r.ResourceType, r.ResourceID,
		string(r.Changes), string(r.Result), string(r.Details), string(r.Metadata), r.RequestID,
	} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		mac.Write(n[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

func (r *Row) insert(tx *db.Tx) error {
	err := tx.Exec(`
INSERT INTO sentinel.audit_logs
  (id, tenant_id, created_at, actor_id, actor_tenant_id, actor_type, actor_details, action, resource_type, resource_id,
  changes, result, error_details, metadata, request_id, seq, prev_hash, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.TenantID, r.CreatedAt, r.ActorID, r.ActorTenant, r.ActorType, string(r.Actor), r.Action, r.ResourceType, r.ResourceID,
		string(r.Changes), r.Result, string(r.Details), string(r.Metadata), r.RequestID, r.Seq, r.Prev, r.Hash).Error
	if err != nil {
		return fmt.Errorf("audit %s: %w", r.Action, err)
	}
	err = tx.Exec(`
UPDATE sentinel.audit_heads
SET seq = ?, hash = ?
WHERE tenant_id = ?`, r.Seq, r.Hash, r.TenantID).Error
	if err != nil {
		return fmt.Errorf("audit %s: move head: %w", r.Action, err)
	}
	return nil
}
