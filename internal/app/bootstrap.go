package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/feature/user"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// superAdmin is the id that the migrations give the role.
var superAdmin = uuid.MustParse("00000000-0000-0000-0000-000000000010")

// passwordFile keeps the password that was made for the first administrator of
// an embedded database, readable by its owner only, so that a developer can log
// in on the second day too.
const passwordFile = "admin-password"

// bootstrap makes the first administrator if the platform has none. It returns
// the login it made, or the one whose generated password is still on file.
func (a *App) bootstrap(ctx context.Context) (*Login, error) {
	email, ok := user.NormaliseEmail(a.cfg.AdminEmail)
	if !ok {
		return nil, fmt.Errorf("ADMIN_EMAIL %q is no e-mail address", a.cfg.AdminEmail)
	}
	login := &Login{Email: email, Password: a.cfg.AdminPassword}
	generated := login.Password == ""
	if generated {
		if a.cfg.DatabaseURL != "" {
			return nil, a.requireAdmin(ctx)
		}
		kept, err := os.ReadFile(filepath.Join(a.cfg.DataDir, passwordFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the administrator's password: %w", err)
		}
		if login.Password = strings.TrimSpace(string(kept)); login.Password == "" {
			login.Password = rand.Text()
		}
	}
	made, err := a.makeAdmin(ctx, login)
	if err != nil {
		return nil, err
	}
	if made && generated {
		if err := os.WriteFile(filepath.Join(a.cfg.DataDir, passwordFile), []byte(login.Password+"\n"), 0o600); err != nil { //nolint:gosec // the operator's own folder
			return nil, fmt.Errorf("keep the administrator's password: %w", err)
		}
	}
	if !generated {
		return nil, nil //nolint:nilnil // the operator knows it
	}
	return login, nil
}

// requireAdmin refuses to start a server that nobody could ever administer.
func (a *App) requireAdmin(ctx context.Context) error {
	return a.db.InSystemReadTx(ctx, db.Bootstrap, func(tx *db.Tx) error {
		has, err := hasAdmin(tx)
		if err == nil && !has {
			err = errors.New("the database has no administrator yet: set ADMIN_EMAIL and ADMIN_PASSWORD for the first start")
		}
		return err
	})
}

func hasAdmin(tx *db.Tx) (bool, error) {
	var n int64
	if err := tx.Model(&models.UserRole{}).Where("tenant_id = ? AND role_id = ?", identity.PlatformTenant, superAdmin).Count(&n).Error; err != nil {
		return false, fmt.Errorf("look for an administrator: %w", err)
	}
	return n > 0, nil
}

func (a *App) makeAdmin(ctx context.Context, login *Login) (made bool, err error) {
	hash, err := a.passwords.Hash(ctx, login.Password)
	if err != nil {
		return false, err
	}
	ctx = identity.WithTenant(ctx, identity.PlatformTenant)
	err = a.db.InSystemTx(ctx, db.Bootstrap, func(tx *db.Tx) error {
		made = false
		// Two replicas that start at once make one administrator.
		if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtext('sentinel.bootstrap'))").Error; err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		has, err := hasAdmin(tx)
		if err != nil || has {
			return err
		}
		now := time.Now().UTC()
		u := &models.User{
			ID: uuid.Must(uuid.NewV7()), TenantID: identity.PlatformTenant, Email: login.Email, EmailVerifiedAt: &now, DisplayName: "Administrator",
			PasswordHash: &hash, IsActive: true, Attributes: models.Object(nil), Preferences: models.Object(nil),
			AllowedIPs: models.Strings{}, AssertOverride: models.Strings{},
		}
		if err := tx.Create(u).Error; err != nil {
			return fmt.Errorf("create user: %w", err)
		}
		role := &models.UserRole{TenantID: identity.PlatformTenant, UserID: u.ID, RoleID: superAdmin, RoleTenantID: identity.PlatformTenant, IsActive: true, GrantedAt: now}
		if err := tx.Create(role).Error; err != nil {
			return fmt.Errorf("assign super_admin: %w", err)
		}
		made = true
		return a.writer.Audit.Record(ctx, tx, audit.Event{
			Action: "user.create", ResourceType: "user", ResourceID: u.ID, Person: u.ID,
			After: map[string]any{"email": u.Email, "roles": []string{"super_admin"}}, Detail: map[string]any{"reason": "first administrator"},
		})
	})
	return made, err
}
