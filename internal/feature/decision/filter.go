package decision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/filter"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const (
	postgresDialect = "postgres"
	ucastDialect    = "ucast"
	// maxOffset is more parameters than PostgreSQL takes.
	maxOffset = 65_535
)

// FilterIn asks which rows of a type a subject may act on.
type FilterIn struct {
	Body struct {
		UserID            *uuid.UUID     `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		ResourceType      string         `json:"resource_type" minLength:"1" maxLength:"100" doc:"The type of the rows, such as vessel."`
		Action            string         `json:"action" minLength:"1" maxLength:"100"`
		Dialect           string         `json:"dialect,omitempty" enum:"postgres,ucast" default:"postgres" doc:"The language of the condition."`
		ActionProperties  httpapi.Object `json:"action_properties,omitempty" doc:"Needs execute on api/decisions."`
		Context           httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, workflow_state, anything else. Needs execute on api/decisions."`
		SubjectAttributes httpapi.Object `json:"subject_attributes,omitempty" doc:"As in POST /permissions/check."`
		Columns           FilterColumns  `json:"columns,omitempty" doc:"Of dialect postgres: where the table holds what the field definitions of the type do not say."`
	}
}

// FilterColumns name columns of the table whose rows are selected.
type FilterColumns struct {
	ID         string `json:"id,omitempty" maxLength:"63" doc:"The column with the row's id, as checks name it. Default: id."`
	IDType     string `json:"id_type,omitempty" enum:"text,uuid,integer" default:"text" doc:"The type of that column."`
	Attributes string `json:"attributes,omitempty" maxLength:"63" doc:"The jsonb column with the attributes that have no column of their own. Default: attributes."`
	Table      string `json:"table,omitempty" maxLength:"63" doc:"The table's name or alias in the query. Default: none, columns stand alone."`
	Offset     int    `json:"offset,omitempty" minimum:"0" maximum:"65535" doc:"How many parameters the query has before those of the condition."`
}

// Filter is a condition over rows.
type Filter struct {
	Kind        string           `json:"kind" enum:"none,all,condition" doc:"none: select nothing. all: select every row. condition: select by it."`
	SQL         string           `json:"sql,omitempty" doc:"Of dialect postgres: a boolean expression for a WHERE, with $1 and so on. Join it to others by AND; it must not stand under a NOT."`
	Params      []any            `json:"params,omitempty" doc:"The values of $1 and so on: texts and lists of texts, which the expression casts."`
	UCAST       *filter.Node     `json:"ucast,omitempty" doc:"Of dialect ucast: the condition as a tree."`
	ReasonCode  string           `json:"reason_code,omitempty" enum:"not_evaluated,subject_unknown,subject_inactive,tenant_inactive,policy_deny" doc:"Why there is nothing to select, where the reason lies in no row."`
	Obligations []map[string]any `json:"obligations,omitempty" doc:"What whoever shows the rows has to do, as in POST /permissions/check: the same for every row."`
	Revision    string           `json:"revision,omitempty" doc:"A token of the state that the condition holds for."`
	TTL         int              `json:"ttl" doc:"Seconds for which the condition may be kept if nothing is written."`
}

func (s *Service) filter(ctx context.Context, in *FilterIn) (*Filter, error) {
	caller, err := asking.About(ctx, s.Engine, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	q, err := in.question(caller)
	if err != nil {
		return nil, err
	}
	rows, err := s.Engine.Filter(ctx, q)
	if err != nil {
		return nil, untranslated(caller, err)
	}
	if rows.Code == engine.SubjectUnknown && caller.Named {
		return nil, fault.NotFound("user")
	}
	if rows.NamesDenied && !caller.Trusted {
		// Their names are nobody's to read who may not read the tree.
		return nil, asking.Required("api/decisions:execute", "This condition names registered resources on which the subject may not act, which needs execute on api/decisions. Check each row instead.")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", rows.Revision)
	out := &Filter{
		ReasonCode: string(rows.Code), Obligations: caller.Obligations(&engine.Decision{Obligations: rows.Obligations}), Revision: rows.Revision, TTL: rows.TTL,
	}
	if err := in.translate(out, rows); err != nil {
		return nil, untranslated(caller, err)
	}
	return out, nil
}

// question makes the question about every row, and checks what is asked besides.
func (in *FilterIn) question(caller *asking.Caller) (*engine.Question, error) {
	c := directory.Checker{}
	if in.Body.ResourceType == grants.APIType {
		c.Add("resource_type", "must be a type that has rows: the sections of this API have none")
	}
	for member, name := range map[string]string{"id": in.Body.Columns.ID, "attributes": in.Body.Columns.Attributes, "table": in.Body.Columns.Table} {
		if name != "" && !filter.IsIdentifier(name) {
			c.Add("columns."+member, "must start with a lower-case letter or _ and hold only lower-case letters, digits and _ (at most 63 characters)")
		}
	}
	q, err := caller.Question(&asking.Check{
		Resource: asking.CheckResource{Type: in.Body.ResourceType}, Action: in.Body.Action, ActionProperties: in.Body.ActionProperties,
		Context: in.Body.Context, SubjectAttributes: in.Body.SubjectAttributes,
	}, "")
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Kind == fault.Validation:
		for _, field := range f.Fields {
			c.Add(strings.Replace(field.Path, "resource.type", "resource_type", 1), field.Message)
		}
	case err != nil:
		return nil, err
	}
	if len(c.Fields) > 0 {
		return nil, fault.Invalid(c.Fields...)
	}
	return q, nil
}

// translate writes the condition in the dialect that is asked for.
func (in *FilterIn) translate(out *Filter, rows *engine.RowFilter) error {
	if in.Body.Dialect == ucastDialect {
		kind, node, err := filter.UCAST(rows.Expr, nameOf)
		if err != nil {
			return err
		}
		out.Kind, out.UCAST = string(kind), node
		return nil
	}
	columns := filter.Columns{
		Alias: in.Body.Columns.Table, ID: in.Body.Columns.ID, IDType: filter.Type(in.Body.Columns.IDType),
		Attributes: in.Body.Columns.Attributes, Fields: rows.Places, Offset: in.Body.Columns.Offset,
	}
	condition, err := filter.SQL(rows.Expr, columns)
	if err != nil {
		return err
	}
	if n := len(condition.Params) + columns.Offset; n > maxOffset {
		return &filter.Untranslatable{Why: fmt.Sprintf("the query would have %d parameters, and PostgreSQL takes at most %d", n, maxOffset)}
	}
	out.Kind, out.SQL, out.Params = string(condition.Kind), condition.SQL, condition.Params
	return nil
}

// nameOf is what conditions call a field of the row.
func nameOf(f filter.Field) string {
	if f.ID {
		return "resource.id"
	}
	return "resource.attributes." + f.Key
}

// untranslated tells of what has no filter. What stands in the way is named to
// enforcement points alone.
func untranslated(caller *asking.Caller, err error) error {
	var (
		n *engine.NotTranslatable
		u *filter.Untranslatable
	)
	switch {
	case errors.As(err, &n):
	case errors.As(err, &u):
		n = &engine.NotTranslatable{Path: u.Path, Why: u.Why}
	default:
		return err
	}
	f := fault.New(fault.NotTranslatable, "This question has no condition over rows that selects just the allowed ones. Check each row instead.")
	if !caller.Trusted {
		return f
	}
	f.Message = fmt.Sprintf("This question has no condition over rows that selects just the allowed ones: %s. Check each row instead.", n.Why)
	f.Details = map[string]any{}
	if n.Permission != nil {
		f.Details["permission_id"], f.Details["permission"] = n.Permission.ID, n.Permission.Name
	}
	for name, value := range map[string]string{"policy": n.Policy, "approval_chain": n.Chain, "path": n.Path} {
		if value != "" {
			f.Details[name] = value
		}
	}
	return f
}
