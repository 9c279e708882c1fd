package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sentinel-access/sentinel/internal/app"
)

// maxFile bounds a file of a manifest, in bytes.
const maxFile = 32 << 20

// part is one file of a manifest.
type part struct {
	name  string
	lines map[string]int
	// starts are where the file's entries begin in the lists of the whole.
	starts map[string]int
}

// merged is a manifest made of files: their lists one after the other, their
// settings together.
type merged struct {
	document map[string]any
	parts    []part
}

// readManifest reads files, "-" for the input, and folders, of which it takes
// every .yaml, .yml and .json file in the order of their names.
func readManifest(names []string, input io.Reader) (*merged, error) {
	if len(names) == 0 {
		return nil, errors.New("no file: give one with -f, or -f - for the input")
	}
	if i := slices.Index(names, "-"); i >= 0 && slices.Contains(names[i+1:], "-") {
		return nil, errors.New("-f -: is given twice, and there is one input")
	}
	m := &merged{document: map[string]any{}}
	for _, name := range names {
		files, err := filesOf(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := m.read(file, input); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func filesOf(name string) ([]string, error) {
	info, err := os.Stat(name)
	if name == "-" || err == nil && !info.IsDir() {
		return []string{name}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-f %s: %w", name, err)
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("-f %s: %w", name, err)
	}
	var files []string
	for _, e := range entries {
		if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) && !e.IsDir() {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("-f %s: the folder has no .yaml, .yml or .json file", name)
	}
	return files, nil
}

func (m *merged) read(name string, input io.Reader) error {
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // it is the caller's own to name
		if err != nil {
			return fmt.Errorf("-f %s: %w", name, err)
		}
		defer func() { _ = file.Close() }()
		input = file
	}
	data, err := io.ReadAll(io.LimitReader(input, maxFile+1))
	switch {
	case err != nil:
		return fmt.Errorf("-f %s: %w", name, err)
	case len(data) > maxFile:
		return fmt.Errorf("-f %s: has more than %d bytes", name, maxFile)
	}
	document, lines, err := app.ManifestFile(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var sections map[string]json.RawMessage
	if json.Unmarshal(document, &sections) != nil || sections == nil {
		return fmt.Errorf("%s: must hold an object, with version and sections", name)
	}
	if sections["version"] == nil {
		return fmt.Errorf("%s: says no version: write version: 1", name)
	}
	p := part{name: name, lines: lines, starts: map[string]int{}}
	if version := string(sections["version"]); version != "1" {
		return p.wrong("version", "must be 1, a number, and not "+version)
	}
	for section, raw := range sections {
		if err := m.add(&p, section, raw); err != nil {
			return err
		}
	}
	m.parts = append(m.parts, p)
	return nil
}

// add joins a section of a file with what the files before it have of it. What
// is not of the right form is left to the server to refuse.
func (m *merged) add(p *part, section string, raw json.RawMessage) error {
	var list []json.RawMessage
	var members map[string]json.RawMessage
	switch have := m.document[section].(type) {
	case nil:
		switch {
		case raw[0] == '[' && json.Unmarshal(raw, &list) == nil:
			m.document[section] = list
		case raw[0] == '{' && json.Unmarshal(raw, &members) == nil:
			m.document[section] = members
		default:
			m.document[section] = raw
		}
	case []json.RawMessage:
		if json.Unmarshal(raw, &list) != nil || raw[0] != '[' {
			return p.wrong(section, "must be a list, as in the files before")
		}
		p.starts[section] = len(have)
		m.document[section] = append(have, list...)
	case map[string]json.RawMessage:
		if json.Unmarshal(raw, &members) != nil || raw[0] != '{' {
			return p.wrong(section, "must be an object, as in the files before")
		}
		for name, value := range members {
			if have[name] != nil {
				return p.wrong(section+"."+name, "is given in a file before this one, too")
			}
			have[name] = value
		}
	case json.RawMessage:
		if string(have) != string(raw) {
			return p.wrong(section, "is not what the files before say")
		}
	}
	return nil
}

func (p *part) wrong(path, message string) error {
	return fmt.Errorf("%s:%d: %s %s", p.name, p.line(path), path, message)
}

// line is where a path stands, or the innermost part of it that the file has.
func (p *part) line(path string) int {
	for path != "" {
		if line := p.lines[path]; line > 0 {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

// locate says where in the files a member is that the server refuses.
func (m *merged) locate(path string) string {
	path = strings.TrimPrefix(path, "manifest.")
	section, rest, indexed := strings.Cut(path, "[")
	digits, rest, _ := strings.Cut(rest, "]")
	index, err := strconv.Atoi(digits)
	if !indexed || err != nil {
		for i := range m.parts {
			if p := &m.parts[i]; p.lines[path] > 0 {
				return fmt.Sprintf("%s:%d: %s", p.name, p.lines[path], path)
			}
		}
		return path
	}
	for i := len(m.parts) - 1; i >= 0; i-- {
		p := &m.parts[i]
		if local := index - p.starts[section]; local >= 0 && p.lines[section] > 0 {
			path = fmt.Sprintf("%s[%d]%s", section, local, rest)
			return fmt.Sprintf("%s:%d: %s", p.name, p.line(path), path)
		}
	}
	return path
}
