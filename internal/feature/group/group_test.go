package group

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func TestExistingParent_WithoutADatabase(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	require.NoError(t, existingParent(nil, &models.Group{ID: id}), "a root needs nobody")
	err := existingParent(nil, &models.Group{ID: id, ParentGroupID: &id})
	require.True(t, fault.Is(err, fault.ConflictKind), "nobody's own parent")
}
