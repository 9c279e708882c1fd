package authzen

import (
	"context"
	"net/url"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// MetadataIn asks who the decision point is.
type MetadataIn struct {
	Host string `header:"Host" hidden:"true"`
}

// Metadata says who the decision point is and what it answers.
type Metadata struct {
	PolicyDecisionPoint       string `json:"policy_decision_point"`
	AccessEvaluationEndpoint  string `json:"access_evaluation_endpoint"`
	AccessEvaluationsEndpoint string `json:"access_evaluations_endpoint"`
	SearchSubjectEndpoint     string `json:"search_subject_endpoint"`
	SearchResourceEndpoint    string `json:"search_resource_endpoint"`
	SearchActionEndpoint      string `json:"search_action_endpoint"`
}

// metadata answers for the configured address. A server that was told none is for
// development: it names the address by which it was asked, and nobody may keep
// that.
func (s *Service) metadata(_ context.Context, in *MetadataIn) (*httpapi.Reply[Metadata], error) {
	base, keep := s.PublicURL, "public, max-age=3600"
	if base == "" {
		u, err := url.Parse("http://" + in.Host)
		if err != nil || in.Host == "" || u.Host != in.Host {
			return nil, fault.InvalidAt("header.Host", "is not an address")
		}
		base, keep = u.String(), "no-store"
	}
	return &httpapi.Reply[Metadata]{
		Header: map[string]string{"Cache-Control": keep},
		Body: Metadata{
			PolicyDecisionPoint: base, AccessEvaluationEndpoint: base + evaluationPath, AccessEvaluationsEndpoint: base + evaluationsPath,
			SearchSubjectEndpoint: base + searchSubjectPath, SearchResourceEndpoint: base + searchResourcePath, SearchActionEndpoint: base + searchActionPath,
		},
	}, nil
}
