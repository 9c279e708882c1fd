// Package outbound calls addresses that tenants name. What they name must not
// make the server reach what only it can reach: the machine itself, the networks
// behind it, the metadata of its cloud. Addresses are therefore judged when the
// connection is made, after the name was resolved, so that a name which changes
// its address in between gains nothing. It knows nothing of what is sent.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrRefused is in the chain of every error of a call that was not made for the
// sake of its target.
var ErrRefused = errors.New("not to be called")

const (
	defaultTimeout = 10 * time.Second
	// dialTimeout is for one connection, its name and all its addresses.
	dialTimeout = 5 * time.Second
	// maxHeader bounds the header of an answer.
	maxHeader = 16 << 10
	// maxURL is the longest URL, in bytes.
	maxURL = 2_000
)

// Guard judges targets. The zero value is the strict one.
type Guard struct {
	// AllowPrivate admits loopback and private addresses as well, and http to
	// loopback.
	AllowPrivate bool
}

// Target reads the URL of a target. The error says what is wrong with it, to
// whoever wrote it: "must be ...". A name is not resolved: what it stands for is
// judged when it is called.
func (g Guard) Target(text string) (*url.URL, error) {
	if len(text) > maxURL {
		return nil, fmt.Errorf("must have at most %d bytes", maxURL)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, errors.New("must be an https URL without spaces, backslashes and control characters")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("must be an https URL, such as https://hooks.example.com/sentinel")
	}
	return u, g.check(u)
}

// check refuses a URL by its looks.
func (g Guard) check(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	address, numeric := netip.ParseAddr(host)
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || host == "" || u.Opaque != "":
		return errors.New("must be an https URL, such as https://hooks.example.com/sentinel")
	case u.User != nil:
		return errors.New("must not hold a user or a password: what is sent is signed instead")
	case u.Fragment != "" || u.RawFragment != "":
		return errors.New("must not have a fragment, which is never sent")
	case numeric == nil && g.Address(address) != nil, local && !g.AllowPrivate:
		return errors.New("must not name an address of this machine, of a private network or of no host")
	case u.Scheme == "http" && (!g.AllowPrivate || !local && (numeric != nil || !address.Unmap().IsLoopback())):
		return errors.New("must begin with https://")
	}
	return checkPort(u)
}

// checkPort admits the scheme's own port and those that no service of a system
// has: below are mail, remote shells and others to whom a request is no stranger.
func checkPort(u *url.URL) error {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return errors.New("must have a port behind its colon")
		}
		return nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	own := u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80
	if err != nil || port < 1024 && !own {
		return errors.New("must have port 443, or one from 1024 on")
	}
	return nil
}

// Config is what a client is made of.
type Config struct {
	Guard
	// Timeout is for a whole call, with its answer. Default 10 s.
	Timeout time.Duration
	// RootCAs are whom certificates may come from. Default: the system's.
	RootCAs *x509.CertPool
}

// New makes a client that calls no target which the guard refuses. It follows no
// redirect, uses no proxy, keeps no connection and sends no cookie.
func New(cfg Config) *http.Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	return &http.Client{
		Timeout: cfg.Timeout,
		Transport: &transport{guard: cfg.Guard, under: &http.Transport{
			DialContext: cfg.dialer().DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: dialTimeout, DisableCompression: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialer judges every address that a name stands for just before it is called.
func (g Guard) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if network != "tcp4" && network != "tcp6" {
			return fmt.Errorf("%w: no TCP", ErrRefused)
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: no address", ErrRefused)
		}
		return g.Address(to.Addr())
	}}
}

// transport refuses URLs by their looks too: what was stored under another
// configuration is not called under this one.
type transport struct {
	guard Guard
	under http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.guard.check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("%w: the URL %w", ErrRefused, err)
	}
	return t.under.RoundTrip(r)
}

// Explain says why a call failed, to whoever named its target: not which
// addresses its name has, nor where the names were asked.
func Explain(err error) string {
	var (
		unknown  *net.DNSError
		stranger *tls.CertificateVerificationError
		network  net.Error
		dial     *net.OpError
	)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrRefused):
		return "The URL, or an address of its host, is not to be called: private, or of no host."
	case errors.As(err, &unknown):
		return "The name of the host cannot be resolved."
	case errors.As(err, &stranger):
		return "The certificate is not to be trusted, or not the host's."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "There was no answer in time."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The host refused the connection."
	case errors.As(err, &dial) && dial.Op == "dial":
		return "The host cannot be reached."
	default:
		return "The connection broke, or the answer was not HTTP."
	}
}
