package importing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func anyEmail(s string) (string, bool) { return s, s != "" }

// Cells are all in memory before anything can be said of a row: of a whole file
// of commas that were gigabytes.
func TestRead_RefusesRowsOfCSVThatAreTooLong(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for name, file := range map[string]string{
		"a header":                strings.Repeat(",", size),
		"a header over lines":     strings.Repeat("\"\n\",", size/4),
		"a row":                   "email\n" + strings.Repeat(",", size),
		"a row over lines":        "email\na\n" + strings.Repeat("\"\n\",", size/4),
		"a cell that never ends":  "email\na\n\"" + strings.Repeat("b\n", size/2),
		"a cell of one long line": "email\na\n" + strings.Repeat("b", size),
	} {
		f, err := read([]byte(file), "users", "csv", anyEmail)
		require.True(t, fault.Is(err, fault.Validation), "%s: %v", name, err)
		require.LessOrEqual(t, f.total, 1, name)
	}
	f, err := read([]byte("email,display_name\n"+strings.Repeat("a@b.example,"+strings.Repeat("x", 1000)+"\n", 3000)), "users", "csv", anyEmail)
	require.NoError(t, err)
	require.Equal(t, 3000, f.total, "a long file of short rows")
}

func TestRead_BoundsTheRows(t *testing.T) {
	t.Parallel()
	for format, row := range map[string]string{"jsonl": "{}\n", "csv": "x\n"} {
		_, err := read([]byte("email\n"+strings.Repeat(row, mostRows+1)), "users", format, anyEmail)
		require.True(t, fault.Is(err, fault.Validation), "%s: %v", format, err)
	}
}

func TestDecode_TellsOfSomeFaultsOnly(t *testing.T) {
	t.Parallel()
	var row strings.Builder
	row.WriteString(`{"email":"a"`)
	for i := range 100_000 {
		fmt.Fprintf(&row, `,"%d":0`, i)
	}
	_, _, fields := decode[UserSpec](User, []byte(row.String()+"}"))
	require.Len(t, fields, mostFaults)
}

// A file could give one role a permission by each of its rows.
func TestGiven_BoundsWhatAFileGivesToARole(t *testing.T) {
	t.Parallel()
	p := rolePlan{batch: &batch{}, permissions: map[string][]*models.Permission{}}
	s := &item[directory.RoleSpec]{spec: &directory.RoleSpec{}}
	for i := range 200_000 {
		name := itoa(i)
		p.permissions[name] = []*models.Permission{{ID: uuid.New()}}
		s.row.Also = append(s.row.Also, name, name)
	}
	_, field := p.given(s, &models.Role{})
	require.NotNil(t, field)
	s.row.Also = s.row.Also[:2*mostGiven]
	given, field := p.given(s, &models.Role{})
	require.Nil(t, field)
	require.Len(t, given, mostGiven)
}

func TestSameJSON_IsQuickWithLongNumbers(t *testing.T) {
	t.Parallel()
	long := "0." + strings.Repeat("123456789", 100_000)
	require.True(t, sameJSON([]byte(`{"a":1.0}`), []byte(`{"a": 1}`)))
	require.False(t, sameJSON([]byte(`{"a":`+long+`}`), []byte(`{"a":`+long+`1}`)))
}
