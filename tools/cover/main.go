// Command cover reads coverage profiles, shows the share of statements that the
// tests reach in each package, and fails if one is below its floor: 95 % for the
// engine, 80 % for every other. Files that say that they are generated do not
// count.
package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
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
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: cover REPOSITORY PROFILE...")
		os.Exit(2)
	}
	packages := map[string]count{}
	for _, profile := range os.Args[2:] {
		if err := read(packages, os.Args[1], profile); err != nil {
			fmt.Fprintln(os.Stderr, "cover:", err)
			os.Exit(2)
		}
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

// block is a piece of code that is reached as a whole or not at all.
type block struct {
	statements int
	reached    bool
}

// read adds a profile to the sums by package. Several test binaries report the
// same block; it is reached if any of them reached it.
func read(packages map[string]count, repository, profile string) error {
	blocks, err := blocksOf(profile)
	if err != nil {
		return err
	}
	generated := map[string]bool{}
	for place, b := range blocks {
		file, _, _ := strings.Cut(place, ":")
		file = strings.TrimPrefix(file, module)
		skip, known := generated[file]
		if !known {
			if skip, err = isGenerated(filepath.Join(repository, filepath.FromSlash(file))); err != nil {
				return err
			}
			generated[file] = skip
		}
		if skip {
			continue
		}
		name := path.Dir(file)
		c := packages[name]
		c.statements += b.statements
		if b.reached {
			c.reached += b.statements
		}
		packages[name] = c
	}
	return nil
}

func blocksOf(profile string) (map[string]block, error) {
	f, err := os.Open(profile) //nolint:gosec // named by whoever runs it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
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
	return blocks, lines.Err()
}

// isGenerated looks for the line that go.dev/s/generatedcode describes.
func isGenerated(file string) (bool, error) {
	f, err := os.Open(file) //nolint:gosec // a file of the repository
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "// Code generated ") && strings.HasSuffix(line, " DO NOT EDIT.") {
			return true, nil
		}
		if strings.HasPrefix(line, "package ") {
			break
		}
	}
	return false, lines.Err()
}
