package role

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/models"
)

func TestView_ChangesItsTagWithTheRowOnly(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 9, 0, 0, 1000, time.UTC)
	m := &models.Role{ID: uuid.New(), Name: "reader", Type: "custom", Metadata: models.JSON(`{"n":1.50}`), UpdatedAt: at}
	tag := view(m).ETag()
	require.Regexp(t, `^"[A-Za-z0-9_-]+"$`, tag)
	m.UpdatedAt = at.In(time.FixedZone("", 3600))
	require.Equal(t, tag, view(m).ETag(), "a moment is the same in every zone")
	m.UpdatedAt = at.Add(time.Microsecond)
	require.NotEqual(t, tag, view(m).ETag())
	m.UpdatedAt, m.ID = at, uuid.New()
	require.NotEqual(t, tag, view(m).ETag())

	raw, err := json.Marshal(view(m))
	require.NoError(t, err)
	require.Contains(t, string(raw), `"parent_role_id":null`)
	require.Contains(t, string(raw), `"n":1.50`, "numbers are shown as they were written")
}
