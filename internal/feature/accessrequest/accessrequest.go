// Package accessrequest owns what people ask for and others decide: access
// requests on their way through a chain's levels, and who decides for whom while
// they are away. The rules of the way are the approval package's; who holds what
// it reads from the database at the moment of each step.
package accessrequest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/models"
)

// Config is what a [Service] is made of.
type Config struct {
	Write  *change.Writer
	Queue  *jobs.Queue
	Outbox *mail.Outbox
	// PublicURL begins the links in mails, which lead to pages of the
	// installation's own. Empty for mails without links.
	PublicURL string
	Logger    *slog.Logger
}

// Service answers the section's calls, and does its jobs.
type Service struct {
	cfg   Config
	write *change.Writer
}

// New makes the section and tells the queue how its jobs are done.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	s := &Service{cfg: cfg, write: cfg.Write}
	jobs.Handle(cfg.Queue, s.due)
	return s
}

// section is the node of type api that stands for this part of the API.
const section = "access-requests"

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Access requests", "What people ask for, and who decides on it.")
	own := "one's own; others' need read on api/access-requests"
	approver := "whoever is an approver of the request's current level; no permission makes one"
	httpapi.Create(sec, httpapi.Route{
		Path: "/access-requests", Summary: "Ask for access", Access: httpapi.Authenticated("for oneself; for another it needs create on api/access-requests"), Errors: []int{403, 404},
		Description: "Goes to the approvers of the most specific active chain that guards what is asked for; 409 if none does, or if the same is asked for already. A person has at most 20 requests waiting.",
	}, s.create)
	httpapi.List(sec, httpapi.Route{
		Path: "/access-requests", Summary: "List access requests", Access: httpapi.Authenticated(own), Errors: []int{403},
		Description: "Those that the caller made or gains by; all of them with read on api/access-requests.",
	}, s.list)
	httpapi.List(sec, httpapi.Route{
		Path: "/access-requests/pending", Summary: "List the requests that wait for a decision", Access: httpapi.Authenticated(own), Errors: []int{403, 404},
		Description: "Those that the caller may decide now, or with read on api/access-requests those that another may.",
	}, s.waiting)
	httpapi.Get(sec, httpapi.Route{
		Path: "/access-requests/{id}", Summary: "Read an access request", Access: httpapi.Authenticated("whoever made it, gains by it or may decide it; others need read on api/access-requests"), Errors: []int{403},
		Description: "With its history, the levels of its chain as they were when it was made, and who may decide it now.",
	}, s.read)
	for _, v := range []struct {
		path, summary, description string
		do                         func(context.Context, *DecideIn) (*Detail, error)
	}{
		{"approve", "Approve an access request", "Counts for the current level. When the level has agreed the next one is asked; after the last the access is granted.", s.approve},
		{"deny", "Deny an access request", "Ends the request.", s.deny},
	} {
		httpapi.Call(sec, httpapi.Route{
			Path: "/access-requests/{id}/" + v.path, Summary: v.summary, Access: httpapi.Authenticated(approver), Errors: []int{403, 409, 412}, Description: v.description,
		}, v.do)
	}
	httpapi.Call(sec, httpapi.Route{
		Path: "/access-requests/{id}/escalate", Summary: "Pass an access request on", Errors: []int{403, 409, 412},
		Access:      httpapi.Authenticated("an approver of the current level; others need execute on api/access-requests"),
		Description: "To the level that the chain names for it, which decides in place of the current one. It is no approval.",
	}, s.escalate)
	httpapi.Call(sec, httpapi.Route{
		Path: "/access-requests/{id}/cancel", Summary: "Take an access request back", Errors: []int{403, 409, 412},
		Access:      httpapi.Authenticated("whoever made it or would gain by it; others need update on api/access-requests"),
		Description: "Only one that waits.",
	}, s.cancel)
	httpapi.Call(sec, httpapi.Route{
		Path: "/access-requests/{id}/revoke", Summary: "End what an access request granted", Errors: []int{403, 409, 412},
		Access:      httpapi.Authenticated("whoever approved it or gains by it; others need update on api/access-requests"),
		Description: "At once. The role of a role request is taken.",
	}, s.revoke)
	s.registerDelegations(sec)
}

func detailsOf(m *models.AccessRequest) (d approval.Details, err error) {
	if err := json.Unmarshal(m.RequestDetails, &d); err != nil {
		return d, fmt.Errorf("read the details of access request %s: %w", m.ID, err)
	}
	return d, nil
}

// AccessRequest is a request as the API shows it.
type AccessRequest struct {
	ID             uuid.UUID      `json:"id"`
	TenantID       uuid.UUID      `json:"tenant_id"`
	RequesterID    uuid.UUID      `json:"requester_id"`
	BeneficiaryID  uuid.UUID      `json:"beneficiary_id" doc:"Who gains by it."`
	RequestType    string         `json:"request_type" enum:"role,permission,resource_access"`
	RequestDetails approval.Asked `json:"request_details"`
	NodeID         *uuid.UUID     `json:"node_id" nullable:"true" doc:"The registered node that is asked for."`
	Justification  string         `json:"justification,omitempty"`
	ChainID        *uuid.UUID     `json:"chain_id" nullable:"true" doc:"null once the chain is deleted."`
	ChainName      string         `json:"chain_name" doc:"As it was when the request was made, as are its levels."`
	Status         string         `json:"status" enum:"pending,approved,denied,expired,cancelled,revoked"`
	CurrentLevel   int            `json:"current_level"`
	Levels         int            `json:"levels" doc:"How many levels the chain has."`
	AutoApproved   bool           `json:"auto_approved" doc:"The chain's conditions approved it, for the moment of one answer: it grants nothing by itself."`
	ExpiresAt      *time.Time     `json:"expires_at" nullable:"true" doc:"From it on the request can no longer be approved, and grants nothing."`
	LevelDueAt     *time.Time     `json:"level_due_at" nullable:"true" doc:"When the current level's time is over: then the request goes to the level that it names for it, or expires."`
	DecidedAt      *time.Time     `json:"decided_at" nullable:"true"`
	GrantExpiresAt *time.Time     `json:"grant_expires_at" nullable:"true" doc:"From it on an approved request grants nothing."`
	CreatedAt      time.Time      `json:"created_at"`
	UpdatedAt      time.Time      `json:"updated_at"`
}

// ETag changes with every step of the request.
func (r *AccessRequest) ETag() string {
	return httpapi.ETag(r.ID, r.UpdatedAt.UnixNano(), r.Status, r.CurrentLevel)
}

// view shows a request as it is at now: time moves it on whether or not a job
// has come to write that down.
func view(m *models.AccessRequest, now time.Time) (*AccessRequest, error) {
	d, err := detailsOf(m)
	if err != nil {
		return nil, err
	}
	r, err := machine(m, nil)
	if err != nil {
		return nil, err
	}
	r, _ = r.Expire(now)
	return shown(m, &d, &r), nil
}

func shown(m *models.AccessRequest, d *approval.Details, r *approval.Request) *AccessRequest {
	v := &AccessRequest{
		ID: m.ID, TenantID: m.TenantID, RequesterID: m.RequesterID, BeneficiaryID: m.BeneficiaryID, RequestType: m.RequestType,
		RequestDetails: d.Asked, NodeID: d.NodeID, Justification: m.Justification, ChainID: m.ChainID,
		Status: string(r.Status), CurrentLevel: r.Level, AutoApproved: m.AutoApproved, ExpiresAt: m.ExpiresAt,
		DecidedAt: r.DecidedAt, GrantExpiresAt: r.GrantExpiresAt, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
		ChainName: r.Chain.Name, Levels: len(r.Chain.Levels),
	}
	if r.Status == approval.Pending {
		v.LevelDueAt = &r.DueAt
	}
	return v
}

// featured refuses the call where the tenant is without approvals: the routes
// that need no permission ask for themselves.
func (s *Service) featured(ctx context.Context) error {
	tenant, _ := identity.TenantFrom(ctx)
	has, err := s.write.Engine.HasFeature(ctx, tenant, entitlement.Approvals)
	if err == nil && !has {
		err = entitlement.Disabled(entitlement.Approvals)
	}
	return err
}

// may asks whether the caller has a permission on the section, and leaves no
// record of a no: most of what is asked for here can be done without.
func (s *Service) may(ctx context.Context, action string) bool {
	p, ok := identity.PrincipalFrom(ctx)
	return ok && s.write.Engine.Trusts(ctx, p.HomeTenantID, p.UserID, section, action)
}

// must refuses a caller without a permission on the section.
func (s *Service) must(ctx context.Context, action string) error {
	p, ok := identity.PrincipalFrom(ctx)
	if !ok || !s.write.Engine.Permits(ctx, p.HomeTenantID, p.UserID, section, action) {
		return httpapi.Denied(httpapi.Permission{Section: section, Action: action})
	}
	return nil
}

// self is the caller's account where the call acts in its tenant, false for one
// who acts from another: there they have no account of their own.
func self(ctx context.Context) (uuid.UUID, bool) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	return p.UserID, p.HomeTenantID == tenant
}
