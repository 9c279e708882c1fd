package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi/httpapitest"
)

var (
	caller = uuid.MustParse("01890000-0000-7000-8000-000000000001")
	tenant = uuid.MustParse("01890000-0000-7000-8000-00000000000a")
)

type widget struct {
	ID    uuid.UUID  `json:"id"`
	Name  string     `json:"name"`
	Owner *uuid.UUID `json:"owner,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

func (w *widget) ETag() string { return httpapi.ETag(w.ID, w.Name) }

type grant struct {
	Type    string   `json:"type" minLength:"1"`
	Actions []string `json:"actions" minItems:"1"`
}

type createIn struct {
	Body struct {
		Name        string         `json:"name" minLength:"2" maxLength:"20"`
		Owner       uuid.UUID      `json:"owner,omitempty"`
		Count       int            `json:"count,omitempty" minimum:"0"`
		Permissions []grant        `json:"permissions,omitempty"`
		Attributes  map[string]any `json:"attributes,omitempty"`
	}
}

type patchIn struct {
	ID uuid.UUID `path:"id"`
	httpapi.IfMatchIn
	Body struct {
		Name  httpapi.Opt[string]    `json:"name" minLength:"2" nullable:"false"`
		Note  httpapi.Opt[string]    `json:"note" maxLength:"5"`
		Owner httpapi.Opt[uuid.UUID] `json:"owner"`
		Rules httpapi.Opt[grant]     `json:"rules"`
	}
}

type patchOut struct {
	Name, Note, Owner, Rules string
}

type listIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort   string            `query:"sort" enum:"name,created_at" default:"name"`
	Active httpapi.Opt[bool] `query:"is_active"`
	Search string            `query:"search"`
	Roles  []string          `query:"role,explode"`
}

type idIn struct {
	ID uuid.UUID `path:"id"`
}

type none struct{}

// fixture is a server with a route of each kind, and what it logged.
type fixture struct {
	*httpapitest.Client
	server  *httpapi.Server
	logs    *syncBuffer
	entered chan struct{}
	release chan struct{}
	lastIn  any
	request identity.Request
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func authenticate(ctx context.Context, bearer, tenantHeader string) (context.Context, error) {
	switch bearer {
	case "good", "weak":
		ctx = identity.WithPrincipal(ctx, &identity.Principal{UserID: caller, HomeTenantID: tenant, TokenID: bearer})
		if tenantHeader != "" {
			id, err := uuid.Parse(tenantHeader)
			if err != nil {
				return ctx, fault.NotFound("tenant")
			}
			ctx = identity.WithTenant(ctx, id)
		}
		return ctx, nil
	case "old":
		return ctx, fault.New(fault.TokenExpired, "The token has expired.")
	default:
		return ctx, fault.New(fault.TokenRevoked, "The token is not known.")
	}
}

func setup(t *testing.T, change ...func(*httpapi.Config)) *fixture {
	t.Helper()
	f := &fixture{logs: &syncBuffer{}, entered: make(chan struct{}, 1), release: make(chan struct{})}
	cfg := httpapi.Config{
		Title: "Test", Version: "1.2.3",
		Logger:       slog.New(slog.NewJSONHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Authenticate: authenticate,
		Authorize: func(ctx context.Context, p httpapi.Permission) error {
			if who, _ := identity.PrincipalFrom(ctx); who.TokenID == "weak" {
				return httpapi.Denied(p)
			}
			return nil
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	f.server = httpapi.New(cfg)
	f.routes()
	f.Client = httpapitest.Start(t, f.server).As("good")
	return f
}

func (f *fixture) routes() {
	s := f.server.Section("Widgets", "Things to try.")
	read, create := httpapi.Requires("widgets", "read"), httpapi.Requires("widgets", "create")
	httpapi.Get(s, httpapi.Route{Path: "/widgets/{id}", Summary: "Get a widget", Access: read},
		func(_ context.Context, in *idIn) (*widget, error) { return &widget{ID: in.ID, Name: "one"}, nil })
	httpapi.Get(s, httpapi.Route{Path: "/widgets/me", Summary: "Mine", Access: httpapi.Authenticated("the caller's own")},
		func(ctx context.Context, _ *none) (*widget, error) {
			who, _ := identity.PrincipalFrom(ctx)
			id, _ := identity.TenantFrom(ctx)
			f.request = identity.RequestFrom(ctx)
			return &widget{ID: who.UserID, Name: "me", Owner: &id}, nil
		})
	httpapi.Get(s, httpapi.Route{Path: "/widgets/code/{code}", Summary: "By code", Access: httpapi.Public()},
		func(_ context.Context, in *struct {
			Code string `path:"code"`
		},
		) (*widget, error) {
			return &widget{Name: in.Code}, nil
		})
	httpapi.List(s, httpapi.Route{Path: "/widgets", Summary: "List widgets", Access: read},
		func(_ context.Context, in *listIn) (httpapi.Page[widget], error) {
			f.lastIn = *in
			return httpapi.Page[widget]{Items: nil, Total: 101}, nil
		})
	httpapi.Create(s, httpapi.Route{Path: "/widgets", Summary: "Create a widget", Access: create, Granting: true, Errors: []int{409}},
		func(_ context.Context, in *createIn) (httpapi.Created[widget], error) {
			f.lastIn = *in
			return httpapi.Created[widget]{Data: widget{ID: caller, Name: in.Body.Name}, Location: "/widgets/" + caller.String()}, nil
		})
	httpapi.Update(s, httpapi.Route{Path: "/widgets/{id}", Summary: "Change a widget", Access: httpapi.Requires("widgets", "update")}, f.patch)
	httpapi.Put(s, httpapi.Route{Path: "/widgets/{id}/labels", Summary: "Replace", Access: httpapi.Requires("widgets", "update")},
		func(_ context.Context, in *struct {
			ID   uuid.UUID `path:"id"`
			Body map[string]string
		},
		) (*widget, error) {
			return &widget{Name: in.Body["name"]}, nil
		})
	httpapi.Delete(s, httpapi.Route{Path: "/widgets/{id}", Summary: "Delete", Access: httpapi.Requires("widgets", "delete")},
		func(context.Context, *idIn) error { return nil })
	httpapi.Call(s, httpapi.Route{Path: "/widgets/{id}/turn", Summary: "Turn", Access: httpapi.Requires("widgets", "execute"), Status: 202},
		func(context.Context, *idIn) (*none, error) { return nil, nil })
	f.odd(s)
}

// odd registers the routes that fail or have no envelope.
func (f *fixture) odd(s *httpapi.Section) {
	root := func(path string) httpapi.Route {
		return httpapi.Route{Path: path, Root: true, Summary: path, Access: httpapi.Public(), Quiet: true}
	}
	failures := map[string]error{
		"internal": io.ErrUnexpectedEOF, "unavailable": fault.New(fault.Unavailable, "Down.").Because(io.EOF),
		"credentials": fault.New(fault.InvalidCredentials, "Wrong."),
		"timeout":     context.DeadlineExceeded, "conflict": fault.Conflict("name", "taken"),
		"limit":  &fault.Error{Kind: fault.RateLimited, Message: "Slow.", Details: map[string]any{"retry_after": 7}},
		"locked": &fault.Error{Kind: fault.AccountLocked, Message: "Locked.", Details: map[string]any{"locked_until": "later"}},
	}
	httpapi.Get(s, root("/fail/{how}"), func(ctx context.Context, in *struct {
		How string `path:"how"`
	},
	) (*none, error) {
		httpapi.SetHeader(ctx, "X-Sentinel-Revision", "5\r\nX-Evil: 1")
		if in.How == "panic" {
			panic("secret detail") //nolint:forbidigo // what is tested
		}
		return nil, failures[in.How]
	})
	httpapi.Get(s, root("/slow"), func(context.Context, *none) (*none, error) {
		f.entered <- struct{}{}
		<-f.release
		return nil, nil
	})
	keys := root("/.well-known/keys.json")
	keys.Produces = "application/jwk-set+json"
	httpapi.Raw(s, keys, func(context.Context, *none) (*httpapi.Reply[map[string][]string], error) {
		return &httpapi.Reply[map[string][]string]{Header: map[string]string{"Cache-Control": "max-age=60"}, Body: map[string][]string{"keys": {"a"}}}, nil
	})
	bundle := root("/bundles/{tenant}.tar.gz")
	bundle.Produces = "application/gzip"
	httpapi.Raw(s, bundle, func(_ context.Context, in *struct {
		Tenant string `path:"tenant"`
	},
	) (*httpapi.Reply[[]byte], error) {
		return &httpapi.Reply[[]byte]{Status: 203, Body: []byte(in.Tenant)}, nil
	})
	token := root("/token")
	token.Method, token.Form, token.EchoRequestID = "POST", true, true
	token.ErrorBody = func(_ int, e *fault.Error) any { return map[string]string{"error": strings.ToLower(string(e.Kind))} }
	httpapi.Raw(s, token, func(_ context.Context, in *struct {
		Body struct {
			_     struct{} `additionalProperties:"true"`
			Grant string   `json:"grant_type" enum:"client_credentials"`
			Scope string   `json:"scope,omitempty"`
		}
	},
	) (*httpapi.Reply[map[string]string], error) {
		return &httpapi.Reply[map[string]string]{Body: map[string]string{"grant": in.Body.Grant, "scope": in.Body.Scope}}, nil
	})
	logs := root("/logs")
	logs.Method, logs.Gzip, logs.MaxBody = "POST", true, 1000
	httpapi.Raw(s, logs, func(_ context.Context, in *struct{ Body []map[string]any }) (*httpapi.Reply[int], error) {
		return &httpapi.Reply[int]{Body: len(in.Body)}, nil
	})
	stream := root("/stream/{how}")
	stream.Produces = "text/csv"
	httpapi.Stream(s, stream, func(_ context.Context, in *struct {
		How string `path:"how"`
	},
	) (*httpapi.Streamed, error) {
		return &httpapi.Streamed{
			ContentType: "text/csv", Header: map[string]string{"Content-Disposition": "attachment"},
			Write: func(_ context.Context, w io.Writer) error {
				for range 1000 {
					if _, err := io.WriteString(w, "a,b,c\n"); err != nil {
						return err
					}
				}
				switch in.How {
				case "panic":
					panic("in the stream") //nolint:forbidigo // what is tested
				case "error":
					return io.ErrUnexpectedEOF
				}
				return nil
			},
		}, nil
	})
}

func (f *fixture) patch(_ context.Context, in *patchIn) (*patchOut, error) {
	if err := in.Check(`"current"`); err != nil {
		return nil, err
	}
	say := func(set, null bool, value string) string {
		switch {
		case !set:
			return "absent"
		case null:
			return "null"
		}
		return value
	}
	b := in.Body
	return &patchOut{
		Name: say(b.Name.Set, b.Name.Null, b.Name.Value), Note: say(b.Note.Set, b.Note.Null, b.Note.Value),
		Owner: say(b.Owner.Set, b.Owner.Null, b.Owner.Value.String()), Rules: say(b.Rules.Set, b.Rules.Null, b.Rules.Value.Type),
	}, nil
}
