// Command cover reads a coverage profile, shows the share of statements that the
// tests reach in each package, and fails if one is below its floor: 95 % for the
// engine, 80 % for every other.
package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	module      = "github.com/sentinel-access/sentinel/"
	floor       = 80.0
	engineFloor = 95.0
	enginePath  = "internal/engine"
)

type count struct{ statements, reached int }

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cover PROFILE")
		os.Exit(2)
	}
	packages, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "cover:", err)
		os.Exit(2)
	}
	low := 0
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		c := packages[name]
		share, want, mark := 100*float64(c.reached)/float64(c.statements), floor, ""
		if name == enginePath {
			want = engineFloor
		}
		if share < want {
			low++
			mark = fmt.Sprintf("  below %.0f %%", want)
		}
		fmt.Printf("%6.1f %%  %s%s\n", share, name, mark)
	}
	if low > 0 {
		fmt.Fprintf(os.Stderr, "cover: %d packages are below their floor\n", low)
		os.Exit(1)
	}
}

// read sums the profile up by package. Several test binaries report the same
// block; it is reached if any of them reached it.
func read(file string) (map[string]count, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	type block struct {
		statements int
		reached    bool
	}
	blocks := map[string]block{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue // the mode line
		}
		n, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		b := blocks[fields[0]]
		blocks[fields[0]] = block{n, b.reached || fields[2] != "0"}
	}
	packages := map[string]count{}
	for place, b := range blocks {
		file, _, _ := strings.Cut(place, ":")
		name := path.Dir(strings.TrimPrefix(file, module))
		c := packages[name]
		c.statements += b.statements
		if b.reached {
			c.reached += b.statements
		}
		packages[name] = c
	}
	return packages, lines.Err()
}
