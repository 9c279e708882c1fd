package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxFailure bounds what is read of the body of a failure.
const maxFailure = 1 << 20

// FieldError is what is wrong with one member of a request.
type FieldError struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Error is a call that the server refused, or could not serve.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is one of the API's error codes, such as "PERMISSION_DENIED". It is
	// empty if the answer is not one of Sentinel's.
	Code string
	// Message says what is wrong and what to do.
	Message string
	// RequestID finds the call in the server's log.
	RequestID string
	// Fields names every offending member of the request.
	Fields []FieldError
	// Details are further members that depend on the code.
	Details map[string]any
	// RetryAfter is how long the server asks to wait. Zero if it does not say.
	RetryAfter time.Duration
}

// Error is the message with the code, the status and every field.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "sentinel: %s (status %d", e.Message, e.Status)
	if e.Code != "" {
		text.WriteString(", " + e.Code)
	}
	text.WriteString(")")
	for _, f := range e.Fields {
		fmt.Fprintf(&text, "; %s %s", f.Path, f.Message)
	}
	return text.String()
}

// readFailure turns an answer into an error and closes it.
func readFailure(resp *http.Response) *Error {
	defer func() { _ = resp.Body.Close() }()
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-ID"), RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxFailure))
	var body struct {
		Error json.RawMessage `json:"error"`
		// Description is beside the code where OAuth says how errors look.
		Description string `json:"error_description"`
		Meta        struct {
			RequestID string `json:"request_id"`
		} `json:"meta"`
	}
	if err != nil || json.Unmarshal(raw, &body) != nil || !e.read(body.Error) {
		e.Message = fmt.Sprintf("the server answered %q, which is not like Sentinel; is the address right?", http.StatusText(resp.StatusCode))
		return e
	}
	if e.Message == "" {
		e.Message = body.Description
	}
	if body.Meta.RequestID != "" {
		e.RequestID = body.Meta.RequestID
	}
	return e
}

// read takes the member "error": the API's object, or OAuth's code.
func (e *Error) read(raw json.RawMessage) bool {
	if json.Unmarshal(raw, &e.Code) == nil {
		return e.Code != ""
	}
	var detail struct {
		Code    string                     `json:"code"`
		Message string                     `json:"message"`
		Details map[string]json.RawMessage `json:"details"`
	}
	if json.Unmarshal(raw, &detail) != nil || detail.Code == "" {
		return false
	}
	e.Code, e.Message = detail.Code, detail.Message
	for name, value := range detail.Details {
		if name == "fields" && json.Unmarshal(value, &e.Fields) == nil {
			continue
		}
		var v any
		if json.Unmarshal(value, &v) == nil {
			if e.Details == nil {
				e.Details = map[string]any{}
			}
			e.Details[name] = v
		}
	}
	return true
}

// retryAfter reads whole seconds, the one form that Sentinel sends.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > 86400 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
