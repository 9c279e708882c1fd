// Package policies holds the platform's decision library in Rego, the reference
// of the decision semantics. The Go here only embeds it.
package policies

import "embed"

// FS is the library with its unit tests, below the folder sentinel.
//
//go:embed all:sentinel
var FS embed.FS
