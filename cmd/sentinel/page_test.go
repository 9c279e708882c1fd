package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// block is a fenced block of a page: ```lang note.
type block struct{ lang, note, text string }

var fence = regexp.MustCompile("(?ms)^```(\\S*) ?(\\S*)\n(.*?)^```$")

// readPage returns the blocks of a page of this repository, or of one of its
// sections, which is named by its heading.
func readPage(t *testing.T, name, heading string) []block {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	require.NoError(t, err)
	text := string(raw)
	if heading != "" {
		level, _, _ := strings.Cut(heading, " ")
		_, section, found := strings.Cut(text, "\n"+heading+"\n")
		require.True(t, found, "%s has no section %q", name, heading)
		text, _, _ = strings.Cut(section, "\n"+level+" ")
	}
	var blocks []block
	for _, b := range fence.FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block{b[1], b[2], b[3]})
	}
	require.NotEmpty(t, blocks, "%s %s has nothing to run", name, heading)
	return blocks
}

// player runs the commands of pages one after the other, in one shell, as a reader
// does who copies them.
type player struct {
	// url is of the server that stands in for the documented one.
	url string
	// listen is the address that stands in for the one of the page's own program.
	listen string
	env    []string
	// keepGoing runs on after a command that fails, as a terminal does. A page that
	// does so shows all that is printed, failures too.
	keepGoing bool
}

// play saves the programs of a page, whose note is the file, runs the sh blocks that
// have no note, and returns what each has printed, errors too.
func (p player) play(t *testing.T, blocks []block) []string {
	t.Helper()
	addresses := strings.NewReplacer("http://127.0.0.1:8080", p.url, "127.0.0.1:8081", p.listen)
	dir := workshop(t)
	const mark = "\x1e"
	script := "set -uo pipefail\n"
	if !p.keepGoing {
		script += "set -e\n"
	}
	for _, b := range blocks {
		switch {
		case b.lang == "sh" && b.note == "":
			script += addresses.Replace(b.text) + "printf '" + mark + "'\n"
		case b.lang == "go" && b.note != "":
			file := filepath.Join(dir, filepath.FromSlash(b.note))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, []byte(addresses.Replace(b.text)), 0o600))
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
	cmd.Env = append(os.Environ(), "SENTINEL_TEST_COMMAND=1", "SENTINEL="+p.url, "SENTINEL_URL="+p.url, "SENTINEL_TOKEN=")
	cmd.Env = append(cmd.Env, p.env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	printed := strings.Split(string(out), mark)
	require.Empty(t, printed[len(printed)-1])
	return printed[:len(printed)-1]
}

// workshop is a folder as the pages suppose the reader to be in: that of this
// repository, with bin/sentinel built.
func workshop(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "bin", "sentinel")))
	for _, part := range []string{"examples", "client"} {
		folder, err := filepath.Abs(filepath.Join("..", "..", part))
		require.NoError(t, err)
		require.NoError(t, os.Symlink(folder, filepath.Join(dir, part)))
	}
	return dir
}

// holds compares what the commands of a page have printed with the text and json
// blocks that follow them. What has no such block prints nothing.
func holds(t *testing.T, blocks []block, printed []string) {
	t.Helper()
	for i, b := range blocks {
		if b.lang != "sh" || b.note != "" {
			continue
		}
		require.NotEmpty(t, printed, "the shell stopped before\n%s", b.text)
		got, want := printed[0], block{lang: "text"}
		printed = printed[1:]
		if i+1 < len(blocks) && (blocks[i+1].lang == "text" || blocks[i+1].lang == "json") {
			want = blocks[i+1]
		}
		if want.lang == "json" {
			require.NoError(t, sameJSON(want.text, got), "%s\nprints\n%s", b.text, got)
			continue
		}
		require.NoError(t, sameText(want.text, got), "%s\nprints\n%s", b.text, got)
	}
	require.Empty(t, printed)
}

// sameText compares line by line, but for the end of the last one. "..." stands
// for any text within a line.
func sameText(want, got string) error {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(want, "\n")), regexp.QuoteMeta("..."), `[^\n]*`)
	if regexp.MustCompile(`\A` + pattern + `\n?\z`).MatchString(got) {
		return nil
	}
	return fmt.Errorf("the page shows\n%s", want)
}

// sameJSON compares one value after the other. "..." stands for any value, in a
// list for the rest of it; a member "..." says that there may be others.
func sameJSON(want, got string) error {
	shown, err := values(want)
	if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	printed, err := values(got)
	if err != nil {
		return err
	}
	return differ(shown, printed, "")
}

func values(text string) ([]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var found []any
	for {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, fmt.Errorf("no JSON: %w", err)
		}
		found = append(found, v)
	}
}

const others = "..."

func differ(want, got any, at string) error {
	if want == others {
		return nil
	}
	switch want := want.(type) {
	case map[string]any:
		return differInMembers(want, got, at)
	case []any:
		list, ok := got.([]any)
		if !ok {
			return fmt.Errorf("%s is no list", at)
		}
		for i, v := range want {
			if v == others && i == len(want)-1 {
				return nil
			}
			if i == len(list) {
				return fmt.Errorf("%s has %d elements", at, len(list))
			}
			if err := differ(v, list[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		if len(list) > len(want) {
			return fmt.Errorf("%s has %d elements", at, len(list))
		}
		return nil
	}
	if want != got {
		return fmt.Errorf("%s is %v, the page says %v", at, got, want)
	}
	return nil
}

func differInMembers(want map[string]any, got any, at string) error {
	object, ok := got.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", at)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		v, there := object[name]
		if name == others {
			continue
		}
		if !there {
			return fmt.Errorf("%s has no %s", at, name)
		}
		if err := differ(want[name], v, at+"."+name); err != nil {
			return err
		}
	}
	if _, more := want[others]; more {
		return nil
	}
	for name := range object {
		if _, shown := want[name]; !shown {
			return fmt.Errorf("%s has a member %s that the page does not show", at, name)
		}
	}
	return nil
}

func TestPage_ComparesWhatItShows(t *testing.T) {
	t.Parallel()
	require.NoError(t, sameText("a\nb ... d\n", "a\nb c d\n"))
	require.Error(t, sameText("a ... d\n", "a\nd\n"), "a line for a line")
	require.Error(t, sameText("", "a\n"))
	require.Error(t, sameText("a.c\n", "abc\n"))
	const got = `{"a":{"b":1,"c":[1,2,3]},"d":"x"} {"e":null}`
	for want, same := range map[string]bool{
		`{"a": {"b": 1, "c": [1, 2, 3]}, "d": "x"} {"e": null}`:           true,
		`{"a": "...", "...": "..."} {"e": "..."}`:                         true,
		`{"a": {"c": [1, "..."], "...": "..."}, "d": "..."} {"e": null}`:  true,
		`{"a": {"c": ["...", 2, "..."], "b": 1}, "d": "x"} {"e": null}`:   true,
		`{"a": {"b": 1, "c": [1, 2, 3]}, "d": "x"}`:                       false,
		`{"a": "..."} {"e": null}`:                                        false,
		`{"a": {"b": 1.0, "c": [1, 2, 3]}, "d": "x"} {"e": null}`:         false,
		`{"a": {"b": 1, "c": [1, 2]}, "d": "x"} {"e": null}`:              false,
		`{"a": {"b": 1, "c": [1, 2, 3, 4]}, "d": "x"} {"e": null}`:        false,
		`{"a": {"b": 1, "c": [1, 2, 3]}, "d": "x", "f": 1} {"e": null}`:   false,
		`{"a": {"b": 1, "c": [1, 2, 3]}, "f": "...", "d": 1} {"e": null}`: false,
		`{"a": `: false,
	} {
		if err := sameJSON(want, got); same {
			require.NoError(t, err, want)
		} else {
			require.Error(t, err, want)
		}
	}
}
