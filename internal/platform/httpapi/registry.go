package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
)

const schemaPrefix = "#/components/schemas/"

var (
	uuidType      = reflect.TypeFor[uuid.UUID]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	providerType  = reflect.TypeFor[huma.SchemaProvider]()
	textType      = reflect.TypeFor[interface{ UnmarshalText([]byte) error }]()
	optionalType  = reflect.TypeFor[optional]()
)

// registry holds the schemas of all types. It differs from huma's own: types
// of one name in different packages get different schema names, UUIDs have
// their format, JSON columns are any value, and an [Opt] is never required.
type registry struct {
	schemas map[string]*huma.Schema
	types   map[string]reflect.Type
	names   map[reflect.Type]string
	// bodies are the names of request bodies whose types have none.
	bodies map[reflect.Type]string
	// words are what packages are called in names, where it is not their own
	// name: "serviceaccount" is "ServiceAccount".
	words map[string]string
}

func newRegistry() *registry {
	return &registry{
		schemas: map[string]*huma.Schema{}, types: map[string]reflect.Type{}, names: map[reflect.Type]string{}, bodies: map[reflect.Type]string{},
		words: map[string]string{},
	}
}

// Schema implements [huma.Registry].
func (r *registry) Schema(t reflect.Type, allowRef bool, hint string) *huma.Schema {
	base := t
	for base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	switch {
	case base == uuidType:
		return uuidSchema(t.Kind() == reflect.Pointer)
	case base.Kind() == reflect.Slice && base.Elem().Kind() == reflect.Uint8 && implements(base, marshalerType) && !implements(base, providerType):
		return &huma.Schema{}
	case base.Kind() == reflect.Slice || base.Kind() == reflect.Array:
		return huma.SchemaFromType(r, base)
	case base.Kind() != reflect.Struct || implements(base, providerType) || implements(base, textType) || base.PkgPath() == "time":
		return huma.SchemaFromType(r, t)
	}
	name, known := r.names[base]
	if !known {
		name = r.unused(orDefault(r.bodies[base], r.schemaName(base, hint, false)), r.schemaName(base, hint, true))
		r.names[base], r.types[name] = name, base
		placeholder := &huma.Schema{}
		r.schemas[name] = placeholder // recursive types refer to it
		*placeholder = *optionalMembers(base, huma.SchemaFromType(r, t))
		placeholder.PrecomputeMessages()
	}
	if allowRef {
		return &huma.Schema{Ref: schemaPrefix + name}
	}
	return r.schemas[name]
}

// unused returns name, or if another type has it full, with a number if that
// is taken too.
func (r *registry) unused(name, full string) string {
	if r.types[name] == nil {
		return name
	}
	candidate := full
	for n := 2; r.types[candidate] != nil; n++ {
		candidate = fmt.Sprintf("%s%d", full, n)
	}
	return candidate
}

// optionalMembers removes members of type [Opt] from those required.
func optionalMembers(t reflect.Type, s *huma.Schema) *huma.Schema {
	for _, field := range reflect.VisibleFields(t) {
		if !field.IsExported() || !reflect.PointerTo(field.Type).Implements(optionalType) || field.Tag.Get("required") == "true" {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		s.Required = slices.DeleteFunc(s.Required, func(one string) bool { return one == name })
	}
	return s
}

func implements(t, iface reflect.Type) bool {
	return t.Implements(iface) || reflect.PointerTo(t).Implements(iface)
}

// hidden are packages that say where code is, and nothing about the thing that
// is named.
var hidden = []string{"httpapi", "fault", "models", "engine", "directory", "asking", "crypto"}

// schemaName makes role.Role "Role", role.CreateBody "RoleCreateBody" and
// Envelope[role.Role] "RoleEnvelope". With full it names every package, to tell
// types of one name apart.
func (r *registry) schemaName(t reflect.Type, hint string, full bool) string {
	name := t.Name()
	if name == "" {
		return strings.TrimSuffix(upperFirst(hint), "Struct") // huma's, for structs within structs
	}
	base, args, generic := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	base = r.qualified(t.PkgPath(), base, full && !generic)
	if !generic {
		return base
	}
	var parts strings.Builder
	for _, arg := range strings.FieldsFunc(args, func(c rune) bool { return strings.ContainsRune("[],*", c) }) {
		dot := strings.LastIndexByte(arg, '.')
		if dot < 0 {
			parts.WriteString(upperFirst(arg))
			continue
		}
		parts.WriteString(r.qualified(arg[:dot], arg[dot+1:], full))
	}
	return parts.String() + base
}

func (r *registry) qualified(pkgPath, name string, full bool) string {
	pkg := pkgPath[strings.LastIndexByte(pkgPath, '/')+1:]
	name = strings.TrimSuffix(upperFirst(name), "Out")
	if !full && slices.Contains(hidden, pkg) {
		return name
	}
	word := orDefault(r.words[pkg], upperFirst(pkg))
	switch {
	case strings.HasPrefix(strings.ToLower(name), strings.ToLower(word)), strings.HasPrefix(word, name): // importing.Import
		return name
	case strings.HasSuffix(word, name): // serviceaccount.Account
		return word
	}
	return word + name
}

// learnWord takes the spelling of a package's name from the tag of its section:
// "Service accounts".
func (r *registry) learnWord(tag string) {
	word := ""
	for part := range strings.FieldsSeq(singular(tag)) {
		word += upperFirst(part)
	}
	r.words[strings.ToLower(word)] = word
}

// upperFirst also drops what huma or a function-local type puts in a name that
// a reference cannot hold.
func upperFirst(s string) string {
	s = strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return -1
	}, s)
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// SchemaFromRef implements [huma.Registry].
func (r *registry) SchemaFromRef(ref string) *huma.Schema {
	return r.schemas[strings.TrimPrefix(ref, schemaPrefix)]
}

// TypeFromRef implements [huma.Registry].
func (r *registry) TypeFromRef(ref string) reflect.Type {
	return r.types[strings.TrimPrefix(ref, schemaPrefix)]
}

// Map implements [huma.Registry].
func (r *registry) Map() map[string]*huma.Schema { return r.schemas }

// RegisterTypeAlias implements [huma.Registry]. Nothing here uses aliases.
func (r *registry) RegisterTypeAlias(reflect.Type, reflect.Type) {}

// MarshalJSON writes the schemas by name.
func (r *registry) MarshalJSON() ([]byte, error) { return json.Marshal(r.schemas) }

// resolve follows references.
func (r *registry) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	return s
}
