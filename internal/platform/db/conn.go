package db

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// begin takes a connection and begins on it. A pooled connection that died
// unnoticed, as after a restart of the server, is replaced once.
func (d *DB) begin(ctx context.Context, query string) (*sql.Conn, pgx.Tx, error) {
	for attempt := 0; ; attempt++ {
		conn, raw, err := d.acquire(ctx)
		if err != nil {
			return nil, nil, unreachable(ctx, err)
		}
		tx, err := raw.BeginTx(ctx, pgx.TxOptions{BeginQuery: query})
		if err == nil {
			return conn, tx, nil
		}
		_ = conn.Close()
		if attempt > 0 || ctx.Err() != nil {
			return nil, nil, unreachable(ctx, err)
		}
		d.log.DebugContext(ctx, "pooled connections are replaced", "error", err)
		d.pool.Reset()
	}
}

// acquire pins a connection for database/sql and returns what is below it, so
// that GORM and pgx talk on the same one.
func (d *DB) acquire(ctx context.Context) (*sql.Conn, *pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.connectTimeout)
	defer cancel()
	conn, err := d.sql.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	var raw *pgx.Conn
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return errors.New("connection is not of pgx")
		}
		raw = c.Conn()
		return nil
	})
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, raw, nil
}

// alone runs fn while nothing else uses the connection below conn. When a query
// is given up, database/sql still closes its rows, or the connection itself, on
// another goroutine. It fails with [sql.ErrConnDone], and does not run fn, where
// the connection was closed so.
func alone(conn *sql.Conn, fn func() error) error {
	return conn.Raw(func(any) error { return fn() })
}

// openOrGone fails for a connection that was closed.
func openOrGone(conn *pgx.Conn) error {
	if conn.IsClosed() {
		return sql.ErrConnDone
	}
	return nil
}

// gormConn is the pinned connection as GORM sees it. A bare *sql.Conn would let
// GORM begin and commit on it, which would end the transaction around it; as a
// [gorm.TxCommitter] it counts as a transaction already, so that GORM's
// Transaction joins in, and its Commit and Rollback are refused.
type gormConn struct{ gorm.ConnPool }

var _ gorm.TxCommitter = (*gormConn)(nil)

// Commit implements [gorm.TxCommitter] by refusing.
func (*gormConn) Commit() error { return gorm.ErrInvalidTransaction }

// Rollback implements [gorm.TxCommitter] by refusing.
func (*gormConn) Rollback() error { return gorm.ErrInvalidTransaction }
