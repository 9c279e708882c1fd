package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// textWidth is how wide a printed explanation is at most, words that are longer
// left aside.
const textWidth = 96

// page is a text under way.
type page struct{ strings.Builder }

// line prints a text after a lead and wraps it below its beginning. What a terminal
// would not print but obey is printed as ?.
func (p *page) line(lead, text string) {
	column, at := len([]rune(lead)), 0
	p.WriteString(lead)
	for _, word := range strings.Fields(printable(text)) {
		n := len([]rune(word))
		switch {
		case at == 0:
		case column+at+1+n > textWidth:
			p.WriteString("\n" + strings.Repeat(" ", column))
			at = 0
		default:
			p.WriteString(" ")
			at++
		}
		p.WriteString(word)
		at += n
	}
	p.WriteString("\n")
}

func (p *page) heading(text string) { p.WriteString("\n" + printable(text) + "\n") }

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func (x *explanation) text() string {
	p := &page{}
	word := "DENIED"
	if x.Answer.Allowed {
		word = "ALLOWED"
	}
	fmt.Fprintf(p, "%s (%s)\n", word, printable(x.Answer.ReasonCode))
	p.line("", x.Summary)
	if x.Until != nil {
		p.line("", "So until "+moment(*x.Until)+".")
	}
	x.steps(p)
	x.roles(p)
	x.permissions(p)
	x.policies(p)
	x.chains(p)
	x.changes(p)
	if x.Trimmed || len(x.Missing) > 0 {
		p.heading("Not all is shown. More needs " + strings.Join(x.Missing, ", ") + ".")
	}
	if len(x.Cut) > 0 {
		p.heading("Too long to be shown whole: " + strings.Join(x.Cut, ", ") + ".")
	}
	return p.String()
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func (x *explanation) steps(p *page) {
	p.heading("Steps")
	marks := map[string]string{"passed": "[ok]", "refused": "[no]", "skipped": "[--]", "not_reached": "[  ]"}
	for _, s := range x.Steps {
		text := s.Detail
		if text == "" {
			text = strings.ReplaceAll(s.Outcome, "_", " ")
		}
		p.line(fmt.Sprintf("  %-4s %-11s  ", marks[s.Outcome], s.Step), text)
	}
}

// branch is a place in the tree of paths.
type branch struct {
	name    string
	note    string
	below   []*branch
	decided bool
}

func (b *branch) child(name string) *branch {
	for _, c := range b.below {
		if c.name == name {
			return c
		}
	}
	c := &branch{name: name}
	b.below = append(b.below, c)
	return c
}

func (b *branch) print(p *page, indent string) {
	text := b.name + b.note
	if b.decided {
		text += "  <- decided"
	}
	p.line(indent, text)
	for _, c := range b.below {
		c.print(p, indent+"  ")
	}
}

func (x *explanation) roles(p *page) {
	if len(x.Roles)+len(x.Groups)+len(x.NotCounting) == 0 {
		return
	}
	p.heading("Roles and groups")
	root := &branch{name: "user"}
	for _, list := range [][]holding{x.Groups, x.Roles} {
		for _, h := range list {
			for _, path := range h.Paths {
				at := root
				for i, step := range strings.Split(path.Path, " > ")[1:] {
					at = at.child(step)
					if i == 0 && path.ExpiresAt != nil {
						at.note = " (until " + moment(*path.ExpiresAt) + ")"
					}
				}
				at.decided = at.decided || h.Decided
			}
			if h.Cut {
				root.note = " (some have more paths than are shown)"
			}
		}
	}
	root.print(p, "  ")
	for _, h := range x.NotCounting {
		name := h.Name
		if name == "" {
			name = h.ID
		}
		p.line("  not now: "+printable(h.Kind+":"+name)+"  ", h.Detail)
	}
}

func (x *explanation) permissions(p *page) {
	n := x.Others.Type + x.Others.Action + x.Others.Resource + x.Others.Matching
	if len(x.Permissions)+n == 0 {
		return
	}
	p.heading("Permissions")
	for i := range x.Permissions {
		g := &x.Permissions[i]
		mark := "[no]"
		if g.Counts {
			mark = "[ok]"
		}
		p.line("  "+mark+" ", fmt.Sprintf("%s: %s %s on %s, by %s", g.Name, g.Effect, strings.Join(g.Actions, ", "), g.Resource, strings.Join(g.Roles, ", ")))
		if g.Conditions == nil || g.Why == "counts" || g.Why == "overruled" {
			p.line("       ", g.Detail)
			continue
		}
		// The parts say the rest of the sentence.
		sentence, _, _ := strings.Cut(g.Detail, ":")
		p.line("       ", strings.TrimSuffix(sentence, ".")+":")
		g.Conditions.print(p, "       ")
	}
	if n > 0 {
		var why []string
		for _, o := range []struct {
			n    int
			text string
		}{
			{x.Others.Type, "on other types"},
			{x.Others.Resource, "on other resources"},
			{x.Others.Action, "for other actions"},
			{x.Others.Matching, "like those above"},
		} {
			if o.n > 0 {
				why = append(why, fmt.Sprint(o.n, " ", o.text))
			}
		}
		p.line("  ", "Not listed: "+strings.Join(why, ", ")+".")
	}
}

// print prints the parts that decide.
func (j *judged) print(p *page, indent string) {
	if !j.Decides {
		return
	}
	names := map[string]string{"all_of": "all of:", "any_of": "one of:", "not": "not:"}
	if name, combines := names[j.Operator]; combines {
		// One part that must hold, as most conditions have it, needs no heading.
		if j.Operator != "all_of" || len(j.Parts) != 1 {
			p.line(indent, name)
			indent += "  "
		}
		for _, part := range j.Parts {
			part.print(p, indent)
		}
		return
	}
	p.line(indent, j.String())
}

// String is a comparison in words: "subject.attributes.clearance is 2, wanted at
// least 3".
func (j *judged) String() string {
	found := "is missing"
	if j.Found != nil && j.Found.Kind != "missing" {
		found = "is " + j.Found.String()
	}
	words := map[string]string{
		"eq": "%s", "ne": "other than %s", "in": "one of %s", "nin": "none of %s", "gt": "more than %s", "gte": "at least %s", "lt": "less than %s",
		"lte": "at most %s", "between": "between %s", "weekday": "on %s", "prefix": "to begin with %s", "suffix": "to end with %s",
		"contains": "to contain %s", "contains_all": "to contain all of %s", "contains_any": "to contain one of %s", "cidr": "an address in %s",
		"matches": "to match %s", "exists": "to exist: %s",
	}
	form, known := words[j.Operator]
	if !known {
		form = j.Operator + " %s"
	}
	between := ", "
	if j.Operator == "between" {
		between = " and "
	}
	var wanted []string
	for i := range j.Wanted {
		wanted = append(wanted, j.Wanted[i].String())
	}
	zone := ""
	if j.Operator == "weekday" || j.Operator == "between" && len(wanted) > 0 && len(wanted[0]) == len(`"09:00"`) && wanted[0][3] == ':' {
		zone = " in the tenant's time zone"
	}
	return j.Path + " " + found + ", wanted " + fmt.Sprintf(form, strings.Join(wanted, between)) + zone
}

func (v *value) String() string {
	text := string(v.Value)
	switch {
	case v.Hidden || v.Kind == "hidden":
		text = "hidden from you"
	case v.Kind == "missing":
		text = "nothing"
	}
	if v.Cut {
		text += "..."
	}
	if v.Ref != "" {
		text += " (" + v.Ref + ")"
	}
	return text
}

func (x *explanation) policies(p *page) {
	if len(x.Policies) == 0 {
		return
	}
	p.heading("Policies")
	for i := range x.Policies {
		r := &x.Policies[i]
		p.line("  "+printable(r.Policy)+": ", r.said())
	}
}

func (r *rule) said() string {
	if r.Failed {
		return strings.TrimSuffix("could not be evaluated: "+r.Error, ": ")
	}
	var parts []string
	for _, d := range r.Denials {
		parts = append(parts, strings.TrimSuffix("denies: "+d.Reason, ": "))
	}
	for _, o := range r.Obligations {
		parts = append(parts, "obliges to "+string(o))
	}
	for _, c := range r.Chains {
		parts = append(parts, "requires an approval by "+c)
	}
	for _, f := range r.Restrictions {
		parts = append(parts, "restricts field "+f)
	}
	if r.Allows {
		parts = append(parts, "allows")
	}
	if parts == nil && !r.Silent {
		return "says what is hidden from you"
	}
	if parts == nil {
		return "says nothing"
	}
	return strings.Join(parts, "; ")
}

func (x *explanation) chains(p *page) {
	if x.Approval == nil || len(x.Approval.Chains) == 0 {
		return
	}
	p.heading("Approval chains")
	for i := range x.Approval.Chains {
		g := &x.Approval.Chains[i]
		p.line("  "+printable(g.Name)+" ("+printable(g.Mode)+"): ", g.said())
		if g.Auto != nil && !g.Open {
			p.line("    ", "It would approve by itself, but for:")
			g.Auto.print(p, "      ")
		}
	}
}

func (g *gate) said() string {
	var text string
	switch {
	case !g.Applies && !g.Required:
		return "does not apply, another is more specific or older"
	case !g.Needed:
		return "is not needed"
	case g.Open && g.Approved != "":
		text = "is open by access request " + g.Approved
	case g.Open:
		text = "is open by its own conditions"
	case g.Pending != "":
		text = "waits for access request " + g.Pending
	default:
		text = "is closed: nobody has been asked"
	}
	if g.Until != nil {
		text += ", until " + moment(*g.Until)
	}
	return text
}

func (x *explanation) changes(p *page) {
	p.heading("What would change it:")
	for i := range x.Changes {
		w := &x.Changes[i]
		text := w.Summary
		if !w.Verified {
			text += " (not tried out)"
		}
		if len(w.Together) > 1 {
			text = "All of these together:"
			if !w.Verified {
				text = "All of these together (not tried out):"
			}
		}
		p.line(fmt.Sprintf("  %d. ", i+1), text)
		for n := range w.Together {
			c := &w.Together[n]
			if len(w.Together) > 1 {
				p.line("     - ", c.Summary)
			}
			if call := c.call(x.Subject); call != "" {
				p.WriteString("       " + printable(call) + "\n") // to be copied, so in one line
			}
		}
	}
	switch {
	case len(x.Changes) == 0:
		p.line("  ", "Nothing was found within the bounds of the search.")
	case !x.Complete:
		p.line("  ", "There may be others.")
	}
}
