package mail

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// senders are all implementations, each with a way to read what it sent.
func senders(t *testing.T) map[string]func(t *testing.T) (Sender, func() []Message) {
	t.Helper()
	return map[string]func(t *testing.T) (Sender, func() []Message){
		"SMTP": func(t *testing.T) (Sender, func() []Message) {
			t.Helper()
			s := startServer(t)
			sender, err := NewSMTP(s.url(), "Sentinel <sentinel@alpha.example>")
			require.NoError(t, err)
			return sender, func() (list []Message) {
				for _, r := range s.got() {
					require.Equal(t, "sentinel@alpha.example", r.from)
					_, m := r.message(t)
					list = append(list, m)
				}
				return list
			}
		},
		"Mailbox": func(*testing.T) (Sender, func() []Message) {
			box := NewMailbox(time.Now)
			return box, func() (list []Message) {
				for _, m := range box.List() {
					list = append([]Message{m.Message}, list...)
				}
				return list
			}
		},
	}
}

func TestSender_Conforms(t *testing.T) {
	t.Parallel()
	for name, open := range senders(t) {
		t.Run(name+" delivers what it is given", func(t *testing.T) {
			t.Parallel()
			sender, got := open(t)
			want := []Message{
				{To: "ann@alpha.example", Subject: "Hello", Text: "One line.\n"},
				{To: "o'hara+tag@alpha.example", Subject: "Καλημέρα, " + strings.Repeat("long ", 40) + "end", Text: "a\n.\n..\nFrom here\n\n" + strings.Repeat("x", 2000) + "\n"},
				{To: "ann@xn--bcher-kva.example", Subject: "Hello again", Text: "é = ü\nBcc: eve@alpha.example\n"},
			}
			for _, m := range want {
				require.NoError(t, sender.Send(t.Context(), m))
			}
			require.Equal(t, want, got())
		})
		t.Run(name+" refuses what would be another mail", func(t *testing.T) {
			t.Parallel()
			sender, got := open(t)
			for _, m := range []Message{
				{To: "ann@alpha.example\r\nBcc: eve@alpha.example", Subject: "s", Text: "t"},
				{To: "ann@alpha.example>\r\nRCPT TO:<eve@alpha.example", Subject: "s", Text: "t"},
				{To: "ann@alpha.example, eve@alpha.example", Subject: "s", Text: "t"},
				{To: "Ann <ann@alpha.example>", Subject: "s", Text: "t"},
				{To: "<ann@alpha.example>", Subject: "s", Text: "t"},
				{To: "ann", Subject: "s", Text: "t"},
				{To: "", Subject: "s", Text: "t"},
				{To: "ann@alpha.example", Subject: "s\r\nBcc: eve@alpha.example", Text: "t"},
				{To: "ann@alpha.example", Subject: "s\nX: y", Text: "t"},
				{To: "ann@alpha.example", Subject: "s\rX: y", Text: "t"},
				{To: "ann@alpha.example", Subject: "s\u2028X: y", Text: "t"},
				{To: "ann@alpha.example", Subject: "s\x00", Text: "t"},
				{To: "ann@alpha.example", Subject: "", Text: "t"},
				{To: "ann@alpha.example", Subject: "s", Text: ""},
				{To: "ann@alpha.example", Subject: "s", Text: "a\x00b"},
				{To: "ann@alpha.example", Subject: "s", Text: "\xff"},
			} {
				require.ErrorIs(t, sender.Send(t.Context(), m), ErrRefused, "%q", m)
			}
			require.Empty(t, got())
		})
		t.Run(name+" sends nothing once its caller has gone", func(t *testing.T) {
			t.Parallel()
			sender, got := open(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, sender.Send(ctx, Message{To: "ann@alpha.example", Subject: "s", Text: "t"}), context.Canceled)
			require.Empty(t, got())
		})
	}
}

func TestSMTP_TellsRefusalsFromTroubles(t *testing.T) {
	t.Parallel()
	m := Message{To: "ann@alpha.example", Subject: "s", Text: "t"}
	for command, answer := range map[string]string{"RCPT": "550 5.1.1 nobody", "DATA": "554 5.7.1 no"} {
		s := startServer(t)
		sender, err := NewSMTP(s.url(), "sentinel@alpha.example")
		require.NoError(t, err)
		s.set(command, answer)
		require.ErrorIs(t, sender.Send(t.Context(), m), ErrRefused, command)
		s.set(command, "451 4.3.0 later")
		err = sender.Send(t.Context(), m)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrRefused, command)
		s.set(command, "")
		require.NoError(t, sender.Send(t.Context(), m))
		header, _ := s.got()[0].message(t)
		require.Equal(t, "auto-generated", header.Get("Auto-Submitted"))
	}
	gone, err := NewSMTP("smtp://127.0.0.1:1", "sentinel@alpha.example")
	require.NoError(t, err)
	err = gone.Send(t.Context(), m)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrRefused)
}

func TestSMTP_ProtectsTheConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t) // it offers no STARTTLS
	m := Message{To: "ann@alpha.example", Subject: "s", Text: "t"}
	send := func(url string) error {
		sender, err := NewSMTP(url, "sentinel@alpha.example")
		require.NoError(t, err)
		// Whatever the host is called, it is this server.
		sender.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, s.listener.Addr().String())
		}
		return sender.Send(t.Context(), m)
	}
	require.NoError(t, send("smtp://localhost"), "this machine")
	require.ErrorContains(t, send("smtp://mail.example.com"), "STARTTLS")
	require.ErrorContains(t, send("smtp://ann:secret@mail.example.com"), "STARTTLS")
	require.Len(t, s.got(), 1)
	require.NoError(t, send("smtp://mail.example.com?tls=off"))
	require.Len(t, s.got(), 2)
	_, port, _ := strings.Cut(s.listener.Addr().String(), ":")
	implicit, err := NewSMTP("smtps://127.0.0.1:"+port, "sentinel@alpha.example")
	require.NoError(t, err)
	require.Error(t, implicit.Send(t.Context(), m))
	require.Len(t, s.got(), 2)
}

func TestNewSMTP_RefusesWhatCannotStandWithoutTellingThePassword(t *testing.T) {
	t.Parallel()
	const from = "Sentinel <sentinel@alpha.example>"
	for url, ok := range map[string]bool{
		"smtps://ann:hunter2@mail.example.com":          true,
		"smtp://ann:hunter2@mail.example.com:587":       true,
		"smtp://mail.example.com:25?tls=off":            true,
		"smtp://ann:hunter2@localhost:1025?tls=off":     true,
		"smtp://ann:hunter2@mail.example.com?tls=off":   false,
		"smtps://ann:hunter2@mail.example.com?tls=off":  false,
		"smtp://ann:hunter2@mail.example.com?tls=never": false,
		"smtp://ann:hunter2@mail.example.com?verify=no": false,
		"smtp://ann:hunter2@mail.example.com:port":      false,
		"smtp://ann:hunter2@mail.example.com:99999":     false,
		"smtp://ann:hunter2@mail.example.com/path":      false,
		"smtp://ann:hunter2%zz@mail.example.com":        false,
		"https://ann:hunter2@mail.example.com":          false,
		"mail.example.com:25":                           false,
		"smtp://":                                       false,
	} {
		_, err := NewSMTP(url, from)
		require.Equal(t, ok, err == nil, "%s: %v", url, err)
		if err != nil {
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
	for _, from := range []string{"", "nobody", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example"} {
		_, err := NewSMTP("smtp://localhost", from)
		require.Error(t, err, "%q", from)
	}
}

func TestMailbox_KeepsTheNewest(t *testing.T) {
	t.Parallel()
	box := NewMailbox(time.Now)
	for i := range mailboxSize + 3 {
		require.NoError(t, box.Send(t.Context(), Message{To: "ann@alpha.example", Subject: fmt.Sprint(i), Text: "t"}))
	}
	list := box.List()
	require.Len(t, list, mailboxSize)
	require.Equal(t, fmt.Sprint(mailboxSize+2), list[0].Subject)
	require.Equal(t, "3", list[mailboxSize-1].Subject)
}

func TestLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Alpha Your password: x", Line("Alpha\r\n\r\nYour\u2028password:\tx\x00"))
	require.Len(t, []rune(Line(strings.Repeat("é", 300))), 200)
}
