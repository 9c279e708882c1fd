package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

const (
	secret = "correct horse battery staple"
	here   = "192.0.2.10"
	there  = "198.51.100.7"
)

// fixture is the service over a real database, with a clock that the test moves
// and waits that are noted down.
type fixture struct {
	*tenanttest.World
	t      testing.TB
	s      *Service
	tenant uuid.UUID
	hash   string

	mu    sync.Mutex
	at    time.Time
	waits []time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	d := dbtest.New(t)
	f := &fixture{t: t, at: time.Now().UTC().Truncate(time.Second)}
	f.World = tenanttest.New(t, d, engine.Config{Now: f.now})
	f.tenant = f.Tenant()
	key, err := crypto.ParseMasterKey("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
	require.NoError(t, err)
	f.s = New(Config{
		Write: f.Writer, Passwords: crypto.NewPasswords(), Keys: NewKeys(d.DB, key), Signer: crypto.Signer{Issuer: "sentinel", Audience: "sentinel"},
		NormaliseEmail: func(s string) (string, bool) { return s, s != "" },
		KnowsSection:   func(s string) bool { return s == "users" },
		WaitUntil: func(_ context.Context, until time.Time) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.waits = append(f.waits, until)
			return nil
		},
	})
	f.hash, err = f.s.Passwords.Hash(t.Context(), secret)
	require.NoError(t, err)
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
}

// user makes an account with the password.
func (f *fixture) user(email string) uuid.UUID {
	f.t.Helper()
	id := uuid.Must(uuid.NewV7())
	f.SQL("INSERT INTO sentinel.users (id, tenant_id, email, password_hash) VALUES ($1, $2, $3, $4)", id, f.tenant, email, f.hash)
	return id
}

// set changes a column of an account as a feature does.
func (f *fixture) set(user uuid.UUID, assignment string, args ...any) {
	f.t.Helper()
	err := f.Writer.Plain(identity.WithTenant(f.t.Context(), f.tenant), func(w *change.Write) error {
		return w.Exec("UPDATE sentinel.users SET "+assignment+" WHERE id = ?", append(args, user)...).Error
	})
	require.NoError(f.t, err)
}

func (f *fixture) from(address string) context.Context {
	return identity.WithRequest(f.t.Context(), identity.Request{Address: address})
}

func (f *fixture) login(address, email, password, code string) (*Login, error) {
	in := &LoginIn{}
	in.Body.Email, in.Body.Password, in.Body.TenantID, in.Body.MFACode = email, password, f.tenant.String(), code
	return f.s.login(f.from(address), in)
}

func (f *fixture) in(email string) *Login {
	f.t.Helper()
	out, err := f.login(here, email, secret, "")
	require.NoError(f.t, err)
	return out
}

func (f *fixture) refused(err error, kind fault.Kind) {
	f.t.Helper()
	require.True(f.t, fault.Is(err, kind), "%v", err)
}

func (f *fixture) refresh(token string) (*Pair, error) {
	in := &RefreshIn{}
	in.Body.RefreshToken = token
	return f.s.refresh(f.from(here), in)
}

// works reports whether an access token lets its account in.
func (f *fixture) works(token string) bool {
	f.t.Helper()
	_, err := f.s.Authenticate(f.from(here), token, "")
	if err != nil {
		require.NotEqual(f.t, fault.Internal, fault.KindOf(err), "%v", err)
	}
	return err == nil
}

// tail is the last audit event.
func (f *fixture) tail() string {
	f.t.Helper()
	var event string
	f.Scan([]any{&event}, "SELECT action || ' ' || result FROM sentinel.audit_logs ORDER BY seq DESC LIMIT 1")
	return event
}

// secondFactor takes one code.
func secondFactor(_ context.Context, _ *change.Write, _ *models.User, code string) (bool, error) {
	return code == "123456", nil
}
