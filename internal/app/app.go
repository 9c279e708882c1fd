package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/feature/credential"
	"github.com/sentinel-access/sentinel/internal/feature/decision"
	"github.com/sentinel-access/sentinel/internal/feature/session"
	"github.com/sentinel-access/sentinel/internal/feature/user"
	"github.com/sentinel-access/sentinel/internal/feature/webhook"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/embedded"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/idempotency"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
	"github.com/sentinel-access/sentinel/internal/platform/personal"
	"github.com/sentinel-access/sentinel/migrations"
	"github.com/sentinel-access/sentinel/policies"
)

// App is a server with all its parts. Make it with [New], run it with [App.Run],
// free it with [App.Close].
type App struct {
	cfg       Config
	log       *slog.Logger
	cluster   *embedded.Server
	db        *db.DB
	master    *crypto.MasterKey
	engine    *engine.Engine
	decisions *audit.Decisions
	writer    *change.Writer
	passwords *crypto.Passwords
	session   *session.Service
	library   *policy.Library
	metrics   *obs.Metrics
	api       *httpapi.Server
	version   string

	outbox *mail.Outbox
	queue  *jobs.Queue
	// mailbox is nil unless this server is for development: see showsMail.
	mailbox    *mail.Mailbox
	credential *credential.Service

	// admin is the first administrator's login, where this start made it.
	admin *Login
}

// Login is an account's e-mail address and password.
type Login struct{ Email, Password string }

// New makes every part of the server and brings up the embedded PostgreSQL if
// no DATABASE_URL names another. It listens to nobody yet. On an error all that
// was started is stopped again.
func New(ctx context.Context, cfg Config, version string, logger *slog.Logger) (_ *App, err error) {
	a := &App{cfg: cfg, log: logger, version: version, metrics: obs.New(), passwords: crypto.NewPasswords()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.openDatabase(ctx); err != nil {
		return nil, err
	}
	if a.master, err = masterKey(cfg); err != nil {
		return nil, err
	}
	if err := a.db.Use(&personal.Plugin{Master: a.master}); err != nil {
		return nil, fmt.Errorf("keep personal attributes: %w", err)
	}
	chain, err := chainKey(ctx, a.db, a.master)
	if err != nil {
		return nil, err
	}
	if a.library, err = policy.Load(ctx, policies.FS, policy.Config{Timeout: time.Duration(cfg.PolicyTimeoutMS) * time.Millisecond}); err != nil {
		return nil, fmt.Errorf("load the policy library: %w", err)
	}
	if err := a.assemble(chain); err != nil {
		return nil, err
	}
	if err := a.session.Keys.Load(ctx); err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	if a.admin, err = a.bootstrap(ctx); err != nil {
		return nil, fmt.Errorf("make the first administrator: %w", err)
	}
	return a, nil
}

// assemble makes the parts that stand on the database and registers the routes.
// It asks the database nothing, so that [Document] can do without one. chain is
// the key of the audit log.
func (a *App) assemble(chain []byte) error {
	cfg, logger := a.cfg, a.log
	a.decisions = audit.NewDecisions(audit.DecisionsConfig{DB: a.db, Registerer: a.metrics.Registerer(), Logger: logger})
	proofs := &decision.Proofs{}
	a.engine = engine.New(engine.Config{
		DB: a.db, Decisions: a.decisions, Prove: proofs.Record, MaxStaleness: cfg.MaxStaleness, AnswerTTL: cfg.AnswerTTL,
		Library: a.library, AutoApprove: cfg.AutoApprove, SnapshotBytes: cfg.SnapshotCacheMB << 20, Now: cfg.Clock, Registerer: a.metrics.Registerer(), Logger: logger,
	})
	a.writer = &change.Writer{
		DB: a.db, Engine: a.engine, Logger: logger,
		Audit: audit.NewLog(chain, a.master, time.Now),
	}
	proofs.Write = a.writer
	budgets, err := limit.New(limit.Config{
		Calls: cfg.CallsPerMinute, Questions: cfg.ChecksPerMinute, Address: cfg.LoginsPerAddress, Account: cfg.LoginsPerAccount,
		Now: cfg.LimitClock, Registerer: a.metrics.Registerer(), Logger: logger,
	})
	if err != nil {
		return err
	}
	a.queue, err = jobs.New(jobs.Config{
		DB: a.db, Workers: cfg.JobWorkers, Lanes: map[string]int{webhook.Lane: webhook.Workers},
		RescueAfter: cfg.JobRescueAfter, Registerer: a.metrics.Registerer(), Logger: logger,
	})
	if err != nil {
		return err
	}
	if err := a.openMail(); err != nil {
		return err
	}
	a.credential = credential.New(credential.Config{
		Write: a.writer, Passwords: a.passwords, Master: a.master, Outbox: a.outbox, NormaliseEmail: user.NormaliseEmail,
		PublicURL: cfg.PublicURL, Registerer: a.metrics.Registerer(), Logger: logger,
	})
	a.session = session.New(session.Config{
		Write: a.writer, Passwords: a.passwords, Keys: session.NewKeys(a.db, a.master),
		Signer:         crypto.Signer{Issuer: a.issuer(), Audience: "sentinel"},
		NormaliseEmail: user.NormaliseEmail, Limit: budgets.Account, KnowsSection: a.knowsSection,
		SecondFactor: a.credential.SecondFactor,
	})
	a.api = httpapi.New(httpapi.Config{
		Title: "Sentinel", Version: a.version, TrustedProxies: cfg.TrustedProxies, Logger: logger, ShutdownTimeout: cfg.ShutdownTimeout,
		Authenticate: a.session.Authenticate, Authorize: a.authorize, Observe: a.metrics.ObserveRequest,
		Admit: a.admit(budgets), Charge: budgets.Charge, Idempotency: &idempotency.Store{DB: a.db, Key: a.master.DeriveKey("idempotency")},
	})
	a.register()
	return nil
}

// admit asks whether a call is within its budgets, and within the scope of its
// token.
func (a *App) admit(budgets *limit.Budgets) func(context.Context, httpapi.Route) error {
	return func(ctx context.Context, r httpapi.Route) error {
		if err := budgets.Admit(ctx, r); err != nil {
			return err
		}
		return a.session.AdmitScope(ctx, r)
	}
}

func (a *App) issuer() string {
	if a.cfg.PublicURL != "" {
		return a.cfg.PublicURL
	}
	return "sentinel"
}

// authorize asks the engine whether the caller may do something to a section of
// the API: Sentinel protects itself as it protects others.
func (a *App) authorize(ctx context.Context, p httpapi.Permission) error {
	caller, ok := identity.PrincipalFrom(ctx)
	if !ok {
		return fault.New(fault.Unauthenticated, "Log in and send the access token.")
	}
	if err := a.featured(ctx, p.Section); err != nil {
		return err
	}
	if a.engine.Permits(ctx, caller.HomeTenantID, caller.UserID, p.Section, p.Action) {
		return nil
	}
	return &fault.Error{
		Kind: fault.Denied, Message: "Your roles do not include " + p.String() + ". Ask an administrator of your tenant.",
		Details: map[string]any{"required_permission": p.String()},
	}
}

// featured refuses a section that the tenant in which the call acts is without.
// It is asked before the permission: what one's own tenant lacks is no secret to
// its accounts, and whoever acts in another administers that one.
func (a *App) featured(ctx context.Context, section string) error {
	feature, gated := entitlement.OfSection(section)
	if !gated {
		return nil
	}
	acting, _ := identity.TenantFrom(ctx)
	has, err := a.engine.HasFeature(ctx, acting, feature)
	if err != nil || has {
		return err
	}
	return entitlement.Disabled(feature)
}

// openDatabase connects to the database, the embedded one if no other is named,
// and brings its schema up to date where it may.
func (a *App) openDatabase(ctx context.Context) error {
	url, owner := a.cfg.DatabaseURL, a.cfg.MigrateDatabaseURL
	if url == "" {
		cluster, err := embedded.Start(ctx, embedded.Config{Dir: a.cfg.DataDir, Logger: a.log})
		if err != nil {
			return err
		}
		a.cluster = cluster
		url, owner = cluster.AppURL(), cluster.OwnerURL()
	}
	if owner != "" {
		if err := migrations.Up(ctx, owner); err != nil {
			return err
		}
		if a.cluster != nil || a.cfg.AppDatabasePass != "" {
			if err := db.EnsureAppLogin(ctx, owner, a.cfg.AppDatabasePass); err != nil {
				return err
			}
		}
	}
	var err error
	a.db, err = db.Open(ctx, db.Config{URL: url, MaxConns: a.cfg.MaxConnections, Logger: a.log})
	var unavailable *fault.Error
	if errors.As(err, &unavailable) && unavailable.Err != nil {
		err = unavailable.Err // what a caller of the API is told is not for operators
	}
	if err != nil {
		return fmt.Errorf("connect to DATABASE_URL: %w", err)
	}
	return checkSchema(ctx, a.db)
}

// checkSchema says what to do when the schema is not there, before a part trips
// over it.
func checkSchema(ctx context.Context, d *db.DB) error {
	var there bool
	if err := d.Pool().QueryRow(ctx, "SELECT to_regclass('sentinel.installation') IS NOT NULL").Scan(&there); err != nil {
		return fmt.Errorf("look at the schema: %w", err)
	}
	if !there {
		return errors.New("the database has no Sentinel schema: run `sentinel migrate up` with MIGRATE_DATABASE_URL set to a role that may create it, or set that variable for `sentinel serve`")
	}
	return nil
}

// Run serves until ctx ends, then lets requests in flight finish and the queues
// drain. ready, if given, is called once with the address.
func (a *App) Run(ctx context.Context, ready func(addr string)) error {
	ln, err := a.listen(ctx)
	if err != nil {
		return err
	}
	// The queues outlive the listener: what the last requests leave is written.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	workers, workerCtx := errgroup.WithContext(background)
	workers.Go(func() error { return a.engine.Run(workerCtx) })
	workers.Go(func() error { return a.decisions.Run(workerCtx) })
	workers.Go(func() error { return a.maintain(workerCtx) })
	workers.Go(func() error { return a.queue.Run(workerCtx) })
	a.runMail(workerCtx, workers.Go)
	if a.cfg.MetricsAddr != noMetrics && a.cfg.MetricsAddr != "" {
		workers.Go(func() error { return a.metrics.Listen(workerCtx, a.cfg.MetricsAddr) })
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	// A worker that dies takes the server with it, rather than leaving it half alive.
	context.AfterFunc(workerCtx, cancel)
	if a.cluster != nil {
		workers.Go(func() error { return a.watchCluster(workerCtx) })
	}
	if ready != nil {
		ready(ln.Addr().String())
	}
	served := a.api.Serve(serving, ln)
	stop()
	return errors.Join(served, workers.Wait())
}

// watchCluster brings the embedded PostgreSQL back when it dies.
func (a *App) watchCluster(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.cluster.Done():
			a.log.ErrorContext(ctx, "the embedded PostgreSQL died; starting it again")
			if err := a.cluster.Restart(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("restart the embedded PostgreSQL: %w", err)
			}
		}
	}
}

func (a *App) listen(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", a.cfg.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on HTTP_ADDR %s; set it to another address if that one is taken: %w", a.cfg.HTTPAddr, err)
	}
	if a.cfg.TLSCertFile == "" {
		return ln, nil
	}
	pair, err := tls.LoadX509KeyPair(a.cfg.TLSCertFile, a.cfg.TLSKeyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read TLS_CERT_FILE and TLS_KEY_FILE: %w", err), ln.Close())
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}

// Close frees what New took. The embedded PostgreSQL is stopped.
func (a *App) Close() error {
	if a.db != nil {
		a.db.Close()
	}
	if a.cluster != nil {
		if err := a.cluster.Stop(); err != nil {
			return fmt.Errorf("stop the embedded PostgreSQL: %w", err)
		}
	}
	return nil
}
