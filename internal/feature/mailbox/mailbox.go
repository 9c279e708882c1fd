// Package mailbox shows the mails of a development server to whoever sits at its
// machine, instead of sending them. It knows nothing of what they are about.
package mailbox

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

// Service answers the section's call.
type Service struct{ Mailbox *mail.Mailbox }

// Register adds the section's route. It shows secrets on purpose: it belongs on
// a server only that listens to its own machine.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Development", "What only a server for development has.")
	httpapi.Raw(sec, httpapi.Route{
		Path: "/dev/mail", Root: true, Summary: "The newest mails that this server would have sent", Access: httpapi.Public(), Quiet: true, Errors: []int{404},
		Description: "At most 200, newest first. There only without SMTP_URL on a server that listens to its own machine, and only for a browser or program on that machine.",
	}, s.list)
}

// Mail is a mail that was not sent.
type Mail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	SentAt  time.Time `json:"sent_at"`
}

// ListIn is what tells a caller on this machine from others.
type ListIn struct {
	Host string `header:"Host" hidden:"true"`
}

func (s *Service) list(ctx context.Context, in *ListIn) (*httpapi.Reply[[]Mail], error) {
	if !isLocal(identity.RequestFrom(ctx), in.Host) {
		return nil, fault.New(fault.NotFoundKind, "There is nothing here.")
	}
	mails := []Mail{}
	for _, m := range s.Mailbox.List() {
		mails = append(mails, Mail{To: m.To, Subject: m.Subject, Text: m.Text, SentAt: m.SentAt})
	}
	return &httpapi.Reply[[]Mail]{Body: mails, Header: map[string]string{"Cache-Control": "no-store"}}, nil
}

// isLocal reports whether a request comes from this machine, not through a
// proxy on it, and by a name of it: a page elsewhere could give its own name this
// machine's address, and read the answer in the browser of whoever sits here.
func isLocal(r identity.Request, host string) bool {
	address, err := netip.ParseAddr(r.Address)
	if err != nil || !address.IsLoopback() || r.Forwarded {
		return false
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	name, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && name.IsLoopback()
}
