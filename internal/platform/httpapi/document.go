package httpapi

import (
	"embed"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

//go:embed docs
var docsFiles embed.FS

// docsPolicy lets the page load its own script and style and talk to this
// server, nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Form is how the OpenAPI document is written.
type Form struct {
	// Old writes OpenAPI 3.0.3 instead of 3.1, for generators that need it.
	Old bool
	// YAML writes YAML instead of JSON.
	YAML bool
}

// Document returns the OpenAPI document of the routes that are registered.
func (s *Server) Document(form Form) ([]byte, error) {
	document := s.api.OpenAPI()
	encode := document.MarshalJSON
	switch {
	case form.Old && form.YAML:
		encode = document.DowngradeYAML
	case form.Old:
		encode = document.Downgrade
	case form.YAML:
		encode = document.YAML
	}
	raw, err := encode()
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return raw, nil
}

// document is the OpenAPI document, encoded once all routes are known.
type document struct{ json, yaml []byte }

func (s *Server) humaConfig() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: s.cfg.Title, Version: s.cfg.Version,
				Description: "Successes are in an envelope of data and meta, failures in one of error and meta.",
			},
			Components: &huma.Components{
				Schemas: s.registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token from /auth/login or /auth/service-account/token."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
	}
}

// mountDocs serves the document and the page that renders it. They are public:
// they say nothing about anybody's data.
func (s *Server) mountDocs() {
	var err error
	if s.document.json, err = s.Document(Form{}); err != nil {
		s.cfg.Logger.Error("no document at /openapi.json", "error", err)
	}
	if s.document.yaml, err = s.Document(Form{YAML: true}); err != nil {
		s.cfg.Logger.Error("no document at /openapi.yaml", "error", err)
	}
	s.static("/openapi.json", "application/openapi+json", s.document.json)
	s.static("/openapi.yaml", "application/openapi+yaml", s.document.yaml)
	for path, file := range map[string]string{"/docs": "index.html", "/docs/docs.js": "docs.js", "/docs/docs.css": "docs.css"} {
		content, err := docsFiles.ReadFile("docs/" + file)
		if err != nil {
			s.cfg.Logger.Error("read the documentation page", "error", err)
		}
		kind := map[string]string{"html": "text/html", "js": "text/javascript", "css": "text/css"}[file[strings.LastIndexByte(file, '.')+1:]]
		s.static(path, kind+"; charset=utf-8", content)
	}
}

func (s *Server) static(path, contentType string, content []byte) {
	route := &Route{Path: path, Root: true, Quiet: true}
	s.app.Get(path, func(fc *fiber.Ctx) error {
		if c, ok := fc.Context().UserValue(callKey{}).(*call); ok {
			c.route = route
		}
		fc.Set(fiber.HeaderContentType, contentType)
		fc.Set(fiber.HeaderCacheControl, "no-cache")
		fc.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		return fc.Send(content)
	})
}
