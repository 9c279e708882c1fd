// Package reseal seals everything that is encrypted in the database with the
// present master key, after that key was changed. It knows where such values
// stand and the place that each is bound to, and not what they are for.
package reseal

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/personal"
	"github.com/sentinel-access/sentinel/models"
)

// batch is how many rows a transaction looks at.
const batch = 200

// column is one with sealed values.
type column struct {
	// name is what counts are told under.
	name, table string
	// key is the column by which rows are told apart and walked, of the type keyType.
	key, keyType string
	sealed       string
	// place is SQL for the place that a value is bound to.
	place string
}

// columns are all there are, apart from attributes of accounts.
var columns = []column{
	{"signing keys", "sentinel.signing_keys", "id", "uuid", "private_key", "'signing_keys/' || kid"},
	{"second factors", "sentinel.users", "id", "uuid", "mfa_secret", "'users/' || id || '/mfa'"},
	{"personal keys", "sentinel.personal_keys", "id", "uuid", "sealed_key", "'personal_keys/' || tenant_id || '/' || user_id"},
	{"webhook secrets", "sentinel.webhooks", "id", "uuid", "secret", "'webhooks/' || id || '/secret'"},
	{"imports", "sentinel.import_parts", "id", "uuid", "sealed", "'import_parts/' || id"},
	{"installation secrets", "sentinel.installation_secrets", "name", "text", "sealed_value", "'installation_secrets/' || name"},
}

// Count says what became of one kind of values.
type Count struct {
	Name string
	// Resealed are those that were sealed anew; Unreadable those that no key in
	// the configuration opens, which stay as they are.
	Resealed, Unreadable int
	// Changed are those that somebody else wrote meanwhile. Another run sees them.
	Changed int
}

// Run seals everything anew that another key than master sealed. It may be
// stopped and run again, beside servers that have both keys: a value that
// somebody writes meanwhile is left as they wrote it.
func Run(ctx context.Context, d *db.DB, master *crypto.MasterKey) ([]Count, error) {
	counts := make([]Count, 0, len(columns)+1)
	for _, c := range columns {
		count := Count{Name: c.name}
		if err := c.run(ctx, d, master, &count); err != nil {
			return counts, fmt.Errorf("seal %s anew: %w", c.name, err)
		}
		counts = append(counts, count)
	}
	count := Count{Name: "personal attributes"}
	if err := attributes(ctx, d, master, &count); err != nil {
		return counts, fmt.Errorf("seal personal attributes anew: %w", err)
	}
	return append(counts, count), nil
}

// row is a value sealed with another key.
type row struct {
	Key, Place string
	Sealed     []byte
}

func (c *column) run(ctx context.Context, d *db.DB, master *crypto.MasterKey, count *Count) error {
	after := ""
	for {
		var rows []row
		done := Count{}
		err := d.InSystemTx(ctx, db.MasterKey, func(tx *db.Tx) (err error) {
			done = Count{}
			if rows, err = c.next(tx, master, after); err != nil {
				return err
			}
			for i := range rows {
				if err := c.reseal(tx, master, &rows[i], &done); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		count.add(done)
		if len(rows) < batch {
			return nil
		}
		after = rows[len(rows)-1].Key
	}
}

func (c *Count) add(o Count) {
	c.Resealed, c.Unreadable, c.Changed = c.Resealed+o.Resealed, c.Unreadable+o.Unreadable, c.Changed+o.Changed
}

func (c *column) next(tx *db.Tx, master *crypto.MasterKey, after string) (rows []row, err error) {
	mark := master.Mark()
	from := ""
	values := map[string]any{"mark": mark, "length": len(mark), "limit": batch}
	if after != "" {
		from = "AND " + c.key + " > CAST(@after AS " + c.keyType + ")"
		values["after"] = after
	}
	err = tx.Raw(`
SELECT CAST(`+c.key+` AS text) AS key, `+c.place+` AS place, `+c.sealed+` AS sealed
FROM `+c.table+`
WHERE `+c.sealed+` IS NOT NULL
AND substring(`+c.sealed+` FROM 1 FOR @length) <> @mark
`+from+`
ORDER BY `+c.key+`
LIMIT @limit`, values).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find: %w", err)
	}
	return rows, nil
}

func (c *column) reseal(tx *db.Tx, master *crypto.MasterKey, r *row, count *Count) error {
	secret, err := master.Open(r.Sealed, r.Place)
	if err != nil {
		count.Unreadable++
		return nil //nolint:nilerr // counted, and told at the end
	}
	done := tx.Exec(`
UPDATE `+c.table+`
SET `+c.sealed+` = ?
WHERE `+c.key+` = CAST(? AS `+c.keyType+`)
AND `+c.sealed+` = ?`, master.Seal(secret, r.Place), r.Key, r.Sealed)
	if done.Error != nil {
		return fmt.Errorf("write: %w", done.Error)
	}
	count.one(done.RowsAffected)
	return nil
}

func (c *Count) one(written int64) {
	if written == 0 {
		c.Changed++
		return
	}
	c.Resealed++
}

// account is a row with attributes.
type account struct {
	ID         uuid.UUID
	TenantID   uuid.UUID
	Attributes models.JSON
}

// attributes walks the accounts: values within a document are found by looking.
func attributes(ctx context.Context, d *db.DB, master *crypto.MasterKey, count *Count) error {
	var after *uuid.UUID
	for {
		var rows []account
		done := Count{}
		err := d.InSystemTx(ctx, db.MasterKey, func(tx *db.Tx) error {
			done, rows = Count{}, nil
			q := tx.Table("sentinel.users").Select("id", "tenant_id", "attributes").Where("attributes <> '{}'")
			if after != nil {
				q = q.Where("id > ?", *after)
			}
			if err := q.Order("id").Limit(batch).Scan(&rows).Error; err != nil {
				return fmt.Errorf("find: %w", err)
			}
			keys := map[uuid.UUID][]string{}
			for i := range rows {
				if err := resealAccount(tx, master, &rows[i], keys, &done); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		count.add(done)
		if len(rows) < batch {
			return nil
		}
		after = &rows[len(rows)-1].ID
	}
}

func resealAccount(tx *db.Tx, master *crypto.MasterKey, a *account, keys map[uuid.UUID][]string, count *Count) error {
	names, known := keys[a.TenantID]
	if !known {
		var err error
		if names, err = personal.Keys(tx.Session(&gorm.Session{}), a.TenantID); err != nil {
			return err
		}
		keys[a.TenantID] = names
	}
	sealed, changed, err := personal.Reseal(master, a.ID, a.Attributes, names)
	if err != nil {
		count.Unreadable++
		return nil //nolint:nilerr // counted, and told at the end
	}
	if !changed {
		return nil
	}
	done := tx.Exec("UPDATE sentinel.users SET attributes = CAST(? AS jsonb) WHERE id = ? AND attributes = CAST(? AS jsonb)",
		string(sealed), a.ID, string(a.Attributes))
	if done.Error != nil {
		return fmt.Errorf("write: %w", done.Error)
	}
	count.one(done.RowsAffected)
	return nil
}
