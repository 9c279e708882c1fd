package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

// checkLeaks looks for secrets and for the server's insides in everything that
// left it: every answer, every log line, every audit and decision record. It
// runs at the end of every world, and so over every scenario.
func (w *world) checkLeaks() {
	w.t.Helper()
	forbidden := w.forbidden()
	for source, text := range map[string]string{
		"answers": w.bodies.String(),
		"log":     w.log.String(),
		"records": strings.Join(w.records(), "\n"),
	} {
		for _, what := range forbidden {
			if line, found := lineWith(text, what.text); found {
				require.FailNow(w.t, "leak", "%s hold %s: %.600s", source, what.name, line)
			}
		}
	}
}

type secret struct{ name, text string }

func lineWith(text, part string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line, true
		}
	}
	return "", false
}

// forbidden are the texts that may stand nowhere.
func (w *world) forbidden() []secret {
	list := []secret{
		{"a password hash", "$argon2id"},
		{"a password", password},
		{"another password", otherPassword},
		{"a token from a mail", "sno_"},
		{"SQL", "SELECT "},
		{"SQL", "INSERT INTO"},
		{"SQL", "SQLSTATE"},
		{"a constraint's name", "violates "},
		{"a stack trace", "goroutine "},
		{"a source file", ".go:"},
		{"the master key", w.cfg.MasterKey},
		{"the database's URL", w.cfg.DatabaseURL},
	}
	for name, token := range w.tokens {
		list = append(list, secret{"the token of " + name, token})
	}
	for token := range strings.Lines(w.given.String()) {
		list = append(list, secret{"a token that was given", strings.TrimSuffix(token, "\n")})
	}
	if w.outage {
		return list[:4] // the log of an outage tells what the database said
	}
	master, err := crypto.ParseMasterKey(w.cfg.MasterKey)
	require.NoError(w.t, err)
	for _, key := range w.signingKeys() {
		sealed, kid := key.sealed, key.kid
		private, err := master.Open(sealed, "signing_keys/"+kid)
		require.NoError(w.t, err)
		seed := private[:32]
		for _, b := range [][]byte{seed, sealed} {
			list = append(list,
				secret{"a private key", hex.EncodeToString(b)},
				secret{"a private key", base64.RawStdEncoding.EncodeToString(b)[:40]},
				secret{"a private key", base64.RawURLEncoding.EncodeToString(b)[:40]})
		}
	}
	return list
}

// keep takes down an answer for the search. Members that a route declares to
// show once are taken out of its successes, and searched for everywhere else;
// the mailbox is there to show its mails.
func (w *world) keep(r request, out *response) {
	if r.path == "//dev/mail" {
		return
	}
	body := out.body
	for _, member := range w.shownBy(r, out) {
		value := regexp.MustCompile(`"` + member + `": ?("[^"]*"|\[[^\]]*\])`)
		for _, found := range value.FindAllSubmatch(body, -1) {
			for _, text := range quoted.FindAllSubmatch(found[1], -1) {
				_, _ = w.given.Write(append(text[1], '\n'))
			}
		}
		body = value.ReplaceAll(body, nil)
	}
	_, _ = w.bodies.Write(append(bytes.TrimSpace(body), '\n'))
}

var (
	quoted   = regexp.MustCompile(`"([^"]+)"`)
	variable = regexp.MustCompile(`\\\{[a-z_]+\\\}`)
)

// shownBy returns the members that the route of a call may show once.
func (w *world) shownBy(r request, out *response) []string {
	if out.status >= 300 || r.method == http.MethodGet {
		return nil
	}
	path, _, _ := strings.Cut(w.expand(r.path), "?")
	for _, route := range w.app.Routes() {
		template := variable.ReplaceAllString(regexp.QuoteMeta(route.Path), `[^/]+`)
		if len(route.ShownOnce) > 0 && route.Method == r.method && regexp.MustCompile("^"+template+"$").MatchString(path) {
			return route.ShownOnce
		}
	}
	return nil
}

type signingKey struct {
	kid    string
	sealed []byte
}

func (w *world) signingKeys() []signingKey {
	w.t.Helper()
	rows, err := w.owner.Query(context.WithoutCancel(w.t.Context()), "SELECT kid, private_key FROM sentinel.signing_keys")
	require.NoError(w.t, err)
	defer rows.Close()
	var keys []signingKey
	for rows.Next() {
		var k signingKey
		require.NoError(w.t, rows.Scan(&k.kid, &k.sealed))
		keys = append(keys, k)
	}
	require.NoError(w.t, rows.Err())
	require.NotEmpty(w.t, keys)
	return keys
}

func (w *world) records() []string {
	w.t.Helper()
	if w.outage {
		return nil
	}
	return append(
		w.column(w.t, "SELECT a::text FROM sentinel.audit_logs a"),
		append(
			w.column(w.t, "SELECT d::text FROM sentinel.decision_logs d"),
			// Bodies that are kept for repeated requests are answers to come.
			w.column(w.t, "SELECT coalesce(encode(i.response_body, 'escape'), '') || i.response_headers FROM sentinel.idempotency_keys i")...)...)
}

// otherPassword is what passwords are changed to.
const otherPassword = "tr0ub4dor and three more"

func TestLeaks_SearchFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	w.make("plain", "operator", "", "/users", `{"email":"plain@example.com","password":"`+password+`"}`)
	answer := w.do(request{as: "operator", method: "PATCH", path: "/users/$plain", body: `{"password":"` + otherPassword + `"}`})
	require.Equal(t, 200, answer.status, "%s", answer.body)
	answer = w.do(request{as: "operator", method: "POST", path: "/service-accounts", body: `{"name":"gate"}`, header: map[string]string{"Idempotency-Key": "k"}})
	require.Contains(t, w.given.String(), answer.at("data.api_key"), "what is shown once is searched for")
	require.NotContains(t, w.bodies.String(), answer.at("data.api_key"))
	records := strings.Join(w.records(), "\n")
	require.Contains(t, records, "gate", "answers that are kept are among the records")
	require.Contains(t, records, "user.update", "the records are the ones that the scenarios make")
	require.Contains(t, w.log.String(), "/api/v1/users", "the log is the server's")
	hashes := w.column(t, "SELECT password_hash FROM sentinel.users WHERE password_hash IS NOT NULL")
	require.NotEmpty(t, hashes)
	for _, s := range w.forbidden() {
		_, found := lineWith("before\n"+s.text+" after\n", s.text)
		require.True(t, found)
		require.NotEmpty(t, s.text, s.name)
	}
	require.Contains(t, hashes[0], w.forbidden()[0].text)
}
