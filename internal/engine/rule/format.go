package rule

import (
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// Formats returns the names that the rule format takes, as JSON Schema has them.
func Formats() []string {
	return []string{"email", "uri", "hostname", "ipv4", "ipv6", "uuid", "date", "date-time", "time"}
}

// hostPattern is a name of RFC 1123: labels of letters, digits and inner
// hyphens.
var hostPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func hasFormat(format, text string) bool {
	switch format {
	case "email":
		a, err := mail.ParseAddress(text)
		return err == nil && a.Name == "" && a.Address == text
	case "uri":
		u, err := url.Parse(text)
		return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "" || u.Path != "")
	case "hostname":
		return len(text) <= 253 && hostPattern.MatchString(text)
	case "ipv4", "ipv6":
		a, err := netip.ParseAddr(text)
		return err == nil && a.Zone() == "" && a.Is4() == (format == "ipv4")
	case "uuid":
		_, err := uuid.Parse(text)
		return err == nil && len(text) == 36
	case "date":
		_, message := place(Date, text)
		return message == ""
	case "date-time":
		_, message := place(DateTime, text)
		return message == ""
	default: // time
		_, err := time.Parse("15:04:05.999999999", text)
		return err == nil
	}
}
