package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// smtpTimeout bounds each step of a delivery: connecting, and every command.
const smtpTimeout = 15 * time.Second

const (
	submissionPort  = 587 // RFC 6409
	submissionsPort = 465 // RFC 8314
)

// SMTP is a [Sender] that hands each message to a mail server, over a
// connection of its own.
type SMTP struct {
	from    string
	host    string
	options []gomail.Option
	// dial connects; nil for smtps, where only the library's own connection
	// counts as encrypted.
	dial gomail.DialContextFunc
}

// NewSMTP makes a sender from a URL and the address that mails come from, which
// may have a name: "Sentinel <sentinel@example.com>".
//
// smtps://user:password@host:port speaks TLS from the first byte. With smtp://
// the server must offer STARTTLS, or nothing is sent; only to a host that is
// this machine a connection without it is used. ?tls=off asks for none, and is
// refused together with a password unless the host is this machine. The error
// never holds the URL.
func NewSMTP(serverURL, from string) (*SMTP, error) {
	if _, err := netmail.ParseAddress(from); err != nil || strings.ContainsFunc(from, isBreak) {
		return nil, errors.New("the sender must be an e-mail address, with a name before it if you like: Sentinel <sentinel@example.com>")
	}
	u, err := url.Parse(serverURL)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("must be smtp://user:password@host:port or smtps://..., with what is special in the password percent-encoded")
	}
	s := &SMTP{from: from, host: u.Hostname()}
	security, err := s.security(u)
	if err != nil {
		return nil, err
	}
	port := submissionPort
	if u.Scheme == "smtps" {
		port = submissionsPort
	} else {
		s.dial = new(net.Dialer).DialContext
	}
	if text := u.Port(); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return nil, errors.New("the port must be a number from 1 to 65535")
		}
	}
	s.options = append(security, gomail.WithPort(port), gomail.WithTimeout(smtpTimeout), gomail.WithoutNoop())
	if password, ok := u.User.Password(); ok {
		s.options = append(s.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	if _, err := gomail.NewClient(s.host, s.options...); err != nil {
		return nil, errors.New("the mail library refuses these settings: check host and port")
	}
	return s, nil
}

// security decides how the connection is protected.
func (s *SMTP) security(u *url.URL) ([]gomail.Option, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("what follows the ? cannot be read; the one parameter is tls=off")
	}
	off := query.Get("tls") == "off"
	if len(query) > 1 || len(query) == 1 && !off {
		return nil, errors.New("the one parameter after the ? is tls=off")
	}
	local := isLoopback(s.host)
	_, hasPassword := u.User.Password()
	config := gomail.WithTLSConfig(&tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12})
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return nil, errors.New("must begin with smtp:// or smtps://")
	case u.Scheme == "smtps" && off:
		return nil, errors.New("smtps:// is TLS: use smtp:// with tls=off")
	case u.Scheme == "smtps":
		return []gomail.Option{gomail.WithSSL(), config}, nil
	case off && hasPassword && !local:
		return nil, errors.New("with tls=off the password would travel in the clear: leave one of them out")
	case off:
		return []gomail.Option{gomail.WithTLSPolicy(gomail.NoTLS)}, nil
	case local:
		return []gomail.Option{gomail.WithTLSPolicy(gomail.TLSOpportunistic), config}, nil
	default:
		return []gomail.Option{gomail.WithTLSPolicy(gomail.TLSMandatory), config}, nil
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements [Sender].
func (s *SMTP) Send(ctx context.Context, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	msg := gomail.NewMsg()
	if err := errors.Join(msg.From(s.from), msg.To(m.To)); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	// RFC 3834: nobody's absence is to be told to a server.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	options, hangUp := s.connecting()
	defer hangUp()
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return fmt.Errorf("set up the mail client: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		var refused *gomail.SendError
		if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

// connecting returns the client's options for one delivery, and what closes its
// connection: the library leaves it open when the server refuses STARTTLS or the
// password.
func (s *SMTP) connecting() (options []gomail.Option, hangUp func()) {
	if s.dial == nil {
		return s.options, func() {}
	}
	var conn net.Conn
	dial := func(ctx context.Context, network, address string) (_ net.Conn, err error) {
		conn, err = s.dial(ctx, network, address)
		return conn, err
	}
	return append(slices.Clone(s.options), gomail.WithDialContextFunc(dial)), func() {
		if conn != nil {
			_ = conn.Close() // closed already, if all went well
		}
	}
}
