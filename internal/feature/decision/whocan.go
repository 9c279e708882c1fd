package decision

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// PagingIn says which page of a search is wanted.
type PagingIn struct {
	Limit     int    `json:"limit,omitempty" default:"50" minimum:"1" maximum:"1000" doc:"The most that a page holds. It may differ from page to page."`
	PageToken string `json:"page_token,omitempty" maxLength:"4096" doc:"next_page_token of the page before, with the same question otherwise. Default: the first page."`
}

// WhoCanIn asks who may do something.
type WhoCanIn struct {
	Body struct {
		asking.Check
		PagingIn
	}
}

// WhoCan is a page of those who may.
type WhoCan struct {
	Subjects      []Able   `json:"subjects" doc:"Who is allowed, by their ids."`
	NextPageToken string   `json:"next_page_token,omitempty" doc:"Where to go on; absent at the end."`
	Complete      bool     `json:"complete" doc:"True if nobody follows. A page without anybody may be followed by others."`
	DependsOn     []string `json:"depends_on" doc:"Attributes that conditions read and the question does not say. With them the answer may be another."`
	NotEvaluated  int      `json:"not_evaluated,omitempty" doc:"About how many accounts nothing could be said; they are not among the subjects."`
	Revision      string   `json:"revision" doc:"A token of the state that the page holds for."`
}

// Able is an account that may do what was asked about.
type Able struct {
	UserID             uuid.UUID            `json:"user_id"`
	Email              string               `json:"email,omitempty"`
	DisplayName        string               `json:"display_name,omitempty"`
	IsServiceAccount   bool                 `json:"is_service_account"`
	ReasonCode         string               `json:"reason_code" enum:"granted,granted_by_approval"`
	MatchedPermissions []string             `json:"matched_permissions,omitempty" doc:"Ids of the permissions that allow it."`
	MatchedRoles       []engine.MatchedRole `json:"matched_roles,omitempty" doc:"The roles that own them, with the path by which the account has each."`
	ApprovalChainID    *uuid.UUID           `json:"approval_chain_id,omitempty" doc:"The approval chain that an approval opened."`
	ApprovalRequestID  *uuid.UUID           `json:"approval_request_id,omitempty" doc:"The access request that opened it."`
	AutoApproved       bool                 `json:"auto_approved,omitempty" doc:"True if the conditions of the chain opened it."`
	Obligations        []map[string]any     `json:"obligations,omitempty" doc:"What whoever lets the account act has to do."`
}

func (s *Service) whoCan(ctx context.Context, in *WhoCanIn) (*WhoCan, error) {
	p, _ := identity.PrincipalFrom(ctx)
	if !s.Engine.Permits(ctx, p.HomeTenantID, p.UserID, "users", "read") {
		return nil, asking.Required("api/users:read", "Asking who may do something needs read on api/users besides execute on api/decisions.")
	}
	caller, err := asking.About(ctx, s.Engine, nil)
	if err != nil {
		return nil, err
	}
	q, err := caller.Question(&in.Body.Check, "")
	if err != nil {
		return nil, err
	}
	search := &engine.SubjectSearch{Question: *q, Limit: in.Body.Limit}
	cursor, err := asking.NewCursor("who-can", caller.Tenant, in.Body.Check)
	if err != nil {
		return nil, err
	}
	position, err := cursor.Position(in.Body.PageToken, "page_token")
	if err != nil {
		return nil, err
	}
	if position != "" {
		if search.After, err = uuid.Parse(position); err != nil {
			return nil, fault.InvalidAt("page_token", "must be the token of the page before")
		}
	}
	if err := httpapi.Charge(ctx, search.Limit); err != nil {
		return nil, err
	}
	page, err := s.Engine.WhoCan(ctx, search)
	if err != nil {
		return nil, err
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", page.Revision)
	out := &WhoCan{
		Subjects: make([]Able, len(page.Found)), Complete: page.Next == uuid.Nil, DependsOn: append([]string{}, page.DependsOn...),
		NotEvaluated: page.NotEvaluated, Revision: page.Revision,
	}
	if !out.Complete {
		out.NextPageToken = cursor.Token(page.Next.String())
	}
	for i := range page.Found {
		out.Subjects[i] = able(&page.Found[i])
	}
	return out, nil
}

func able(f *engine.FoundSubject) Able {
	d := f.Decision
	out := Able{
		UserID: f.Subject.ID, Email: f.Subject.Email, DisplayName: f.Name, IsServiceAccount: f.Subject.IsServiceAccount,
		ReasonCode: string(d.Code), MatchedPermissions: d.MatchedIDs(), MatchedRoles: d.MatchedRoles(),
		ApprovalRequestID: d.RequestID, AutoApproved: d.AutoApproved, Obligations: d.Obligations,
	}
	if d.Chain != nil {
		out.ApprovalChainID = &d.Chain.ID
	}
	return out
}
