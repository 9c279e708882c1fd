package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// Set writes a member of a merge patch over dst, if it was given.
func Set[T any](dst, member *T) {
	if member != nil {
		*dst = *member
	}
}

// To writes the member over dst, if it was given; null clears.
func (o Opt[T]) To(dst *T) {
	switch {
	case o.Set && o.Null:
		var zero T
		*dst = zero
	case o.Set:
		*dst = o.Value
	}
}

// ToPointer writes the member over dst, if it was given; null makes it nil.
func (o Opt[T]) ToPointer(dst **T) {
	switch {
	case o.Set && o.Null:
		*dst = nil
	case o.Set:
		*dst = &o.Value
	}
}

// Object is a JSON object of any members, with numbers kept exactly as they
// were written.
type Object map[string]any

// UnmarshalJSON keeps numbers as json.Number.
func (o *Object) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return fmt.Errorf("decode object: %w", err)
	}
	*o = members
	return nil
}

// Schema is that of an object with any members.
func (o Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
