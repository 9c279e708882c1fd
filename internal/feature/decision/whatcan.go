package decision

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// WhatCanIn asks what a subject may do.
type WhatCanIn struct {
	Body struct {
		UserID            *uuid.UUID     `json:"user_id,omitempty" doc:"The subject. Default: the caller."`
		ResourceType      string         `json:"resource_type,omitempty" maxLength:"100" doc:"Only resources of this type. Default: every type but api, the sections of this API."`
		Action            string         `json:"action,omitempty" maxLength:"100" doc:"Only this action. Default: every action that the tenant's permissions, workflows, fields and policies name."`
		Context           httpapi.Object `json:"context,omitempty" doc:"Of the request: time, ip, workflow_state, anything else. Needs execute on api/decisions."`
		SubjectAttributes httpapi.Object `json:"subject_attributes,omitempty" doc:"As in POST /permissions/check."`
		PagingIn
	}
}

// WhatCan is a page of what a subject may do.
type WhatCan struct {
	Nodes            []AbleNode    `json:"nodes" doc:"Registered resources on which the subject may act, by type and code."`
	Patterns         []AblePattern `json:"patterns" doc:"What the subject may do with instances that are not registered. With the first page only."`
	PatternsComplete bool          `json:"patterns_complete" doc:"False if there are more than are listed: 1,000 at most, and those that are found in two seconds."`
	NextPageToken    string        `json:"next_page_token,omitempty" doc:"Where to go on with the nodes; absent at the end."`
	Complete         bool          `json:"complete" doc:"True if no node follows. A page without nodes may be followed by others."`
	NotEvaluated     int           `json:"not_evaluated,omitempty" doc:"Of how many questions nothing could be said."`
	Revision         string        `json:"revision" doc:"A token of the state that the page holds for."`
}

// AbleNode is a registered resource with what may be done to it.
type AbleNode struct {
	ID      *uuid.UUID `json:"id,omitempty" doc:"Absent for a section of this API."`
	Type    string     `json:"type"`
	Code    string     `json:"code"`
	Path    string     `json:"path,omitempty"`
	Name    string     `json:"name,omitempty"`
	Actions []string   `json:"actions"`
}

// AblePattern is what may be done to instances that are not registered.
type AblePattern struct {
	ResourceType      string               `json:"resource_type" doc:"A type, or * for every type but api."`
	Pattern           string               `json:"pattern" doc:"A glob over ids as in a permission's resource_path: * alone is every id, * within a segment, ** across."`
	Actions           []string             `json:"actions" doc:"With * first where it is every action: those that are known follow."`
	Conditional       bool                 `json:"conditional" doc:"False: every check of an instance that matches and is not registered, with the subject_attributes of the question and without attributes and context, is allowed now. True: ask."`
	Because           []engine.Reservation `json:"because" enum:"conditions,deny,workflow,policy,approval,overlaps_nodes" doc:"What may stand against it."`
	PermissionID      *uuid.UUID           `json:"permission_id,omitempty" doc:"The permission that gives it."`
	Path              string               `json:"path,omitempty" doc:"How the subject has that permission, such as user > group:apac-team > role:inspector."`
	ApprovalChainID   *uuid.UUID           `json:"approval_chain_id,omitempty" doc:"The approval chain by which an approval gives it."`
	ApprovalRequestID *uuid.UUID           `json:"approval_request_id,omitempty" doc:"The access request that was approved."`
}

func (s *Service) whatCan(ctx context.Context, in *WhatCanIn) (*WhatCan, error) {
	caller, err := asking.About(ctx, s.Engine, in.Body.UserID)
	if err != nil {
		return nil, err
	}
	if in.Body.Context != nil && !caller.Trusted {
		return nil, asking.Required("api/decisions:execute", "Supplying context needs execute on api/decisions. Ask without.")
	}
	search, err := in.search(caller)
	if err != nil {
		return nil, err
	}
	cursor, err := asking.NewCursor("what-can", caller.Tenant, caller.User, in.Body.ResourceType, in.Body.Action, in.Body.Context, in.Body.SubjectAttributes)
	if err != nil {
		return nil, err
	}
	if search.After, err = cursor.Position(in.Body.PageToken, "page_token"); err != nil {
		return nil, err
	}
	if err := httpapi.Charge(ctx, search.Limit); err != nil {
		return nil, err
	}
	page, err := s.Engine.WhatCan(ctx, search)
	if err != nil {
		return nil, err
	}
	if page.Unknown && caller.Named {
		return nil, fault.NotFound("user")
	}
	httpapi.SetHeader(ctx, "X-Sentinel-Revision", page.Revision)
	out := &WhatCan{
		Nodes: make([]AbleNode, len(page.Found)), Patterns: make([]AblePattern, len(page.Patterns)), PatternsComplete: !page.PatternsCut,
		NextPageToken: cursor.Token(page.Next), Complete: page.Next == "", NotEvaluated: page.NotEvaluated, Revision: page.Revision,
	}
	for i := range page.Found {
		out.Nodes[i] = ableNode(&page.Found[i])
	}
	for i := range page.Patterns {
		out.Patterns[i] = ablePattern(&page.Patterns[i])
	}
	return out, nil
}

// search makes the question, or names every member that cannot be asked.
func (in *WhatCanIn) search(caller *asking.Caller) (*engine.ResourceSearch, error) {
	q := engine.Question{TenantID: caller.Tenant, UserID: caller.User, Type: in.Body.ResourceType, Action: in.Body.Action, Context: in.Body.Context}
	if in.Body.SubjectAttributes != nil {
		if err := caller.Assert(&q, in.Body.SubjectAttributes, "subject_attributes"); err != nil {
			return nil, err
		}
	}
	var c directory.Checker
	if q.Type != "" {
		c.Add("resource_type", engine.CheckType(q.Type))
	}
	if q.Action != "" {
		c.Add("action", engine.CheckAction(q.Action))
	}
	c.Add("context.time", engine.CheckTime(q.Context))
	if len(c.Fields) > 0 {
		return nil, fault.Invalid(c.Fields...)
	}
	return &engine.ResourceSearch{Question: q, Limit: in.Body.Limit}, nil
}

func ableNode(f *engine.FoundResource) AbleNode {
	out := AbleNode{Type: f.Node.Type, Code: f.Node.Code, Path: f.Node.Path, Name: f.Name}
	if f.Node.ID != uuid.Nil {
		out.ID = &f.Node.ID
	}
	for _, d := range f.Decisions {
		out.Actions = append(out.Actions, d.Question().Action)
	}
	return out
}

func ablePattern(f *engine.FoundPattern) AblePattern {
	out := AblePattern{
		ResourceType: f.Type, Pattern: f.Pattern, Actions: f.Actions, Conditional: f.Conditional, Because: append([]engine.Reservation{}, f.Because...),
		Path: f.Path, ApprovalRequestID: f.Request,
	}
	if f.Permission != nil {
		out.PermissionID = &f.Permission.ID
	}
	if f.Chain != nil {
		out.ApprovalChainID = &f.Chain.ID
	}
	return out
}
