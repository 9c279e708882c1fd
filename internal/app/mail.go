package app

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

// openMail makes the outbox: on SMTP_URL, or in memory on a server for
// development, or nowhere.
func (a *App) openMail() error {
	var sender mail.Sender
	switch {
	case a.cfg.SMTPURL != "":
		smtp, err := mail.NewSMTP(a.cfg.SMTPURL, a.cfg.MailFrom)
		if err != nil {
			return fmt.Errorf("set up SMTP_URL and MAIL_FROM: %w", err)
		}
		sender = smtp
	case a.cfg.showsMail():
		a.mailbox = mail.NewMailbox(time.Now)
		sender = a.mailbox
		a.log.Info("SMTP_URL is not set: mails are kept in memory, and shown to this machine at GET /dev/mail")
	}
	a.outbox = mail.NewOutbox(mail.Config{Sender: sender, Registerer: a.metrics.Registerer(), Logger: a.log})
	return nil
}

// showsMail reports whether GET /dev/mail is there: nothing says that anybody
// but the developer at this machine reaches the server.
func (c *Config) showsMail() bool {
	return c.SMTPURL == "" && c.loopback() && len(c.TrustedProxies) == 0 && (c.PublicURL == "" || isLocalURL(c.PublicURL))
}

func isLocalURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// runMail sends mails until ctx ends. What is still to be written for forgotten
// passwords is put in the outbox before that is emptied.
func (a *App) runMail(ctx context.Context, work func(func() error)) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	work(func() error {
		defer stop()
		return a.credential.Run(ctx)
	})
	work(func() error { return a.outbox.Run(sending) })
}
