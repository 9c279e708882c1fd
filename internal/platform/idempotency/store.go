// Package idempotency keeps the answers to creations in the database, so that
// one that is sent again is not made again, whichever replica it reaches. A kept
// answer may hold personal data; it lives for [Lifetime] and is deleted by the
// retention. The package knows no routes and no bodies.
package idempotency

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Lifetime is how long a key stands for its first request.
const Lifetime = 24 * time.Hour

// attempts bounds how often a claim is tried again because the row that stood in
// its way was gone when it was looked at.
const attempts = 3

// Store implements [httpapi.Idempotency] on the caller and the tenant of the
// context. Ages are measured by the database's clock, the same for all replicas.
type Store struct {
	DB *db.DB
	// Key keys what is stored of a request, which may hold a password: from the
	// plain hash it could be guessed. Another key makes the request another one.
	Key []byte
}

// hash is what is stored of a request's.
func (s *Store) hash(a httpapi.Attempt) []byte {
	mac := hmac.New(sha256.New, s.Key)
	mac.Write(a.Hash)
	return mac.Sum(nil)
}

// row is what stands under a key.
type row struct {
	home    uuid.UUID
	hash    []byte
	status  *int
	headers []byte
	data    []byte
	// age is the time since the claim, until there is an answer.
	age time.Duration
}

// Claim implements [httpapi.Idempotency]. That one of several equal requests
// alone is given the claim is the work of the unique constraint.
func (s *Store) Claim(ctx context.Context, a httpapi.Attempt) (uuid.UUID, *httpapi.Answer, error) {
	p, ok := identity.PrincipalFrom(ctx)
	if !ok {
		return uuid.Nil, nil, errors.New("an idempotency key without a caller")
	}
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return uuid.Nil, nil, db.ErrNoTenant
	}
	a.Hash = s.hash(a)
	for range attempts {
		var claim uuid.UUID
		var found *row
		err := s.DB.InTx(ctx, func(tx *db.Tx) error {
			var err error
			claim, found = uuid.Nil, nil
			if claim, err = insert(ctx, tx, tenant, p, a); err != nil || claim != uuid.Nil {
				return err
			}
			found, err = look(ctx, tx, tenant, p, a)
			return err
		})
		switch {
		case err != nil:
			return uuid.Nil, nil, fmt.Errorf("claim an idempotency key: %w", err)
		case claim != uuid.Nil:
			return claim, nil, nil
		case found != nil:
			answer, err := found.answer(p, a)
			return uuid.Nil, answer, err
		}
	}
	return uuid.Nil, nil, underWay(1)
}

// insert takes the key if it is free or past its time.
func insert(ctx context.Context, tx *db.Tx, tenant uuid.UUID, p *identity.Principal, a httpapi.Attempt) (uuid.UUID, error) {
	var claim uuid.UUID
	err := tx.Pgx.QueryRow(ctx, `
INSERT INTO sentinel.idempotency_keys AS k (tenant_id, principal_id, principal_tenant_id, route, key, request_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7))
ON CONFLICT ON CONSTRAINT idempotency_keys_scope_key DO UPDATE
SET id = sentinel.uuid_v7(), principal_tenant_id = EXCLUDED.principal_tenant_id, request_hash = EXCLUDED.request_hash,
    status_code = NULL, response_headers = '{}', response_body = NULL,
    expires_at = EXCLUDED.expires_at
WHERE k.expires_at <= clock_timestamp()
RETURNING id`, tenant, p.UserID, p.HomeTenantID, a.Route, a.Key, a.Hash, Lifetime.Seconds()).Scan(&claim)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, nil
	}
	return claim, err
}

// look reads what holds the key, nil if that is gone by now.
func look(ctx context.Context, tx *db.Tx, tenant uuid.UUID, p *identity.Principal, a httpapi.Attempt) (*row, error) {
	var r row
	var seconds float64
	err := tx.Pgx.QueryRow(ctx, `
SELECT principal_tenant_id, request_hash, status_code, response_headers, response_body,
       CAST(extract(epoch FROM clock_timestamp() - updated_at) AS double precision)
FROM sentinel.idempotency_keys
WHERE tenant_id = $1
AND principal_id = $2
AND route = $3
AND key = $4`, tenant, p.UserID, a.Route, a.Key).Scan(&r.home, &r.hash, &r.status, &r.headers, &r.data, &seconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // gone is an answer
	}
	r.age = time.Duration(seconds * float64(time.Second))
	return &r, err
}

// answer returns what was kept, if the request is the same one and has ended.
func (r *row) answer(p *identity.Principal, a httpapi.Attempt) (*httpapi.Answer, error) {
	switch {
	case r.home != p.HomeTenantID || subtle.ConstantTimeCompare(r.hash, a.Hash) != 1:
		return nil, fault.New(fault.ConflictKind, "This Idempotency-Key was used for another request. Use a new key.")
	case r.status == nil && r.age <= a.Timeout:
		return nil, underWay(min(5, int((a.Timeout-r.age)/time.Second)+1))
	case r.status == nil:
		return nil, fault.New(fault.ConflictKind, "The outcome of the first request with this Idempotency-Key is unknown: look whether it was made, then use a new key.")
	}
	answer := &httpapi.Answer{Status: *r.status, Data: r.data}
	if err := json.Unmarshal(r.headers, &answer.Header); err != nil {
		return nil, fmt.Errorf("read the headers of a kept answer: %w", err)
	}
	return answer, nil
}

func underWay(seconds int) error {
	f := fault.New(fault.ConflictKind, "The first request with this Idempotency-Key is still under way. Send it again later.")
	f.Details = map[string]any{"retry_after": seconds}
	return f
}

// Keep implements [httpapi.Idempotency].
func (s *Store) Keep(ctx context.Context, claim uuid.UUID, answer httpapi.Answer) error {
	headers, err := json.Marshal(answer.Header)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	err = s.DB.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Pgx.Exec(ctx, `
UPDATE sentinel.idempotency_keys
SET status_code = $2, response_headers = $3, response_body = $4
WHERE id = $1`, claim, answer.Status, headers, answer.Data)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return nil
}

// Free implements [httpapi.Idempotency]. A commit of which nobody knows whether
// it happened leaves the key taken.
func (s *Store) Free(ctx context.Context, claim uuid.UUID, cause error) error {
	if errors.Is(cause, db.ErrOutcomeUnknown) {
		return nil
	}
	err := s.DB.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Pgx.Exec(ctx, `
DELETE FROM sentinel.idempotency_keys
WHERE id = $1
AND status_code IS NULL`, claim)
		return err
	})
	if err != nil {
		return fmt.Errorf("free an idempotency key: %w", err)
	}
	return nil
}
