package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// mount is a route as huma hands it to the router.
type mount struct {
	method, path string
	handlers     []fiber.Handler
}

// collector keeps the routes back until all are known, since Fiber takes the
// first that matches in the order of registration.
type collector struct {
	fiber.Router
	server *Server
}

// Add keeps a route instead of adding it.
func (c collector) Add(method, path string, handlers ...fiber.Handler) fiber.Router {
	c.server.mounts = append(c.server.mounts, mount{method, path, handlers})
	return c.Router
}

// mount gives Fiber the routes, literal segments before parameters. A GET
// answers HEAD too.
func (s *Server) mount() {
	s.mounted.Do(func() {
		s.sealed = true
		if !s.cfg.NoDocs {
			s.mountDocs()
		}
		slices.SortStableFunc(s.mounts, func(a, b mount) int { return strings.Compare(precedence(a.path), precedence(b.path)) })
		for _, m := range s.mounts {
			s.app.Add(m.method, m.path, m.handlers...)
			if m.method == http.MethodGet {
				s.app.Add(http.MethodHead, m.path, m.handlers...)
			}
		}
		s.inner = s.app.Handler()
	})
}

// precedence sorts "/users/me" before "/users/:id", at each segment.
func precedence(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if strings.Contains(segment, ":") {
			segments[i] = "\xff" + segment
		}
	}
	return strings.Join(segments, "/")
}
