package simulation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// A hundred moves in a large tree take no longer than a few readings of it.
func TestApply_MovesInALargeTreeInTime(t *testing.T) {
	t.Parallel()
	rows := &engine.Rows{}
	for i := range 50_000 {
		n := models.Resource{ID: uuid.Must(uuid.NewV7()), Type: "page", Code: fmt.Sprintf("n-%d", i), IsActive: true}
		if i > 0 {
			n.ParentID = &rows.Resources[(i-1)/8].ID
		}
		rows.Resources = append(rows.Resources, n)
	}
	for i := range rows.Resources[1:] {
		parent := *rows.Resources[i+1].ParentID
		rows.Resources[i+1].ParentID = &parent
	}
	changes := make([]simulation.Change, 100)
	for i := range changes {
		changes[i] = simulation.Change{Op: "set_resource", ResourceID: &rows.Resources[40_000+i].ID, ParentID: httpapi.Some(rows.Resources[1+i].ID)}
	}
	started := time.Now()
	_, err := simulation.Apply(&engine.State{Rows: rows}, changes, "changes")
	require.NoError(t, err)
	t.Log(time.Since(started))
	require.Less(t, time.Since(started), 8*time.Second)
	require.Equal(t, "n-0/n-1/n-40000", rows.Resources[40_000].Path)
}

// Simulations hold connections and memory: a third waits for one of two.
func TestSimulate_RunsFewAtATime(t *testing.T) {
	w := setup(t)
	question := &engine.Question{TenantID: w.tenant, UserID: w.users[0], Type: "vessel", ID: "v-1", Action: "read"}
	inside, done := make(chan struct{}, 3), make(chan struct{})
	simulate := func(ctx context.Context) error {
		_, err := w.Engine.Simulate(ctx, w.tenant, []*engine.Question{question}, func(*engine.State) error {
			inside <- struct{}{}
			<-done
			return nil
		})
		return err
	}
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- simulate(w.ctx) }()
		<-inside
	}
	ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer cancel()
	require.True(t, fault.Is(simulate(ctx), fault.Unavailable))
	require.Empty(t, inside)
	close(done)
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
	require.NoError(t, simulate(w.ctx))
}
