package crypto

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]error{
		"correct horse battery staple":    nil,
		"twelve chars":                    nil,
		"Passw0rd Passw0rd!":              nil,
		"":                                errShortPassword,
		"eleven char":                     errShortPassword,
		strings.Repeat("é", 11):           errShortPassword, // characters, not bytes
		strings.Repeat("abcd efgh!", 100): nil,
		strings.Repeat("abcd efgh!", 101): errLongPassword,
		strings.Repeat("x", 12):           errRepeatedPassword,
		"abababababab":                    errRepeatedPassword,
		"abcabcabcabca":                   errRepeatedPassword,
		"PasswordPassword":                errRepeatedPassword,
		"passwordPASSWORD":                errRepeatedPassword,
		"123456789012":                    errRepeatedPassword,
		"abcdefghijkl":                    errRepeatedPassword,
		"QwertyUiopAsdf":                  errRepeatedPassword,
		"1q2w3e4r5t6y":                    errRepeatedPassword,
		"🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢": errRepeatedPassword,
	} {
		require.Equal(t, want, CheckPassword(password), "%q", password)
	}
}
