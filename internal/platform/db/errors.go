package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// SQLSTATE codes of broken constraints
// (https://www.postgresql.org/docs/current/errcodes-appendix.html, class 23).
const (
	RestrictViolation   = "23001"
	NotNullViolation    = "23502"
	ForeignKeyViolation = "23503"
	UniqueViolation     = "23505"
	CheckViolation      = "23514"
	ExclusionViolation  = "23P01"
)

// Constraint is a constraint of the schema that a write would have broken.
type Constraint struct {
	// Name is the constraint's, as in the migrations, or what a trigger gave as
	// CONSTRAINT; of a NOT NULL, which has no name, the column's.
	Name string
	// Code is the SQLSTATE.
	Code string
}

// Violation returns the constraint behind err, for a feature to say what it
// means, or false if err is about something else.
func Violation(err error) (Constraint, bool) {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.HasPrefix(pgErr.Code, "23") {
		return Constraint{}, false
	}
	name := pgErr.ConstraintName
	if name == "" {
		name = pgErr.ColumnName
	}
	return Constraint{Name: name, Code: pgErr.Code}, true
}

// Why a transaction is repeated.
const (
	conflict  = "conflict"
	stalePlan = "stale plan"
)

// retryCause says why the transaction that ended with err may be run again, ""
// if it may not. All causes mean that nothing was committed.
func retryCause(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return ""
	}
	switch {
	case pgErr.Code == "40001", pgErr.Code == "40P01":
		return conflict
	case pgErr.Code == "0A000" && pgErr.Routine == "RevalidateCachedQuery":
		// "cached plan must not change result type": the schema changed under a
		// prepared statement. The message is translated, the routine is not.
		return stalePlan
	default:
		return ""
	}
}

func contended(err error) error {
	if isFault(err) {
		return err
	}
	return fault.New(fault.Unavailable, "Other changes got in the way several times. Nothing was changed; try again.").Because(err)
}

// unreachable classifies a failure before fn has run. ctx is the caller's: if
// they have gone, that is the error.
func unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("begin a transaction: %w", ctx.Err())
	}
	return fault.New(fault.Unavailable, "The database cannot be reached or is too busy. Nothing was changed; try again later.").Because(err)
}

const lostMessage = "The connection to the database was lost. Nothing was changed; try again."

// explain turns the loss of the connection behind an error of fn into a fault.
// What fn has classified stays as it is.
func explain(ctx context.Context, closed bool, err error) error {
	if isFault(err) || ctx.Err() != nil ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if closed || lost(err) {
		return fault.New(fault.Unavailable, lostMessage).Because(err)
	}
	return err
}

// explainCommit tells three failures of a COMMIT apart: refused by the server,
// never sent, and neither known.
func explainCommit(err error) error {
	var pgErr *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("commit after a failed statement whose error was dropped: %w", err)
	case errors.As(err, &pgErr) && !lost(err):
		return fmt.Errorf("commit: %w", err)
	case pgconn.SafeToRetry(err):
		return fault.New(fault.Unavailable, lostMessage).Because(err)
	default:
		return fault.New(fault.Unavailable,
			"The connection to the database was lost while the change was being saved. The outcome is unknown: look before you try again.").Because(fmt.Errorf("%w: %w", ErrOutcomeUnknown, err))
	}
}

func isFault(err error) bool {
	var f *fault.Error
	return errors.As(err, &f)
}

// lost reports whether err means that the session is over or never began.
func lost(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch pgErr.Code {
		case "57P01", "57P02", "57P03", "53300":
			return true
		default:
			return strings.HasPrefix(pgErr.Code, "08")
		}
	}
	var connectErr *pgconn.ConnectError
	return errors.As(err, &connectErr) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
