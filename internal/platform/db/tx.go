package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// maxRetries bounds how often a transaction is repeated that the server
	// aborted for the sake of another.
	maxRetries = 3
	// statementTimeout stops a statement that would hold its locks for longer.
	statementTimeout = 30 * time.Second
	// finishTimeout bounds COMMIT and ROLLBACK, which run even when the caller
	// has gone.
	finishTimeout = 10 * time.Second
)

var (
	// ErrNoTenant is the internal error of a tenant transaction whose context
	// carries no tenant.
	ErrNoTenant = errors.New("no tenant in the context of the transaction")
	// ErrNested is the internal error of a transaction begun with the context of
	// another: it would not see the other's writes and could wait for its locks
	// for ever.
	ErrNested = errors.New("transaction begun inside another one")
	// ErrOutcomeUnknown is in the chain of the fault of a transaction whose
	// connection was lost during COMMIT.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
	// ErrUnknownReason is the internal error of a system transaction without one
	// of the declared reasons.
	ErrUnknownReason = errors.New("no known reason for the system scope")
)

// Tx is one transaction, spoken to through GORM, or through pgx where GORM has
// no word for it (batches, jobs; not COPY FROM, which PostgreSQL refuses under
// row-level security). Both see each other's writes. It is valid until the
// function it was passed to returns, for one goroutine.
//
// GORM's own Begin, Commit and Rollback are refused, and its Transaction joins
// this one, so an error from it must not be swallowed.
type Tx struct {
	*gorm.DB
	Pgx pgx.Tx
}

// Reason says why a transaction needs to see all tenants.
type Reason string

// The only reasons there are.
const (
	// LoginTenant finds the tenant of a login by its code.
	LoginTenant Reason = "login tenant"
	// OperatorListing lists across tenants for a platform operator.
	OperatorListing Reason = "operator listing"
	// RevisionPoll reads the policy revisions of all loaded tenants.
	RevisionPoll Reason = "revision poll"
	// SigningKeys reads and rotates the keys of access tokens.
	SigningKeys Reason = "signing keys"
	// Retention deletes what is past its time.
	Retention Reason = "retention"
	// SnapshotGraph reads the graphs of a tenant's ancestors and the platform's.
	SnapshotGraph Reason = "snapshot graph"
	// Bootstrap creates the platform's own rows at the first start.
	Bootstrap Reason = "bootstrap"
	// TenantTree changes the hierarchy of tenants.
	TenantTree Reason = "tenant tree"
	// MasterKey seals what is encrypted at rest with another master key.
	MasterKey Reason = "master key"
	// PlatformRows writes rows that are every tenant's to read.
	PlatformRows Reason = "platform rows"
)

func (r Reason) known() bool {
	switch r {
	case LoginTenant, OperatorListing, RevisionPoll, SigningKeys, Retention, SnapshotGraph, Bootstrap, TenantTree, MasterKey, PlatformRows:
		return true
	default:
		return false
	}
}

type insideKey struct{}

const (
	readWrite = "READ COMMITTED READ WRITE"
	readOnly  = "REPEATABLE READ READ ONLY"
)

// InTx runs fn in a READ COMMITTED transaction of the context's tenant
// ([identity.TenantFrom]) and commits if fn returns nil. An error or a panic
// rolls back.
//
// When the server aborts the transaction for a serialization failure or a
// deadlock, fn runs again, up to three times: it must have no effect outside
// of tx, and must reset what it captured. A lost connection is a fault of kind
// Unavailable; if it was lost during COMMIT, the message says that the outcome
// is unknown.
func (d *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return d.inTenant(ctx, readWrite, fn)
}

// InReadTx is [DB.InTx] on one consistent snapshot that cannot write.
func (d *DB) InReadTx(ctx context.Context, fn func(tx *Tx) error) error {
	return d.inTenant(ctx, readOnly, fn)
}

// InSystemTx is [DB.InTx] with all tenants' rows in sight and in reach. Every
// caller is listed, with its reason, in a test.
func (d *DB) InSystemTx(ctx context.Context, reason Reason, fn func(tx *Tx) error) error {
	return d.inSystem(ctx, reason, readWrite, fn)
}

// InSystemReadTx is [DB.InSystemTx] on one consistent snapshot that cannot
// write.
func (d *DB) InSystemReadTx(ctx context.Context, reason Reason, fn func(tx *Tx) error) error {
	return d.inSystem(ctx, reason, readOnly, fn)
}

func (d *DB) inTenant(ctx context.Context, mode string, fn func(tx *Tx) error) error {
	tenant, ok := identity.TenantFrom(ctx)
	if !ok {
		return ErrNoTenant
	}
	return d.run(ctx, beginSQL(mode, tenant.String(), ""), fn)
}

func (d *DB) inSystem(ctx context.Context, reason Reason, mode string, fn func(tx *Tx) error) error {
	if !reason.known() {
		return fmt.Errorf("%w: %q", ErrUnknownReason, string(reason))
	}
	return d.run(ctx, beginSQL(mode, "", "system"), fn)
}

// beginSQL opens the transaction and makes its settings in one round trip. Both
// settings are always made, so that none is left of an earlier transaction.
// tenant is the text of a UUID or empty and scope a constant: neither needs
// quoting, and BEGIN takes no parameters.
func beginSQL(mode, tenant, scope string) string {
	// What is read is planned for the tenant that it is read of: a plan for all,
	// which PostgreSQL makes at the sixth execution, is one for their average, and
	// tenants differ by orders of magnitude.
	plans := "auto"
	if mode == readOnly {
		plans = "force_custom_plan"
	}
	return fmt.Sprintf(`BEGIN ISOLATION LEVEL %s;
SELECT set_config('sentinel.tenant_id', '%s', true),
       set_config('sentinel.scope', '%s', true),
       set_config('statement_timeout', '%d', true),
       set_config('plan_cache_mode', '%s', true)`,
		mode, tenant, scope, statementTimeout.Milliseconds(), plans)
}

func (d *DB) run(ctx context.Context, begin string, fn func(tx *Tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		return ErrNested
	}
	for attempt := 0; ; attempt++ {
		err := d.once(ctx, begin, fn)
		cause := retryCause(err)
		if cause == "" {
			return err
		}
		if attempt == maxRetries {
			return contended(err)
		}
		if cause == stalePlan {
			// Every connection may hold the plan: new ones do not.
			d.pool.Reset()
		}
		d.log.DebugContext(ctx, "transaction is repeated", "cause", cause, "attempt", attempt+1)
		if !pause(ctx, attempt) {
			return err
		}
	}
}

// pause waits 5 to 15 ms, doubled with each attempt, so that two transactions
// in each other's way do not meet again. It reports whether ctx is still alive.
func pause(ctx context.Context, attempt int) bool {
	base := 5 * time.Millisecond << attempt
	timer := time.NewTimer(base + rand.N(2*base)) //nolint:gosec // a delay, not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (d *DB) once(ctx context.Context, begin string, fn func(tx *Tx) error) error {
	conn, pgxTx, err := d.begin(ctx, begin)
	if err != nil {
		return err
	}
	gormCtx, cancel := context.WithCancel(context.WithValue(ctx, insideKey{}, true))
	defer func() {
		// Also on the way of a panic. After a commit the rollback does nothing.
		finishCtx, cancelFinish := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancelFinish()
		_ = alone(conn, func() error { return pgxTx.Rollback(finishCtx) })
		// Closes rows that fn left open, for which conn.Close would wait.
		cancel()
		_ = conn.Close()
	}()

	g := d.gorm.Session(&gorm.Session{NewDB: true, Context: gormCtx})
	g.Statement.ConnPool = &gormConn{ConnPool: conn}

	if err := fn(&Tx{DB: g, Pgx: pgxTx}); err != nil {
		closed := alone(conn, func() error { return openOrGone(pgxTx.Conn()) }) != nil
		return explain(ctx, closed, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	err = alone(conn, func() error { return commit(ctx, pgxTx) })
	if errors.Is(err, sql.ErrConnDone) {
		err = fault.New(fault.Unavailable, lostMessage).Because(err)
	}
	return err
}

// commit does not stop halfway when the caller goes: that would leave the
// outcome unknown for no need.
func commit(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if tx.Conn().PgConn().IsBusy() {
		return errors.New("commit with a result of a query still open")
	}
	if err := tx.Commit(ctx); err != nil {
		return explainCommit(err)
	}
	return nil
}
