package webhook_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client/webhook"
)

const (
	secret = "snw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	body   = `{"id":"01a20fe9-d45e-7432-9ff7-e2b478dd13db","event":"user.created","data":{"actor":{"id":null,"type":"system"}}}`
	// sum is that of "1700000000." and the body, by openssl dgst -sha256 -hmac.
	sum = "7d80043520ee77ed3ca42abf5c04c38236e5e585716dddd7106e7d127799f5a1"
)

var at = time.Unix(1_700_000_000, 0)

func TestVerify_AcceptsWhatTheServerSigns(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"t=1700000000,v1=" + sum, "t=1700000000, v1=" + strings.ToUpper(sum), "v1=" + sum + ",t=1700000000", "t=1700000000,v2=x,v1=" + sum,
		"t=1700000000,v1=" + strings.Repeat("00", 32) + ",v1=" + sum, // while a secret is replaced
	} {
		require.NoError(t, webhook.Verify(secret, header, []byte(body), at), header)
	}
	for _, age := range []time.Duration{webhook.Window, -webhook.Window} {
		require.NoError(t, webhook.Verify(secret, "t=1700000000,v1="+sum, []byte(body), at.Add(age)))
	}
}

func TestVerify_RefusesWhatIsOld(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{webhook.Window + time.Second, -webhook.Window - time.Second, 24 * time.Hour} {
		require.ErrorIs(t, webhook.Verify(secret, "t=1700000000,v1="+sum, []byte(body), at.Add(age)), webhook.ErrTime)
	}
}

func TestVerify_RefusesWhatIsForged(t *testing.T) {
	t.Parallel()
	genuine := "t=1700000000,v1=" + sum
	for _, header := range []string{
		"", "t=1700000000", "v1=" + sum, "t=,v1=" + sum, "t=1700000001,v1=" + sum, "t=01700000000,v1=" + sum, "t=-1700000000,v1=" + sum, "t=1.7e9,v1=" + sum,
		"t=1700000000,t=1700000000,v1=" + sum, "t=1700000000,v1=" + sum[:62], "t=1700000000,v1=" + sum + "00", "t=1700000000,v1=", "t=1700000000,v1=zz" + sum[2:],
		"t=1700000000,v0=" + sum, "T=1700000000,V1=" + sum, strings.Repeat("x,", 20) + genuine, "t=99999999999999999999,v1=" + sum, genuine + ",v1=00",
	} {
		require.ErrorIs(t, webhook.Verify(secret, header, []byte(body), at), webhook.ErrSignature, header)
	}
	require.ErrorIs(t, webhook.Verify(secret, genuine, []byte(body+" "), at), webhook.ErrSignature)
	require.ErrorIs(t, webhook.Verify(secret+"x", genuine, []byte(body), at), webhook.ErrSignature)
	require.ErrorIs(t, webhook.Verify("", genuine, []byte(body), at), webhook.ErrSignature)
	require.ErrorIs(t, webhook.Verify(secret, genuine, nil, at), webhook.ErrSignature)
}

// FuzzVerify looks for a header that is accepted and is not the one that fits.
func FuzzVerify(f *testing.F) {
	for _, header := range []string{"t=1700000000,v1=" + sum, "t=1,v1=00", "v1=,t=", ",,,=", "t=1700000000,v1=" + sum + ",v1=" + sum} {
		f.Add(header, body)
	}
	f.Fuzz(func(t *testing.T, header, got string) {
		if webhook.Verify(secret, header, []byte(got), at) != nil {
			return
		}
		require.Zero(t, strings.Compare(body, got), "%q", got)
		require.Contains(t, header, "t=1700000000")
		require.Contains(t, strings.ToLower(header), sum)
	})
}

func TestEvent_IsRead(t *testing.T) {
	t.Parallel()
	var e webhook.Event
	require.NoError(t, json.Unmarshal([]byte(body), &e))
	require.Equal(t, "user.created", e.Event)
	require.Equal(t, "system", e.Data.Actor.Type)
	require.Empty(t, e.Data.Actor.ID)
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "webhooks.md"))
	require.NoError(t, err)
	return string(text)
}

// signed is the header of a body that is sent now, made without the package.
func signed(t *testing.T, body string) string {
	t.Helper()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	openssl := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-hmac", secret)
	openssl.Stdin = strings.NewReader(stamp + "." + body)
	out, err := openssl.Output()
	require.NoError(t, err)
	_, sum, _ := strings.Cut(string(out), "= ")
	return "t=" + stamp + ",v1=" + strings.TrimSpace(sum)
}

func needsOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
}

// TestDocs_ReceiverInGo builds and runs the program in docs/webhooks.md.
func TestDocs_ReceiverInGo(t *testing.T) {
	t.Parallel()
	needsOpenSSL(t)
	found := regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$").FindStringSubmatch(page(t))
	require.Len(t, found, 2)
	const listens = `"127.0.0.1:8082"`
	require.Contains(t, found[1], listens)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	dir := t.TempDir()
	file, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(found[1], listens, `"`+address+`"`, 1)), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, free.Close())
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // it was ended by the signal
	})
	post := func(header, body string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/sentinel", strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set(webhook.SignatureHeader, header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	require.Eventually(t, func() bool {
		_, err := post("", "")
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	status, err := post(signed(t, body), body)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status)
	for _, bad := range [][2]string{{"", body}, {signed(t, body), body + " "}, {"t=1700000000,v1=" + sum, body}} {
		status, err := post(bad[0], bad[1])
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, status)
	}
}

// TestDocs_ReceiverInShell runs the script in docs/webhooks.md.
func TestDocs_ReceiverInShell(t *testing.T) {
	t.Parallel()
	needsOpenSSL(t)
	found := regexp.MustCompile("(?ms)^```sh\n(# verify\n.*?)^```$").FindStringSubmatch(page(t))
	require.Len(t, found, 2)
	dir := t.TempDir()
	verify := func(header, body string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "body.json"), []byte(body), 0o600))
		cmd := exec.CommandContext(t.Context(), "sh", "-c", found[1])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SECRET="+secret, "SIGNATURE="+header)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSpace(string(out))
	}
	header := signed(t, body)
	require.Equal(t, "genuine", verify(header, body))
	require.Equal(t, "not genuine", verify(header, body+" "))
	require.Equal(t, "not genuine", verify("t=1700000000,v1="+sum, body), "old")
	require.Equal(t, "not genuine", verify("", body))
	require.Equal(t, "not genuine", verify("nonsense", body))
}
