package outbound

import (
	"fmt"
	"net/netip"
)

// never are the addresses nobody calls, whatever the operator allows: of no
// host, of many, of this link, of the machines beneath a cloud, and those of
// transition mechanisms that hide another address.
var never = prefixes(
	"0.0.0.0/8",          // this network, RFC 791
	"100.100.100.200/32", // metadata of Alibaba Cloud
	"168.63.129.16/32",   // the host beneath a machine at Azure
	"169.254.0.0/16",     // link-local, with the metadata of most clouds
	"192.0.0.0/24",       // RFC 6890, with the metadata of Oracle Cloud
	"192.0.2.0/24",       // documentation
	"192.88.99.0/24",     // relays of 6to4
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved, and broadcast
	"fd00:ec2::/32",      // metadata of AWS
	"fd20:ce::254/128",   // metadata of Google Cloud
	"2001::/23",          // RFC 2928, with Teredo
	"2001:db8::/32",      // documentation
	"2002::/16",          // 6to4
	"3fff::/20",          // documentation
)

// private are those of one's own machine and networks.
var private = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "::1/128", "fc00::/7",
)

var (
	// global is what there is of IPv6 for hosts that all can reach, RFC 4291.
	global = netip.MustParsePrefix("2000::/3")
	// translated are the addresses of IPv4 as networks with IPv6 alone write
	// them, RFC 6052: the last four bytes are the address.
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// Address refuses an address that is not to be called, with [ErrRefused].
func (g Guard) Address(a netip.Addr) error {
	if a.Zone() != "" {
		return fmt.Errorf("%w: an address of this link", ErrRefused)
	}
	if a = a.Unmap(); translated.Contains(a) {
		a = netip.AddrFrom4([4]byte(a.AsSlice()[12:]))
	}
	switch {
	case !a.IsValid(), in(a, never):
		return fmt.Errorf("%w: an address that is no host's for all", ErrRefused)
	case in(a, private):
		if g.AllowPrivate {
			return nil
		}
		return fmt.Errorf("%w: a private address", ErrRefused)
	case a.Is6() && !global.Contains(a):
		return fmt.Errorf("%w: an address that is no host's for all", ErrRefused)
	default:
		return nil
	}
}

func in(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
