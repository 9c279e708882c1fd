package mail

import (
	"bufio"
	"context"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a small mail server on loopback. It takes what any does, keeps what
// it got, and fails as a test wants.
type server struct {
	t        testing.TB
	listener net.Listener
	group    sync.WaitGroup

	mu   sync.Mutex
	mail []received
	// answers replace the answer to a command, such as "RCPT": "451 later".
	answers map[string]string
}

type received struct {
	from string
	to   []string
	data string
}

func startServer(t testing.TB) *server {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{t: t, listener: listener, answers: map[string]string{}}
	s.group.Go(s.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		s.group.Wait()
	})
	return s
}

func (s *server) url() string { return "smtp://" + s.listener.Addr().String() }

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.group.Go(func() { s.serve(conn) })
	}
}

func (s *server) answer(command, usual string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.answers[command]; ok {
		return other
	}
	return usual
}

func (s *server) set(command, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer == "" {
		delete(s.answers, command)
		return
	}
	s.answers[command] = answer
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mail...)
}

func (s *server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // a client that forgets to hang up fails its test, and no other
	reader := bufio.NewReader(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 test")
	var m received
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch verb = strings.ToUpper(verb); verb {
		case "EHLO":
			say("250-test\r\n250-8BITMIME\r\n250 SMTPUTF8")
		case "MAIL":
			m = received{from: between(rest)}
			say(s.answer(verb, "250 ok"))
		case "RCPT":
			m.to = append(m.to, between(rest))
			say(s.answer(verb, "250 ok"))
		case "DATA":
			say("354 go on")
			if m.data, err = data(reader); err != nil {
				return
			}
			reply := s.answer("DATA", "250 taken")
			if strings.HasPrefix(reply, "2") {
				s.mu.Lock()
				s.mail = append(s.mail, m)
				s.mu.Unlock()
			}
			say(reply)
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func between(s string) string {
	_, rest, _ := strings.Cut(s, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func data(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

// message reads a mail as its recipient's program does.
func (r received) message(t testing.TB) (header netmail.Header, m Message) {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(r.data))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	require.NoError(t, err)
	body := parsed.Body
	if parsed.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Len(t, r.to, 1)
	return parsed.Header, Message{To: r.to[0], Subject: subject, Text: strings.ReplaceAll(string(text), "\r\n", "\n")}
}

// scripted is a sender that does as told.
type scripted func(ctx context.Context, m Message) error

func (f scripted) Send(ctx context.Context, m Message) error { return f(ctx, m) }
