package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// searchPage is how many are asked for at a time.
const searchPage = 200

func whoCanCommand() *cobra.Command {
	var (
		o     checkOptions
		limit int
	)
	cmd := &cobra.Command{
		Use:   "who-can ACTION TYPE[:ID]",
		Short: "Ask a running server who may do something",
		Long: `Ask a running server who may do something: accounts by their ids, with the path
by which each may. It follows pages until --limit. The token's account needs
execute on api/decisions and read on api/users.`,
		Example: `  sentinel who-can read vessel:mv-aurora
  sentinel who-can delete invoice --limit 1000 -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("say what is asked, such as: sentinel who-can read vessel:mv-aurora")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := question(o, args[0], args[1])
			if err != nil {
				return err
			}
			return whoCan(cmd.Context(), cmd.OutOrStdout(), &o, body, limit)
		},
	}
	o.flags(cmd, "ask")
	cmd.Flags().StringVar(&o.attributes, "attributes", "", "what is known of the resource, a JSON object")
	cmd.Flags().StringVar(&o.context, "context", "", "the context of the request, a JSON object")
	searchFlags(cmd, &o, &limit)
	return cmd
}

func searchFlags(cmd *cobra.Command, o *checkOptions, limit *int) {
	cmd.Flags().IntVar(limit, "limit", 1000, "the most to show")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text for people, json for programs")
}

// found is a page of either search.
type found struct {
	Subjects         []json.RawMessage `json:"subjects,omitempty"`
	Nodes            []json.RawMessage `json:"nodes,omitempty"`
	Patterns         []json.RawMessage `json:"patterns,omitempty"`
	PatternsComplete *bool             `json:"patterns_complete,omitempty"`
	NextPageToken    string            `json:"next_page_token,omitempty"`
	Complete         bool              `json:"complete"`
	DependsOn        []string          `json:"depends_on,omitempty"`
	NotEvaluated     int               `json:"not_evaluated,omitempty"`
}

func (f *found) len() int { return len(f.Subjects) + len(f.Nodes) }

// search asks page by page until limit is reached or nothing follows.
func (o *checkOptions) search(ctx context.Context, path string, body []byte, limit int) (*found, error) {
	if o.output != "text" && o.output != "json" {
		return nil, fmt.Errorf("--output %q: must be text or json", o.output)
	}
	if limit < 1 {
		return nil, errors.New("--limit: must be 1 or more")
	}
	question := map[string]any{}
	if err := json.Unmarshal(body, &question); err != nil {
		return nil, fmt.Errorf("encode the call: %w", err)
	}
	all := &found{}
	for all.len() < limit && !all.Complete {
		question["limit"] = min(searchPage, limit-all.len())
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		var page found
		err := o.post(ctx, path, question, &page)
		cancel()
		if err != nil {
			return nil, err
		}
		if !page.Complete && page.NextPageToken == "" {
			return nil, fmt.Errorf("%s does not answer like Sentinel: a page that is not the last says not where to go on", o.server)
		}
		if all.len() == 0 && question["page_token"] == nil {
			all.Patterns, all.PatternsComplete, all.DependsOn = page.Patterns, page.PatternsComplete, page.DependsOn
		}
		all.Subjects, all.Nodes = append(all.Subjects, page.Subjects...), append(all.Nodes, page.Nodes...)
		all.Complete, all.NextPageToken = page.Complete, page.NextPageToken
		all.NotEvaluated += page.NotEvaluated
		question["page_token"] = page.NextPageToken
	}
	return all, nil
}

// show prints what was found, or the end of it.
func (f *found) show(out io.Writer, o *checkOptions, text func(*page) error) error {
	if o.output == "json" {
		raw, err := json.Marshal(f)
		if err == nil {
			_, err = fmt.Fprintln(out, string(raw))
		}
		return err
	}
	p := &page{}
	if err := text(p); err != nil {
		return err
	}
	if f.NotEvaluated > 0 {
		p.line("", fmt.Sprintf("Of %d nothing could be said: they are not among these.", f.NotEvaluated))
	}
	if !f.Complete {
		p.line("", "There may be more: raise --limit.")
	}
	_, err := io.WriteString(out, p.String())
	return err
}

func whoCan(ctx context.Context, out io.Writer, o *checkOptions, body []byte, limit int) error {
	f, err := o.search(ctx, "/permissions/who-can", body, limit)
	if err != nil {
		return err
	}
	return f.show(out, o, func(p *page) error {
		for _, raw := range f.Subjects {
			var s struct {
				UserID       string `json:"user_id"`
				Email        string `json:"email"`
				DisplayName  string `json:"display_name"`
				ReasonCode   string `json:"reason_code"`
				MatchedRoles []struct {
					Path string `json:"path"`
				} `json:"matched_roles"`
			}
			if err := o.decode(raw, &s); err != nil {
				return err
			}
			name := s.DisplayName
			if s.Email != "" {
				name = strings.TrimSpace(name + " <" + s.Email + ">")
			}
			p.line("", strings.TrimSpace(s.UserID+" "+name))
			for _, r := range s.MatchedRoles {
				p.line("  by ", r.Path)
			}
			if len(s.MatchedRoles) == 0 {
				p.line("  ", s.ReasonCode)
			}
		}
		if len(f.Subjects) == 0 && f.Complete {
			p.line("", "Nobody.")
		}
		if len(f.DependsOn) > 0 {
			p.line("", "It depends on what the question does not say: "+strings.Join(f.DependsOn, ", ")+". Say it with --attributes or --context.")
		}
		return nil
	})
}

func whatCanCommand() *cobra.Command {
	var (
		o           checkOptions
		limit       int
		typ, action string
	)
	cmd := &cobra.Command{
		Use:   "what-can",
		Short: "Ask a running server what somebody may do",
		Long: `Ask a running server what somebody may do: registered resources with the actions,
and patterns of those that are not registered. It follows pages until --limit.`,
		Example: `  sentinel what-can
  sentinel what-can --user 0197... --type vessel --action read`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			for name, text := range map[string]string{"user_id": o.user, "resource_type": typ, "action": action} {
				if text != "" {
					body[name] = text
				}
			}
			if o.context != "" {
				if !json.Valid([]byte(o.context)) || !strings.HasPrefix(strings.TrimSpace(o.context), "{") {
					return errors.New("--context: must be a JSON object, such as " + contextExample)
				}
				body["context"] = json.RawMessage(o.context)
			}
			raw, err := json.Marshal(body)
			if err != nil {
				return fmt.Errorf("encode the call: %w", err)
			}
			return whatCan(cmd.Context(), cmd.OutOrStdout(), &o, raw, limit)
		},
	}
	o.flags(cmd, "ask")
	cmd.Flags().StringVar(&o.user, "user", "", "the subject's id (default: the token's own account)")
	cmd.Flags().StringVar(&typ, "type", "", "only this type (default: every type but api)")
	cmd.Flags().StringVar(&action, "action", "", "only this action (default: all that are known)")
	cmd.Flags().StringVar(&o.context, "context", "", "the context of the request, a JSON object")
	searchFlags(cmd, &o, &limit)
	return cmd
}

func whatCan(ctx context.Context, out io.Writer, o *checkOptions, body []byte, limit int) error {
	f, err := o.search(ctx, "/permissions/what-can", body, limit)
	if err != nil {
		return err
	}
	return f.show(out, o, func(p *page) error {
		for _, raw := range f.Nodes {
			var n struct {
				Type    string   `json:"type"`
				Code    string   `json:"code"`
				Actions []string `json:"actions"`
			}
			if err := o.decode(raw, &n); err != nil {
				return err
			}
			p.line(printable(n.Type+":"+n.Code)+"  ", strings.Join(n.Actions, ", "))
		}
		if len(f.Patterns) > 0 {
			p.heading("Of what is not registered:")
		}
		for _, raw := range f.Patterns {
			var g struct {
				Type        string   `json:"resource_type"`
				Pattern     string   `json:"pattern"`
				Actions     []string `json:"actions"`
				Conditional bool     `json:"conditional"`
				Because     []string `json:"because"`
				Path        string   `json:"path"`
			}
			if err := o.decode(raw, &g); err != nil {
				return err
			}
			text := strings.Join(g.Actions, ", ")
			if g.Conditional {
				text += " (perhaps: " + strings.Join(g.Because, ", ") + ")"
			}
			p.line(printable(g.Type+"/"+g.Pattern)+"  ", text)
			if g.Path != "" {
				p.line("  by ", g.Path)
			}
		}
		if len(f.Nodes)+len(f.Patterns) == 0 && f.Complete {
			p.line("", "Nothing.")
		}
		if f.PatternsComplete != nil && !*f.PatternsComplete {
			p.line("", "There are more patterns than are listed.")
		}
		return nil
	})
}
