package user

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// desk is a tenant with an administrator and a person, and a mailbox.
type desk struct {
	*tenanttest.World
	*Service
	admin, ada context.Context
	adaID      uuid.UUID
	sent       []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	d := &desk{World: w, Service: &Service{Write: w.Writer, Passwords: crypto.NewPasswords(), Attempts: NewAttempts(w.Writer.Engine.Now)}}
	tenant := w.Tenant()
	admin := w.User(tenant, "admin")
	w.Assign(tenant, admin, tenanttest.TenantAdmin)
	d.adaID = w.User(tenant, "ada")
	d.admin, d.ada = identity.WithTenant(w.As(tenant, admin), tenant), identity.WithTenant(w.As(tenant, d.adaID), tenant)
	return d
}

// mails makes the desk send mails of every kind.
func (d *desk) mails() {
	mail := func(kind string) func(context.Context, *change.Write, *models.User) (func(), error) {
		return func(_ context.Context, _ *change.Write, u *models.User) (func(), error) {
			return func() { d.sent = append(d.sent, kind+" "+u.Email) }, nil
		}
	}
	d.Invite, d.RequestReset = mail("invite"), mail("reset")
	d.RequestEmailChange = func(_ context.Context, _ *change.Write, _ *models.User, email string) (func(), error) {
		return func() { d.sent = append(d.sent, "confirm "+email) }, nil
	}
}

func TestUsers_Mails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	current, email := "correct horse battery", " New@Example.com"
	reset := &ResetPasswordIn{IDIn: IDIn{ID: d.adaID}}
	reset.Body.Mode = "mail"
	invited := &CreateIn{}
	invited.Body.Email, invited.Body.SendInvitation = "bob@example.com", true
	me := &UpdateMeIn{}
	me.Body.Email, me.Body.CurrentPassword = &email, &current

	_, err := d.resetPassword(d.admin, reset)
	require.True(t, fault.Is(err, fault.Unavailable))
	_, err = d.create(d.admin, invited)
	require.True(t, fault.Is(err, fault.Unavailable))
	_, err = d.updateMe(d.ada, me)
	require.True(t, fault.Is(err, fault.Unavailable))

	d.mails()
	out, err := d.resetPassword(d.admin, reset)
	require.NoError(t, err)
	require.Equal(t, &Reset{Mode: "mail"}, out)
	made, err := d.create(d.admin, invited)
	require.NoError(t, err)
	require.False(t, made.Data.EmailVerified)
	_, err = d.updateMe(d.ada, me)
	require.True(t, fault.Is(err, fault.ConflictKind), "no password: %v", err)
	hash, err := d.Passwords.Hash(d.admin, current)
	require.NoError(t, err)
	d.SQL(`UPDATE sentinel.users SET password_hash = $2 WHERE id = $1`, d.adaID, hash)
	mine, err := d.updateMe(d.ada, me)
	require.NoError(t, err)
	require.Equal(t, "new@example.com", mine.PendingEmail)
	require.Equal(t, "ada@example.com", mine.Email)
	require.Equal(t, []string{"reset ada@example.com", "invite bob@example.com", "confirm new@example.com"}, d.sent)

	// What a wrong password costs.
	wrong := &ChangePasswordIn{IDIn: IDIn{ID: d.adaID}}
	wrong.Body.CurrentPassword, wrong.Body.NewPassword = "no", "another horse battery"
	for range mostWrong {
		_, err = d.changePassword(d.ada, wrong)
		require.True(t, fault.Is(err, fault.Validation), "%v", err)
	}
	_, err = d.changePassword(d.ada, wrong)
	require.True(t, fault.Is(err, fault.RateLimited), "%v", err)
}

func TestUsers_MaxUsers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.SQL(`UPDATE sentinel.tenants SET settings = '{"max_users": 3}' WHERE id <> '00000000-0000-0000-0000-000000000000'`)
	make := func(email string) (httpapi.Created[Detail], error) {
		in := &CreateIn{}
		in.Body.Email = email
		return d.create(d.admin, in)
	}
	third, err := make("third@example.com")
	require.NoError(t, err)
	_, err = make("fourth@example.com")
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	in := &BulkIn{}
	in.Body.Operation, in.Body.UserIDs = Deactivate, []uuid.UUID{d.adaID, third.Data.ID}
	_, err = d.bulk(d.admin, in)
	require.NoError(t, err)
	_, err = make("fourth@example.com")
	require.NoError(t, err)
	in.Body.Operation = Activate
	out, err := d.bulk(d.admin, in)
	require.NoError(t, err)
	require.Equal(t, []string{succeeded, failed}, []string{out.Results[0].Status, out.Results[1].Status})
	require.Equal(t, "CONFLICT", out.Results[1].Code)
	yes, one := true, &UpdateIn{IDIn: IDIn{ID: third.Data.ID}}
	one.Body.IsActive = &yes
	_, err = d.update(d.admin, one)
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
}
