package httpapi

import (
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// basePath precedes every route that is not a root one.
const basePath = "/api/v1"

// Permission is what a call needs: an action on the node of type "api" that
// stands for a section of this API.
type Permission struct{ Section, Action string }

// String returns the permission as "api/users:create", the form of
// details.required_permission.
func (p Permission) String() string { return "api/" + p.Section + ":" + p.Action }

type accessKind int

const (
	undeclared accessKind = iota
	public
	authenticated
	permitted
)

// Access says who may call a route. The zero value is refused at registration,
// so that nothing becomes public by forgetting.
type Access struct {
	kind       accessKind
	reason     string
	permission Permission
}

// Public lets everybody call. A bearer token is not looked at.
func Public() Access { return Access{kind: public} }

// Authenticated lets every authenticated caller call; why says which rule
// holds instead of a permission, such as "the caller's own sessions".
func Authenticated(why string) Access { return Access{kind: authenticated, reason: why} }

// Requires lets those call who may do action on the node api/section.
func Requires(section, action string) Access {
	return Access{kind: permitted, permission: Permission{Section: section, Action: action}}
}

// IsPublic reports whether no token is needed.
func (a Access) IsPublic() bool { return a.kind == public }

// Permission returns what is required, false where no permission is.
func (a Access) Permission() (Permission, bool) { return a.permission, a.kind == permitted }

// Reason returns what was given to [Authenticated].
func (a Access) Reason() string { return a.reason }

// Route declares one operation. Path, Summary and Access are required.
type Route struct {
	// Method defaults to the registering function's: Get and List GET, Create
	// and Call POST, Update PATCH, Put PUT, Delete DELETE.
	Method string
	// Path is relative to /api/v1, or to / where Root is set, with parameters
	// as in "/users/{id}". The order of registration does not matter: literal
	// segments win over parameters.
	Path string
	Root bool

	Summary     string
	Description string
	// Tag is filled in from the section.
	Tag string
	// Errors are statuses to document beyond those every such route has.
	Errors []int
	Access Access
	// Granting declares that this write can widen somebody's access.
	Granting bool
	// Status replaces the status of success, such as 202. Zero is the
	// function's own.
	Status int
	// Timeout ends the call's context. Zero is [Config.RequestTimeout]; a long
	// poll sets more.
	Timeout time.Duration

	// Form accepts application/x-www-form-urlencoded beside JSON: its fields
	// become string members of the body.
	Form bool
	// Gzip accepts "Content-Encoding: gzip". Elsewhere an encoded body is
	// refused.
	Gzip bool
	// MaxBody limits the body after decoding, in bytes. Zero is
	// [Config.BodyLimit]. A body as it is sent exceeds that only where MaxBody
	// does: then it is read once the caller is known to be allowed the call. The
	// path of such a route has no parameters.
	MaxBody int
	// Consumes are the media types of the body of a route whose input has a
	// RawBody. Default any.
	Consumes []string
	// Produces is the media type of a success of a Raw route, for the
	// document. Default application/json.
	Produces string
	// ErrorBody replaces the error envelope where a standard says how errors
	// look. Its result is encoded as JSON.
	ErrorBody func(status int, err *fault.Error) any
	// FormErrorBody is ErrorBody for the callers who sent a form, as clients of
	// OAuth do.
	FormErrorBody func(status int, err *fault.Error) any
	// EchoRequestID answers with the X-Request-ID that was sent, as long as it is
	// up to 128 printable ASCII characters, where a standard says so. The log goes
	// by the server's own where the one sent is not of its form, and names both.
	// The path of such a route has no parameters.
	EchoRequestID bool
	// ShownOnce are the members of a success that hold a secret nobody is shown
	// again, by their path below "data", such as "api_key": a replay of the answer
	// leaves them out.
	ShownOnce []string
	// Charged counts the call against the budget of questions instead of that of
	// calls, as one, or as many as its function says with [Charge].
	Charged bool
	// Quiet logs successes at debug level: probes.
	Quiet bool

	// OperationID replaces the name that the operation has by its path, where two
	// routes would have the same: see [Route.operationID].
	OperationID string

	// creates is set by [Create]: the route takes idempotency keys.
	creates bool
	// lists is set by [List].
	lists bool
}

// FullPath returns the path with its base, the template that logs and metrics
// name the route by.
func (r Route) FullPath() string {
	if r.Root {
		return r.Path
	}
	return basePath + r.Path
}

// problem returns what is wrong with the declaration, or "".
func (r Route) problem(bodyLimit int) string {
	switch {
	case !strings.HasPrefix(r.Path, "/"):
		return "its path does not begin with a slash"
	case r.Summary == "":
		return "it has no summary"
	case r.Access.kind == undeclared:
		return "it does not say who may call it"
	case r.Access.kind == permitted && (r.Access.permission.Section == "" || r.Access.permission.Action == ""):
		return "its permission is incomplete"
	case r.Access.kind == authenticated && r.Access.reason == "":
		return "it does not say why it needs no permission"
	case r.MaxBody > bodyLimit && strings.Contains(r.Path, "{"):
		return "its large body needs a path without parameters"
	case r.EchoRequestID && strings.Contains(r.Path, "{"):
		return "its request id needs a path without parameters"
	}
	return ""
}

// Section is a group of routes under one tag.
type Section struct {
	server *Server
	tag    string
}
