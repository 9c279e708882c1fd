package audit

import (
	"bytes"
	"crypto/hmac"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Verdict is what [Log.Verify] found.
type Verdict struct {
	// Checked is how many events were read.
	Checked int64
	// Broken is the sequence number of the first event that is missing, was
	// changed or does not follow the one before it; 0 if there is none.
	Broken int64
}

// verifyBatch is how many events are read at once.
const verifyBatch = 1_000

// Verify walks a tenant's chain from the last event that was dropped with its
// time, and makes every hash again. It must run in the tenant's own transaction,
// a read one, so that head and events are of one moment.
func (l *Log) Verify(tx *db.Tx, tenant uuid.UUID) (Verdict, error) {
	var h struct {
		Seq        int64
		Hash       []byte
		AnchorSeq  int64
		AnchorHash []byte
	}
	err := tx.Raw(`
SELECT seq, hash, anchor_seq, anchor_hash
FROM sentinel.audit_heads
WHERE tenant_id = ?`, tenant).Scan(&h).Error
	if err != nil {
		return Verdict{}, fmt.Errorf("read audit head: %w", err)
	}
	var v Verdict
	seq, prev := h.AnchorSeq, h.AnchorHash
	for {
		var rows []Row
		err := tx.Raw(`
SELECT id, tenant_id, created_at, actor_id, actor_tenant_id AS actor_tenant, actor_type, action, resource_type, resource_id, result,
  request_id, seq, prev_hash AS prev, hash,
  convert_to(actor_details::text, 'UTF8') AS actor, convert_to(changes::text, 'UTF8') AS changes,
  convert_to(error_details::text, 'UTF8') AS details, convert_to(metadata::text, 'UTF8') AS metadata
FROM sentinel.audit_logs
WHERE tenant_id = ?
AND seq > ?
ORDER BY seq
LIMIT ?`, tenant, seq, verifyBatch).Scan(&rows).Error
		if err != nil {
			return v, fmt.Errorf("read audit log: %w", err)
		}
		for i := range rows {
			r := &rows[i]
			v.Checked++
			if r.Seq != seq+1 || !bytes.Equal(r.Prev, prev) || !hmac.Equal(r.Hash, r.sum(l.key)) {
				v.Broken = seq + 1
				return v, nil
			}
			seq, prev = r.Seq, r.Hash
		}
		if len(rows) < verifyBatch {
			break
		}
	}
	if seq != h.Seq || !bytes.Equal(prev, h.Hash) {
		v.Broken = seq + 1
	}
	return v, nil
}
