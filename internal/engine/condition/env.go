package condition

import "time"

// Env is what conditions are evaluated against. Attribute maps hold decoded
// JSON with numbers kept as json.Number. An empty string counts as missing. It
// is only read, so that one Env serves any number of programs at once.
type Env struct {
	Subject  Subject
	Resource Resource
	Action   Action
	// Context is of the request. Its "time" must be set by the caller to now, in
	// RFC 3339, when the request has none.
	Context map[string]any
	Tenant  Tenant
}

// Subject is who asks.
type Subject struct {
	ID, Email, Username, ExternalID string
	IsServiceAccount                bool
	// Attributes are the stored ones.
	Attributes map[string]any
	// Supplied are the asserted ones. They fill gaps: a path is looked up here
	// only when Attributes has nothing at it.
	Supplied map[string]any
}

// Resource is what is asked about.
type Resource struct {
	// ID is the instance as the application knows it, or a registered node's
	// code.
	ID, Type string
	// Path is a registered node's path in the tree.
	Path string
	// Attributes are those stored with a registered node.
	Attributes map[string]any
	// Supplied are the caller's. They fill gaps, as the subject's do.
	Supplied map[string]any
}

// Action is what is to be done.
type Action struct {
	Name       string
	Properties map[string]any
}

// Tenant is the tenant in which the question is asked.
type Tenant struct {
	ID, Code, Name string
	// TimeZone is an IANA name, such as Europe/Athens.
	TimeZone string
	// Location is TimeZone loaded; nil is UTC.
	Location *time.Location
}

func (t *Tenant) location() *time.Location {
	if t.Location == nil {
		return time.UTC
	}
	return t.Location
}
