package httpapi

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// mismatchMark begins the text of a decoding error that carries fields. huma
// hands on the text of a decoder's error only, not the error.
const mismatchMark = "\x00fields\x00"

// jsonFormat is encoding/json, with errors that name members, not Go types.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		err := json.Unmarshal(data, v)
		if err == nil {
			return nil
		}
		return errors.New(encodeMismatch(err))
	},
}

func encodeMismatch(err error) string {
	fields := []fault.Field{{Path: "body", Message: "does not have the form that is documented"}}
	var wrongType *json.UnmarshalTypeError
	var f *fault.Error
	switch {
	case errors.As(err, &f) && len(f.Fields) > 0:
		fields = f.Fields
	case errors.As(err, &wrongType):
		path := wrongType.Field
		if path == "" {
			path = "body"
		}
		what := strings.Fields(wrongType.Value)
		fields = []fault.Field{{Path: path, Message: "does not fit: a " + what[0] + " of this form or size is not taken here"}}
	}
	text, _ := json.Marshal(fields)
	return mismatchMark + string(text)
}

func decodeMismatch(message string) ([]fault.Field, bool) {
	text, ok := strings.CutPrefix(message, mismatchMark)
	if !ok {
		return nil, false
	}
	var fields []fault.Field
	return fields, json.Unmarshal([]byte(text), &fields) == nil
}
