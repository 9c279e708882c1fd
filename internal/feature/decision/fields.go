package decision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// readAction is the action without which nothing of a record is shown.
const readAction = "read"

// mostFields is how many names one question may give.
const mostFields = 1_000

// FieldsIn asks about the fields of a record.
type FieldsIn struct {
	UserID     httpapi.Opt[uuid.UUID] `query:"user_id" doc:"The subject. Default: the caller."`
	EntityType string                 `query:"entity_type" required:"true" minLength:"1" maxLength:"100" doc:"The type of the record, such as vessel."`
	EntityID   string                 `query:"entity_id" doc:"The record as the application knows it, or the id or code of a registered node. Without it the question is about the type."`
	Fields     []string               `query:"fields,explode" doc:"Only these fields. Join names with commas, or repeat it. Default: all."`
}

// Fields are what a subject may do with the fields of a record.
type Fields struct {
	EntityType       string                       `json:"entity_type"`
	EntityID         string                       `json:"entity_id,omitempty"`
	FieldPermissions map[string]map[string]string `json:"field_permissions" doc:"read, write or hidden, by tier and name. Empty for a type without field definitions, and for what was not evaluated."`
	Allowed          bool                         `json:"allowed" doc:"Whether the subject may read the record at all."`
	DecisionID       uuid.UUID                    `json:"decision_id"`
	ReasonCode       string                       `json:"reason_code" doc:"Of action read, as POST /permissions/check gives it."`
}

func (s *Service) fields(ctx context.Context, in *FieldsIn) (*Fields, error) {
	caller, err := asking.About(ctx, s.Engine, in.UserID.Ptr())
	if err != nil {
		return nil, err
	}
	q := &engine.Question{TenantID: caller.Tenant, UserID: caller.User, Type: in.EntityType, ID: in.EntityID, Action: readAction}
	names, err := in.check(q)
	if err != nil {
		return nil, err
	}
	d := s.Engine.Decide(ctx, q)
	if d.Code == engine.SubjectUnknown && caller.Named {
		return nil, fault.NotFound("user")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", d.Revision)
	out := &Fields{
		EntityType: in.EntityType, EntityID: in.EntityID, FieldPermissions: map[string]map[string]string{},
		Allowed: d.Allowed, DecisionID: d.ID, ReasonCode: string(d.Code),
	}
	if d.Fields != nil {
		out.FieldPermissions = d.Fields
	}
	if len(names) == 0 || d.Code == engine.NotEvaluated {
		return out, nil
	}
	out.FieldPermissions, err = narrow(out.FieldPermissions, names)
	return out, err
}

// check returns the names that are asked about, and every offending parameter.
func (in *FieldsIn) check(q *engine.Question) ([]string, error) {
	c := directory.Checker{Prefix: "query."}
	c.Add("entity_type", engine.CheckType(q.Type))
	c.Add("entity_id", engine.CheckResourceID(q.ID))
	var names []string
	for _, list := range in.Fields {
		names = append(names, strings.Split(list, ",")...)
	}
	if len(names) > mostFields {
		c.Add("fields", fmt.Sprintf("must give at most %d names", mostFields))
	} else if i := slices.IndexFunc(names, func(name string) bool { return directory.CheckFieldName(name) != "" }); i >= 0 {
		c.Add("fields", fmt.Sprintf("gives %q, which is no name of a field: one %s", names[i], directory.CheckFieldName(names[i])))
	}
	if len(c.Fields) > 0 {
		return nil, fault.Invalid(c.Fields...)
	}
	return names, nil
}

// narrow leaves the fields that are named. It fails, naming them, if there are
// some that the type does not have.
func narrow(all map[string]map[string]string, names []string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	var unknown []string
	for _, name := range names {
		found := false
		for tier, fields := range all {
			visibility, ok := fields[name]
			if !ok {
				continue
			}
			if out[tier] == nil {
				out[tier] = map[string]string{}
			}
			out[tier][name], found = visibility, true
		}
		if !found && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return nil, fault.InvalidAt("query.fields", "names fields that are not defined for the type: %s", strings.Join(unknown, ", "))
	}
	return out, nil
}
