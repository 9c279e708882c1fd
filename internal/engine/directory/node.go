package directory

import (
	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// ValidNode checks what a question would be refused for, so that every
// registered node can be asked about. It returns every offending member, with
// prefix before its path.
func ValidNode(typ, code, prefix string) []fault.Field {
	var fields []fault.Field
	if m := engine.CheckType(typ); m != "" {
		fields = append(fields, fault.Field{Path: prefix + "type", Message: m})
	}
	if typ == grants.APIType {
		fields = append(fields, fault.Field{Path: prefix + "type", Message: "api is the platform's: its sections are not registered"})
	}
	if m := engine.CheckResourceID(code); m != "" {
		fields = append(fields, fault.Field{Path: prefix + "code", Message: m})
	}
	return fields
}
