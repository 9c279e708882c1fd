// Package client asks a Sentinel server who may do what, and makes every other
// call of its API.
//
// [Client.Check] asks one question. [Client.CheckMany] asks many at once. Both
// deny on doubt: with an error there is no decision, and the zero [Decision] is
// a refusal. The calls of the API, such as ListRolesWithResponse, are generated
// from the server's OpenAPI document; a call that fails returns an [*Error].
//
// Package guard protects the routes of net/http with it, package fiberguard
// those of Fiber.
package client
