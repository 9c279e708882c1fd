package authzen

import (
	"errors"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// asks is what a question says beside who its subject is.
type asks struct {
	// subject, resource and properties are those of the subject, the resource and
	// the action.
	subject, resource, properties httpapi.Object
	typ, id, action               string
	context                       httpapi.Object
}

// question makes the question that the caller asks. It fails with a fault that
// names, as AuthZEN calls them, the members that are malformed and those that the
// caller is not trusted to say.
func question(c *asking.Caller, a *asks) (*engine.Question, error) {
	if !c.Trusted {
		var given []string
		for _, m := range []struct {
			name string
			set  bool
		}{
			{"subject.properties", a.subject != nil},
			{"resource.properties", a.resource != nil},
			{"action.properties", a.properties != nil},
			{"context", a.context != nil},
		} {
			if m.set {
				given = append(given, m.name)
			}
		}
		if given != nil {
			return nil, asking.Required("api/decisions:execute", "Supplying "+strings.Join(given, ", ")+" needs execute on api/decisions. Ask without.")
		}
	}
	q := &engine.Question{
		TenantID: c.Tenant, UserID: c.User, Type: a.typ, ID: a.id, Attributes: a.resource,
		Action: a.action, ActionProperties: a.properties, Context: a.context,
	}
	if a.subject != nil {
		if err := c.Assert(q, a.subject, "subject.properties"); err != nil {
			return nil, err
		}
	}
	return q, named(q.Validate(""))
}

// named calls the members of a fault as AuthZEN does.
func named(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		for i := range f.Fields {
			if f.Fields[i].Path == "action" {
				f.Fields[i].Path = "action.name"
			}
		}
	}
	return err
}
