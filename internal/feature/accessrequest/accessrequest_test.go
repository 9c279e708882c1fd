package accessrequest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// asking is a tenant in which "lead" decides on vessels.
type asking struct {
	*tenanttest.World
	t                  *testing.T
	tenant, chain      uuid.UUID
	asker, lead, other uuid.UUID
	leads              uuid.UUID
	service            *Service
	mailbox            *mail.Mailbox
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	t.Parallel()
	a := &asking{World: tenanttest.New(t, dbtest.New(t), engine.Config{}), t: t, chain: uuid.New(), mailbox: mail.NewMailbox(time.Now)}
	a.tenant = a.Tenant()
	a.leads = a.Role(a.tenant, "lead", 10, uuid.UUID{})
	a.asker, a.lead, a.other = a.User(a.tenant, "asker"), a.User(a.tenant, "lead"), a.User(a.tenant, "other")
	a.Assign(a.tenant, a.lead, a.leads)
	a.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, approval_levels) VALUES ($1, $2, 'vessels', 'vessel', $3)`,
		a.chain, a.tenant, fmt.Sprintf(`[{"level":1,"approvers":{"any_of":[{"role":"%s","min":1}]},"timeout_hours":2}]`, a.leads))
	queue, err := jobs.New(jobs.Config{DB: a.DB})
	require.NoError(t, err)
	outbox := mail.NewOutbox(mail.Config{Sender: a.mailbox})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- outbox.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	a.service = New(Config{Write: a.Writer, Queue: queue, Outbox: outbox, PublicURL: "https://id.example/"})
	return a
}

func (a *asking) question(id string) *engine.Question {
	return &engine.Question{TenantID: a.tenant, UserID: a.asker, Type: "vessel", ID: id, Action: "read"}
}

func TestOpen_GivesTheRequestThatWaits(t *testing.T) {
	a := newAsking(t)
	ctx := a.As(a.tenant, a.asker)
	first, err := a.service.Open(ctx, a.question("mv-aurora"), a.chain, "to look")
	require.NoError(t, err)
	again, err := a.service.Open(ctx, a.question("mv-aurora"), a.chain, "to look again")
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := a.service.Open(ctx, a.question("mv-borealis"), a.chain, "to look")
	require.NoError(t, err)
	require.NotEqual(t, first, other)

	_, err = a.service.approve(a.As(a.tenant, a.lead), &DecideIn{StepIn: StepIn{IDIn: IDIn{ID: first}}})
	require.NoError(t, err)
	later, err := a.service.Open(ctx, a.question("mv-aurora"), a.chain, "to look")
	require.NoError(t, err)
	require.NotEqual(t, first, later, "one that is decided waits no more")
}

func TestOpen_IsForOneselfAndAChainThatIsThere(t *testing.T) {
	a := newAsking(t)
	_, err := a.service.Open(a.As(a.tenant, a.other), a.question("mv-aurora"), a.chain, "x")
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	_, err = a.service.Open(a.As(a.tenant, a.asker), a.question("mv-aurora"), uuid.New(), "x")
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	_, err = a.service.Open(a.As(a.tenant, a.asker), a.question("mv-*"), a.chain, "x")
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
	require.Zero(t, a.Count("SELECT count(*) FROM sentinel.access_requests"))
}

func TestOpen_LinksToThePageOfTheInstallation(t *testing.T) {
	a := newAsking(t)
	a.SQL("UPDATE sentinel.users SET display_name = E'Eve\nBcc: all' WHERE id = $1", a.asker)
	id, err := a.service.Open(a.As(a.tenant, a.asker), a.question("mv-aurora"), a.chain, "a secret reason")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(a.mailbox.List()) == 1 }, 10*time.Second, 10*time.Millisecond)
	text := a.mailbox.List()[0].Text
	require.Contains(t, text, "\nhttps://id.example/access-requests/"+id.String()+"\n")
	require.NotContains(t, text, "secret reason")
	require.NotContains(t, text, "\nBcc")
}

// A job does nothing when the request has moved on, and waits when it is early.
func TestDue_ReadsTheRequestAgain(t *testing.T) {
	a := newAsking(t)
	id, err := a.service.Open(a.As(a.tenant, a.asker), a.question("mv-aurora"), a.chain, "x")
	require.NoError(t, err)
	var due time.Time
	a.Scan([]any{&due}, "SELECT level_due_at FROM sentinel.access_requests WHERE id = $1", id)
	job := Job{Tenant: a.tenant, Request: id, Due: due}
	waiting := func() int {
		return a.Count("SELECT count(*) FROM sentinel.river_job WHERE kind = 'access_request_due' AND state = 'scheduled'")
	}
	status := func() (s string) {
		a.Scan([]any{&s}, "SELECT status FROM sentinel.access_requests WHERE id = $1", id)
		return s
	}
	before := waiting()
	require.NoError(t, a.service.due(a.As(a.tenant, a.asker), job))
	require.Equal(t, "pending", status(), "it is not due yet")
	require.Equal(t, before+1, waiting())

	a.SQL("UPDATE sentinel.access_requests SET level_due_at = now() - interval '1 second' WHERE id = $1", id)
	require.NoError(t, a.service.due(a.As(a.tenant, a.asker), job))
	require.Equal(t, "pending", status(), "another job is for the new moment")
	a.Scan([]any{&job.Due}, "SELECT level_due_at FROM sentinel.access_requests WHERE id = $1", id)
	for range 2 {
		require.NoError(t, a.service.due(a.As(a.tenant, a.asker), job))
		require.Equal(t, "expired", status())
	}
	require.Equal(t, 1, a.Count("SELECT count(*) FROM sentinel.audit_logs WHERE action = 'access_request.expire'"))

	a.SQL("DELETE FROM sentinel.users WHERE id = $1", a.asker)
	require.NoError(t, a.service.due(a.As(a.tenant, a.lead), job), "it is gone with whoever asked")
}
