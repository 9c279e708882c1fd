package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// Rotation says how a new signing key comes in.
type Rotation struct {
	// Now lets it sign at once, before clients have its public part: for a key
	// that leaked. Default: it is published for 10 minutes first.
	Now bool
	// RevokeOld voids all other keys at once, with every access token that they
	// signed. Sessions go on: their refresh tokens are signed by none. Only with
	// Now.
	RevokeOld bool
}

// KeyInfo is a signing key without its private part.
type KeyInfo struct {
	Kid string
	// Status is "next" (published), "active" (signs) or "retired" (verifies).
	Status    string
	NotBefore time.Time
	// NotAfter is when a retired key stops verifying.
	NotAfter  *time.Time
	CreatedAt time.Time
}

func info(r *models.SigningKey) KeyInfo {
	return KeyInfo{Kid: r.Kid, Status: r.Status, NotBefore: r.NotBefore, NotAfter: r.NotAfter, CreatedAt: r.CreatedAt}
}

// List returns all keys there ever were, the oldest first.
func (k *Keys) List(ctx context.Context) (list []KeyInfo, err error) {
	err = k.db.InSystemReadTx(ctx, db.SigningKeys, func(tx *db.Tx) error {
		var rows []models.SigningKey
		if err := tx.Order("created_at, kid").Find(&rows).Error; err != nil {
			return fmt.Errorf("list signing keys: %w", err)
		}
		list = make([]KeyInfo, len(rows))
		for i := range rows {
			list[i] = info(&rows[i])
		}
		return nil
	})
	return list, err
}

// Rotate makes a new signing key and audits that in the platform's tenant. Every
// replica follows by itself.
func (k *Keys) Rotate(ctx context.Context, log *audit.Log, o Rotation) (out KeyInfo, err error) {
	if o.RevokeOld && !o.Now {
		return out, errors.New("--revoke-old leaves no key to sign with until the new one does: say --now as well")
	}
	err = k.db.InSystemTx(ctx, db.SigningKeys, func(tx *db.Tx) error {
		if err := lockKeys(tx); err != nil {
			return err
		}
		rows, _, err := k.current(tx)
		if err != nil {
			return err
		}
		row, err := k.replace(tx, rows, o)
		if err != nil {
			return err
		}
		out = info(row)
		return log.RecordIn(ctx, tx, identity.PlatformTenant, audit.Event{
			Action: "keys.rotate", ResourceType: "signing_key", ResourceID: row.ID,
			After:  map[string]any{"kid": row.Kid, "status": row.Status, "not_before": row.NotBefore},
			Detail: map[string]any{"now": o.Now, "revoke_old": o.RevokeOld},
		})
	})
	return out, err
}

func (k *Keys) replace(tx *db.Tx, rows []models.SigningKey, o Rotation) (*models.SigningKey, error) {
	if !o.Now {
		for i := range rows {
			if rows[i].Status == "next" {
				return nil, fmt.Errorf("key %s is on its way already and signs from %s; --now makes another that signs at once",
					rows[i].Kid, rows[i].NotBefore.Format(time.RFC3339))
			}
		}
		return k.create(tx, "next", publishedFor)
	}
	if err := retire(tx); err != nil {
		return nil, err
	}
	// One that waited has signed nothing and will not.
	void := "status = 'next'"
	if o.RevokeOld {
		void = "not_after IS NULL OR not_after > clock_timestamp()"
	}
	err := tx.Exec("UPDATE sentinel.signing_keys SET status = 'retired', not_after = clock_timestamp() WHERE " + void).Error
	if err != nil {
		return nil, fmt.Errorf("void signing keys: %w", err)
	}
	return k.create(tx, "active", 0)
}
