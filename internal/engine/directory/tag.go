package directory

import (
	"strings"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// DetailTag is the entity tag of an object that is shown with more than its own
// row: the row's tag, and after a dot one of the rest. So a reader is told of
// every change, and a write is stopped by those of the row alone.
func DetailTag(row string, rest ...any) string {
	return strings.TrimSuffix(row, `"`) + "." + strings.TrimPrefix(httpapi.ETag(rest...), `"`)
}

// CheckRow is [httpapi.IfMatchIn.Check] against the tag of a row, for callers who
// may have read a detail.
func CheckRow(in httpapi.IfMatchIn, row string) error {
	tags := strings.Split(in.IfMatch, ",")
	for i, tag := range tags {
		if of, _, detail := strings.Cut(tag, "."); detail {
			tags[i] = of + `"`
		}
	}
	in.IfMatch = strings.Join(tags, ",")
	return in.Check(row)
}
