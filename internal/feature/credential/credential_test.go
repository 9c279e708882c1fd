package credential

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// setup is a service on a tenant with one person, ann.
type setup struct {
	*Service
	t      *testing.T
	ctx    context.Context
	tenant uuid.UUID
	ann    uuid.UUID
	now    time.Time
	data   *dbtest.Database
	box    *mail.Mailbox
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{t: t, tenant: uuid.Must(uuid.NewV7()), ann: uuid.Must(uuid.NewV7()), now: time.Now().UTC(), data: dbtest.New(t), box: mail.NewMailbox(time.Now)}
	world := tenanttest.New(t, s.data, engine.Config{Now: func() time.Time { return s.now }})
	s.data.Exec(t, "INSERT INTO sentinel.tenants (id, name, code) VALUES ($1, 'Alpha', 'ALPHA')", s.tenant)
	s.data.Exec(t, "INSERT INTO sentinel.users (id, tenant_id, email, email_verified_at) VALUES ($1, $2, 'ann@alpha.example', now())", s.ann, s.tenant)
	master, err := crypto.ParseMasterKey(strings.Repeat("ab", 32))
	require.NoError(t, err)
	s.Service = New(Config{
		Write: world.Writer, Passwords: crypto.NewPasswords(), Master: master, Outbox: mail.NewOutbox(mail.Config{Sender: s.box}),
		NormaliseEmail: func(e string) (string, bool) { return strings.ToLower(e), strings.Contains(e, "@") },
		PublicURL:      "https://id.alpha.example/",
	})
	s.ctx = identity.WithTenant(t.Context(), s.tenant)
	return s
}

func (s *setup) user(w *change.Write) *models.User {
	u, err := crud.One[models.User](w.Tx, s.tenant, s.ann, "user")
	require.NoError(s.t, err)
	return u
}

// within runs fn with ann's row and puts in the outbox what it returns.
func (s *setup) within(ctx context.Context, fn func(w *change.Write, u *models.User) (func(), error)) error {
	var send func()
	err := s.cfg.Write.Plain(ctx, func(w *change.Write) (err error) {
		send, err = fn(w, s.user(w))
		return err
	})
	if err == nil {
		send()
	}
	return err
}

// sent empties the outbox and returns its mails, oldest first.
func (s *setup) sent() (texts []mail.Message) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	require.NoError(s.t, s.cfg.Outbox.Run(ctx))
	for _, m := range s.box.List() {
		texts = append([]mail.Message{m.Message}, texts...)
	}
	return texts
}

func tokenIn(m mail.Message) string {
	for line := range strings.Lines(m.Text) {
		if strings.HasPrefix(line, tokenPrefix) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestLetters_SayWhoAskedAndWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.data.Exec(t, "UPDATE sentinel.tenants SET name = E'Alpha\\r\\n\\r\\nOpen https://evil.example' WHERE id = $1", s.tenant)
	admin := identity.WithPrincipal(s.ctx, &identity.Principal{UserID: uuid.New(), HomeTenantID: s.tenant, Email: "boss@alpha.example"})
	require.NoError(t, s.within(admin, func(w *change.Write, u *models.User) (func(), error) { return s.Invite(admin, w, u) }))
	require.NoError(t, s.within(admin, func(w *change.Write, u *models.User) (func(), error) { return s.RequestReset(admin, w, u) }))
	own := identity.WithPrincipal(s.ctx, &identity.Principal{UserID: s.ann, HomeTenantID: s.tenant, Email: "ann@alpha.example"})
	require.NoError(t, s.within(own, func(w *change.Write, u *models.User) (func(), error) {
		return s.RequestEmailChange(own, w, u, "New@alpha.example")
	}))
	list := s.sent()
	require.Len(t, list, 3)
	for i, want := range []struct{ to, subject, page, who string }{
		{"ann@alpha.example", "Your new account", "/accept-invitation", "boss@alpha.example"},
		{"ann@alpha.example", "Set a new password", "/reset-password", "boss@alpha.example"},
		{"new@alpha.example", "Confirm your e-mail address", "/confirm-email", "whoever was logged in to it"},
	} {
		m := list[i]
		require.Equal(t, want.to, m.To)
		require.Equal(t, want.subject, m.Subject)
		require.Contains(t, m.Text, "https://id.alpha.example"+want.page+"?token="+tokenIn(m)+"\n")
		require.Contains(t, m.Text, "by "+want.who)
		require.Contains(t, m.Text, "need not do anything")
		require.Contains(t, m.Text, "at Alpha Open https://evil.example", "a name adds no lines")
		require.NotContains(t, m.Text, "{")
	}
}

func TestRequests_RefuseWhomNoMailCanReach(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for name, c := range map[string]struct {
		set  string
		kind fault.Kind
		ask  func(w *change.Write, u *models.User) (func(), error)
	}{
		"an unproved address": {"email_verified_at = NULL", fault.ConflictKind, func(w *change.Write, u *models.User) (func(), error) { return s.RequestReset(s.ctx, w, u) }},
		"the own address": {"email_verified_at = now()", fault.Validation, func(w *change.Write, u *models.User) (func(), error) {
			return s.RequestEmailChange(s.ctx, w, u, u.Email)
		}},
		"no address": {"email_verified_at = now()", fault.Validation, func(w *change.Write, u *models.User) (func(), error) { return s.RequestEmailChange(s.ctx, w, u, "ann") }},
		"an id that is an address": {"external_id = 'ann@alpha.example'", fault.ConflictKind, func(w *change.Write, u *models.User) (func(), error) {
			return s.RequestEmailChange(s.ctx, w, u, "new@alpha.example")
		}},
		"a service account": {"display_name = ''", fault.ConflictKind, func(w *change.Write, u *models.User) (func(), error) {
			u.IsServiceAccount = true
			return s.Invite(s.ctx, w, u)
		}},
	} {
		s.data.Exec(t, "UPDATE sentinel.users SET "+c.set+" WHERE id = $1", s.ann)
		require.True(t, fault.Is(s.within(s.ctx, c.ask), c.kind), name)
	}
	require.Empty(t, s.sent())
}

func TestRequestEmailChange_IsBounded(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	ask := func(w *change.Write, u *models.User) (func(), error) {
		return s.RequestEmailChange(s.ctx, w, u, "new@alpha.example")
	}
	for range mailsPerHour {
		require.NoError(t, s.within(s.ctx, ask))
	}
	require.True(t, fault.Is(s.within(s.ctx, ask), fault.RateLimited))
}

// TestSecondFactor_WorksOnce sends the same code many times at once.
func TestSecondFactor_WorksOnce(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	made, err := newEnrolment("ann@alpha.example")
	require.NoError(t, err)
	s.data.Exec(t, "UPDATE sentinel.users SET mfa_secret = $2, mfa_enabled = true WHERE id = $1", s.ann, s.cfg.Master.Seal([]byte(made.Secret), MFAPlace(s.ann)))
	require.NoError(t, s.within(s.ctx, func(w *change.Write, u *models.User) (func(), error) {
		return func() {}, replaceCodes(w, u, made.RecoveryCodes)
	}))
	prove := func(code string) (ok bool) {
		require.NoError(t, s.within(s.ctx, func(w *change.Write, u *models.User) (_ func(), err error) {
			ok, err = s.SecondFactor(s.ctx, w, u, code)
			return func() {}, err
		}))
		return ok
	}
	at := func(steps int) string {
		code, err := totp.GenerateCode(made.Secret, s.now.Add(time.Duration(steps)*period*time.Second))
		require.NoError(t, err)
		return code
	}
	for _, code := range []string{at(0), made.RecoveryCodes[0]} {
		var wins atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if prove(code) {
					wins.Add(1)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, wins.Load(), code)
	}
	require.False(t, prove(at(-1)), "a step before one that was used")
	require.False(t, prove(at(2)), "too early")
	require.True(t, prove(at(1)))
	s.now = s.now.Add(10 * period * time.Second)
	require.False(t, prove(at(-2)), "too late")
	require.True(t, prove(at(-1)))
	require.True(t, prove(" "+strings.ToUpper(strings.ReplaceAll(made.RecoveryCodes[1], "-", " "))))
	for _, wrong := range []string{"", "abcdef", "٠١٢٣٤٥", strings.Repeat("a", 20), made.Secret} {
		require.False(t, prove(wrong), wrong)
	}
	s.data.Exec(t, "UPDATE sentinel.users SET mfa_enabled = false WHERE id = $1", s.ann)
	require.False(t, prove(at(0)), "it is not enabled")
}

func TestForgot_DropsWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	in := &ForgotIn{}
	in.Body.TenantID, in.Body.Email = "ALPHA", "nobody@alpha.example"
	first, err := s.forgot(s.ctx, in)
	require.NoError(t, err)
	for range pleaQueue + 3 {
		done, err := s.forgot(s.ctx, in)
		require.NoError(t, err)
		require.Equal(t, first, done)
	}
	require.Len(t, s.pleas, pleaQueue)
}
