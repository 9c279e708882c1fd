// Package httpapi is the edge of the REST API: it turns a request into a call
// of a typed function and its result, or its [fault.Error], into a response.
// It owns the envelope, the order of the checks, strict JSON, paging, the
// OpenAPI document and the page to try it. It knows nothing of authorization
// or of the database: who a token belongs to and what its bearer may do are
// asked of the functions in [Config].
//
// A request passes, in this order: recovery from panics, its id, the size
// limit, the bearer token, the permission, strict JSON, validation against the
// types of the function, the function. Whoever may not call learns nothing of
// what a valid request would look like.
//
// Input types follow huma: the fields of a function's input are tagged path,
// query or header, its body is the field Body. Members are required unless
// they are an [Opt] or tagged omitempty. A trap: huma writes a default over a
// zero value, so a bool whose default is true is an [Opt] without a default.
//
// A path that exists with other methods answers 405 with Allow and the code
// VALIDATION_ERROR, an unknown path 404 with RESOURCE_NOT_FOUND.
package httpapi
