// Package health tells operators and probes how the server is.
package health

import (
	"context"
	"net/http"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
)

// Service answers the section's calls.
type Service struct {
	DB      *db.DB
	Engine  *engine.Engine
	Version string
	// MaxStaleness is how old decision data may grow before checks stop.
	MaxStaleness time.Duration
	// Policies reports on the Rego library: its revision, and why it is not the
	// one that was asked for, if so.
	Policies func() (revision string, problem string)
	// Jobs reports on the queue of background jobs.
	Jobs func() jobs.Health
}

// States of a part, and of the whole.
const (
	Healthy   = "healthy"
	Degraded  = "degraded"
	Unhealthy = "unhealthy"
	Disabled  = "disabled"
)

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Health", "How the server is.")
	httpapi.Raw(sec, httpapi.Route{Path: "/health", Root: true, Summary: "Each part and the whole", Access: httpapi.Public(), Quiet: true, Errors: []int{503}}, s.health)
	httpapi.Raw(sec, httpapi.Route{Path: "/health/live", Root: true, Summary: "Is the process alive?", Access: httpapi.Public(), Quiet: true}, s.live)
	httpapi.Raw(sec, httpapi.Route{Path: "/health/ready", Root: true, Summary: "Can it take requests?", Access: httpapi.Public(), Quiet: true, Errors: []int{503}}, s.ready)
}

// Part is the state of one part.
type Part struct {
	Status string `json:"status" enum:"healthy,degraded,unhealthy,disabled"`
	Detail string `json:"detail,omitempty" doc:"What is wrong and what follows from it."`
}

// Report is the state of the whole.
type Report struct {
	Status  string          `json:"status" enum:"healthy,degraded,unhealthy"`
	Version string          `json:"version,omitempty"`
	Parts   map[string]Part `json:"parts,omitempty"`
}

// pingTimeout keeps a probe short when the database hangs.
const pingTimeout = 2 * time.Second

func (s *Service) health(ctx context.Context, _ *struct{}) (*httpapi.Reply[Report], error) {
	parts := map[string]Part{
		"database":      s.database(ctx),
		"engine":        s.engine(),
		"notifications": {Status: Healthy},
		"redis":         {Status: Disabled, Detail: "not used: each replica keeps its data in memory"},
		"policies":      {Status: Healthy},
		"jobs":          s.jobs(),
	}
	if listening, _, _ := s.Engine.Status(); !listening {
		parts["notifications"] = Part{Status: Degraded, Detail: "changes of other replicas are seen by polling"}
	}
	if revision, problem := s.Policies(); problem != "" {
		parts["policies"] = Part{Status: Degraded, Detail: problem}
	} else {
		parts["policies"] = Part{Status: Healthy, Detail: "revision " + revision}
	}
	report := Report{Status: Healthy, Version: s.Version, Parts: parts}
	for _, p := range parts {
		switch {
		case p.Status == Unhealthy:
			report.Status = Unhealthy
		case p.Status == Degraded && report.Status == Healthy:
			report.Status = Degraded
		}
	}
	return reply(report), nil
}

func reply(r Report) *httpapi.Reply[Report] {
	status := http.StatusOK
	if r.Status == Unhealthy {
		status = http.StatusServiceUnavailable
	}
	return &httpapi.Reply[Report]{Status: status, Body: r, Header: map[string]string{"Cache-Control": "no-store"}}
}

func (s *Service) database(ctx context.Context) Part {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.DB.Ping(ctx); err != nil {
		return Part{Status: Degraded, Detail: "does not answer: writes are refused, decisions go on for " + s.MaxStaleness.String()}
	}
	return Part{Status: Healthy}
}

func (s *Service) engine() Part {
	_, _, oldest := s.Engine.Status()
	if oldest > s.MaxStaleness {
		return Part{Status: Unhealthy, Detail: "decision data is too old: questions are refused as not_evaluated"}
	}
	return Part{Status: Healthy}
}

func (s *Service) jobs() Part {
	h := s.Jobs()
	if h.Problem != "" {
		return Part{Status: Degraded, Detail: h.Problem}
	}
	return Part{Status: Healthy}
}

func (s *Service) live(context.Context, *struct{}) (*httpapi.Reply[Report], error) {
	return reply(Report{Status: Healthy}), nil
}

// ready says whether the server can answer: as long as its decision data is
// fresh enough, whether or not the database answers just now.
func (s *Service) ready(ctx context.Context, _ *struct{}) (*httpapi.Reply[Report], error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.Engine.Ready(ctx); err != nil {
		return reply(Report{Status: Unhealthy}), nil //nolint:nilerr // that is the answer
	}
	return reply(Report{Status: Healthy}), nil
}
