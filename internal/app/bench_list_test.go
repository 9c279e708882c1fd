package app_test

import (
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

const (
	// expiry of the tokens of a run.
	expiry = time.Hour
	// budget is what a list may take in the middle of its calls.
	budget = 50 * time.Millisecond
)

// benchUsers is how many users the largest tenant has.
func benchUsers(b *testing.B) int {
	b.Helper()
	v := os.Getenv("SENTINEL_BENCH_USERS")
	if v == "" {
		return 10_000
	}
	users, err := strconv.Atoi(v)
	require.NoError(b, err)
	return users
}

// BenchmarkList measures every list over HTTP, one call after the other, with a
// thousand tenants, of which one has 10,000 users, or as many as
// SENTINEL_BENCH_USERS says. It fails where a list takes more than 50 ms with
// 10,000.
func BenchmarkList(b *testing.B) {
	users := benchUsers(b)
	w := startWorld(b, newDatabase(b))
	began := time.Now()
	w.fillLarge(users)
	b.Logf("%d users and what they have: %s", users, time.Since(began).Round(time.Millisecond))
	tokens := map[bool]string{true: w.token("operator"), false: w.tokenIn("boss", "large")}
	for _, list := range largeLists(users) {
		b.Run(list.name, func(b *testing.B) {
			var took []time.Duration
			w.fetch(b, list.path, tokens[list.operator]) // the first loads the tenant's graph
			for b.Loop() {
				began := time.Now()
				w.fetch(b, list.path, tokens[list.operator])
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			middle, slow := took[len(took)/2], took[len(took)*99/100]
			b.ReportMetric(float64(middle.Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(slow.Microseconds())/1000, "p99-ms")
			if middle > budget && users <= 10_000 {
				b.Errorf("%s took %s, more than %s", list.name, middle, budget)
			}
		})
	}
}

// BenchmarkSubject measures what the first question about a subject loads.
func BenchmarkSubject(b *testing.B) {
	w := startWorld(b, newDatabase(b))
	w.fillLarge(1000)
	tenant, user := uuid.MustParse(w.ids["large"]), uuid.MustParse(w.ids["boss"])
	ctx := identity.WithTenant(b.Context(), tenant)
	for name, load := range map[string]func(*db.Tx) error{
		"transaction": func(*db.Tx) error { return nil },
		"transaction and subject": func(tx *db.Tx) error {
			_, err := engine.LoadSubject(tx, tenant, user)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, w.database.DB.InReadTx(ctx, load))
			}
		})
	}
}

// fetch reads a list and throws it away.
func (w *world) fetch(b *testing.B, path, token string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, w.url+"/api/v1"+w.expand(path), http.NoBody)
	require.NoError(b, err)
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(b, err)
	require.NoError(b, answer.Body.Close())
	require.Equal(b, http.StatusOK, answer.StatusCode, path)
}
