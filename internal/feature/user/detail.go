package user

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Account is all that an account is itself, but for its secrets.
type Account struct {
	User
	LoginCount         int      `json:"login_count"`
	FailedLoginCount   int      `json:"failed_login_count"`
	MFAEnabled         bool     `json:"mfa_enabled"`
	MustChangePassword bool     `json:"must_change_password"`
	AllowedIPs         []string `json:"allowed_ips" doc:"Addresses and CIDR ranges from which the account may call; none for any."`
	AssertSubject      bool     `json:"assert_subject" doc:"Whether it may state properties of the subjects it asks about."`
	AssertOverride     []string `json:"assert_override" doc:"Attributes in which what it states replaces what is stored."`
}

// Detail is an account with the roles and groups that it has itself.
type Detail struct {
	Account
	Roles  []OwnRole  `json:"roles" doc:"Those assigned to the account itself."`
	Groups []OwnGroup `json:"groups" doc:"Those of which the account is itself a member."`
}

// OwnRole is a role that is assigned to an account.
type OwnRole struct {
	ID        uuid.UUID  `json:"id"`
	Name      string     `json:"name"`
	ValidFrom *time.Time `json:"valid_from" nullable:"true"`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true"`
}

// OwnGroup is a group of which an account is a member.
type OwnGroup struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// ETag changes with every write to the account, its roles and its groups.
func (d *Detail) ETag() string {
	parts := []any{d.ID, d.UpdatedAt.UnixNano()}
	for _, r := range d.Roles {
		parts = append(parts, r.ID, r.Name, nanos(r.ValidFrom), nanos(r.ExpiresAt))
	}
	for _, g := range d.Groups {
		parts = append(parts, g.ID, g.Name)
	}
	return httpapi.ETag(parts...)
}

func nanos(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func account(m *models.User) Account {
	return Account{
		User: *view(m), LoginCount: m.LoginCount, FailedLoginCount: m.FailedLoginCount,
		MFAEnabled: m.MFAEnabled, MustChangePassword: m.MustChangePassword, AllowedIPs: append([]string{}, m.AllowedIPs...),
		AssertSubject: m.AssertSubject, AssertOverride: append([]string{}, m.AssertOverride...),
	}
}

// detail adds to an account its roles and groups. A role that the tenant may use
// no more, once it has ceased to inherit, is without a name.
func detail(tx *db.Tx, m *models.User) (*Detail, error) {
	d := &Detail{Account: account(m), Roles: []OwnRole{}, Groups: []OwnGroup{}}
	named := map[string]any{"tenant": m.TenantID, "user": m.ID}
	err := tx.Raw(`
SELECT ur.role_id AS id, COALESCE(r.name, '') AS name, ur.valid_from, ur.expires_at
FROM sentinel.user_roles ur
LEFT JOIN sentinel.usable_roles() r ON r.tenant_id = ur.role_tenant_id AND r.id = ur.role_id
WHERE ur.tenant_id = @tenant
AND ur.user_id = @user
AND ur.is_active
ORDER BY name, id`, named).Scan(&d.Roles).Error
	if err != nil {
		return nil, fmt.Errorf("find roles of a user: %w", err)
	}
	err = tx.Raw(`
SELECT g.id, g.name
FROM sentinel.user_groups ug
JOIN sentinel.groups g ON g.tenant_id = ug.tenant_id AND g.id = ug.group_id
WHERE ug.tenant_id = @tenant
AND ug.user_id = @user
ORDER BY g.name, g.id`, named).Scan(&d.Groups).Error
	if err != nil {
		return nil, fmt.Errorf("find groups of a user: %w", err)
	}
	return d, nil
}

// checkTag refuses a write whose If-Match is not of the account as it is.
func checkTag(tx *db.Tx, m *models.User, in httpapi.IfMatchIn) error {
	if in.IfMatch == "" {
		return nil
	}
	d, err := detail(tx, m)
	if err != nil {
		return err
	}
	return in.Check(d.ETag())
}

// saved reads the account that was just written, and records the event.
func saved(w *change.Write, m *models.User, e audit.Event) (*Detail, error) {
	stored, err := crud.One[models.User](w.Tx, m.TenantID, m.ID, "user")
	if err != nil {
		return nil, err
	}
	out, err := detail(w.Tx, stored)
	if err != nil {
		return nil, err
	}
	e.ResourceType, e.ResourceID, e.Person, e.After = "user", m.ID, m.ID, out.Account
	return out, w.Record(e)
}
