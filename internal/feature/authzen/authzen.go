// Package authzen speaks OpenID AuthZEN 1.0 (Authorization API 1.0): its bodies
// and its errors around the questions that the engine answers. Who may ask what
// is package asking's; the package decides nothing itself.
package authzen

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const (
	evaluationPath     = "/access/v1/evaluation"
	evaluationsPath    = "/access/v1/evaluations"
	searchSubjectPath  = "/access/v1/search/subject"
	searchResourcePath = "/access/v1/search/resource"
	searchActionPath   = "/access/v1/search/action"
	metadataPath       = "/.well-known/authzen-configuration"
)

// Service answers the section's calls.
type Service struct {
	DB     *db.DB
	Engine *engine.Engine
	// NormaliseEmail returns the form in which addresses are stored, false for
	// what is none.
	NormaliseEmail func(string) (string, bool)
	// PublicURL is the identifier of the decision point, without a slash at its
	// end. Default: the address by which the metadata is asked for.
	PublicURL string
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("AuthZEN", "OpenID AuthZEN 1.0: decisions and searches for enforcement points that speak it. Bodies and errors are its own; unknown members are ignored.")
	why := "one's own questions need a token only; naming another subject, and supplying properties or context, needs execute on api/decisions"
	httpapi.Raw(sec, route(httpapi.Route{
		Path: evaluationPath, OperationID: "evaluateAccess", Summary: "AuthZEN: access evaluation", Access: httpapi.Authenticated(why),
		Description: "A refusal is 200 with decision false, and so is a question about a subject that nobody is.",
	}), s.evaluation)
	httpapi.Raw(sec, route(httpapi.Route{
		Path: evaluationsPath, OperationID: "evaluateAccesses", Summary: "AuthZEN: many access evaluations", Access: httpapi.Authenticated(why),
		Description: "Up to 1,000, answered in order. Each counts as a question. What is well formed but cannot be asked is the error of its item.",
	}), s.evaluations)
	asks := httpapi.Requires("decisions", "execute")
	httpapi.Raw(sec, route(httpapi.Route{
		Path: searchSubjectPath, OperationID: "searchSubjects", Summary: "AuthZEN: who may do something", Access: asks,
		Description: "Needs read on api/users besides. Every result evaluates to true. A page counts as many questions as it may have results.",
	}), s.searchSubject)
	httpapi.Raw(sec, route(httpapi.Route{
		Path: searchResourcePath, OperationID: "searchResources", Summary: "AuthZEN: on what a subject may do something", Access: asks,
		Description: "Registered nodes of the type, by their codes. What is not registered cannot be listed: patterns in the context say what of it may be allowed.",
	}), s.searchResource)
	httpapi.Raw(sec, route(httpapi.Route{
		Path: searchActionPath, OperationID: "searchActions", Summary: "AuthZEN: what a subject may do with a resource", Access: asks,
		Description: "Of the actions that the tenant's permissions, workflows and fields name.",
	}), s.searchAction)
	httpapi.Raw(sec, httpapi.Route{
		Path: metadataPath, Root: true, OperationID: "getAuthZENConfiguration", Summary: "AuthZEN: metadata of the decision point", Access: httpapi.Public(),
		Errors: []int{400}, ErrorBody: errorBody, EchoRequestID: true,
	}, s.metadata)
}

// route adds what the section's questions have in common.
func route(r httpapi.Route) httpapi.Route {
	r.Method, r.Root, r.Charged, r.ErrorBody, r.EchoRequestID = "POST", true, true, errorBody, true
	r.Errors = []int{403}
	return r
}

// errorBody says a failure as AuthZEN does: the body is a text.
func errorBody(_ int, f *fault.Error) any { return errorText(f) }

// errorText names what is wrong, every offending member first.
func errorText(f *fault.Error) string {
	if len(f.Fields) == 0 {
		return f.Message
	}
	list := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		list[i] = field.Path + " " + field.Message
	}
	return strings.Join(list, "; ")
}

// In is what every question of the section has beside its body.
type In struct {
	TenantID string `header:"X-Tenant-ID" hidden:"true"`
}

// tenant returns the tenant of the token, in which all of AuthZEN is asked.
func (s *Service) tenant(ctx context.Context, in In) (uuid.UUID, error) {
	if in.TenantID != "" {
		return uuid.Nil, fault.InvalidAt("header.X-Tenant-ID", "is not taken here: AuthZEN asks in the tenant of the token")
	}
	tenant, _ := identity.TenantFrom(ctx)
	has, err := s.Engine.HasFeature(ctx, tenant, entitlement.AuthZEN)
	if err == nil && !has {
		err = entitlement.Disabled(entitlement.AuthZEN)
	}
	return tenant, err
}
