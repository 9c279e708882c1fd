package outbound

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var both = []Guard{{}, {AllowPrivate: true}}

func TestAddress_OfHostsThatAllCanReach(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "172.32.0.1", "172.15.255.255", "192.169.0.1", "100.63.255.255", "100.128.0.1", "9.255.255.255", "11.0.0.1", "223.255.255.255",
		"198.17.255.255", "198.20.0.1", "2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::808:808", "::ffff:8.8.8.8", "168.63.129.15",
	} {
		for _, g := range both {
			require.NoError(t, g.Address(netip.MustParseAddr(text)), text)
		}
	}
}

func TestAddress_Private(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", // RFC 1918
		"127.0.0.1", "127.255.255.254", "::1", // loopback
		"100.64.0.1", "100.127.255.255", // carrier-grade NAT
		"198.18.0.1", "198.19.255.255", // benchmarks
		"fc00::1", "fdff::1", "fd12:3456::1", // unique local
		"::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", // written as IPv6
	} {
		a := netip.MustParseAddr(text)
		require.ErrorIs(t, Guard{}.Address(a), ErrRefused, text)
		require.NoError(t, Guard{AllowPrivate: true}.Address(a), text)
	}
}

func TestAddress_OfNoHost(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "::", // unspecified
		"169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", // link-local and metadata
		"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", // metadata
		"::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::", "::ffff:0.0.0.0", // written as IPv6
		"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", // multicast
		"255.255.255.255", "240.0.0.1", // reserved
		"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", // documentation
		"2002:a00:1::1", "2001::1", "64:ff9b:1::a00:1", "192.88.99.1", "::10.0.0.1", "::7f00:1", // transition
		"fec0::1", "4000::1", "100::1", "5f00::1",
	} {
		for _, g := range both {
			require.ErrorIs(t, g.Address(netip.MustParseAddr(text)), ErrRefused, text)
		}
	}
	require.ErrorIs(t, Guard{}.Address(netip.Addr{}), ErrRefused)
}

func TestTarget_Accepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://hooks.example.com", "https://hooks.example.com:443/a/b?c=d%20e", "https://hooks.example.com:8443/", "https://hooks.example.com:65535/",
		"https://1.1.1.1/", "https://[2606:4700::1111]/", "HTTPS://Hooks.Example.com/", "https://intern/", "https://bücher.example/",
	} {
		for _, g := range both {
			u, err := g.Target(text)
			require.NoError(t, err, text)
			require.Equal(t, "https", u.Scheme)
		}
	}
	for _, text := range []string{
		"http://127.0.0.1:8080/", "http://localhost/", "http://localhost:80/", "http://[::1]:3000/", "http://dev.localhost:3000/", "https://10.0.0.1/", "https://localhost/",
	} {
		_, err := Guard{AllowPrivate: true}.Target(text)
		require.NoError(t, err, text)
		_, err = Guard{}.Target(text)
		require.Error(t, err, text)
	}
}

func TestTarget_Refuses(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"": "https URL", "hooks.example.com": "https URL", "//hooks.example.com/": "https URL", "ftp://hooks.example.com/": "https URL", "file:///etc/passwd": "https URL",
		"https:///path": "https URL", "https:hooks.example.com": "https URL", "gopher://x/": "https URL", "https://%zz/": "https URL", "unix:///run/x.sock": "https URL",
		"https://hooks.example.com/a b": "spaces", "https://hooks.example.com/\n": "spaces", "https://hooks.example.com\\@10.0.0.1/": "backslashes", "https://hooks.example.com/\x00": "spaces",
		"http://hooks.example.com/": "https://", "http://10.0.0.1/": "", "http://1.1.1.1/": "https://",
		"https://user@hooks.example.com/": "user", "https://user:pass@hooks.example.com/": "user", "https://@hooks.example.com/": "user", "https://hooks.example.com/#part": "fragment",
		"https://hooks.example.com:22/": "port", "https://hooks.example.com:0/": "port", "https://hooks.example.com:80/": "port", "https://hooks.example.com:/": "port",
		"https://hooks.example.com:65536/": "port", "https://hooks.example.com:-1/": "", "https://hooks.example.com:25/": "port", "https://hooks.example.com:1023/": "port",
		"https://169.254.169.254/latest/meta-data/": "address", "https://0.0.0.0/": "address", "https://[::]/": "address", "https://[fe80::1%25eth0]/": "address",
		"https://[::ffff:169.254.169.254]/": "address", "https://" + strings.Repeat("a", maxURL) + "/": "at most",
	} {
		for _, g := range both {
			_, err := g.Target(text)
			require.ErrorContains(t, err, why, "%q", text)
		}
	}
	for _, text := range []string{"https://LOCALHOST./", "https://127.0.0.1./", "https://a.localhost/", "https://[::ffff:10.0.0.1]/"} {
		_, err := Guard{}.Target(text)
		require.ErrorContains(t, err, "address", text)
	}
}

func post(t *testing.T, c *http.Client, target string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("{}"))
	require.NoError(t, err)
	answer, err := c.Do(r)
	if err == nil {
		t.Cleanup(func() { _ = answer.Body.Close() })
	}
	return answer, err
}

func TestNew_CallsByTLS(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got <- string(raw)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	answer, err := post(t, New(Config{Guard: Guard{AllowPrivate: true}, RootCAs: roots}), server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "{}", <-got)

	_, err = post(t, New(Config{Guard: Guard{AllowPrivate: true}}), server.URL)
	require.Equal(t, "The certificate is not to be trusted, or not the host's.", Explain(err))
	_, err = post(t, New(Config{RootCAs: roots}), server.URL)
	require.ErrorIs(t, err, ErrRefused)
	require.Empty(t, got, "nobody was called")
}

// TestNew_JudgesTheAddressThatANameHas when it is called: the name says nothing.
func TestNew_JudgesTheAddressThatANameHas(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for _, target := range []string{net.JoinHostPort("localhost", port), listener.Addr().String()} {
		_, err = Guard{}.dialer().DialContext(t.Context(), "tcp", target)
		require.ErrorIs(t, err, ErrRefused, target)
		require.NotContains(t, Explain(err), "127.0.0.1")
		conn, err := Guard{AllowPrivate: true}.dialer().DialContext(t.Context(), "tcp", target)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	_, err = Guard{AllowPrivate: true}.dialer().DialContext(t.Context(), "udp", listener.Addr().String())
	require.ErrorIs(t, err, ErrRefused)
}

func TestNew_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		reached = reached || r.URL.Path == "/secret"
		http.Redirect(rw, r, "/secret", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	answer, err := post(t, New(Config{Guard: Guard{AllowPrivate: true}}), server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, answer.StatusCode)
	require.False(t, reached)
}

// Not parallel: it sets the environment.
func TestNew_UsesNoProxy(t *testing.T) {
	proxied := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied = true }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := New(Config{Guard: Guard{AllowPrivate: true}})
	answer, err := post(t, client, server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.False(t, proxied)
	transport, ok := client.Transport.(*transport).under.(*http.Transport)
	require.True(t, ok)
	require.Nil(t, transport.Proxy)
}

func TestNew_GivesUpInTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	_, err := post(t, New(Config{Guard: Guard{AllowPrivate: true}, Timeout: 50 * time.Millisecond}), server.URL)
	require.Equal(t, "There was no answer in time.", Explain(err))
}

func TestNew_BoundsTheHeaderOfAnAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
	}))
	t.Cleanup(server.Close)
	_, err := post(t, New(Config{Guard: Guard{AllowPrivate: true}}), server.URL)
	require.Equal(t, "The connection broke, or the answer was not HTTP.", Explain(err))
}

func TestExplain_TellsNoAddress(t *testing.T) {
	t.Parallel()
	require.Empty(t, Explain(nil))
	inner := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 1}, Err: syscall.EHOSTUNREACH}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "x.example", Server: "127.0.0.53:53"}, "The name of the host cannot be resolved."},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "The host refused the connection."},
		{inner, "The host cannot be reached."},
		{context.DeadlineExceeded, "There was no answer in time."},
		{errors.New("1.2.3.4: odd"), "The connection broke, or the answer was not HTTP."},
	} {
		got := Explain(&url.Error{Op: "Post", URL: "https://x.example/secret", Err: c.err})
		require.Equal(t, c.want, got)
	}
}

// FuzzAddress holds the lists against what Go knows of addresses.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{"1.2.3.4", "10.0.0.1", "::1", "64:ff9b::a00:1", "fe80::1", "2606:4700::1111", "::ffff:10.0.0.1"} {
		raw, err := netip.MustParseAddr(text).MarshalBinary()
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		strict, wide := Guard{}.Address(a), Guard{AllowPrivate: true}.Address(a)
		if strict == nil {
			require.NoError(t, wide, "%s", a)
			require.True(t, a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified(), "%s", a)
		}
		if wide == nil {
			require.False(t, a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified(), "%s", a)
		}
		if v4 := a.Unmap(); v4.Is4() {
			mapped := netip.AddrFrom16(v4.As16())
			translated := v4.As16()
			copy(translated[:], []byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})
			for _, written := range []netip.Addr{v4, mapped, netip.AddrFrom16(translated)} {
				require.Equal(t, strict == nil, Guard{}.Address(written) == nil, "%s as %s", a, written)
			}
		}
	})
}

// FuzzTarget looks at every URL that is accepted as a request will.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{"https://hooks.example.com/a?b=c", "http://127.0.0.1:80/", "https://user@x/", "https://[::1]:1024/", "https://x:443:443/", "https://0x7f.1/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Guard{}.Target(text)
		if err != nil {
			require.Contains(t, err.Error(), "must ")
			return
		}
		_, wide := Guard{AllowPrivate: true}.Target(text)
		require.NoError(t, wide)
		require.Equal(t, "https", u.Scheme)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, text, http.NoBody)
		if err != nil {
			return
		}
		require.NotEmpty(t, r.URL.Hostname())
		require.Nil(t, r.URL.User)
		if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil {
			require.NoError(t, Guard{}.Address(a))
		}
	})
}
