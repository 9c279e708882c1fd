package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	code     = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	pageName = regexp.MustCompile(`\bdocs/[a-z-]+\.md\b`)
)

// TestDocs_LinksLeadSomewhere follows the links between the pages of this
// repository, to the heading that they name. The README links all of docs/, and
// what code and commands say of a page in docs/ names one that is there.
func TestDocs_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, sources := repositoryFiles(t)
	require.Contains(t, pages, "docs/decisions.md")
	anchors := map[string][]string{}
	for name, text := range pages {
		anchors[name] = anchorsOf(text)
	}
	for name, text := range pages {
		for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := name
			if target != "" {
				file = path.Join(path.Dir(name), target)
				_, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(file)))
				require.NoError(t, err, "%s links %s", name, l[1])
			}
			if anchor != "" {
				require.Contains(t, anchors[file], anchor, "%s links %s", name, l[1])
			}
		}
		if strings.HasPrefix(name, "docs/") {
			require.Contains(t, pages["README.md"], "]("+name+")", "the README links every page")
		}
	}
	for name, text := range sources {
		for _, named := range pageName.FindAllString(text, -1) {
			require.Contains(t, pages, named, "%s names it", name)
		}
	}
}

// anchorsOf are the names by which the headings of a page are linked, as GitHub
// makes them.
func anchorsOf(text string) []string {
	var found []string
	for _, h := range headings.FindAllStringSubmatch(regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(h[1]), "")
		name = strings.ReplaceAll(name, " ", "-")
		unique := name
		for i := 1; slices.Contains(found, unique); i++ {
			unique = name + "-" + string(rune('0'+i))
		}
		found = append(found, unique)
	}
	return found
}

// repositoryFiles are the pages of this repository, and its other texts.
func repositoryFiles(t *testing.T) (pages, sources map[string]string) {
	t.Helper()
	pages, sources = map[string]string{}, map[string]string{}
	tree := os.DirFS(filepath.Join("..", ".."))
	require.NoError(t, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "dist", "node_modules"}, d.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		into := sources
		switch {
		case path.Ext(name) == ".md":
			into = pages
		case !slices.Contains([]string{".go", ".rego", ".sql", ".sh", ".yaml", ".yml", "", ".example"}, path.Ext(name)):
			return nil
		}
		raw, err := fs.ReadFile(tree, name)
		into[name] = string(raw)
		return err
	}))
	return pages, sources
}
