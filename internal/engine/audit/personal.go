package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// personalMembers are the members, at whatever depth, that say something of the
// person an event is about. They are kept encrypted with the person's own key.
var personalMembers = map[string]bool{
	"email": true, "username": true, "display_name": true, "external_id": true, "description": true, "attributes": true,
	"preferences": true, "allowed_ips": true, "pending_email": true, "owner_name": true, "owner_email": true,
	"reason": true, // why an account was locked, in somebody's own words
}

// unnamedMembers are those of an event's details that are dropped when the event
// is about nobody in particular: nobody could ask for them to be erased.
var unnamedMembers = map[string]bool{
	"email": true, "username": true, "display_name": true, "pending_email": true, "owner_name": true, "owner_email": true,
}

const (
	sealedMember = "$sealed"
	// personVersion begins a sealed member; the person's id and what
	// [crypto.DataKey.Seal] returned follow.
	personVersion = 1
	personHeader  = 1 + 16
)

// conceal replaces the personal members of v, decoded JSON, by what with makes
// of them.
func conceal(v any, names map[string]bool, with func(name string, member any) (any, error)) error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if !names[name] || member == nil {
				if err := conceal(member, names, with); err != nil {
					return err
				}
				continue
			}
			hidden, err := with(name, member)
			if err != nil {
				return err
			}
			v[name] = hidden
		}
	case []any:
		for _, member := range v {
			if err := conceal(member, names, with); err != nil {
				return err
			}
		}
	}
	return nil
}

// personKeys are keys by whose they are.
type personKeys map[uuid.UUID]*crypto.DataKey

// sealFor returns what encrypts members with a person's key. Where that is not
// known yet it is read, or made, when it is needed.
func (l *Log) sealFor(tx *db.Tx, tenant, person uuid.UUID, key *crypto.DataKey) func(string, any) (any, error) {
	return func(name string, member any) (any, error) {
		if key == nil {
			// The head first, here as wherever it is taken: two transactions that take
			// it and a person's key in different orders would wait for each other.
			err := tx.Exec("SELECT FROM sentinel.audit_heads WHERE tenant_id = ? FOR UPDATE", tenant).Error
			if err != nil {
				return nil, fmt.Errorf("lock head: %w", err)
			}
			if key, err = l.personalKey(tx, tenant, person); err != nil {
				return nil, err
			}
		}
		raw, err := json.Marshal(member)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		sealed := append(append([]byte{personVersion}, person[:]...), key.Seal(raw, personPlace(tenant, name))...)
		return map[string]any{sealedMember: base64.StdEncoding.EncodeToString(sealed)}, nil
	}
}

func maskMember(string, any) (any, error) { return maskedValue, nil }

// personPlace binds an encrypted member to its tenant and name; the hash chain
// binds it to its row.
func personPlace(tenant uuid.UUID, name string) string {
	return "audit_logs/" + tenant.String() + "/" + name
}

// keyPlace binds a person's key to its row.
func keyPlace(tenant, person uuid.UUID) string {
	return "personal_keys/" + tenant.String() + "/" + person.String()
}

// personalKey returns a person's key, the one that is stored: of two writers at
// once, both get the same. The chain's head is locked, so that they come one
// after the other.
func (l *Log) personalKey(tx *db.Tx, tenant, person uuid.UUID) (*crypto.DataKey, error) {
	key, err := l.storedKey(tx, tenant, person)
	if key != nil || err != nil {
		return key, err
	}
	if l.master == nil {
		return nil, errors.New("this log has no master key to keep personal data with")
	}
	sealed := l.master.Seal(crypto.NewDataKey(), keyPlace(tenant, person))
	if err := tx.Exec(`
INSERT INTO sentinel.personal_keys (tenant_id, user_id, sealed_key)
VALUES (?, ?, ?)
ON CONFLICT (tenant_id, user_id) DO NOTHING`, tenant, person, sealed).Error; err != nil {
		return nil, fmt.Errorf("store personal key: %w", err)
	}
	key, err = l.storedKey(tx, tenant, person)
	if key == nil && err == nil {
		err = errors.New("the personal key is gone again")
	}
	return key, err
}

// storedKey returns a person's key, nil if there is none or no more.
func (l *Log) storedKey(tx *db.Tx, tenant, person uuid.UUID) (*crypto.DataKey, error) {
	var row struct{ SealedKey []byte }
	err := tx.Raw(`
SELECT sealed_key
FROM sentinel.personal_keys
WHERE tenant_id = ?
AND user_id = ?`, tenant, person).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // "erased, or not made yet" is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read personal key: %w", err)
	}
	if l.master == nil {
		return nil, errors.New("this log has no master key to read personal data with")
	}
	return l.openKey(tenant, person, row.SealedKey)
}

func (l *Log) openKey(tenant, person uuid.UUID, sealed []byte) (*crypto.DataKey, error) {
	secret, err := l.master.Open(sealed, keyPlace(tenant, person))
	if err != nil {
		return nil, fmt.Errorf("open personal key of %s: %w", person, err)
	}
	return crypto.ParseDataKey(secret)
}

// Open puts the personal data back into the changes and details of rows of one
// tenant, for a reader who may see it. What was a person's who has been erased
// reads {"erased": true}. The rows no longer fit their hashes then.
func (l *Log) Open(tx *db.Tx, rows ...*Row) error {
	keys := map[uuid.UUID]*crypto.DataKey{}
	for _, r := range rows {
		for _, document := range []*json.RawMessage{&r.Changes, &r.Details} {
			if !bytes.Contains(*document, []byte(sealedMember)) {
				continue
			}
			o := opener{log: l, tx: tx, tenant: r.TenantID, keys: keys}
			decoder := json.NewDecoder(bytes.NewReader(*document))
			decoder.UseNumber()
			var v any
			if err := decoder.Decode(&v); err != nil {
				return fmt.Errorf("decode audit row %s: %w", r.ID, err)
			}
			v, err := o.open("", v)
			if err != nil {
				return fmt.Errorf("open audit row %s: %w", r.ID, err)
			}
			if *document, err = json.Marshal(v); err != nil {
				return fmt.Errorf("encode audit row %s: %w", r.ID, err)
			}
		}
	}
	return nil
}

// opener opens the members of one row.
type opener struct {
	log    *Log
	tx     *db.Tx
	tenant uuid.UUID
	// keys are those read so far; nil for an erased one.
	keys map[uuid.UUID]*crypto.DataKey
}

func (o *opener) open(name string, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v[sealedMember].(string); ok && len(v) == 1 {
			return o.member(name, text, v)
		}
		for k, member := range v {
			opened, err := o.open(k, member)
			if err != nil {
				return nil, err
			}
			v[k] = opened
		}
	case []any:
		for i, member := range v {
			opened, err := o.open(name, member)
			if err != nil {
				return nil, err
			}
			v[i] = opened
		}
	}
	return v, nil
}

// member opens one. What only looks as if it were sealed, since callers may name
// members as they like, stays as it is.
func (o *opener) member(name, text string, as any) (any, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < personHeader || sealed[0] != personVersion {
		return as, nil //nolint:nilerr // as above
	}
	person := uuid.UUID(sealed[1:personHeader])
	key, known := o.keys[person]
	if !known {
		if key, err = o.log.storedKey(o.tx, o.tenant, person); err != nil {
			return nil, err
		}
		o.keys[person] = key
	}
	if key == nil {
		return map[string]any{"erased": true}, nil
	}
	raw, err := key.Open(sealed[personHeader:], personPlace(o.tenant, name))
	if err != nil {
		return as, nil //nolint:nilerr // as above; what was changed is Verify's to find
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	return v, nil
}
