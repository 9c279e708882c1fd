package httpapi

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

// proxies are the peers whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// ParseProxies reads addresses and CIDR ranges, such as "10.0.0.0/8". It lets
// the configuration be checked before a server is made of it.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			addr = addr.Unmap()
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q is neither an address nor a CIDR range", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

func (p proxies) trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// client returns the address the request came from: the peer's, or behind
// trusted proxies the rightmost one in X-Forwarded-For that is not a trusted
// proxy. What stands left of it was written by the client and is not believed.
func (p proxies) client(fctx *fasthttp.RequestCtx) string {
	peer, err := netip.ParseAddrPort(fctx.RemoteAddr().String())
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap()
	if !p.trust(addr) {
		return addr.String()
	}
	var hops []string
	for _, line := range fctx.Request.Header.PeekAll("X-Forwarded-For") {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !p.trust(addr) {
			break
		}
	}
	return addr.String()
}
