package models

import "encoding/json"

// Object stores a decoded JSON object, an empty one for nil. Members that no
// JSON text can hold do not occur: the object was read from one.
func Object(members map[string]any) JSON {
	if len(members) == 0 {
		return JSON("{}")
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return JSON("{}")
	}
	return JSON(raw)
}
