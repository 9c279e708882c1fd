package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// plan is what the guard must know of an operation's input, worked out once.
type plan struct {
	query        map[string]queryParam
	path         []string
	hasBody      bool
	raw          bool
	bodyRequired bool
	schema       *huma.Schema
	patch        bool
	// open is set if unknown members are ignored somewhere in the body.
	open bool
}

type queryParam struct {
	// repeats is set for lists that are written as repetitions.
	repeats bool
	// text is set if an empty value means something.
	text bool
}

// planFor reads the tags of the input type t. Its schema is filled in once
// huma has registered the operation.
func planFor(t reflect.Type, r Route) *plan {
	p := &plan{query: map[string]queryParam{}, patch: r.Method == fasthttp.MethodPatch}
	p.params(t)
	if f, ok := t.FieldByName("Body"); ok {
		p.hasBody = true
		p.bodyRequired = f.Tag.Get("required") == "true" ||
			f.Tag.Get("required") != "false" && f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Interface
	}
	if _, ok := t.FieldByName("RawBody"); ok {
		p.hasBody, p.raw = true, true
	}
	return p
}

func (p *plan) params(t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		if name := f.Tag.Get("path"); name != "" {
			p.path = append(p.path, name)
		}
		name, options, _ := strings.Cut(f.Tag.Get("query"), ",")
		if name == "" {
			continue
		}
		kind := f.Type
		if reflect.PointerTo(kind).Implements(optionalType) {
			if value, ok := kind.FieldByName("Value"); ok {
				kind = value.Type
			}
		}
		p.query[name] = queryParam{
			repeats: kind.Kind() == reflect.Slice && strings.Contains(options, "explode"),
			text:    (kind.Kind() == reflect.String || kind.Kind() == reflect.Slice) && f.Tag.Get("enum") == "",
		}
	}
}

// learn takes the body's schema from the registered operation.
func (p *plan) learn(op *huma.Operation, r *registry) {
	if op == nil || op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return
	}
	p.schema = op.RequestBody.Content["application/json"].Schema
	p.open = isOpen(r, p.schema, map[*huma.Schema]bool{})
}

// parameters lists what is wrong with the query and the path beyond what the
// schemas say: names that are unknown, that are repeated, texts that no
// database can hold.
func (p *plan) parameters(fctx *fasthttp.RequestCtx, param func(string) string) []fault.Field {
	var fields []fault.Field
	seen := map[string]bool{}
	for key, value := range fctx.QueryArgs().All() {
		name := string(key)
		path := "query." + printable(name, 100)
		known, ok := p.query[name]
		switch {
		case !ok:
			fields = append(fields, fault.Field{Path: path, Message: "is not a parameter that is known here"})
			continue
		case seen[name] && !known.repeats:
			fields = append(fields, fault.Field{Path: path, Message: "is given twice"})
		case !storable(string(value)):
			fields = append(fields, fault.Field{Path: path, Message: "is not valid UTF-8 or holds a NUL character"})
		case len(value) == 0 && !known.text:
			fields = append(fields, fault.Field{Path: path, Message: "has no value"})
		}
		seen[name] = true
	}
	for _, name := range p.path {
		if !storable(param(name)) {
			fields = append(fields, fault.Field{Path: "path." + name, Message: "is not valid UTF-8 or holds a NUL character"})
		}
	}
	return fields
}

func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// settle applies what huma's validation leaves open to a body that is strict
// JSON. In a PATCH, null clears, so a member that cannot be cleared refuses it.
// Where unknown members are ignored they are dropped, since encoding/json
// would take "Subject" for "subject" unvalidated.
func (p *plan) settle(r *registry, body []byte) ([]byte, []fault.Field) {
	if p.schema == nil || len(body) == 0 || !p.patch && !p.open {
		return body, nil
	}
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return body, nil
	}
	w := walker{registry: r, nulls: p.patch}
	w.walk(p.schema, value, "")
	if !w.dropped {
		return body, w.fields
	}
	kept, err := json.Marshal(value)
	if err != nil {
		return body, w.fields
	}
	return kept, w.fields
}

type walker struct {
	registry *registry
	nulls    bool
	dropped  bool
	fields   []fault.Field
}

func (w *walker) walk(schema *huma.Schema, value any, path string) {
	schema = w.registry.resolve(schema)
	if schema == nil {
		return
	}
	switch value := value.(type) {
	case []any:
		if schema.Items != nil {
			for i, item := range value {
				w.walk(schema.Items, item, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case map[string]any:
		open, _ := schema.AdditionalProperties.(bool)
		for name, member := range value {
			property, known := schema.Properties[name]
			switch {
			case !known && open && len(schema.Properties) > 0:
				if meant := inAnotherCase(schema, name); meant != "" {
					w.fields = append(w.fields, fault.Field{Path: joinPath(path, printable(name, 100)), Message: "is not a member that is known here: it is written " + meant})
				}
				delete(value, name)
				w.dropped = true
			case known && member == nil && w.nulls && !property.Nullable && (property.Type != "" || property.Ref != ""):
				w.fields = append(w.fields, fault.Field{Path: joinPath(path, name), Message: "cannot be cleared: leave it out or give a value"})
			case known:
				w.walk(property, member, joinPath(path, name))
			}
		}
	}
}

// inAnotherCase is the member of a schema that differs from name in its case
// only, "" for none. Ignored like other unknown members, it would be one that
// the sender takes for heard.
func inAnotherCase(schema *huma.Schema, name string) string {
	for known := range schema.Properties {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return ""
}

// isOpen reports whether some object in the schema ignores unknown members.
func isOpen(r *registry, s *huma.Schema, seen map[*huma.Schema]bool) bool {
	s = r.resolve(s)
	if s == nil || seen[s] {
		return false
	}
	seen[s] = true
	if open, _ := s.AdditionalProperties.(bool); open && len(s.Properties) > 0 {
		return true
	}
	if isOpen(r, s.Items, seen) {
		return true
	}
	for _, property := range s.Properties {
		if isOpen(r, property, seen) {
			return true
		}
	}
	return false
}
