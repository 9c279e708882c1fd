package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// statuses maps kinds to HTTP, the one place where that is done.
var statuses = map[fault.Kind]int{
	fault.Validation:            http.StatusBadRequest,
	fault.Unauthenticated:       http.StatusUnauthorized,
	fault.InvalidCredentials:    http.StatusUnauthorized,
	fault.MFARequired:           http.StatusUnauthorized,
	fault.TokenExpired:          http.StatusUnauthorized,
	fault.TokenRevoked:          http.StatusUnauthorized,
	fault.ServiceAccountInvalid: http.StatusUnauthorized,
	"BIOMETRIC_AUTH_FAILED":     http.StatusUnauthorized,
	fault.Denied:                http.StatusForbidden,
	fault.ApprovalRequired:      http.StatusForbidden,
	fault.FeatureDisabled:       http.StatusForbidden,
	fault.NotFoundKind:          http.StatusNotFound,
	fault.ConflictKind:          http.StatusConflict,
	fault.PreconditionFailed:    http.StatusPreconditionFailed,
	fault.PayloadTooLarge:       http.StatusRequestEntityTooLarge,
	fault.NotTranslatable:       http.StatusUnprocessableEntity,
	fault.AccountLocked:         http.StatusLocked,
	fault.RateLimited:           http.StatusTooManyRequests,
	fault.Internal:              http.StatusInternalServerError,
	fault.Unavailable:           http.StatusServiceUnavailable,
}

// StatusOf returns the HTTP status of a kind.
func StatusOf(kind fault.Kind) int {
	if status, ok := statuses[kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// failure is a fault on its way out. It is the error type that huma writes.
type failure struct {
	fault  *fault.Error
	status int
	call   *call
}

func newFailure(c *call, err error) *failure {
	f := asFault(err)
	status := StatusOf(f.Kind)
	if status == http.StatusInternalServerError {
		f = fault.New(fault.Internal, "internal error").Because(err)
	}
	if c != nil {
		c.cause = f
	}
	return &failure{fault: f, status: status, call: c}
}

// asFault finds the fault in err. A deadline that passed without one is an
// overload, everything else is internal.
func asFault(err error) *fault.Error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.New(fault.Unavailable, "The request took too long. Try again later.").Because(err)
	default:
		return fault.New(fault.Internal, "internal error").Because(err)
	}
}

func (e *failure) Error() string { return e.fault.Error() }
func (e *failure) Unwrap() error { return e.fault }

// GetStatus makes it an error that huma answers with.
func (e *failure) GetStatus() int { return e.status }

// GetHeaders is read by huma beside the status.
func (e *failure) GetHeaders() http.Header {
	h := http.Header{}
	switch {
	case e.fault.Kind == fault.TokenExpired || e.fault.Kind == fault.TokenRevoked:
		h.Set("WWW-Authenticate", `Bearer realm="sentinel", error="invalid_token"`)
	case e.status == http.StatusUnauthorized:
		// No token was at fault: wrong credentials, a factor that is missing.
		h.Set("WWW-Authenticate", `Bearer realm="sentinel"`)
	case e.status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	if seconds, ok := e.fault.Details["retry_after"]; ok {
		h.Set("Retry-After", fmt.Sprint(seconds))
	}
	return h
}

// MarshalJSON writes the envelope, or the route's own shape of errors.
func (e *failure) MarshalJSON() ([]byte, error) {
	if e.call != nil && e.call.route != nil && e.call.route.ErrorBody != nil {
		return json.Marshal(e.call.route.ErrorBody(e.status, e.fault))
	}
	if e.call != nil && e.call.form && e.call.route.FormErrorBody != nil {
		return json.Marshal(e.call.route.FormErrorBody(e.status, e.fault))
	}
	body := ErrorEnvelope{Error: ErrorDetail{Code: string(e.fault.Kind), Message: e.fault.Message, Details: details(e.fault)}}
	if e.call != nil {
		body.Meta = e.call.meta()
	}
	return json.Marshal(body)
}

// Schema documents a failure as the envelope.
func (e *failure) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[ErrorEnvelope](), true, "")
}

// write sends the failure past huma.
func (e *failure) write(fctx *fasthttp.RequestCtx) {
	body, err := json.Marshal(e)
	if err != nil {
		body = []byte(`{"error":{"code":"INTERNAL_ERROR","message":"internal error","details":{}}}`)
	}
	fctx.Response.ResetBody()
	fctx.SetStatusCode(e.status)
	fctx.SetContentType("application/json")
	for name, values := range e.GetHeaders() {
		fctx.Response.Header.Set(name, values[0])
	}
	fctx.SetBody(body)
}

var humaOnce sync.Once

// configureHuma sets what huma keeps in package variables. The values are the
// same for every server, so once is enough.
func configureHuma() {
	humaOnce.Do(func() {
		huma.ValidateStrictCasing = true
		huma.DefaultArrayNullable = false
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return newFailure(nil, humaFault(status, msg, errs))
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			c := callFrom(ctx.Context())
			f := humaFault(status, msg, errs)
			if c != nil && f.Kind == fault.Validation {
				f.Fields = uniqueFields(append(c.violations, f.Fields...))
			}
			return newFailure(c, f)
		}
	})
}

// humaFault turns an error of huma's into ours. Values are dropped: they may
// be passwords.
func humaFault(status int, msg string, errs []error) *fault.Error {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge(0)
	case status >= http.StatusInternalServerError || status == 0:
		return fault.New(fault.Internal, "internal error").Because(errors.Join(append(errs, errors.New(msg))...))
	}
	var fields []fault.Field
	for _, err := range errs {
		fields = append(fields, humaFields(err)...)
	}
	if len(fields) == 0 {
		fields = []fault.Field{{Path: "body", Message: msg}}
	}
	return fault.Invalid(uniqueFields(fields)...)
}

func humaFields(err error) []fault.Field {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Fields
	}
	var d huma.ErrorDetailer
	if !errors.As(err, &d) {
		return []fault.Field{{Path: "body", Message: "is not valid"}}
	}
	detail := d.ErrorDetail()
	if fields, ok := decodeMismatch(detail.Message); ok {
		return fields
	}
	path, message := strings.TrimPrefix(detail.Location, "body."), detail.Message
	var name string
	if n, err := fmt.Sscanf(message, validation.MsgExpectedRequiredProperty, &name); n == 1 && err == nil {
		if path == "body" {
			path = ""
		}
		path, message = joinPath(path, name), "is required"
	}
	if isUUIDMessage(message) {
		message = uuidMessage
	}
	if message == validation.MsgUnexpectedProperty {
		message = "is not a member that is known here"
	}
	return []fault.Field{{Path: path, Message: plainly(message)}}
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// uniqueFields drops repetitions: two checks may find the same.
func uniqueFields(fields []fault.Field) []fault.Field {
	seen := make(map[fault.Field]bool, len(fields))
	kept := fields[:0:0]
	for _, f := range fields {
		if !seen[f] {
			seen[f] = true
			kept = append(kept, f)
		}
	}
	return kept
}

func tooLarge(limit int) *fault.Error {
	f := fault.New(fault.PayloadTooLarge, "The request is larger than this server accepts. Send less at once.")
	if limit > 0 {
		f.Details = map[string]any{"limit_bytes": limit}
	}
	return f
}
