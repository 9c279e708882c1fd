package httpapi

import (
	"fmt"
	"testing"

	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/stretchr/testify/require"
)

func TestPlainly_SaysWhatHumaExpects(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		validation.MsgExpectedObject:                                    "must be an object",
		validation.MsgExpectedArray:                                     "must be a list",
		validation.MsgExpectedString:                                    "must be a string",
		validation.MsgExpectedBoolean:                                   "must be true or false",
		validation.MsgExpectedInteger:                                   "must be a whole number",
		validation.MsgExpectedNumber:                                    "must be a number",
		validation.MsgExpectedArrayItemsUnique:                          "must not have an element twice",
		validation.MsgExpectedRFC3339DateTime:                           "must be RFC 3339 date-time",
		fmt.Sprintf(validation.MsgExpectedOneOf, "allow, deny"):         "must be one of allow, deny",
		fmt.Sprintf(validation.MsgExpectedMinimumNumber, 1):             "must be 1 or more",
		fmt.Sprintf(validation.MsgExpectedMaximumNumber, 1000):          "must be 1000 or less",
		fmt.Sprintf(validation.MsgExpectedMinItems, 1):                  "must have at least 1 element",
		fmt.Sprintf(validation.MsgExpectedMaxItems, 100):                "must have at most 100 elements",
		fmt.Sprintf(validation.MsgExpectedMinLength, 1):                 "must have at least 1 character",
		fmt.Sprintf(validation.MsgExpectedMaxLength, 255):               "must have at most 255 characters",
		fmt.Sprintf(validation.MsgExpectedMatchPattern, "^a$"):          "must match the pattern ^a$",
		fmt.Sprintf(validation.MsgExpectedBePattern, "a word"):          "must be a word",
		fmt.Sprintf(validation.MsgExpectedMinProperties, 1):             "must have at least 1 properties",
		"must be given for remove_role":                                 "must be given for remove_role",
		fmt.Sprintf(validation.MsgExpectedExclusiveMinimumNumber, "10"): "must be more than 10",
	} {
		require.Equal(t, want, plainly(message), message)
	}
}
