// Package db owns the connections to PostgreSQL and the only ways to a
// transaction: [DB.InTx] and [DB.InReadTx] for one tenant, [DB.InSystemTx] and
// [DB.InSystemReadTx] for all of them. Row-level security reads the settings
// that they make, so a query outside of a transaction sees no rows at all.
//
// The package knows neither the tables nor what their constraints mean; a
// feature asks [Violation] and says it in its own words.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

const (
	defaultMaxConns       = 20
	defaultConnectTimeout = 5 * time.Second
)

// Config says where the database is and how many connections to hold.
type Config struct {
	// URL is a PostgreSQL connection string. Its role must be bound by row-level
	// security: neither superuser, BYPASSRLS nor owner of the tables.
	URL string
	// MaxConns bounds the connections of this process, LISTEN and jobs included.
	// Default 20. A transaction that finds none free waits up to ConnectTimeout.
	MaxConns int32
	// ConnectTimeout bounds the wait for a connection, new or free, in front of
	// every transaction. Default 5 s.
	ConnectTimeout time.Duration
	// Logger gets repeated transactions and replaced connections. Default: none.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxConns <= 0 {
		c.MaxConns = defaultMaxConns
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// DB is safe for concurrent use. It survives restarts of the server: while
// that is away transactions fail as unavailable, afterwards they succeed again.
type DB struct {
	pool           *pgxpool.Pool
	sql            *sql.DB
	gorm           *gorm.DB
	connectTimeout time.Duration
	log            *slog.Logger
}

// Open connects once, so that a wrong URL fails here and not at the first
// request. A server that does not answer is a fault of kind Unavailable.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := d.Ping(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Unconnected returns a DB that no server is behind, for parts that are made and
// never run. Every use of it fails.
func Unconnected(ctx context.Context) (*DB, error) {
	return open(ctx, Config{URL: "postgres://127.0.0.1:1/none"})
}

// open connects to nothing yet.
func open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	poolConfig, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	poolConfig.MaxConns = cfg.MaxConns
	poolConfig.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	poolConfig.AfterConnect = readTimesAsUTC

	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("create the connection pool: %w", err)
	}
	d := &DB{
		pool:           pool,
		sql:            stdlib.OpenDBFromPool(pool),
		connectTimeout: cfg.ConnectTimeout,
		log:            cfg.Logger,
	}
	if d.gorm, err = openGORM(d.sql); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func openGORM(conn *sql.DB) (*gorm.DB, error) {
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: conn}), &gorm.Config{
		SkipDefaultTransaction:   true,
		DisableNestedTransaction: true,
		DisableAutomaticPing:     true,
		Logger:                   logger.Discard,
		// Microseconds, as PostgreSQL keeps them: what was written reads back equal.
		NowFunc: func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
	})
	if err != nil {
		return nil, fmt.Errorf("open gorm: %w", err)
	}
	return g, nil
}

// readTimesAsUTC makes a timestamptz read the same wherever the server runs.
func readTimesAsUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// Close waits for running transactions and closes all connections.
func (d *DB) Close() {
	// Closing a *sql.DB without idle connections has nothing to report.
	_ = d.sql.Close()
	d.pool.Close()
}

// Ping reports whether the server answers, within the connect timeout. A
// failure is a fault of kind Unavailable.
func (d *DB) Ping(ctx context.Context) error {
	pingCtx, cancel := context.WithTimeout(ctx, d.connectTimeout)
	defer cancel()
	if err := d.pool.Ping(pingCtx); err != nil {
		return unreachable(ctx, err)
	}
	return nil
}

// Use adds a plugin to GORM. It is for the composition root, before the first
// transaction.
func (d *DB) Use(p gorm.Plugin) error { return d.gorm.Use(p) }

// Pool is for LISTEN, jobs and health only: its connections carry no tenant,
// so row-level security hides every row from them.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// EnsureAppLogin lets the role sentinel_app, which the migrations create
// without a login, log in with password. An empty password leaves none set,
// for servers that authenticate by other means. ownerURL needs a role that may
// alter it. Repeating the call is harmless.
func EnsureAppLogin(ctx context.Context, ownerURL, password string) error {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return fmt.Errorf("connect as the owner: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	// ALTER ROLE takes no parameters, so the server quotes the password itself.
	var alter string
	err = conn.QueryRow(ctx,
		`SELECT format('ALTER ROLE sentinel_app LOGIN PASSWORD %s', COALESCE(quote_literal(NULLIF($1::text, '')), 'NULL'))
		   FROM pg_roles
		  WHERE rolname = 'sentinel_app'`, password).Scan(&alter)
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("there is no role sentinel_app: run the migrations first")
	}
	if err != nil {
		return fmt.Errorf("look up the role sentinel_app: %w", err)
	}
	if _, err := conn.Exec(ctx, alter); err != nil {
		return fmt.Errorf("give the role sentinel_app a login: %w", err)
	}
	return nil
}
