// Package personal keeps the personal attributes of accounts encrypted at rest:
// which they are say the tenant's field definitions and the platform's. It opens
// them on the way out of the database and seals them on the way in, below
// everybody who reads and writes accounts, so that none of them can forget it.
// It knows neither who may see an attribute nor what it means.
package personal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// sealedMember is the one member of a sealed value.
const sealedMember = "$sealed"

// place binds a sealed value to its account and key.
func place(account uuid.UUID, key string) string {
	return "users/" + account.String() + "/attributes/" + key
}

// Keys returns the keys of the personal attributes of a tenant's accounts, as
// the transaction sees them.
func Keys(tx *gorm.DB, tenant uuid.UUID) ([]string, error) {
	var rows []models.FieldDefinition
	err := tx.Select("field_name", "storage_path").
		Where("entity_type = 'user' AND is_pii AND is_active AND field_type <> 'core' AND (tenant_id = ? OR tenant_id IS NULL)", tenant).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read which attributes are personal: %w", err)
	}
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = attribute(&rows[i])
	}
	return keys, nil
}

// attribute is the key below which a field is stored: the first step of its path
// in the attributes, or its name.
func attribute(f *models.FieldDefinition) string {
	if f.StoragePath == nil {
		return f.FieldName
	}
	key, _, _ := strings.Cut(strings.TrimPrefix(*f.StoragePath, "attributes."), ".")
	return key
}

// sealed returns the text of a value in sealed form, false if it is not.
func sealed(value json.RawMessage) (string, bool) {
	if !bytes.Contains(value, []byte(sealedMember)) {
		return "", false
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil || len(members) != 1 {
		return "", false
	}
	var text string
	raw, ok := members[sealedMember]
	return text, ok && json.Unmarshal(raw, &text) == nil
}

// Sealed reports whether some attribute is in sealed form.
func Sealed(attributes models.JSON) bool {
	var members map[string]json.RawMessage
	if !bytes.Contains(attributes, []byte(sealedMember)) || json.Unmarshal(attributes, &members) != nil {
		return false
	}
	for _, value := range members {
		if _, ok := sealed(value); ok {
			return true
		}
	}
	return false
}

// SealAttributes returns an account's attributes with the values of the given
// keys sealed. Values that have that form already are the caller's fault: they
// are made here alone.
func SealAttributes(master *crypto.MasterKey, account uuid.UUID, attributes models.JSON, keys []string) (models.JSON, error) {
	var members map[string]json.RawMessage
	// A name may be spelt with escapes, which the database undoes.
	if len(keys) == 0 && !bytes.ContainsAny(attributes, `$\`) || len(attributes) == 0 {
		return attributes, nil
	}
	if err := json.Unmarshal(attributes, &members); err != nil {
		return nil, fmt.Errorf("decode attributes: %w", err)
	}
	changed := false
	for key, value := range members {
		if isReserved(value) {
			return nil, fault.InvalidAt("attributes."+key, "must not have a member %s, which is the server's own", sealedMember)
		}
		if slices.Contains(keys, key) && string(value) != "null" {
			var err error
			if members[key], err = seal(master, account, key, value); err != nil {
				return nil, err
			}
			changed = true
		}
	}
	return encode(attributes, members, changed)
}

// isReserved reports whether a value is an object with the member that marks
// sealed ones, whatever else it has.
func isReserved(value json.RawMessage) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return false
	}
	_, ok := members[sealedMember]
	return ok
}

func seal(master *crypto.MasterKey, account uuid.UUID, key string, value json.RawMessage) (json.RawMessage, error) {
	if account == (uuid.UUID{}) {
		return nil, errPartial
	}
	raw, err := json.Marshal(map[string]string{sealedMember: base64.StdEncoding.EncodeToString(master.Seal(value, place(account, key)))})
	if err != nil {
		return nil, fmt.Errorf("encode attribute %s: %w", key, err)
	}
	return raw, nil
}

// OpenAttributes returns an account's attributes with every sealed value opened.
// It fails if one cannot be: an attribute that is missing could make an answer
// of what must be none.
func OpenAttributes(master *crypto.MasterKey, account uuid.UUID, attributes models.JSON) (models.JSON, error) {
	if !bytes.Contains(attributes, []byte(sealedMember)) {
		return attributes, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(attributes, &members); err != nil {
		return nil, fmt.Errorf("decode attributes: %w", err)
	}
	changed := false
	for key, value := range members {
		text, ok := sealed(value)
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("attribute %s of account %s: %w", key, account, err)
		}
		if members[key], err = master.Open(raw, place(account, key)); err != nil {
			return nil, fmt.Errorf("attribute %s of account %s: %w", key, account, err)
		}
		changed = true
	}
	return encode(attributes, members, changed)
}

// Reseal returns attributes sealed anew with the master key in its present form:
// what a previous key sealed, and what became personal after it was written.
// Whatever is as it should be stays the same, byte for byte.
func Reseal(master *crypto.MasterKey, account uuid.UUID, attributes models.JSON, keys []string) (out models.JSON, changed bool, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(attributes, &members); err != nil {
		return nil, false, fmt.Errorf("decode attributes: %w", err)
	}
	for key, value := range members {
		text, isSealed := sealed(value)
		switch {
		case isSealed:
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, false, fmt.Errorf("attribute %s: %w", key, err)
			}
			if bytes.HasPrefix(raw, master.Mark()) {
				continue
			}
			if value, err = master.Open(raw, place(account, key)); err != nil {
				return nil, false, fmt.Errorf("attribute %s: %w", key, err)
			}
		case !slices.Contains(keys, key) || string(value) == "null":
			continue
		}
		if members[key], err = seal(master, account, key, value); err != nil {
			return nil, false, err
		}
		changed = true
	}
	out, err = encode(attributes, members, changed)
	return out, changed, err
}

func encode(as models.JSON, members map[string]json.RawMessage, changed bool) (models.JSON, error) {
	if !changed {
		return as, nil
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %w", err)
	}
	return raw, nil
}
