package credential

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/models"
)

// letter is the plain text of a mail. {who}, {email} and {tenant} are filled in, and
// a paragraph with the token, and the link if there are any, follows intro.
type letter struct {
	subject string
	intro   string
	// page is the page of the installation's own that takes the token.
	page string
	// route is what takes the token without such a page.
	route string
	outro string
}

const signature = "This mail was written by Sentinel for {tenant}. Nobody reads answers to it."

var (
	resetLetter = letter{
		subject: "Set a new password",
		intro:   "A new password was asked for, for the account {email} at {tenant}, by {who}.",
		page:    "/reset-password", route: "POST /api/v1/auth/password/reset",
		outro: "It counts once, and for one hour. If it was not you, you need not do anything: the password stays as it is. Should such mails go on, tell your administrator.",
	}
	invitationLetter = letter{
		subject: "Your new account",
		intro:   "An account was made for {email} at {tenant}, by {who}. Set your password to accept it.",
		page:    "/accept-invitation", route: "POST /api/v1/auth/password/reset",
		outro: "It counts once, and for seven days. If you do not know {tenant}, you need not do anything: without a password nobody can use the account.",
	}
	emailLetter = letter{
		subject: "Confirm your e-mail address",
		intro:   "The account {email} at {tenant} is to have this e-mail address from now on. It was asked for by {who}.",
		page:    "/confirm-email", route: "POST /api/v1/auth/email/confirm",
		outro: "It counts once, and for one day. If it was not you, you need not do anything: nothing changes without it.",
	}
	changedLetter = letter{
		subject: "Your password was changed",
		intro:   "The password of the account {email} at {tenant} was just set with the token from a mail, and all its sessions ended.",
		outro:   "If it was not you, somebody can read your mail: tell your administrator at once.",
	}
	movedLetter = letter{
		subject: "Your e-mail address was changed",
		intro:   "The account {email} at {tenant} has another e-mail address now; this one gets no more mails.",
		outro:   "If it was not you, tell your administrator at once.",
	}
)

// letter writes a mail to an address of the account's, and returns what puts it
// in the outbox.
func (s *Service) letter(ctx context.Context, w *change.Write, user *models.User, to string, l letter, token string) (func(), error) {
	var tenant models.Tenant
	if err := w.Where("id = ?", user.TenantID).Take(&tenant).Error; err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	paragraphs := []string{l.intro}
	if token != "" {
		if s.cfg.PublicURL != "" {
			paragraphs = append(paragraphs, "Open this page:\n"+s.cfg.PublicURL+l.page+"?token="+url.QueryEscape(token))
		}
		paragraphs = append(paragraphs, "The token, for "+l.route+":\n"+token)
	}
	text := strings.Join(append(paragraphs, l.outro, signature), "\n\n") + "\n"
	text = strings.NewReplacer("{who}", asker(ctx, user), "{email}", mail.Line(user.Email), "{tenant}", mail.Line(tenant.Name)).Replace(text)
	message := mail.Message{To: to, Subject: l.subject, Text: text}
	return func() { s.cfg.Outbox.Put(message) }, nil
}
