package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// JSONSchema describes a type as bodies of it are checked, in JSON Schema of
// draft 2020-12, with the types that it is made of under $defs.
func JSONSchema(t reflect.Type) (map[string]any, error) {
	configureHuma() // else it would depend on whether a server was made before
	r := newRegistry()
	name := r.Schema(t, true, "").Ref
	raw, err := json.Marshal(map[string]any{"$ref": name, "$defs": r})
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	raw = bytes.ReplaceAll(raw, []byte(schemaPrefix), []byte("#/$defs/"))
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("decode schema: %w", err)
	}
	out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	return out, nil
}
