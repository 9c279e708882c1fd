package directory_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
)

func TestCanonical_IsEqualForEqualNumbers(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"0", "-0", "0.0", "0e5"},
		{"1", "1.0", "10e-1", "0.1e1", "1E0"},
		{"-1.5", "-15e-1", "-1.500"},
		{"100", "1e2", "1.00e+2"},
		{"123456789012345678901234567890", "1.2345678901234567890123456789e29"},
	} {
		for _, one := range same {
			require.Equal(t, directory.Canonical(json.Number(same[0])), directory.Canonical(json.Number(one)), one)
		}
	}
	require.NotEqual(t, directory.Canonical(json.Number("123456789012345678901")), directory.Canonical(json.Number("123456789012345678902")))
	require.NotEqual(t, directory.Canonical([]any{"1"}), directory.Canonical([]any{json.Number("1")}))
	require.NotEqual(t, directory.Canonical([]any{"a,b"}), directory.Canonical([]any{"a", "b"}))
}
