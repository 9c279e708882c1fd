package importing

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// attributePrefix begins the name of a column that is one attribute.
const attributePrefix = "attributes."

// mostColumns bounds the header: an account may have many attributes.
const mostColumns = 500

// column is one of a CSV file.
type column struct {
	member
	// attribute is set for a column that is one attribute.
	attribute string
}

// readCSV reads a CSV file (RFC 4180) whose header names the members. Rows are
// handed to take as JSON, with the line that each begins on; what cannot be read
// is refused by it. A header that cannot stand is the whole file's fault.
func readCSV(body []byte, kind Kind, take func(line int, raw []byte), refuse func(line int, f fault.Field)) error {
	body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
	rows := &limitedRows{from: bytes.NewReader(body), left: maxLine}
	reader := csv.NewReader(rows)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return fault.InvalidAt("body", "is empty: a CSV file begins with a header that names its columns")
	}
	if errors.Is(err, errLongRow) {
		return fault.InvalidAt("body", "has a header of more than 1 MiB")
	}
	if err != nil {
		return fault.InvalidAt("body", "has a header that is not CSV as in RFC 4180")
	}
	columns, err := readHeader(header, kind)
	if err != nil {
		return err
	}
	reader.FieldsPerRecord = len(columns)
	for n, last := 0, 1; ; n++ {
		rows.left = maxLine
		record, err := reader.Read()
		var parse *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case n >= mostRows:
			return tooMany()
		case errors.Is(err, errLongRow):
			return fault.InvalidAt("body", "has a row of more than 1 MiB after line %d: look at its quotes", last)
		case errors.As(err, &parse) && errors.Is(err, csv.ErrFieldCount):
			refuse(parse.StartLine, fault.Field{Message: fmt.Sprintf("has %d cells where the header has %d", len(record), len(columns))})
			continue
		case errors.As(err, &parse):
			refuse(parse.StartLine, fault.Field{Message: "is not CSV as in RFC 4180: look at its quotes"})
			continue
		case err != nil:
			return fault.InvalidAt("body", "could not be read to its end")
		}
		line, _ := reader.FieldPos(0)
		last = line
		raw, field := toJSON(columns, record)
		if field != nil {
			refuse(line, *field)
			continue
		}
		take(line, raw)
	}
}

var errLongRow = errors.New("row too long")

// limitedRows hands on about so many bytes for a row, whose cells are all in
// memory before anything can be said of them.
type limitedRows struct {
	from io.Reader
	left int
}

func (r *limitedRows) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLongRow
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err //nolint:wrapcheck // a reader's own
}

func readHeader(header []string, kind Kind) ([]column, error) {
	if len(header) > mostColumns {
		return nil, fault.InvalidAt("body", "has more than %d columns", mostColumns)
	}
	var fields []fault.Field
	seen := map[string]bool{}
	columns := make([]column, len(header))
	for i, name := range header {
		name = strings.TrimSpace(name)
		at := fmt.Sprintf("header[%d]", i)
		attribute, isAttribute := strings.CutPrefix(name, attributePrefix)
		_, has := kind.member("attributes")
		m, known := kind.member(name)
		switch {
		case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
			fields = append(fields, fault.Field{Path: at, Message: "is not valid UTF-8 or holds a NUL character"})
		case seen[name]:
			fields = append(fields, fault.Field{Path: at, Message: "names a column that is there already: " + shorten(name, 100)})
		case isAttribute && has && attribute != "":
			columns[i] = column{attribute: attribute}
		case known:
			columns[i] = column{member: m}
		default:
			fields = append(fields, fault.Field{Path: at, Message: "is no member of a row of kind " + string(kind) + ": " + shorten(name, 100)})
		}
		seen[name] = true
	}
	if seen["attributes"] {
		for name := range seen {
			if strings.HasPrefix(name, attributePrefix) {
				fields = append(fields, fault.Field{Path: "header", Message: "has attributes both in one column and in columns of their own"})
				break
			}
		}
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	return columns, nil
}

// toJSON writes a record as the JSON row that it stands for. An empty cell is a
// member that is left out.
func toJSON(columns []column, record []string) ([]byte, *fault.Field) {
	members := make(map[string]any, len(columns))
	attributes := map[string]any{}
	for i, c := range columns {
		value := record[i]
		if value == "" {
			continue
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, &fault.Field{Path: c.name + c.attribute, Message: "is not valid UTF-8 or holds a NUL character"}
		}
		if c.attribute != "" {
			attributes[c.attribute] = value
			continue
		}
		v, problem := c.read(value)
		if problem != "" {
			return nil, &fault.Field{Path: c.name, Message: problem}
		}
		members[c.name] = v
	}
	if len(attributes) > 0 {
		members["attributes"] = attributes
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, &fault.Field{Message: "has a cell that is not JSON"}
	}
	return raw, nil
}

// read returns what a cell stands for, or what is wrong with it.
func (m member) read(value string) (any, string) {
	switch m.cell {
	case flag:
		b, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return nil, "must be true or false"
		}
		return b, ""
	case number:
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, "must be a whole number"
		}
		return n, ""
	case list:
		return strings.Split(value, "|"), ""
	case object:
		if fields := checkJSON([]byte(value)); len(fields) > 0 || !strings.HasPrefix(strings.TrimSpace(value), "{") {
			return nil, "must be a JSON object"
		}
		return json.RawMessage(value), ""
	default:
		return value, ""
	}
}
