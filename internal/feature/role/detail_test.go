package role

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/models"
)

func TestDetail_ChangesItsTagWithWhatIsInherited(t *testing.T) {
	t.Parallel()
	d := Detail{Role: *view(&models.Role{ID: uuid.New()}), ParentRoleName: "reader", Inherited: []Inherited{{Path: "a"}}}
	tag := d.ETag()
	d.Inherited = []Inherited{{Path: "a", Permission: directory.Permission{Actions: []string{"read"}}}}
	require.NotEqual(t, tag, d.ETag(), "what an inherited permission grants")
	d.Inherited = []Inherited{{Path: "a"}}
	require.Equal(t, tag, d.ETag())
	d.ParentRoleName = "viewer"
	require.NotEqual(t, tag, d.ETag(), "the parent's name")
}

func TestList_OfRolesWithPermissionsIsShort(t *testing.T) {
	t.Parallel()
	in := ListIn{IncludePermissions: true}
	in.Limit = 100
	require.NoError(t, in.fits())
	in.Limit = 101
	require.Error(t, in.fits())
	in.IncludePermissions = false
	require.NoError(t, in.fits())
}
