package session

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// reloadEvery bounds how often an unknown key id makes the keys be read again,
// so that made-up tokens cannot make the database work.
const reloadEvery = 5 * time.Second

// Keys are the signing keys of the installation, shared by its replicas through
// the database, private parts encrypted with the master key.
type Keys struct {
	db     *db.DB
	master *crypto.MasterKey
	mu     sync.Mutex
	ring   atomic.Pointer[ring]
}

// ring is one reading of the keys.
type ring struct {
	active crypto.Key
	public map[string]ed25519.PublicKey
	read   time.Time
}

// NewKeys makes the key store. It reads nothing yet.
func NewKeys(d *db.DB, master *crypto.MasterKey) *Keys { return &Keys{db: d, master: master} }

// Load makes sure that there are keys in memory, making the first one of the
// installation if there is none.
func (k *Keys) Load(ctx context.Context) error {
	if k.ring.Load() != nil {
		return nil
	}
	return k.reload(ctx, 0)
}

// Active returns the key that signs.
func (k *Keys) Active(ctx context.Context) (crypto.Key, error) {
	if err := k.Load(ctx); err != nil {
		return crypto.Key{}, err
	}
	return k.ring.Load().active, nil
}

// Public returns the public keys of all tokens that may still be out.
func (k *Keys) Public(ctx context.Context) (crypto.JWKS, error) {
	if err := k.Load(ctx); err != nil {
		return crypto.JWKS{}, err
	}
	set := crypto.JWKS{Keys: []crypto.JWK{}}
	public := k.ring.Load().public
	for _, id := range slices.Sorted(maps.Keys(public)) {
		set.Keys = append(set.Keys, crypto.NewJWK(id, public[id]))
	}
	return set, nil
}

// Verifier returns the look-up of public keys. A key that is not known may be
// another replica's newest: the keys are read again, but not for every token.
func (k *Keys) Verifier(ctx context.Context) func(kid string) (ed25519.PublicKey, bool) {
	return func(kid string) (ed25519.PublicKey, bool) {
		if key, ok := k.ring.Load().public[kid]; ok {
			return key, true
		}
		if err := k.reload(ctx, reloadEvery); err != nil {
			return nil, false
		}
		key, ok := k.ring.Load().public[kid]
		return key, ok
	}
}

func (k *Keys) reload(ctx context.Context, age time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.ring.Load(); r != nil && (age == 0 || time.Since(r.read) < age) {
		return nil
	}
	next := &ring{public: map[string]ed25519.PublicKey{}, read: time.Now()}
	err := k.db.InSystemTx(ctx, db.SigningKeys, func(tx *db.Tx) error {
		// One replica makes the first key; the others wait and find it.
		if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtext('sentinel.signing_keys'))").Error; err != nil {
			return fmt.Errorf("lock signing keys: %w", err)
		}
		var rows []models.SigningKey
		if err := tx.Where("not_after IS NULL OR not_after > now()").Order("created_at").Find(&rows).Error; err != nil {
			return fmt.Errorf("read signing keys: %w", err)
		}
		if !slices.ContainsFunc(rows, func(r models.SigningKey) bool { return r.Status == "active" }) {
			row, err := k.first()
			if err != nil {
				return err
			}
			if err := tx.Create(row).Error; err != nil {
				return fmt.Errorf("store signing key: %w", err)
			}
			rows = append(rows, *row)
		}
		return next.add(rows, k.master)
	})
	if err != nil {
		return err
	}
	k.ring.Store(next)
	return nil
}

func (r *ring) add(rows []models.SigningKey, master *crypto.MasterKey) error {
	for i := range rows {
		row := &rows[i]
		r.public[row.Kid] = row.PublicKey
		if row.Status != "active" {
			continue
		}
		private, err := master.Open(row.PrivateKey, place(row.Kid))
		if err != nil {
			return fault.New(fault.Unavailable, "The signing keys cannot be read: MASTER_KEY is not the one they were stored with.").Because(err)
		}
		r.active = crypto.Key{ID: row.Kid, Private: private}
	}
	return nil
}

func (k *Keys) first() (*models.SigningKey, error) {
	kid, public, private := crypto.NewKey()
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make key id: %w", err)
	}
	return &models.SigningKey{
		ID: id, Kid: kid, Algorithm: "EdDSA", PublicKey: public, PrivateKey: k.master.Seal(private, place(kid)),
		Status: "active", NotBefore: time.Now().UTC(),
	}, nil
}

// place binds an encrypted key to its row.
func place(kid string) string { return "signing_keys/" + kid }
