package mailbox

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

func TestList_IsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	s := &Service{Mailbox: mail.NewMailbox(time.Now)}
	require.NoError(t, s.Mailbox.Send(t.Context(), mail.Message{To: "ann@alpha.example", Subject: "s", Text: "t"}))
	for name, c := range map[string]struct {
		request identity.Request
		host    string
		ok      bool
	}{
		"this machine":         {identity.Request{Address: "127.0.0.1"}, "127.0.0.1:8080", true},
		"its IPv6 address":     {identity.Request{Address: "::1"}, "[::1]:8080", true},
		"its name":             {identity.Request{Address: "127.0.0.1"}, "localhost:8080", true},
		"no port":              {identity.Request{Address: "127.0.0.1"}, "localhost", true},
		"another machine":      {identity.Request{Address: "192.0.2.1"}, "127.0.0.1:8080", false},
		"no address":           {identity.Request{}, "127.0.0.1:8080", false},
		"a proxy on it":        {identity.Request{Address: "127.0.0.1", Forwarded: true}, "127.0.0.1:8080", false},
		"a name that lies":     {identity.Request{Address: "127.0.0.1"}, "evil.example:8080", false},
		"a name that pretends": {identity.Request{Address: "127.0.0.1"}, "localhost.evil.example", false},
		"no name":              {identity.Request{Address: "127.0.0.1"}, "", false},
	} {
		reply, err := s.list(identity.WithRequest(t.Context(), c.request), &ListIn{Host: c.host})
		if !c.ok {
			require.True(t, fault.Is(err, fault.NotFoundKind), name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, reply.Body, 1)
		require.Equal(t, "no-store", reply.Header[http.CanonicalHeaderKey("cache-control")])
	}
}
