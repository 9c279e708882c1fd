package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// errRowsRefused makes the exit status 2: the import is done, without some rows.
var errRowsRefused = errors.New("some rows were refused")

const (
	// lookEvery is how often the command asks how far an import is.
	lookEvery = 300 * time.Millisecond
	// shownRefusals is how many refused rows are shown.
	shownRefusals = 20
)

type importOptions struct {
	remote
	file, kind, format, status string
	dryRun, wait               bool
}

func importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import -f FILE",
		Short: "Import users, groups, roles, assignments, permissions and resources from a file",
		Long: `Import users, groups, roles, assignments, permissions and resources from a file.

The file is JSON lines or CSV, see docs/import.md. It is written by the server
behind the answer: the command waits for the end unless --wait=false.

The exit status is 0 if all rows were taken, 2 if some were refused, 1 if the
import failed. The token comes from --token or SENTINEL_TOKEN.`,
		Example: `  sentinel import -f users.csv
  sentinel import -f everything.jsonl --kind mixed --dry-run
  sentinel import --status 0197...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd, "import")
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "the file")
	cmd.Flags().StringVar(&o.kind, "kind", "", "users, groups, roles, assignments, permissions, resources or mixed (default: by the file's name or its first line)")
	cmd.Flags().StringVar(&o.format, "format", "", "jsonl or csv (default: by the file's name)")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "write nothing and say what would come of it")
	cmd.Flags().BoolVar(&o.wait, "wait", true, "wait for the end")
	cmd.Flags().StringVar(&o.status, "status", "", "the id of an import to look at, instead of a file")
	cmd.MarkFlagsOneRequired("file", "status")
	cmd.MarkFlagsMutuallyExclusive("file", "status")
	return cmd
}

// imported is an import as the server tells of it.
type imported struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Source    string `json:"source"`
	Status    string `json:"status"`
	IsDryRun  bool   `json:"is_dry_run"`
	Total     int    `json:"total"`
	Processed int    `json:"processed"`
	Created   int    `json:"created"`
	Updated   int    `json:"updated"`
	Unchanged int    `json:"unchanged"`
	Refused   int    `json:"refused"`
	Error     string `json:"error"`
}

func (i *imported) over() bool {
	return i.Status == "done" || i.Status == "failed" || i.Status == "cancelled"
}

func (o *importOptions) run(ctx context.Context, out, progress io.Writer) error {
	var i imported
	if o.status != "" {
		if err := o.get(ctx, "/imports/"+url.PathEscape(o.status), &i); err != nil {
			return err
		}
		return o.report(ctx, out, &i)
	}
	if err := o.submit(ctx, &i); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted while the file was sent; GET /api/v1/imports?order=desc says whether the server has it")
		}
		return err
	}
	if !o.wait {
		fmt.Fprintf(out, "Import %s has begun. Look at it with: sentinel import --status %s\n", i.ID, i.ID)
		return nil
	}
	if err := o.follow(ctx, progress, &i); err != nil {
		return err
	}
	return o.report(ctx, out, &i)
}

// submit sends the file.
func (o *importOptions) submit(ctx context.Context, i *imported) error {
	if o.file == "-" {
		return errors.New("--file -: an import takes a file, not the input")
	}
	f, err := os.Open(filepath.Clean(o.file))
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	if info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("--file: there is nothing in %s", o.file)
	}
	reader := bufio.NewReaderSize(f, 64<<10)
	head, err := reader.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("--file: %w", err)
	}
	if err := o.guess(filepath.Base(o.file), head); err != nil {
		return err
	}
	query := url.Values{"kind": {o.kind}, "source": {filepath.Base(o.file)}}
	if o.dryRun {
		query.Set("dry_run", "true")
	}
	media := "application/x-ndjson"
	if o.format == "csv" {
		media = "text/csv"
	}
	err = o.put(ctx, "/imports?"+query.Encode(), upload{media: media, body: reader, size: info.Size()}, i)
	// How a connection that is cut amid a body shows depends on who notices first.
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the server stopped reading the file of %d bytes; is it larger than IMPORT_MAX_MB allows there? %w", info.Size(), err)
	}
	return err
}

var importKinds = []string{"users", "groups", "roles", "assignments", "permissions", "resources", "mixed"}

// guess finds out what the flags leave open: by the file's name, then by how it
// begins.
func (o *importOptions) guess(name string, head []byte) error {
	name = strings.ToLower(name)
	first, _, _ := bytes.Cut(bytes.TrimPrefix(bytes.TrimSpace(head), []byte("\xEF\xBB\xBF")), []byte("\n"))
	if o.format == "" {
		o.format = "csv"
		if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") || bytes.HasPrefix(first, []byte("{")) {
			o.format = "jsonl"
		}
	}
	if o.format != "jsonl" && o.format != "csv" {
		return fmt.Errorf("--format %q: must be jsonl or csv", o.format)
	}
	if o.kind == "" {
		o.kind = o.guessKind(name, first)
	}
	if !slices.Contains(importKinds, o.kind) {
		return fmt.Errorf("--kind: say what the rows are: %s", strings.Join(importKinds, ", "))
	}
	return nil
}

func (o *importOptions) guessKind(name string, first []byte) string {
	var has []string
	if o.format == "csv" {
		for column := range strings.SplitSeq(string(first), ",") {
			has = append(has, strings.Trim(strings.TrimSpace(column), `"`))
		}
	} else {
		var members map[string]json.RawMessage
		_ = json.Unmarshal(first, &members)
		for member := range members {
			has = append(has, member)
		}
		if slices.Contains(has, "kind") {
			return "mixed"
		}
	}
	for _, kind := range importKinds {
		if strings.HasPrefix(name, kind) {
			return kind
		}
	}
	for _, telling := range []struct{ member, kind string }{
		{"email", "users"}, {"user", "assignments"}, {"actions", "permissions"}, {"code", "resources"}, {"priority", "roles"}, {"permissions", "roles"},
	} {
		if slices.Contains(has, telling.member) {
			return telling.kind
		}
	}
	return ""
}

// follow shows how far the import is until its end. When the command is
// interrupted the import goes on.
func (o *importOptions) follow(ctx context.Context, progress io.Writer, i *imported) error {
	bar := isTerminal(progress)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	shown := -1
	for !i.over() {
		select {
		case <-ctx.Done():
			return o.left(i)
		case <-ticker.C:
		}
		if err := o.get(ctx, "/imports/"+i.ID, i); err != nil {
			if ctx.Err() != nil {
				return o.left(i)
			}
			return err
		}
		switch {
		case bar:
			fmt.Fprintf(progress, "\r%s %d of %d", drawn(i.Processed, i.Total), i.Processed, i.Total)
		case i.Processed != shown:
			fmt.Fprintf(progress, "%d of %d\n", i.Processed, i.Total)
		}
		shown = i.Processed
	}
	if bar {
		fmt.Fprintln(progress)
	}
	return nil
}

func (o *importOptions) left(i *imported) error {
	return fmt.Errorf("no longer waiting; the import goes on. Look at it with: sentinel import --status %s", i.ID)
}

func drawn(n, of int) string {
	const width = 30
	full := width
	if of > 0 {
		full = width * n / of
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// report says what came of it.
func (o *importOptions) report(ctx context.Context, out io.Writer, i *imported) error {
	would := ""
	if i.IsDryRun {
		would = " (a dry run: nothing was written)"
	}
	fmt.Fprintf(out, "Import %s is %s%s: %d of %d rows; %d created, %d updated, %d unchanged, %d refused\n",
		i.ID, i.Status, would, i.Processed, i.Total, i.Created, i.Updated, i.Unchanged, i.Refused)
	if i.Refused > 0 {
		if err := o.refusals(ctx, out, i); err != nil {
			return err
		}
	}
	switch {
	case i.Status == "failed":
		return errors.New(i.Error)
	case i.Status == "cancelled":
		return errors.New("it was cancelled")
	case i.Status == "done" && i.Refused > 0:
		return errRowsRefused
	default:
		return nil
	}
}

func (o *importOptions) refusals(ctx context.Context, out io.Writer, i *imported) error {
	var list []struct {
		Line                     int
		Kind, Key, Field, Reason string
	}
	if err := o.get(ctx, fmt.Sprintf("/imports/%s/refusals?limit=%d", i.ID, shownRefusals), &list); err != nil {
		return err
	}
	for _, r := range list {
		fmt.Fprintf(out, "  line %d %s: %s\n", r.Line, strings.TrimSpace(r.Kind+" "+r.Key), strings.TrimSpace(r.Field+" "+r.Reason))
	}
	if i.Refused > len(list) {
		fmt.Fprintf(out, "  and %d more: GET /api/v1/imports/%s/refusals\n", i.Refused-len(list), i.ID)
	}
	return nil
}
