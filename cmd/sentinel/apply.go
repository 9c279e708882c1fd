package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

var (
	// errWouldChange makes the exit status of a dry run 2.
	errWouldChange = errors.New("the manifest would change the tenant")
	errNotApplied  = errors.New("nothing was applied")
	errUnasked     = errors.New("there is nobody to ask: look at the plan with --dry-run, then say --yes")
)

type applyOptions struct {
	remote
	files              []string
	prune, dryRun, yes bool
	output             string
	colour             bool
	// terminal says that somebody sits at the input who can be asked.
	terminal bool
}

func applyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make a tenant's configuration what files say",
		Long: `Make a tenant's configuration what files say: show what would change, ask, and
change it, all of it or nothing.

A section that no file has is not touched. What a section does not list stays,
unless --prune is given. Several files, and the files of a folder, are one
manifest: their lists are joined.

The exit status is 0 if everything is as the files say, 1 on a failure, and 2 if
with --dry-run there would be changes.`,
		Example: `  sentinel apply -f tenant.yaml
  sentinel apply -f roles.yaml -f resources.yaml --prune --dry-run
  sentinel export | sed s/Clerk/Teller/ | sentinel apply -f - --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 2*manifestTimeout)
			defer cancel()
			o.colour = isTerminal(cmd.OutOrStdout()) && os.Getenv("NO_COLOR") == ""
			o.terminal = isTerminal(cmd.InOrStdin())
			return apply(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), o)
		},
	}
	o.flags(cmd, "apply")
	cmd.Flags().StringArrayVarP(&o.files, "file", "f", nil, "a file, YAML or JSON, a folder of them, or - for the input; can be repeated")
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete what the sections of the files do not list")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show what would change")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text for people, json for programs")
	return cmd
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) //nolint:gosec // a descriptor is a small number
}

// changePlan is what the plan route gives back.
type changePlan struct {
	Changes []planned `json:"changes"`
	Summary struct{ Create, Update, Delete int }
	Digest  string `json:"digest"`
}

type planned struct {
	Action string         `json:"action"`
	Kind   string         `json:"kind"`
	Name   string         `json:"name"`
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
	Takes  map[string]int `json:"takes"`
}

func apply(ctx context.Context, in io.Reader, out io.Writer, o applyOptions) error {
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output %q: must be text or json", o.output)
	}
	m, err := readManifest(o.files, in)
	if err != nil {
		return err
	}
	raw, plan, err := m.ask(ctx, o, "/manifest/plan", "")
	if err != nil {
		return err
	}
	changes := len(plan.Changes) > 0
	switch {
	case o.output == "json" && (o.dryRun || !changes):
		_, err = fmt.Fprintln(out, string(raw))
	case o.output == "text":
		err = showPlan(out, plan, o.colour)
	}
	switch {
	case err != nil || !changes:
		return err
	case o.dryRun:
		return errWouldChange
	case !o.yes:
		if err := confirm(ctx, in, out, plan, o); err != nil {
			return err
		}
	}
	raw, _, err = m.ask(ctx, o, "/manifest/apply", plan.Digest)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: whether it was applied, --dry-run tells", err)
	case err != nil:
		return err
	}
	if o.output == "json" {
		_, err = fmt.Fprintln(out, string(raw))
		return err
	}
	_, err = fmt.Fprintln(out, "Applied.")
	return err
}

// ask sends the manifest. What the server refuses of it is told by the lines of
// the files.
func (m *merged) ask(ctx context.Context, o applyOptions, path, digest string) (json.RawMessage, *changePlan, error) {
	question := map[string]any{"manifest": m.document, "prune": o.prune}
	if digest != "" {
		question["digest"] = digest
	}
	body, err := json.Marshal(question)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the manifest: %w", err)
	}
	raw, err := o.data(ctx, http.MethodPost, path, body)
	var refused *refusal
	if errors.As(err, &refused) && len(refused.Details.Fields) > 0 {
		text := refused.summary()
		for _, f := range refused.Details.Fields {
			text += "\n  " + m.locate(f.Path) + " " + f.Message
		}
		return nil, nil, errors.New(text)
	}
	if err != nil {
		return nil, nil, err
	}
	plan := &changePlan{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(plan); err != nil {
		return nil, nil, fmt.Errorf("%s does not answer like Sentinel: %w", o.server, err)
	}
	return raw, plan, nil
}

// confirm asks whether to go on. Where something is deleted, a yes out of habit
// does not do: the number of deletions is asked for.
func confirm(ctx context.Context, in io.Reader, out io.Writer, plan *changePlan, o applyOptions) error {
	if !o.terminal || o.output == "json" {
		return errUnasked
	}
	question, wanted := "Apply? [y/N] ", []string{"y", "yes"}
	if n := plan.Summary.Delete; n > 0 {
		question, wanted = fmt.Sprintf("%d will be deleted. Type that number to apply: ", n), []string{strconv.Itoa(n)}
	}
	if _, err := fmt.Fprint(out, question); err != nil {
		return err
	}
	// Reading cannot be interrupted: whoever presses Ctrl-C is not waited for.
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		lines <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return errNotApplied
	case line := <-lines:
		if slices.Contains(wanted, strings.ToLower(strings.TrimSpace(line))) {
			return nil
		}
		return errNotApplied
	}
}
