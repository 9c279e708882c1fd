package authzen

import (
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Subject is who wants to act.
type Subject struct {
	_          struct{}       `additionalProperties:"true"`
	Type       string         `json:"type" minLength:"1" doc:"One of settings.authzen_subject_types; default user and identity."`
	ID         string         `json:"id" minLength:"1" doc:"external_id, verified e-mail address or id of an account of the tenant."`
	Properties httpapi.Object `json:"properties,omitempty" doc:"Attributes of the subject. Needs execute on api/decisions and assert_subject on the caller's account. Stored attributes win, but for those in the account's assert_override."`
}

// Resource is what is acted on.
type Resource struct {
	_          struct{}       `additionalProperties:"true"`
	Type       string         `json:"type" minLength:"1"`
	ID         string         `json:"id" minLength:"1" doc:"The instance as the application knows it, or the id or code of a registered node."`
	Properties httpapi.Object `json:"properties,omitempty" doc:"Attributes of the resource. Needs execute on api/decisions. Stored attributes of a registered node win."`
}

// Action is what the subject wants to do.
type Action struct {
	_          struct{}       `additionalProperties:"true"`
	Name       string         `json:"name" minLength:"1"`
	Properties httpapi.Object `json:"properties,omitempty" doc:"Needs execute on api/decisions."`
}

// Options are beside the question.
type Options struct {
	_        struct{} `additionalProperties:"true"`
	Semantic string   `json:"evaluations_semantic,omitempty" enum:"execute_all,deny_on_first_deny,permit_on_first_permit" doc:"Of many evaluations: whether those after the first that denies, or permits, are left out. Default execute_all."`
	Sentinel struct {
		_       struct{} `additionalProperties:"true"`
		Explain bool     `json:"explain,omitempty" doc:"The answers say why, to callers with execute on api/decisions."`
	} `json:"sentinel,omitempty"`
}

// Evaluation is one question. In a list of them, what is left out is the list's.
type Evaluation struct {
	_        struct{}       `additionalProperties:"true"`
	Subject  *Subject       `json:"subject,omitempty"`
	Action   *Action        `json:"action,omitempty"`
	Resource *Resource      `json:"resource,omitempty"`
	Context  httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, anything else. Needs execute on api/decisions."`
}

// or returns the question with what it lacks taken from others, entity by
// entity.
func (e Evaluation) or(others *EvaluationsBody) Evaluation {
	if e.Subject == nil {
		e.Subject = others.Subject
	}
	if e.Action == nil {
		e.Action = others.Action
	}
	if e.Resource == nil {
		e.Resource = others.Resource
	}
	if e.Context == nil {
		e.Context = others.Context
	}
	return e
}

// EvaluationBody is one question.
type EvaluationBody struct {
	_        struct{}       `additionalProperties:"true"`
	Subject  Subject        `json:"subject"`
	Action   Action         `json:"action"`
	Resource Resource       `json:"resource"`
	Context  httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, anything else. Needs execute on api/decisions."`
	Options  Options        `json:"options,omitempty"`
}

// EvaluationsBody is many questions.
type EvaluationsBody struct {
	_           struct{}       `additionalProperties:"true"`
	Subject     *Subject       `json:"subject,omitempty" doc:"That of the evaluations that have none."`
	Action      *Action        `json:"action,omitempty" doc:"That of the evaluations that have none."`
	Resource    *Resource      `json:"resource,omitempty" doc:"That of the evaluations that have none."`
	Context     httpapi.Object `json:"context,omitempty" doc:"That of the evaluations that have none. Needs execute on api/decisions."`
	Evaluations []Evaluation   `json:"evaluations,omitempty" maxItems:"1000" doc:"Without any the call is one access evaluation."`
	Options     Options        `json:"options,omitempty"`
}
