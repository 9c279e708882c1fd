package policy

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// The kinds of failures of an evaluation.
const (
	FailureTimeout  = "timeout"
	FailureConflict = "conflict"
	FailureBuiltin  = "builtin"
	FailureOther    = "other"
)

// FailureKind says of an error of an evaluation what it is: the deadline passed, a
// rule had two values, a built-in failed, or anything else.
func FailureKind(err error) string {
	var e *topdown.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return FailureTimeout
	case !errors.As(err, &e):
		return FailureOther
	case e.Code == topdown.CancelErr:
		return FailureTimeout
	case e.Code == topdown.ConflictErr:
		return FailureConflict
	case e.Code == topdown.BuiltinErr, e.Code == topdown.TypeErr:
		return FailureBuiltin
	default:
		return FailureOther
	}
}
