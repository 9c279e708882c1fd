package serviceaccount

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// maxAllowedIPs bounds the list that every call of the account is held against.
const maxAllowedIPs = 100

// allowedIPs is the member of the attributes that means the account's own.
const allowedIPs = "allowed_ips"

// addresses returns a list in the one form in which it is stored: addresses and
// ranges, without host bits, IPv4 never as IPv6.
func addresses(list []string, path string) (normal []string, fields []fault.Field) {
	if len(list) > maxAllowedIPs {
		return nil, []fault.Field{{Path: path, Message: fmt.Sprintf("must have at most %d entries", maxAllowedIPs)}}
	}
	normal = make([]string, 0, len(list))
	for i, text := range list {
		one, ok := address(text)
		if !ok {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("%s[%d]", path, i), Message: "must be an IP address, or a range such as 192.0.2.0/24"})
		}
		normal = append(normal, one)
	}
	return normal, fields
}

func address(text string) (string, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().String(), a.Zone() == ""
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return "", false
	}
	return p.Masked().String(), true
}

// split takes the addresses out of the attributes, where they may be given too,
// and checks them. nil means that there are none in either place.
func split(attributes httpapi.Object, given []string) (rest httpapi.Object, ips []string, fields []fault.Field) {
	value, inside := attributes[allowedIPs]
	if !inside {
		if given == nil {
			return attributes, nil, nil
		}
		ips, fields = addresses(given, allowedIPs)
		return attributes, ips, fields
	}
	const path = "attributes." + allowedIPs
	rest = httpapi.Object{}
	for name, v := range attributes {
		if name != allowedIPs {
			rest[name] = v
		}
	}
	list, isList := value.([]any)
	texts := make([]string, 0, len(list))
	for _, v := range list {
		text, isText := v.(string)
		isList = isList && isText
		texts = append(texts, text)
	}
	switch {
	case given != nil:
		return rest, nil, []fault.Field{{Path: path, Message: "is given as allowed_ips already: give it once"}}
	case !isList:
		return rest, nil, []fault.Field{{Path: path, Message: "must be a list of IP addresses and ranges"}}
	}
	ips, fields = addresses(texts, path)
	return rest, ips, fields
}

func checkName(name string) []fault.Field {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return []fault.Field{{Path: "name", Message: "must have no hidden characters and no space at either end"}}
	}
	return nil
}

// checkExternalID refuses what a look-up would take for something else.
func (s *Service) checkExternalID(id *string) []fault.Field {
	if id == nil {
		return nil
	}
	if _, err := uuid.Parse(*id); err == nil {
		return []fault.Field{{Path: "external_id", Message: "must not look like a UUID: it would be read as an id"}}
	}
	if _, isAddress := s.normaliseEmail(*id); isAddress {
		return []fault.Field{{Path: "external_id", Message: "must not be an e-mail address: it would be read as a person's"}}
	}
	return nil
}
