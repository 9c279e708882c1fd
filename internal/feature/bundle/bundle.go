// Package bundle owns what stock OPA agents load from Sentinel: the decision
// library, a tenant's published policies and its graph in one file. What is in
// the file is the engine's and the library's to say.
package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const (
	// MaxSubjects is how many accounts a bundle holds at most.
	MaxSubjects = 50_000
	// section is the section of the API that bundles are.
	section = "bundles"
	// maxBuilds is how many bundles are made at once: each takes many times its
	// size.
	maxBuilds = 2
	// mediaType is what the file is. The format of OPA with long polling is
	// another.
	mediaType = "application/gzip"
)

// Service answers the section's calls.
type Service struct {
	engine  *engine.Engine
	library *policy.Library
	most    int
	builds  chan struct{}
	// served are the bundles last made, by tenant: a served each.
	served sync.Map
}

// served is what is kept of a bundle.
type served struct {
	// token is of the state that it was made of.
	token, tag string
}

// New makes the section. The library is what every bundle holds.
func New(e *engine.Engine, l *policy.Library) *Service {
	return &Service{engine: e, library: l, most: MaxSubjects, builds: make(chan struct{}, maxBuilds)}
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Bundles", "What stock OPA agents load.")
	httpapi.Raw(sec, httpapi.Route{
		Path: "/bundles/{tenant}.tar.gz", Root: true, Summary: "A tenant's bundle for OPA", Access: httpapi.Requires(section, "read"),
		Produces: mediaType, Errors: []int{http.StatusNotFound, http.StatusConflict},
		Description: "The decision library, the published policies and the tenant's graph as an OPA bundle, with every account in it: besides read it needs execute on api/bundles. " +
			"The tenant is that of the token, by its code or id. The ETag is a hash of the file; with it in If-None-Match, a list too, the answer is 304 as long as nothing changed.",
	}, s.bundle)
}

// In names the tenant.
type In struct {
	Tenant string `path:"tenant" maxLength:"50" doc:"Code or id of the tenant of the token."`
	// IfNoneMatch is read by the agents' rules: a list, "*" and weak tags.
	IfNoneMatch string `header:"If-None-Match" doc:"The ETags of bundles that the agent has."`
}

func (s *Service) bundle(ctx context.Context, in *In) (*httpapi.Reply[[]byte], error) {
	tenant, err := s.tenant(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	now, err := s.engine.Revision(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if last, ok := s.served.Load(tenant); ok && last.(served).token == now && httpapi.NamesTag(in.IfNoneMatch, last.(served).tag) {
		return unchanged(last.(served).tag), nil
	}
	file, tag, err := s.build(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if httpapi.NamesTag(in.IfNoneMatch, tag) {
		return unchanged(tag), nil
	}
	return &httpapi.Reply[[]byte]{Body: file, Header: headers(tag)}, nil
}

func unchanged(tag string) *httpapi.Reply[[]byte] {
	return &httpapi.Reply[[]byte]{Status: http.StatusNotModified, Header: headers(tag)}
}

func headers(tag string) map[string]string {
	return map[string]string{"ETag": tag, "Cache-Control": "private, no-cache"}
}

// tenant returns the tenant of the token, if that is the one named and the caller
// may read its accounts.
func (s *Service) tenant(ctx context.Context, named string) (uuid.UUID, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	own := caller.HomeTenantID
	snapshot, err := s.engine.Snapshot(ctx, own)
	if err != nil {
		return uuid.UUID{}, err
	}
	acting, _ := identity.TenantFrom(ctx)
	if acting != own || !strings.EqualFold(named, snapshot.Tenant.Code) && !strings.EqualFold(named, own.String()) {
		return uuid.UUID{}, fault.NotFound("bundle")
	}
	if !s.engine.Permits(ctx, own, caller.UserID, section, "execute") {
		return uuid.UUID{}, httpapi.Denied(httpapi.Permission{Section: section, Action: "execute"})
	}
	return own, nil
}

// build makes the bundle and its tag.
func (s *Service) build(ctx context.Context, tenant uuid.UUID) ([]byte, string, error) {
	select {
	case s.builds <- struct{}{}:
		defer func() { <-s.builds }()
	case <-ctx.Done():
		return nil, "", fault.New(fault.Unavailable, "Too many bundles are being made. Ask again later.").Because(ctx.Err())
	}
	x, err := s.engine.Extract(ctx, tenant, s.most)
	if errors.Is(err, engine.ErrTooManySubjects) {
		return nil, "", fault.Conflict("", "The tenant has more than %d accounts, which is as many as a bundle holds. Ask the API about them, or split the tenant.", s.most)
	}
	if err != nil {
		return nil, "", err
	}
	var file bytes.Buffer
	revision := fmt.Sprintf("r%d-p%d", x.Revision, x.Publication)
	if err := s.library.TenantBundle(ctx, &file, x.Document.Trim(x.Modules, x.Attributes), x.Texts, revision, nil); err != nil {
		return nil, "", fmt.Errorf("bundle of tenant %s: %w", tenant, err)
	}
	sum := sha256.Sum256(file.Bytes())
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	s.served.Store(tenant, served{x.Token, tag})
	return file.Bytes(), tag, nil
}
