package crypto

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	// minPassword is the shortest password in characters (NIST SP 800-63B asks
	// for 8 at least, 15 where it is the only factor; this is between).
	minPassword = 12
	// maxPassword bounds the work of hashing one.
	maxPassword = 1000
	// longestUnit is the longest word that is nothing but repeated in a password
	// that is refused.
	longestUnit = 8
)

var (
	errShortPassword    = errors.New("must have at least 12 characters")
	errLongPassword     = errors.New("must have at most 1000 characters")
	errRepeatedPassword = errors.New("must not be a short word said over and over, or a row of keys: take a few words that do not belong together")
)

// rows are what fingers and alphabets have in a row.
const rows = "0123456789012345678901234567890 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz qwertyuiopasdfghjklzxcvbnm " +
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik 1q2w3e4r5t6y7u8i9o0p"

// CheckPassword says what is wrong with a password that somebody chooses: its
// length, or that it is a word of at most 8 characters repeated, or a row of
// keys. The error's text is for the caller and never holds the password.
func CheckPassword(password string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return errShortPassword
	case n > maxPassword:
		return errLongPassword
	}
	lower := []rune(strings.ToLower(password))
	if strings.Contains(rows, string(lower)) {
		return errRepeatedPassword
	}
	for unit := 1; unit <= longestUnit && 2*unit <= len(lower); unit++ {
		if repeats(lower, unit) {
			return errRepeatedPassword
		}
	}
	return nil
}

// repeats reports whether text is its first characters again and again.
func repeats(text []rune, unit int) bool {
	for i := unit; i < len(text); i++ {
		if text[i] != text[i-unit] {
			return false
		}
	}
	return true
}
