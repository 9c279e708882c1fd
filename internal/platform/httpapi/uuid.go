package httpapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
)

// The one form of a UUID that is taken (RFC 9562, section 4). The library that
// reads them knows three more: two spellings of one id would let a client pass
// for two what is one.
const (
	uuidPattern     = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
	uuidDescription = "a UUID of 36 characters"
	uuidMessage     = "must be a UUID of 36 characters, such as 01890000-0000-7000-8000-000000000000"
)

func uuidSchema(nullable bool) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Format: "uuid", Pattern: uuidPattern, PatternDescription: uuidDescription, Nullable: nullable}
	s.PrecomputeMessages()
	return s
}

// isUUIDMessage recognises what is said of a malformed UUID by the schema's
// format, by its pattern and by the decoder of parameters: one fault, three
// words for it.
func isUUIDMessage(message string) bool {
	return strings.HasSuffix(message, "to be "+uuidDescription) || strings.HasPrefix(message, "expected string to be RFC 4122 uuid") ||
		strings.HasPrefix(message, "invalid value: ") && (strings.Contains(message, "UUID") || strings.Contains(message, "urn prefix"))
}

func isUUID(text string) bool { return len(text) == 36 && uuid.Validate(text) == nil }
