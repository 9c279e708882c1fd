package health

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestHealth_TellsPartsApart(t *testing.T) {
	t.Parallel()
	d := dbtest.NewCluster(t)
	problem, queue := "", jobs.Health{}
	s := &Service{
		DB: d.DB, Engine: engine.New(engine.Config{DB: d.DB}), Version: "v1", MaxStaleness: time.Minute,
		Policies: func() (string, string) { return "r1", problem },
		Jobs:     func() jobs.Health { return queue },
	}
	report := func() (int, Report) {
		got, err := s.health(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "no-store", got.Header["Cache-Control"])
		return got.Status, got.Body
	}
	// Nobody listens for changes here, so the whole is never quite healthy.
	status, got := report()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, Degraded, got.Status)
	require.Equal(t, Healthy, got.Parts["database"].Status)
	require.Equal(t, Degraded, got.Parts["notifications"].Status)
	require.Equal(t, Disabled, got.Parts["redis"].Status)
	require.Equal(t, Part{Status: Healthy, Detail: "revision r1"}, got.Parts["policies"])

	problem = "revision r2 does not compile"
	_, got = report()
	require.Equal(t, Part{Status: Degraded, Detail: problem}, got.Parts["policies"])

	require.Equal(t, Part{Status: Healthy}, got.Parts["jobs"])
	queue.Problem = "3 jobs wait"
	_, got = report()
	require.Equal(t, Part{Status: Degraded, Detail: "3 jobs wait"}, got.Parts["jobs"])

	ready, err := s.ready(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ready.Status)
	d.Stop(t)
	_, got = report()
	require.Equal(t, Degraded, got.Parts["database"].Status)
	require.Contains(t, got.Parts["database"].Detail, "1m0s")
	ready, err = s.ready(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ready.Status, "decisions go on without the database for a while")

	s.MaxStaleness = 0
	status, got = report()
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, Unhealthy, got.Status)
	live, err := s.live(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, live.Status)
}

func TestReady_IsNotWithoutData(t *testing.T) {
	t.Parallel()
	d := dbtest.NewCluster(t)
	d.Stop(t)
	s := &Service{DB: d.DB, Engine: engine.New(engine.Config{DB: d.DB}), MaxStaleness: time.Minute}
	got, err := s.ready(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, got.Status)
}
