package dbtest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Filled is a database that is filled once, for all the tests of a process that
// begin with the same content: copying it costs less than filling another. The
// zero value is ready; it is safe for concurrent use.
type Filled struct {
	once sync.Once
	name string
}

// New returns a copy, as [New] returns an empty database. The first caller's
// fill makes what is copied; it must have closed all its connections when it
// returns, and the database's own DB is not there for it. If it fails every other
// caller fails too.
func (f *Filled) New(t testing.TB, fill func(*Database)) *Database {
	t.Helper()
	s, err := shared.get(t.Context())
	require.NoError(t, err, "start the test server")
	f.once.Do(func() {
		ctx := context.WithoutCancel(t.Context())
		name, err := s.create(ctx, s.template)
		require.NoError(t, err, "create the database to fill")
		fill(&Database{URL: s.appURL(name), OwnerURL: s.ownerURL(name)})
		require.NoError(t, s.keep(ctx, name), "keep the filled database")
		f.name = name
	})
	require.NotEmpty(t, f.name, "another test failed to fill the database")
	return s.copy(t, f.name)
}
