package client_test

import (
	"testing"

	"github.com/sentinel-access/sentinel/client/internal/live"
)

// server is the one that the tests of this package share; each makes a tenant of
// its own in it.
var server *live.Server

func TestMain(m *testing.M) { live.Main(m, &server) }
