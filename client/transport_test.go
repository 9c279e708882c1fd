package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/client"
)

// front stands before the real server and counts what is asked for.
type front struct {
	*httptest.Server
	logins, asked atomic.Int64
}

func newFront(t *testing.T) *front {
	t.Helper()
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if strings.HasSuffix(r.URL.Path, "/service-account/token") {
			f.logins.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func TestClient_LogsInOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	w, f := server.World(t), newFront(t)
	c := newClient(t, f.URL, w.Key)
	require.Zero(t, f.asked.Load(), "a client calls nobody before it is asked")
	q := client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "1"}
	var wait sync.WaitGroup
	for range 40 {
		wait.Go(func() {
			if d, err := c.Check(t.Context(), q); err != nil || !d.Allowed {
				t.Errorf("got %v, %v", d, err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, f.logins.Load())
}

func TestClient_LogsInAgainAfterItsTokenEnded(t *testing.T) {
	t.Parallel()
	w, f := server.World(t), newFront(t)
	c := newClient(t, f.URL, w.Key)
	q := client.Question{UserID: w.Ann.ID.String(), Action: "read", Type: "invoice", ID: "1"}
	_, err := c.Check(t.Context(), q)
	require.NoError(t, err)
	_, err = c.AuthLogoutWithResponse(t.Context()) // ends the client's own token
	require.NoError(t, err)
	d, err := c.Check(t.Context(), q)
	require.NoError(t, err)
	require.True(t, d.Allowed)
	require.EqualValues(t, 2, f.logins.Load())

	// Without a grace period a new key ends the old one and all its tokens.
	_, err = w.Calls.RotateServiceAccountCredentialsWithResponse(w.Admin, w.Robot, client.RotateServiceAccountCredentialsJSONRequestBody{GracePeriodMinutes: new(int64)})
	require.NoError(t, err)
	asked := f.asked.Load()
	d, err = c.Check(t.Context(), q)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusUnauthorized, e.Status)
	require.Equal(t, "SERVICE_ACCOUNT_INVALID", e.Code)
	require.False(t, d.Allowed)
	require.EqualValues(t, 2, f.asked.Load()-asked, "the old token once, the old key once")
}

// scripted answers with one status after the other, and with a decision at last.
func scripted(t *testing.T, header http.Header, statuses ...int) (*client.Client, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := int(calls.Add(1))
		w.Header().Set("Content-Type", "application/json")
		if n <= len(statuses) {
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(statuses[n-1])
			_, _ = fmt.Fprint(w, `{"error":{"code":"SERVICE_UNAVAILABLE","message":"Later.","details":{}},"meta":{"request_id":"r1"}}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"data":{"allowed":true,"decision_id":%q,"reason_code":"granted"},"meta":{}}`, uuid.NewString())
	}))
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.Options{MaxWait: 2 * time.Second})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, &calls
}

func TestRetry_OnlyWhatIsSafeAndSoon(t *testing.T) {
	t.Parallel()
	check := func(ctx context.Context, c *client.Client) error {
		d, err := c.Check(ctx, client.Question{UserID: client.Self, Action: "read", Type: "invoice", ID: "1"})
		if err == nil && !d.Allowed {
			return fmt.Errorf("denied")
		}
		return err
	}
	create := func(key *string) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateRoleWithResponse(ctx, &client.CreateRoleParams{IdempotencyKey: key}, client.CreateRoleJSONRequestBody{Name: "x"})
			return err
		}
	}
	remove := func(ctx context.Context, c *client.Client) error {
		_, err := c.DeleteRoleWithResponse(ctx, uuid.New(), nil)
		return err
	}
	for name, s := range map[string]struct {
		call     func(context.Context, *client.Client) error
		after    string
		statuses []int
		calls    int64
		fails    bool
	}{
		"a question, twice refused":           {call: check, statuses: []int{503, 429}, calls: 3},
		"a question, refused for good":        {call: check, statuses: []int{503, 503, 503}, calls: 3, fails: true},
		"a question, a second later":          {call: check, after: "1", statuses: []int{503}, calls: 2},
		"a question, much later":              {call: check, after: "3", statuses: []int{503}, calls: 1, fails: true},
		"a question that breaks the server":   {call: check, statuses: []int{500}, calls: 1, fails: true},
		"a question that is sent elsewhere":   {call: check, statuses: []int{307}, calls: 1, fails: true},
		"a question without a login":          {call: check, statuses: []int{401}, calls: 1, fails: true},
		"a write that may have been done":     {call: create(nil), statuses: []int{503}, calls: 1, fails: true},
		"a write that was not looked at":      {call: create(nil), statuses: []int{429}, calls: 2},
		"a write that is repeatable":          {call: create(new("k1")), statuses: []int{503}, calls: 2},
		"a removal, which is done once twice": {call: remove, statuses: []int{503}, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Location": {"https://elsewhere.example/"}}
			if s.after != "" {
				header.Set("Retry-After", s.after)
			}
			c, calls := scripted(t, header, s.statuses...)
			err := s.call(t.Context(), c)
			require.Equal(t, s.fails, err != nil, "%v", err)
			require.Equal(t, s.calls, calls.Load())
			if s.fails {
				var e *client.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, s.statuses[len(s.statuses)-1], e.Status)
				require.Equal(t, "r1", e.RequestID)
			}
		})
	}
}

func TestRetry_EndsWithTheCall(t *testing.T) {
	t.Parallel()
	c, calls := scripted(t, http.Header{"Retry-After": {"2"}}, 503)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, err := c.Check(ctx, client.Question{UserID: client.Self, Action: "read", Type: "invoice"})
	require.Error(t, err)
	require.EqualValues(t, 1, calls.Load())
	require.Less(t, time.Since(start), time.Second, "it does not wait for what comes too late")
}

// TestCheck_TakesNoAnswerThatIsNotADecision answers in ways that must never mean
// yes.
func TestCheck_TakesNoAnswerThatIsNotADecision(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for name, s := range map[string]struct {
		status     int
		kind, body string
	}{
		"a page":                   {200, "text/html", `<html>allowed</html>`},
		"the right JSON as a page": {200, "text/html", `{"data":{"allowed":true,"decision_id":"` + id + `","reason_code":"granted"}}`},
		"no decision":              {200, "application/json", `{}`},
		"an empty decision":        {200, "application/json", `{"data":{"allowed":true}}`},
		"no reason":                {200, "application/json", `{"data":{"allowed":true,"decision_id":"` + id + `"}}`},
		"another type":             {200, "application/json", `{"data":{"allowed":"true","decision_id":"` + id + `","reason_code":"granted"}}`},
		"half of it":               {200, "application/json", `{"data":{"allowed":true,"decision_id":"` + id},
		"another status":           {201, "application/json", `{"data":{"allowed":true,"decision_id":"` + id + `","reason_code":"granted"}}`},
		"nothing":                  {204, "application/json", ``},
		"not modified":             {304, "application/json", ``},
		"a failure that allows":    {403, "application/json", `{"data":{"allowed":true,"decision_id":"` + id + `","reason_code":"granted"}}`},
		"a failure in text":        {502, "text/plain", `bad gateway`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s2 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", s.kind)
				w.WriteHeader(s.status)
				_, _ = fmt.Fprint(w, s.body)
			}))
			t.Cleanup(s2.Close)
			c, err := client.New(s2.URL, client.Options{})
			require.NoError(t, err)
			t.Cleanup(c.Close)
			d, err := c.Check(t.Context(), client.Question{UserID: client.Self, Action: "read", Type: "invoice"})
			require.Error(t, err)
			require.Equal(t, client.Decision{}, d)
			many, err := c.CheckMany(t.Context(), []client.Question{{UserID: client.Self, Action: "read", Type: "invoice"}})
			require.Error(t, err)
			require.Nil(t, many)
		})
	}
}

func TestClient_ReadsNoAnswerWithoutEnd(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 70 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = c.Check(t.Context(), client.Question{UserID: client.Self, Action: "read", Type: "invoice"})
	require.ErrorContains(t, err, "too long")
}

func TestClient_SaysThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	c := newClient(t, f.URL, "snt_nobody")
	f.Close()
	_, err := c.Check(t.Context(), client.Question{UserID: client.Self, Action: "read", Type: "invoice"})
	require.ErrorContains(t, err, "reach Sentinel")
	var e *client.Error
	require.NotErrorAs(t, err, &e, "nobody answered")
}
