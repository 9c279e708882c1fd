// Package mail sends plain text to one person at a time, behind the caller's
// back: a bounded queue with retries, and two ways to deliver from it, SMTP and
// a mailbox in memory. It knows nothing of what the mails are about, and logs
// nothing of what stands in them.
package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is a mail to one person.
type Message struct {
	// To is a bare address, such as ann@alpha.example: no name, no brackets.
	To string
	// Subject is one line.
	Subject string
	// Text is plain UTF-8 text with "\n" between lines.
	Text string
}

// Sender delivers one message, or says why not. It is safe for concurrent use.
// What will fail every time is an error that wraps [ErrRefused]; any other may
// be tried again, even though the message may have arrived after all.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// ErrRefused says that trying again is of no use: the message cannot be sent as
// it is, or the server refuses it for good.
var ErrRefused = errors.New("mail refused")

// check refuses what could become another mail than the one that was written:
// a second recipient or a header smuggled in by a line break.
func (m Message) check() error {
	address, err := netmail.ParseAddress(m.To)
	switch {
	case err != nil || address.Name != "" || address.Address != m.To || strings.ContainsFunc(m.To, unicode.IsControl):
		return fmt.Errorf("%w: the recipient is not one bare address", ErrRefused)
	case m.Subject == "" || strings.ContainsFunc(m.Subject, isBreak) || !utf8.ValidString(m.Subject):
		return fmt.Errorf("%w: the subject is not one line of text", ErrRefused)
	case m.Text == "" || strings.ContainsRune(m.Text, 0) || !utf8.ValidString(m.Text):
		return fmt.Errorf("%w: the text is empty or is none", ErrRefused)
	}
	return nil
}

// isBreak reports whether r ends a line, or is another character that is not
// seen.
func isBreak(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// Line makes one printable line of at most 200 characters of a text that
// somebody chose, to stand in a mail: it cannot add lines that look like the
// mail's own.
func Line(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool {
		return isBreak(r) || unicode.IsSpace(r)
	}), " ")
	const longest = 200
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest-1]) + "…"
	}
	return s
}
