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

const (
	// reloadEvery bounds how often the keys are read again, for an unknown key id
	// or a key that is due, so that made-up tokens cannot make the database work.
	reloadEvery = 5 * time.Second
	// maxAge is how long a reading of the keys counts. It bounds how long a key
	// that was voided still verifies on a replica.
	maxAge = 15 * time.Second
	// reloadTimeout bounds what a reading costs the request that makes it, while
	// the database does not answer.
	reloadTimeout = 2 * time.Second
	// publishedFor is how long a new key is published before it signs: clients
	// keep the public keys for 5 minutes.
	publishedFor = 10 * time.Minute
	// verifiesFor is how long a key verifies after it last signed: its tokens live
	// that long, and a replica may notice late that it signs no more.
	verifiesFor = TokenLifetime + 5*time.Minute
)

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
	public map[string]verifier
	read   time.Time
	// due is when a waiting key begins to sign, zero if none waits. It is a time
	// of this machine's clock, as read and the ends of the keys are.
	due time.Time
}

type verifier struct {
	key ed25519.PublicKey
	// until is zero for a key without an end.
	until time.Time
}

// find returns a key that still verifies.
func (r *ring) find(kid string) (ed25519.PublicKey, bool) {
	v, ok := r.public[kid]
	if !ok || !v.until.IsZero() && !time.Now().Before(v.until) {
		return nil, false
	}
	return v.key, true
}

// old reports whether the keys should be read again.
func (r *ring) old() bool {
	age := time.Since(r.read)
	return age >= maxAge || age >= reloadEvery && !r.due.IsZero() && !time.Now().Before(r.due)
}

// NewKeys makes the key store. It reads nothing yet.
func NewKeys(d *db.DB, master *crypto.MasterKey) *Keys { return &Keys{db: d, master: master} }

// Load makes sure that there are keys in memory that are not old, making the
// first one of the installation if there is none. Keys that were read before go
// on counting while the database does not answer.
func (k *Keys) Load(ctx context.Context) error {
	r := k.ring.Load()
	if r == nil {
		return k.reload(ctx, 0)
	}
	// One request reads; the others go on with what is there.
	if !r.old() || !k.mu.TryLock() {
		return nil
	}
	defer k.mu.Unlock()
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	if err := k.read(reading); err != nil {
		again := *r
		again.read = time.Now()
		k.ring.Store(&again)
	}
	return nil
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
	r := k.ring.Load()
	for _, id := range slices.Sorted(maps.Keys(r.public)) {
		if key, ok := r.find(id); ok {
			set.Keys = append(set.Keys, crypto.NewJWK(id, key))
		}
	}
	return set, nil
}

// Verifier returns the look-up of public keys. A key that is not known may be
// another replica's newest: the keys are read again, but not for every token.
func (k *Keys) Verifier(ctx context.Context) func(kid string) (ed25519.PublicKey, bool) {
	return func(kid string) (ed25519.PublicKey, bool) {
		if key, ok := k.ring.Load().find(kid); ok {
			return key, true
		}
		if err := k.reload(ctx, reloadEvery); err != nil {
			return nil, false
		}
		return k.ring.Load().find(kid)
	}
}

func (k *Keys) reload(ctx context.Context, age time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.ring.Load(); r != nil && (age == 0 || time.Since(r.read) < age) {
		return nil
	}
	return k.read(ctx)
}

// read makes a new ring. k.mu is held.
func (k *Keys) read(ctx context.Context) error {
	var next *ring
	err := k.db.InSystemTx(ctx, db.SigningKeys, func(tx *db.Tx) error {
		rows, now, err := k.current(tx)
		if err != nil {
			return err
		}
		next = &ring{public: map[string]verifier{}, read: time.Now()}
		return next.add(rows, now, k.master)
	})
	if err != nil {
		return err
	}
	k.ring.Store(next)
	return nil
}

// current returns the keys that count, and the database's time. If none signs,
// or one that waits is due, that is put right first: by one replica, the others
// wait and find it done.
func (k *Keys) current(tx *db.Tx) ([]models.SigningKey, time.Time, error) {
	rows, now, err := keyRows(tx)
	if err != nil || settled(rows, now) {
		return rows, now, err
	}
	if err := lockKeys(tx); err != nil {
		return nil, now, err
	}
	if rows, now, err = keyRows(tx); err != nil || settled(rows, now) {
		return rows, now, err
	}
	if due := dueKey(rows, now); due != nil {
		if err := activate(tx, due.Kid); err != nil {
			return nil, now, err
		}
	} else if _, err := k.create(tx, "active", 0); err != nil {
		return nil, now, err
	}
	return keyRows(tx)
}

func lockKeys(tx *db.Tx) error {
	if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtext('sentinel.signing_keys'))").Error; err != nil {
		return fmt.Errorf("lock signing keys: %w", err)
	}
	return nil
}

func keyRows(tx *db.Tx) (rows []models.SigningKey, now time.Time, err error) {
	if err := tx.Raw("SELECT clock_timestamp()").Scan(&now).Error; err != nil {
		return nil, now, fmt.Errorf("read the time: %w", err)
	}
	if err := tx.Where("not_after IS NULL OR not_after > ?", now).Order("created_at, kid").Find(&rows).Error; err != nil {
		return nil, now, fmt.Errorf("read signing keys: %w", err)
	}
	return rows, now, nil
}

// settled reports whether a key signs and none that waits is due.
func settled(rows []models.SigningKey, now time.Time) bool {
	return dueKey(rows, now) == nil && slices.ContainsFunc(rows, func(r models.SigningKey) bool { return r.Status == "active" })
}

// dueKey is the key that should sign by now and does not, nil if there is none.
func dueKey(rows []models.SigningKey, now time.Time) *models.SigningKey {
	for i := range rows {
		if rows[i].Status == "next" && !now.Before(rows[i].NotBefore) {
			return &rows[i]
		}
	}
	return nil
}

// activate lets a waiting key sign and retires the one that did.
func activate(tx *db.Tx, kid string) error {
	if err := retire(tx); err != nil {
		return err
	}
	err := tx.Exec("UPDATE sentinel.signing_keys SET status = 'active' WHERE kid = ? AND status = 'next'", kid).Error
	if err != nil {
		return fmt.Errorf("activate signing key: %w", err)
	}
	return nil
}

// retire ends the signing of the active key, whose tokens still count.
func retire(tx *db.Tx) error {
	err := tx.Exec(`
UPDATE sentinel.signing_keys
SET status = 'retired', not_after = clock_timestamp() + make_interval(secs => ?)
WHERE status = 'active'`, verifiesFor.Seconds()).Error
	if err != nil {
		return fmt.Errorf("retire signing key: %w", err)
	}
	return nil
}

func (r *ring) add(rows []models.SigningKey, now time.Time, master *crypto.MasterKey) error {
	for i := range rows {
		row := &rows[i]
		v := verifier{key: row.PublicKey}
		if row.NotAfter != nil {
			v.until = r.read.Add(row.NotAfter.Sub(now))
		}
		r.public[row.Kid] = v
		if row.Status == "next" {
			r.due = r.read.Add(row.NotBefore.Sub(now))
		}
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

// create stores a new key that signs after a while, or at once as "active".
func (k *Keys) create(tx *db.Tx, status string, after time.Duration) (*models.SigningKey, error) {
	kid, public, private := crypto.NewKey()
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make key id: %w", err)
	}
	err = tx.Exec(`
INSERT INTO sentinel.signing_keys (id, kid, algorithm, public_key, private_key, status, not_before)
VALUES (?, ?, 'EdDSA', ?, ?, ?, clock_timestamp() + make_interval(secs => ?))`,
		id, kid, []byte(public), k.master.Seal(private, place(kid)), status, after.Seconds()).Error
	if err != nil {
		return nil, fmt.Errorf("store signing key: %w", err)
	}
	row := &models.SigningKey{}
	if err := tx.Where("id = ?", id).Take(row).Error; err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	return row, nil
}

// place binds an encrypted key to its row.
func place(kid string) string { return "signing_keys/" + kid }
