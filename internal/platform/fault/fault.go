// Package fault defines the failures that a caller is told about. Anything
// that is not a [*Error] is internal: logged once at the edge and shown as
// "internal error". The package knows no HTTP; httpapi maps kinds to statuses.
package fault

import (
	"errors"
	"fmt"
)

// Kind classifies a failure. Its value is the code in the API's envelope.
type Kind string

// The kinds, as in the error table of the API reference.
const (
	Validation            Kind = "VALIDATION_ERROR"
	Unauthenticated       Kind = "AUTHENTICATION_REQUIRED"
	InvalidCredentials    Kind = "INVALID_CREDENTIALS" //nolint:gosec // a code, no credential
	MFARequired           Kind = "MFA_REQUIRED"
	TokenExpired          Kind = "TOKEN_EXPIRED"
	TokenRevoked          Kind = "TOKEN_REVOKED"
	ServiceAccountInvalid Kind = "SERVICE_ACCOUNT_INVALID"
	Denied                Kind = "PERMISSION_DENIED"
	ApprovalRequired      Kind = "APPROVAL_REQUIRED"
	FeatureDisabled       Kind = "FEATURE_DISABLED"
	NotFoundKind          Kind = "RESOURCE_NOT_FOUND"
	ConflictKind          Kind = "CONFLICT"
	PreconditionFailed    Kind = "PRECONDITION_FAILED"
	PayloadTooLarge       Kind = "PAYLOAD_TOO_LARGE"
	NotTranslatable       Kind = "NOT_TRANSLATABLE"
	AccountLocked         Kind = "ACCOUNT_LOCKED"
	RateLimited           Kind = "RATE_LIMIT_EXCEEDED"
	Internal              Kind = "INTERNAL_ERROR"
	Unavailable           Kind = "SERVICE_UNAVAILABLE"
)

// Field is one offending member of a request.
type Field struct {
	// Path is the member's JSON path, such as "permissions[2].actions".
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Error is a failure the caller can act on.
type Error struct {
	Kind Kind
	// Message says what is wrong and what to do, in a sentence or two. It never
	// holds SQL, secrets or anything of another tenant.
	Message string
	// Fields names every offending member.
	Fields []Field
	// Details holds further members of the envelope's "details", such as
	// required_permission.
	Details map[string]any
	// Err is the cause, for the log. It is never shown.
	Err error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// New makes a failure of the given kind.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a validation failure that names every offending member.
func Invalid(fields ...Field) *Error {
	return &Error{Kind: Validation, Message: "The request is not valid. Correct the members named in details.fields.", Fields: fields}
}

// InvalidAt is [Invalid] for a single member.
func InvalidAt(path, format string, args ...any) *Error {
	return Invalid(Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

// NotFound says that there is no such object here: absent, or another
// tenant's, which reads the same.
func NotFound(what string) *Error {
	return New(NotFoundKind, "There is no such %s in this tenant.", what)
}

// Conflict says that the state of the data stands against the request.
func Conflict(path, format string, args ...any) *Error {
	e := New(ConflictKind, format, args...)
	if path != "" {
		e.Fields = []Field{{Path: path, Message: e.Message}}
	}
	return e
}

// Because attaches the cause that the log should hold.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// KindOf returns the kind of the first [*Error] in err's chain, [Internal] if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a failure of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
