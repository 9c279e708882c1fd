package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// PageIn is embedded by the input of a list. A list that can be sorted has
// fields "sort" and "order" of its own with the allowed values as enum, or
// embeds [OrderIn] for the latter.
type PageIn struct {
	Page  int `query:"page" default:"1" minimum:"1" maximum:"1000000" doc:"The page, from 1"`
	Limit int `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"Objects in a page"`
}

// Offset returns how many objects come before the page.
func (p PageIn) Offset() int { return (p.Page - 1) * p.Limit }

func (p PageIn) paging() PageIn { return p }

// TenantIn is embedded by the input of a list that can be asked of another
// tenant by parameter: tenant_id means the same as the header X-Tenant-ID, and
// is judged with it before the call.
type TenantIn struct {
	TenantID Opt[uuid.UUID] `query:"tenant_id" doc:"The tenant to list in, as the header X-Tenant-ID names it. Default: the token's."`
}

// OrderIn is embedded beside [PageIn] by the input of a list whose order can
// be chosen. Ascending is the default.
type OrderIn struct {
	Order string `query:"order" default:"asc" enum:"asc,desc" doc:"asc or desc"`
}

// Descending reports whether the order is "desc".
func (o OrderIn) Descending() bool { return o.Order == "desc" }

// IfMatchIn is embedded by the input of a write that a stale If-Match stops.
type IfMatchIn struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the object as it was read; 412 if it has changed since"`
}

// Check compares If-Match (RFC 9110, 13.1.1) with the present entity tag. No
// header, and "*", match. It returns a fault of kind PreconditionFailed.
func (i IfMatchIn) Check(current string) error {
	if i.IfMatch == "" || matches(i.IfMatch, current) {
		return nil
	}
	return fault.New(fault.PreconditionFailed, "The object has changed since it was read. Read it again and repeat the change.")
}

// matches reports whether an If-Match or If-None-Match list names tag.
func matches(list, tag string) bool {
	for _, one := range strings.Split(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || one == tag {
			return true
		}
	}
	return false
}

// NamesTag reports whether a list of entity tags, as in If-None-Match, names tag:
// itself, as a weak one, or by "*".
func NamesTag(list, tag string) bool { return list != "" && matches(list, tag) }

// ETag makes an entity tag of whatever changes when the object does, such as
// its id and the time of its last change.
func ETag(parts ...any) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%v\x00", part)
	}
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12]) + `"`
}

// Opt is a member that may be absent, null or a value. In the body of a PATCH
// absent keeps, null clears and a value sets; the tag nullable:"false" refuses
// null there. As a query parameter it is Set when it was given.
type Opt[T any] struct {
	Set   bool
	Null  bool
	Value T
}

// Some returns an Opt that is set to v.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: v} }

// Ptr returns the value, or nil for null and absent.
func (o Opt[T]) Ptr() *T {
	if !o.Set || o.Null {
		return nil
	}
	return &o.Value
}

// IsZero makes the option "omitzero" leave out an absent member.
func (o Opt[T]) IsZero() bool { return !o.Set }

// UnmarshalJSON is called for null too, not for an absent member.
func (o *Opt[T]) UnmarshalJSON(data []byte) error {
	*o = Opt[T]{Set: true}
	if string(data) == "null" {
		o.Null = true
		return nil
	}
	return json.Unmarshal(data, &o.Value)
}

// MarshalJSON writes null for null and absent.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.Set || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// Schema is T's, nullable.
func (o Opt[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), false, "")
	s.Nullable = s.Type != ""
	return &s
}

// Receiver and OnParamSet let an Opt be a query parameter.
func (o *Opt[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.Value).Elem() }

// OnParamSet is called by huma once the parameter was read.
func (o *Opt[T]) OnParamSet(isSet bool, _ any) { o.Set = isSet }

func (o *Opt[T]) optional() {}

// optional is implemented by every Opt: such a member is never required.
type optional interface{ optional() }
