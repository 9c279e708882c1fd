package user

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// maxEmail is the longest address in characters: 64 before the @ and 255 after
// it (RFC 5321, 4.5.3.1).
const maxEmail = 320

// NormaliseEmail returns an address in the one form in which it is stored and
// looked up: NFKC, lower case, the domain in ASCII (RFC 5891). False means that
// it is none, or longer than maxEmail in that form.
func NormaliseEmail(s string) (string, bool) {
	s = strings.ToLower(norm.NFKC.String(strings.TrimSpace(s)))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsAny(s, "<>,;\"") || strings.ContainsFunc(s, isHidden) {
		return "", false
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", false
	}
	if s = local + "@" + ascii; utf8.RuneCountInString(s) > maxEmail {
		return "", false
	}
	return s, true
}

// isHidden reports whether a character of an address would not be seen: two
// addresses that look the same must not be two.
func isHidden(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }

// checkIdentity returns the normalised address, or a fault that names every
// member that cannot stand. A service account may be without an address.
func checkIdentity(email string, externalID *string, password string, isServiceAccount bool) (string, error) {
	var fields []fault.Field
	normal, ok := NormaliseEmail(email)
	if !ok && (email != "" || !isServiceAccount) {
		fields = append(fields, fault.Field{Path: "email", Message: "must be an e-mail address"})
	}
	if externalID != nil {
		if _, err := uuid.Parse(*externalID); err == nil || *externalID == "" {
			fields = append(fields, fault.Field{Path: "external_id", Message: "must not be empty or look like a UUID: it would be read as an id"})
		} else if address, isAddress := NormaliseEmail(*externalID); isAddress && address != normal {
			fields = append(fields, fault.Field{Path: "external_id", Message: "must not be another account's e-mail address"})
		}
	}
	if password != "" {
		if err := crypto.CheckPassword(password); err != nil {
			fields = append(fields, fault.Field{Path: "password", Message: err.Error()})
		}
	}
	if fields != nil {
		return "", fault.Invalid(fields...)
	}
	return normal, nil
}

// CheckIdentity is the rule for what the account of a person is known by. It
// returns the normalised address, or a fault that names every member that cannot
// stand.
func CheckIdentity(email string, externalID *string) (string, error) {
	return checkIdentity(email, externalID, "", false)
}

func (s *Service) newPassword(ctx context.Context, password *string) (*string, error) {
	if password == nil {
		return nil, nil //nolint:nilnil // no new password is no failure
	}
	if err := crypto.CheckPassword(*password); err != nil {
		return nil, fault.InvalidAt("password", "%s", err.Error())
	}
	hash, err := s.Passwords.Hash(ctx, *password)
	if err != nil {
		return nil, err
	}
	return &hash, nil
}
