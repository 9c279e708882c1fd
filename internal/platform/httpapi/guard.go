package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// humaContext lets [guarded] embed the interface under a name that does not
// hide its method Context.
type humaContext = huma.Context

// guarded is a request that passed the guard, as huma reads it.
type guarded struct {
	humaContext
	ctx  context.Context //nolint:containedctx // huma carries it so
	body []byte
	raw  bool
}

// Unwrap lets humafiber find its own context.
func (g *guarded) Unwrap() huma.Context { return g.humaContext }

// Context returns the call's context, which carries the identity.
func (g *guarded) Context() context.Context { return g.ctx }

// BodyReader returns the body after decoding.
func (g *guarded) BodyReader() io.Reader { return bytes.NewReader(g.body) }

// Header hides the media type of the body, which is JSON by now unless the route
// takes it as it is.
func (g *guarded) Header(name string) string {
	if name == "Content-Type" && !g.raw {
		return "application/json"
	}
	return g.humaContext.Header(name)
}

// Param undoes percent-encoding, after routing.
func (g *guarded) Param(name string) string { return param(g.humaContext, name) }

func param(ctx huma.Context, name string) string {
	text := ctx.Param(name)
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// guard stands before huma's reading of the input: who calls, whether they
// may, and only then what they sent.
func (s *Server) guard(r *Route, p *plan) func(huma.Context, func(huma.Context)) {
	return func(hctx huma.Context, next func(huma.Context)) {
		fctx := humafiber.Unwrap(hctx).Context()
		c, ok := fctx.UserValue(callKey{}).(*call)
		if !ok { // through Fiber's own server or its Test
			c = s.newCall(fctx)
			defer s.finish(fctx, c)
		}
		c.route = r
		if r.Form {
			c.form, _ = mediaType(fctx, r)
		}
		timeout := orDefault(r.Timeout, s.cfg.RequestTimeout)
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()

		ctx, err := s.admit(ctx, fctx, c, r, p)
		if err != nil {
			newFailure(c, err).write(fctx)
			return
		}
		if r.MaxBody > s.cfg.BodyLimit {
			if isLarge(fctx, s.cfg.BodyLimit) {
				sender := uuid.Nil
				if c.principal != nil {
					sender = c.principal.HomeTenantID
				}
				if err := s.room.enter(sender); err != nil {
					newFailure(c, err).write(fctx)
					return
				}
				defer s.room.leave(sender)
			}
			if err := s.readLarge(fctx, r, timeout); err != nil {
				newFailure(c, err).write(fctx)
				return
			}
		}
		key, err := s.idempotencyKey(&fctx.Request.Header, r)
		if err != nil {
			newFailure(c, err).write(fctx)
			return
		}
		body, err := s.jsonBody(fctx, r, p)
		c.violations = p.parameters(fctx, func(name string) string { return param(hctx, name) })
		if err != nil {
			if f := asFault(err); f.Kind == fault.Validation {
				f.Fields = append(f.Fields, c.violations...)
			}
			newFailure(c, err).write(fctx)
			return
		}
		sent := body
		if !p.raw {
			var nulls []fault.Field
			body, nulls = p.settle(s.registry, body)
			c.violations = append(c.violations, nulls...)
		}
		serve := func() { next(&guarded{humaContext: hctx, ctx: ctx, body: body, raw: p.raw}) }
		if key == "" || len(c.violations) > 0 {
			serve()
			return
		}
		route, path := r.Method+" "+r.FullPath(), make([]string, 0, len(p.path))
		for _, name := range p.path {
			path = append(path, name, param(hctx, name))
		}
		hash := requestHash(route, path, fctx.QueryArgs().QueryString(), sent)
		s.once(ctx, fctx, c, Attempt{Route: route, Key: key, Hash: hash, Timeout: timeout}, serve)
	}
}

// admit authenticates, keeps to the budgets, and authorises.
func (s *Server) admit(ctx context.Context, fctx *fasthttp.RequestCtx, c *call, r *Route, p *plan) (context.Context, error) {
	if !r.Access.IsPublic() {
		token, err := bearer(&fctx.Request.Header)
		if err != nil {
			return ctx, err
		}
		if s.cfg.Authenticate == nil {
			return ctx, fault.New(fault.Unauthenticated, "No tokens are accepted here.")
		}
		tenant, err := p.tenant(fctx)
		if err != nil {
			return ctx, err
		}
		if ctx, err = s.cfg.Authenticate(ctx, token, tenant); err != nil {
			return ctx, err
		}
		if tenant != "" && !isUUID(tenant) {
			return ctx, fault.InvalidAt("header.X-Tenant-ID", "must be the id of a tenant")
		}
		c.principal, _ = identity.PrincipalFrom(ctx)
		c.tenant, _ = identity.TenantFrom(ctx)
	}
	if s.cfg.Admit != nil {
		if err := s.cfg.Admit(ctx, *r); err != nil {
			return ctx, err
		}
	}
	permission, needed := r.Access.Permission()
	switch {
	case !needed:
		return ctx, nil
	case s.cfg.Authorize == nil:
		return ctx, Denied(permission)
	default:
		return ctx, s.cfg.Authorize(ctx, permission)
	}
}

// tenant returns the tenant in which the call is to act, "" for the token's: by
// the header, or by tenant_id where the input has a [TenantIn].
func (p *plan) tenant(fctx *fasthttp.RequestCtx) (string, error) {
	header := string(fctx.Request.Header.Peek("X-Tenant-ID"))
	if _, ok := p.query["tenant_id"]; !ok {
		return header, nil
	}
	named, err := uuid.Parse(string(fctx.QueryArgs().Peek("tenant_id")))
	if err != nil {
		return header, nil // none, or one that the parameter's own check refuses
	}
	if also, err := uuid.Parse(header); err == nil && also != named {
		return "", fault.InvalidAt("query.tenant_id", "names another tenant than the header X-Tenant-ID: send one of them")
	}
	if header == "" {
		return named.String(), nil
	}
	return header, nil
}

// Denied is the fault of a caller without p.
func Denied(p Permission) *fault.Error {
	f := fault.New(fault.Denied, "You lack the permission %s. Ask an administrator of your tenant for a role that has it.", p)
	f.Details = map[string]any{"required_permission": p.String()}
	return f
}

// bearer returns the token of the Authorization header (RFC 6750, 2.1).
func bearer(h *fasthttp.RequestHeader) (string, error) {
	lines := h.PeekAll("Authorization")
	if len(lines) == 0 {
		return "", fault.New(fault.Unauthenticated, "Send a token: \"Authorization: Bearer …\".")
	}
	scheme, token, _ := strings.Cut(string(lines[0]), " ")
	token = strings.TrimSpace(token)
	if len(lines) > 1 || !strings.EqualFold(scheme, "Bearer") || !validToken(token) {
		return "", fault.New(fault.Unauthenticated, "The Authorization header must be one \"Bearer\" and a token.")
	}
	return token, nil
}

// validToken checks the b64token of RFC 6750.
func validToken(token string) bool {
	if token == "" || len(token) > 8192 {
		return false
	}
	for i := 0; i < len(token); i++ {
		if !isAlphanumeric(token[i]) && strings.IndexByte("-._~+/=", token[i]) < 0 {
			return false
		}
	}
	return true
}
