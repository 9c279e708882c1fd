package asking

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Cursor makes and reads the tokens with which an answer that is given page by
// page is read on. A token holds where to go on and a digest of that and of the
// question: with another question, in another tenant, or altered, it is refused.
// It is no secret and gives no right: whoever shows one is asked for the same
// permissions as for the first page.
type Cursor struct{ question []byte }

// digestSize is how many bytes of the digest a token holds.
const digestSize = 16

// NewCursor returns the cursor of a question: parts are all that the answer
// depends on, the name of the call and the tenant among them, and nothing that
// may differ from page to page, such as the size of a page. They must be what
// encoding/json can write.
func NewCursor(parts ...any) (*Cursor, error) {
	raw, err := json.Marshal(parts)
	if err != nil {
		return nil, fmt.Errorf("digest of a question: %w", err)
	}
	return &Cursor{question: raw}, nil
}

// Token returns the text with which the question goes on after position, "" at
// the end, which is an empty position.
func (c *Cursor) Token(position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(c.digest(position), position...))
}

// Position returns where a token goes on, "" for the beginning, which is no
// token. path names the member that held it, for the fault of one that is not of
// this question.
func (c *Cursor) Position(token, path string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= digestSize || string(c.digest(string(raw[digestSize:]))) != string(raw[:digestSize]) {
		return "", fault.InvalidAt(path, "must be the token of the page before, with the question that it was given for")
	}
	return string(raw[digestSize:]), nil
}

func (c *Cursor) digest(position string) []byte {
	sum := sha256.Sum256(append(append([]byte(position), 0), c.question...))
	return sum[:digestSize]
}
