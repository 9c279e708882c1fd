// Package tenanttest arranges tenants in a real database for the tests of the
// engine: roles, groups, permissions and accounts, written as the superuser and
// so past every rule but the database's own. It says nothing of what follows
// from them.
package tenanttest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// The system roles, by the fixed ids that the migrations give them.
var (
	SuperAdmin  = uuid.MustParse("00000000-0000-0000-0000-000000000010")
	TenantAdmin = uuid.MustParse("00000000-0000-0000-0000-000000000011")
	UserManager = uuid.MustParse("00000000-0000-0000-0000-000000000012")
	Auditor     = uuid.MustParse("00000000-0000-0000-0000-000000000015")
	Viewer      = uuid.MustParse("00000000-0000-0000-0000-000000000016")
)

// World is a database with an engine on it, and a writer beside the engine.
type World struct {
	*dbtest.Database
	Engine *engine.Engine
	Writer *change.Writer

	t    testing.TB
	mu   sync.Mutex
	conn *pgx.Conn
	n    int
}

// New makes a world on d. The engine is made from cfg, whose DB is filled in;
// its Run is the test's to start.
func New(t testing.TB, d *dbtest.Database, cfg engine.Config) *World {
	t.Helper()
	cfg.DB = d.DB
	e := engine.New(cfg)
	master, err := crypto.ParseMasterKey(strings.Repeat("7", 64))
	if err != nil {
		t.Fatalf("master key: %v", err)
	}
	w := &World{Database: d, Engine: e, t: t, Writer: &change.Writer{
		DB: d.DB, Engine: e, Audit: audit.NewLog([]byte("key"), master, time.Now), Logger: slog.New(slog.DiscardHandler),
	}}
	t.Cleanup(func() {
		if w.conn != nil {
			_ = w.conn.Close(context.Background())
		}
	})
	return w
}

// SQL runs a statement as the superuser.
func (w *World) SQL(sql string, args ...any) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == nil || w.conn.Ping(context.Background()) != nil { // the server may have been restarted
		conn, err := pgx.Connect(context.Background(), w.OwnerURL)
		if err != nil {
			w.t.Fatalf("connect: %v", err)
		}
		w.conn = conn
	}
	if _, err := w.conn.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// Scan reads one row as the superuser.
func (w *World) Scan(into []any, sql string, args ...any) {
	w.t.Helper()
	w.SQL("SELECT 1")
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.conn.QueryRow(context.Background(), sql, args...).Scan(into...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// Count returns the single number that a query gives.
func (w *World) Count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.Scan([]any{&n}, sql, args...)
	return n
}

// Tenant makes a tenant without a parent.
func (w *World) Tenant() uuid.UUID {
	w.t.Helper()
	return w.tenant(nil, "{}")
}

// Child makes a tenant below parent, with or without its roles.
func (w *World) Child(parent uuid.UUID, inherits bool) uuid.UUID {
	w.t.Helper()
	return w.tenant(&parent, fmt.Sprintf(`{"inherit_permissions": %t}`, inherits))
}

func (w *World) tenant(parent *uuid.UUID, settings string) uuid.UUID {
	w.t.Helper()
	id, typ := uuid.Must(uuid.NewV7()), "root"
	if parent != nil {
		typ = "sub_tenant"
	}
	w.n++
	w.SQL(`INSERT INTO sentinel.tenants (id, name, code, type, parent_tenant_id, settings) VALUES ($1, $2, $2, $3, $4, $5)`,
		id, fmt.Sprintf("T%d", w.n), typ, parent, settings)
	return id
}

// User makes an active account.
func (w *World) User(tenant uuid.UUID, name string) uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.users (id, tenant_id, email, email_verified_at, username) VALUES ($1, $2, $3, now(), $4)`,
		id, tenant, name+"@example.com", name)
	return id
}

// Role makes an assignable role. parent may be zero for none.
func (w *World) Role(tenant uuid.UUID, name string, priority int, parent uuid.UUID) uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.roles (id, tenant_id, name, priority, parent_role_id) VALUES ($1, $2, $3, $4, $5)`,
		id, tenant, name, priority, orNull(parent))
	return id
}

// Group makes a group. parent may be zero for none.
func (w *World) Group(tenant uuid.UUID, name string, parent uuid.UUID) uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.groups (id, tenant_id, name, parent_group_id) VALUES ($1, $2, $3, $4)`, id, tenant, name, orNull(parent))
	return id
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == (uuid.UUID{}) {
		return nil
	}
	return &id
}

// Permission makes a permission by path, "vessel/*", and gives it to a role if
// role is not zero. The effect is "allow" or "deny"; conditions may be empty.
func (w *World) Permission(tenant, role uuid.UUID, path, effect, conditions string, actions ...string) uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	if conditions == "" {
		conditions = "{}"
	}
	w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions, effect, conditions)
VALUES ($1, $2, $3, split_part($3, '/', 1), $3, $4, $5, $6)`, id, tenant, path, actions, effect, conditions)
	if role != (uuid.UUID{}) {
		w.Own(tenant, role, id)
	}
	return id
}

// Own gives a permission to a role.
func (w *World) Own(tenant, role, permission uuid.UUID) {
	w.t.Helper()
	w.SQL(`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3)`, tenant, role, permission)
}

// Assign gives a role to an account.
func (w *World) Assign(tenant, user, role uuid.UUID) {
	w.t.Helper()
	w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT $1, $2, id, tenant_id FROM sentinel.roles WHERE id = $3`, tenant, user, role)
}

// Join makes an account a member of a group.
func (w *World) Join(tenant, user, group uuid.UUID) {
	w.t.Helper()
	w.SQL(`INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, $3)`, tenant, user, group)
}

// GroupRole gives a role to a group.
func (w *World) GroupRole(tenant, group, role uuid.UUID) {
	w.t.Helper()
	w.SQL(`INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id)
SELECT $1, $2, id, tenant_id FROM sentinel.roles WHERE id = $3`, tenant, group, role)
}

// As returns a context in which the account of tenant home calls.
func (w *World) As(home, user uuid.UUID) context.Context {
	return identity.WithPrincipal(w.t.Context(), &identity.Principal{UserID: user, HomeTenantID: home})
}

// Allowed asks the engine whether a user may act on an instance.
func (w *World) Allowed(tenant, user uuid.UUID, typ, id, action string) bool {
	return w.Ask(tenant, user, typ, id, action).Allowed
}

// Ask asks the engine.
func (w *World) Ask(tenant, user uuid.UUID, typ, id, action string) *engine.Decision {
	return w.Engine.Decide(context.Background(), &engine.Question{TenantID: tenant, UserID: user, Type: typ, ID: id, Action: action})
}

// Run starts the engine and stops it at the end of the test.
func (w *World) Run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Engine.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}
