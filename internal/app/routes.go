package app

import (
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/feature/accessrequest"
	"github.com/sentinel-access/sentinel/internal/feature/approvalchain"
	"github.com/sentinel-access/sentinel/internal/feature/authzen"
	"github.com/sentinel-access/sentinel/internal/feature/bundle"
	"github.com/sentinel-access/sentinel/internal/feature/decision"
	"github.com/sentinel-access/sentinel/internal/feature/field"
	"github.com/sentinel-access/sentinel/internal/feature/group"
	"github.com/sentinel-access/sentinel/internal/feature/health"
	"github.com/sentinel-access/sentinel/internal/feature/importing"
	"github.com/sentinel-access/sentinel/internal/feature/mailbox"
	"github.com/sentinel-access/sentinel/internal/feature/manifest"
	"github.com/sentinel-access/sentinel/internal/feature/navigation"
	"github.com/sentinel-access/sentinel/internal/feature/permission"
	"github.com/sentinel-access/sentinel/internal/feature/resource"
	"github.com/sentinel-access/sentinel/internal/feature/role"
	"github.com/sentinel-access/sentinel/internal/feature/serviceaccount"
	"github.com/sentinel-access/sentinel/internal/feature/tenant"
	"github.com/sentinel-access/sentinel/internal/feature/user"
	"github.com/sentinel-access/sentinel/internal/feature/webhook"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/outbound"
)

// register puts every section of the API in its place.
func (a *App) register() {
	a.session.Register(a.api)
	a.credential.Register(a.api)
	(&tenant.Service{Write: a.writer}).Register(a.api)
	imports := importing.New(importing.Config{
		Write: a.writer, Queue: a.queue, Master: a.master, NormaliseEmail: user.NormaliseEmail, CheckIdentity: user.CheckIdentity,
		MaxBytes: a.cfg.ImportMaxMB << 20,
	})
	(&user.Service{
		ForgetFiles: imports.Forget,
		Write:       a.writer, Passwords: a.passwords, Attempts: user.NewAttempts(a.engine.Now),
		Invite: a.credential.Invite, RequestReset: a.credential.RequestReset, RequestEmailChange: a.credential.RequestEmailChange,
	}).Register(a.api)
	serviceaccount.New(a.writer, user.NormaliseEmail).Register(a.api)
	(&role.Service{Write: a.writer}).Register(a.api)
	(&group.Service{Write: a.writer}).Register(a.api)
	(&permission.Service{Write: a.writer}).Register(a.api)
	(&resource.Service{Write: a.writer}).Register(a.api)
	(&field.Service{Write: a.writer}).Register(a.api)
	(&navigation.Service{Write: a.writer}).Register(a.api)
	(&approvalchain.Service{Write: a.writer, TimeoutHours: a.cfg.ApprovalHours}).Register(a.api)
	requests := accessrequest.New(accessrequest.Config{Write: a.writer, Queue: a.queue, Outbox: a.outbox, PublicURL: a.cfg.PublicURL, Logger: a.log})
	requests.Register(a.api)
	(&decision.Service{Engine: a.engine, Open: requests.Open}).Register(a.api)
	(&authzen.Service{
		DB: a.db, Engine: a.engine, NormaliseEmail: user.NormaliseEmail, PublicURL: strings.TrimRight(a.cfg.PublicURL, "/"),
	}).Register(a.api)
	(&manifest.Service{Write: a.writer, Authorize: a.authorize, TimeoutHours: a.cfg.ApprovalHours}).Register(a.api)
	bundle.New(a.engine, a.library).Register(a.api)
	imports.Register(a.api)
	guard := outbound.Guard{AllowPrivate: a.cfg.WebhookPrivate}
	webhooks := webhook.New(webhook.Config{
		Write: a.writer, Queue: a.queue, Master: a.master, Guard: guard, Client: outbound.New(outbound.Config{Guard: guard}),
	})
	a.writer.Audit.Follow(webhooks.Announce)
	webhooks.Register(a.api)
	(&health.Service{
		DB: a.db, Engine: a.engine, Version: a.version, MaxStaleness: a.cfg.MaxStaleness,
		Policies: func() (string, string) { return a.version, "" }, Jobs: a.queue.Health,
	}).Register(a.api)
	if a.mailbox != nil {
		(&mailbox.Service{Mailbox: a.mailbox}).Register(a.api)
	}
}

// knowsSection reports whether a route asks for a permission on that section, or
// a call does in its course.
func (a *App) knowsSection(section string) bool {
	return section == "decisions" || section == "sessions" || slices.ContainsFunc(a.api.Routes(), func(r httpapi.Route) bool {
		p, ok := r.Access.Permission()
		return ok && p.Section == section
	})
}

// Routes lists every route of the API.
func (a *App) Routes() []httpapi.Route { return a.api.Routes() }
