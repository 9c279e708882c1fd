package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"text/tabwriter"
	"time"

	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/feature/session"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/embedded"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
	"github.com/sentinel-access/sentinel/internal/platform/reseal"
	"github.com/sentinel-access/sentinel/models"
)

// masterKey is the configured one, or one kept beside the embedded database,
// with those before it that may still open.
func masterKey(cfg Config) (*crypto.MasterKey, error) {
	if cfg.MasterKey == "" {
		return crypto.LoadOrCreate(masterKeyFile(cfg))
	}
	key, err := crypto.ParseMasterKey(cfg.MasterKey)
	if err != nil {
		return nil, err
	}
	for _, text := range cfg.MasterKeyPrevious {
		previous, err := crypto.ParseMasterKey(text)
		if err != nil {
			return nil, fmt.Errorf("MASTER_KEY_PREVIOUS: %w", err)
		}
		key = key.WithPrevious(previous)
	}
	return key, nil
}

func masterKeyFile(cfg Config) string { return filepath.Join(cfg.DataDir, "master.key") }

// chainSecret names the key of the audit chain among the installation's secrets.
const chainSecret = "audit chain"

// chainKey returns the key of the audit chain, which outlives master keys. The
// first start stores it: the one that was derived from the master key before it
// was stored, so that older chains verify.
func chainKey(ctx context.Context, d *db.DB, master *crypto.MasterKey) (key []byte, err error) {
	const place = "installation_secrets/" + chainSecret
	err = d.InSystemTx(ctx, db.Bootstrap, func(tx *db.Tx) error {
		var row models.InstallationSecret
		err := tx.Where("name = ?", chainSecret).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			by, err := firstSealer(tx, master)
			if err != nil {
				return err
			}
			// Another replica may be first: what is stored counts.
			if err := tx.Exec(`
INSERT INTO sentinel.installation_secrets (name, sealed_value)
VALUES (?, ?)
ON CONFLICT (name) DO NOTHING`, chainSecret, master.Seal(by.DeriveKey(chainSecret), place)).Error; err != nil {
				return fmt.Errorf("store: %w", err)
			}
			if err := tx.Where("name = ?", chainSecret).Take(&row).Error; err != nil {
				return fmt.Errorf("read: %w", err)
			}
		} else if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		key, err = master.Open(row.SealedValue, place)
		return err
	})
	if errors.Is(err, crypto.ErrWrongKey) {
		return nil, fmt.Errorf("MASTER_KEY is not the one that this database was written with; name that one in MASTER_KEY_PREVIOUS if the key was changed: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the audit chain: %w", err)
	}
	return key, nil
}

// firstSealer returns the master key from which the audit chain's was derived so
// far: the one that sealed the oldest signing key, where the key is changed in
// the same step in which it begins to be stored.
func firstSealer(tx *db.Tx, master *crypto.MasterKey) (*crypto.MasterKey, error) {
	var row models.SigningKey
	err := tx.Order("created_at").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return master, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look who sealed: %w", err)
	}
	by, ok := master.Sealer(row.PrivateKey)
	if !ok {
		return nil, crypto.ErrWrongKey
	}
	return by, nil
}

// keyring is what the commands about keys work on: a database, that of a running
// server or not, and the master key.
type keyring struct {
	cluster *embedded.Server
	db      *db.DB
	master  *crypto.MasterKey
}

// openKeyring connects to the configured database, or to the embedded one,
// whether a server runs it or not.
func openKeyring(ctx context.Context, cfg Config, logger *slog.Logger) (_ *keyring, err error) {
	k := &keyring{}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	url := cfg.DatabaseURL
	if url == "" {
		if k.cluster, err = embedded.Attach(ctx, embedded.Config{Dir: cfg.DataDir, Logger: logger}); err != nil {
			return nil, err
		}
		url = k.cluster.AppURL()
	}
	if k.db, err = db.Open(ctx, db.Config{URL: url, MaxConns: 4, Logger: logger}); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if err := checkSchema(ctx, k.db); err != nil {
		return nil, err
	}
	if k.master, err = masterKey(cfg); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *keyring) close() error {
	if k.db != nil {
		k.db.Close()
	}
	if k.cluster != nil {
		return k.cluster.Stop()
	}
	return nil
}

// withKeyring runs fn and closes what it worked on.
func withKeyring(ctx context.Context, cfg Config, logs io.Writer, fn func(k *keyring) error) (err error) {
	logger, err := obs.NewLogger(logs, cfg.LogLevel)
	if err != nil {
		return fmt.Errorf("LOG_LEVEL: %w", err)
	}
	k, err := openKeyring(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	return fn(k)
}

// KeyRotation says how `sentinel keys rotate` brings in a new signing key.
type KeyRotation = session.Rotation

// RotateKeys makes a new signing key and says when it signs.
func RotateKeys(ctx context.Context, cfg Config, o KeyRotation, out, logs io.Writer) error {
	return withKeyring(ctx, cfg, logs, func(k *keyring) error {
		chain, err := chainKey(ctx, k.db, k.master)
		if err != nil {
			return err
		}
		key, err := session.NewKeys(k.db, k.master).Rotate(ctx, audit.NewLog(chain, k.master, time.Now), o)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "Key %s is %s and signs from %s on.\n", key.Kid, key.Status, key.NotBefore.UTC().Format(time.RFC3339))
		return err
	})
}

// ListKeys lists the signing keys, a line each.
func ListKeys(ctx context.Context, cfg Config, out, logs io.Writer) error {
	return withKeyring(ctx, cfg, logs, func(k *keyring) error {
		list, err := session.NewKeys(k.db, k.master).List(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KID\tSTATUS\tSIGNS FROM\tVERIFIES UNTIL")
		for _, key := range list {
			until := "-"
			if key.NotAfter != nil {
				until = key.NotAfter.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", key.Kid, key.Status, key.NotBefore.UTC().Format(time.RFC3339), until)
		}
		return w.Flush()
	})
}

// RotateMaster seals everything in the database with MASTER_KEY that one of
// MASTER_KEY_PREVIOUS sealed. Where the key is in a file beside the embedded
// database, it makes a new one first.
func RotateMaster(ctx context.Context, cfg Config, out, logs io.Writer) error {
	return withKeyring(ctx, cfg, logs, func(k *keyring) error {
		inFile := cfg.MasterKey == ""
		if inFile && cfg.DatabaseURL == "" && k.cluster.Attached() {
			return fmt.Errorf("a server runs on %s with the present key, and would not know the new one: stop it, run this again, and start it", cfg.DataDir)
		}
		// Stored before the key that it was derived from goes.
		chain, err := chainKey(ctx, k.db, k.master)
		if err != nil {
			return err
		}
		if inFile {
			if k.master, err = crypto.BeginRotation(masterKeyFile(cfg)); err != nil {
				return err
			}
		}
		counts, err := reseal.Run(ctx, k.db, k.master)
		left := tell(out, counts)
		if err := errors.Join(err, k.recordMaster(ctx, chain, counts)); err != nil {
			return err
		}
		if left > 0 {
			return fmt.Errorf("%d values are not sealed with the present key: keep the previous one, and run this again with every key in MASTER_KEY_PREVIOUS that may have sealed them", left)
		}
		if inFile {
			return crypto.EndRotation(masterKeyFile(cfg))
		}
		return nil
	})
}

// recordMaster audits how far the master key was replaced.
func (k *keyring) recordMaster(ctx context.Context, chain []byte, counts []reseal.Count) error {
	detail := map[string]any{"key": k.master.ID()}
	for _, c := range counts {
		detail[c.Name] = map[string]any{"resealed": c.Resealed, "left": c.Unreadable + c.Changed}
	}
	log := audit.NewLog(chain, k.master, time.Now)
	return k.db.InSystemTx(ctx, db.MasterKey, func(tx *db.Tx) error {
		return log.RecordIn(ctx, tx, identity.PlatformTenant, audit.Event{Action: "keys.rotate_master", ResourceType: "master_key", Detail: detail})
	})
}

// tell prints what was done, and returns how many values were left.
func tell(out io.Writer, counts []reseal.Count) (left int) {
	for _, c := range counts {
		fmt.Fprintf(out, "%s: %d sealed anew", c.Name, c.Resealed)
		if c.Unreadable > 0 {
			fmt.Fprintf(out, ", %d cannot be opened", c.Unreadable)
		}
		if c.Changed > 0 {
			fmt.Fprintf(out, ", %d were written meanwhile", c.Changed)
		}
		fmt.Fprintln(out)
		left += c.Unreadable + c.Changed
	}
	return left
}
