package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sentinel-access/sentinel/internal/app"
)

// The colours of a plan, as terminals know them.
const (
	green  = "\x1b[32m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// showPlan writes what changes, object by object, and a summary.
func showPlan(out io.Writer, plan *changePlan, colour bool) error {
	if len(plan.Changes) == 0 {
		_, err := fmt.Fprintln(out, "Nothing to change.")
		return err
	}
	d := &diff{colour: colour}
	for i := range plan.Changes {
		if err := d.change(&plan.Changes[i]); err != nil {
			return err
		}
	}
	fmt.Fprintf(&d.text, "\n%d to create, %d to change, %d to delete\n", plan.Summary.Create, plan.Summary.Update, plan.Summary.Delete)
	_, err := out.Write(d.text.Bytes())
	return err
}

type diff struct {
	text   bytes.Buffer
	colour bool
}

func (d *diff) change(c *planned) error {
	signs := map[string][2]string{"create": {"+", green}, "update": {"~", yellow}, "delete": {"-", red}}
	sign := signs[c.Action]
	d.line(sign[1], sign[0]+" "+c.Kind+" "+visible(c.Name)+takes(c.Takes))
	switch c.Action {
	case "create":
		return d.members("    ", green, c.After)
	case "update":
		for _, name := range names(c.Before, c.After) {
			for _, side := range []struct {
				margin, colour string
				members        map[string]any
			}{{"  - ", red, c.Before}, {"  + ", green, c.After}} {
				value, ok := side.members[name]
				if !ok {
					continue
				}
				if err := d.members(side.margin, side.colour, map[string]any{name: value}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func names(sides ...map[string]any) []string {
	all := map[string]bool{}
	for _, side := range sides {
		for name := range side {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// members writes members as a file would have them.
func (d *diff) members(margin, colour string, members map[string]any) error {
	raw, err := json.Marshal(members)
	if err != nil {
		return fmt.Errorf("show a change: %w", err)
	}
	text, err := app.YAMLText(raw)
	if err != nil {
		return fmt.Errorf("show a change: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		d.line(colour, margin+strings.TrimSuffix(line, "\n"))
	}
	return nil
}

func (d *diff) line(colour, text string) {
	if d.colour {
		text = colour + text + plain
	}
	d.text.WriteString(text + "\n")
}

// takes says what goes with a deleted object.
func takes(what map[string]int) string {
	parts := make([]string, 0, len(what))
	for _, name := range slices.Sorted(maps.Keys(what)) {
		n := what[name]
		if n == 1 {
			name = strings.TrimSuffix(name, "s")
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, name))
	}
	if len(parts) == 0 {
		return ""
	}
	return "  (with it go: " + strings.Join(parts, ", ") + ")"
}

// visible is a name in which nothing can move the cursor.
func visible(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
