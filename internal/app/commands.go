package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
	"github.com/sentinel-access/sentinel/migrations"
	"github.com/sentinel-access/sentinel/policies"
)

// Serve runs the server until ctx ends. What people need to know goes to out,
// the log to logs.
func Serve(ctx context.Context, cfg Config, version string, out, logs io.Writer) (err error) {
	if cfg.Demo && !cfg.loopback() {
		return errors.New("--demo writes accounts whose passwords everybody knows, so HTTP_ADDR must be a loopback address, such as 127.0.0.1:8080")
	}
	logger, err := obs.NewLogger(logs, cfg.LogLevel)
	if err != nil {
		return fmt.Errorf("LOG_LEVEL: %w", err)
	}
	a, err := New(ctx, cfg, version, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if cfg.Demo {
		if err := a.SeedDemo(ctx); err != nil {
			return fmt.Errorf("seed the demo: %w", err)
		}
	}
	return a.Run(ctx, func(addr string) { a.greet(out, addr) })
}

// greet says where the server is and how to get a first decision of it.
func (a *App) greet(out io.Writer, addr string) {
	scheme := "http"
	if a.cfg.TLSCertFile != "" {
		scheme = "https"
	}
	url := scheme + "://" + addr
	fmt.Fprintf(out, "Sentinel %s is ready at %s  (API page: %s/docs, health: %s/health)\n", a.version, url, url, url)
	if a.admin != nil {
		fmt.Fprintf(out, "Administrator: tenant PLATFORM, %s, password %s\n", a.admin.Email, a.admin.Password)
	}
	if a.cfg.Demo {
		greetDemo(out, url)
	}
}

// Seed writes the demo tenant into the configured database.
func Seed(ctx context.Context, cfg Config, version string, out, logs io.Writer) (err error) {
	logger, err := obs.NewLogger(logs, cfg.LogLevel)
	if err != nil {
		return fmt.Errorf("LOG_LEVEL: %w", err)
	}
	a, err := New(ctx, cfg, version, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.SeedDemo(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Tenant %s is there with all its demo data.\n", DemoTenantCode)
	return err
}

// LoadMigrationConfig reads what the migrations need. Whatever else of the
// configuration cannot stand is the server's to complain about.
func LoadMigrationConfig() (Config, error) {
	cfg, _ := LoadConfig()
	if cfg.MigrateDatabaseURL == "" {
		return cfg, errors.New("MIGRATE_DATABASE_URL is not set: give the URL of the database as a role that may create the schema; the embedded PostgreSQL is migrated by `sentinel serve` itself")
	}
	return cfg, nil
}

// MigrateUp runs every migration that has not run, and lets the server's role
// log in if a password for it is configured.
func MigrateUp(ctx context.Context, cfg Config) error {
	if err := migrations.Up(ctx, cfg.MigrateDatabaseURL); err != nil {
		return err
	}
	if cfg.AppDatabasePass == "" {
		return nil
	}
	return db.EnsureAppLogin(ctx, cfg.MigrateDatabaseURL, cfg.AppDatabasePass)
}

// MigrateDown undoes every migration.
func MigrateDown(ctx context.Context, cfg Config) error {
	return migrations.Down(ctx, cfg.MigrateDatabaseURL)
}

// MigrateStatus lists the migrations, a line each.
func MigrateStatus(ctx context.Context, cfg Config) ([]string, error) {
	states, err := migrations.Status(ctx, cfg.MigrateDatabaseURL)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(states))
	for i, s := range states {
		lines[i] = s.Name + "\tpending"
		if s.AppliedAt != nil {
			lines[i] = s.Name + "\tapplied " + s.AppliedAt.UTC().Format(time.RFC3339)
		}
	}
	return lines, nil
}

// BundleOptions say what bundle to build.
type BundleOptions struct {
	Out      string
	Revision string
	// KeyFile is a private RSA key in PEM; empty leaves the bundle unsigned.
	KeyFile string
	KeyID   string
}

// BuildBundle packs the platform's Rego library.
func BuildBundle(ctx context.Context, o BundleOptions) (err error) {
	library, err := policy.Load(ctx, policies.FS, policy.Config{})
	if err != nil {
		return fmt.Errorf("load the policy library: %w", err)
	}
	var signing *policy.Signing
	if o.KeyFile != "" {
		key, err := os.ReadFile(filepath.Clean(o.KeyFile))
		if err != nil {
			return fmt.Errorf("read the signing key: %w", err)
		}
		signing = &policy.Signing{Key: string(key), KeyID: o.KeyID, Scope: "platform"}
	}
	if err := os.MkdirAll(filepath.Dir(o.Out), 0o755); err != nil { //nolint:gosec // a bundle is no secret
		return fmt.Errorf("make the folder of the bundle: %w", err)
	}
	f, err := os.Create(o.Out)
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return library.Bundle(f, o.Revision, signing)
}
