package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// secretWords mark the members whose values never reach the log.
var secretWords = []string{"password", "secret", "token", "api_key", "key_hash", "recovery_code", "private_key"}

const maskedValue = "[masked]"

// masked returns v as decoded JSON with the values of secret members replaced.
func masked(v any) (any, error) {
	out, err := decoded(v)
	if err != nil {
		return nil, err
	}
	return mask(out), nil
}

// decoded returns v as decoded JSON.
func decoded(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode object: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var out any
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode object: %w", err)
	}
	return out, nil
}

func mask(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			if isSecret(k) && member != nil {
				v[k] = maskedValue
			} else {
				v[k] = mask(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = mask(v[i])
		}
	}
	return v
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}
