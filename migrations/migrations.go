// Package migrations holds the database schema, as SQL that goose applies in
// order, and applies it. It is the schema's only source: the structs of package
// models follow it, and a test compares the two.
//
// Migrations run as the owner of the schema; the server connects as the role
// sentinel_app, which owns nothing.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// FS holds the migrations, a goose file each.
//
//go:embed *.sql
var FS embed.FS

// table is where goose remembers what it has applied. It is outside the schema
// sentinel, which the first migration creates and the last one going down drops.
const table = "public.sentinel_migrations"

// State says whether one migration is applied.
type State struct {
	Version int64
	// Name is the file's, such as "00002_tenants.sql".
	Name string
	// AppliedAt is nil for a pending one.
	AppliedAt *time.Time
}

// Up applies what is pending. ownerURL names the role that owns the schema, or
// is to own it: it may create schemas in the database, and roles unless
// sentinel_app exists. Processes that call it at once wait for each other.
func Up(ctx context.Context, ownerURL string) error {
	return with(ctx, ownerURL, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return explain("apply migrations", err)
	})
}

// Down reverts every migration, which deletes all data. The role sentinel_app
// stays.
func Down(ctx context.Context, ownerURL string) error {
	return with(ctx, ownerURL, func(p *goose.Provider) error {
		_, err := p.DownTo(ctx, 0)
		return explain("revert migrations", err)
	})
}

// Status returns every migration in order.
func Status(ctx context.Context, ownerURL string) ([]State, error) {
	var states []State
	err := with(ctx, ownerURL, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		if err != nil {
			return explain("read applied migrations", err)
		}
		for _, s := range all {
			state := State{Version: s.Source.Version, Name: path.Base(s.Source.Path)}
			if s.State == goose.StateApplied {
				state.AppliedAt = &s.AppliedAt
			}
			states = append(states, state)
		}
		return nil
	})
	return states, err
}

func with(ctx context.Context, ownerURL string, fn func(*goose.Provider) error) (err error) {
	config, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return fmt.Errorf("parse the owner's database URL: %w", err)
	}
	// The migrations warn of nothing that somebody has to act on.
	config.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the database as its owner: %w", err)
	}
	provider, err := newProvider(db)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	return fn(provider)
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	// Tried every second for two minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, FS,
		goose.WithTableName(table),
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	)
}

// explain names the failed migration and repeats the server's hint, which says
// what to do about it.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Failed != nil {
		doing = fmt.Sprintf("%s: %s", doing, path.Base(partial.Failed.Source.Path))
		err = partial.Err
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Hint != "" {
		return fmt.Errorf("%s: %w\n%s", doing, err, pgErr.Hint)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
