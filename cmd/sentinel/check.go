package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// errDenied makes the exit status tell scripts the answer: 0 allowed, 1 not.
var errDenied = errors.New("denied")

// What --attributes and --context may be, for whoever writes them in another form.
const (
	attributesExample = `'{"amount": 250, "flag": "NO"}'`
	contextExample    = `'{"ip": "10.0.0.7"}'`
)

type checkOptions struct {
	remote
	user, context, attributes, justification, output string
	ready                                            bool
}

func checkCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check ACTION TYPE[:ID]",
		Short: "Ask a running server whether somebody may do something, and why",
		Long: `Ask a running server whether somebody may do something, and why.

The exit status is 0 if it is allowed, 1 if not or if the question failed. The
token comes from --token or SENTINEL_TOKEN. With --justification, what needs an
approval is asked for. That is one's own to do, so it goes without --user.`,
		Example: `  sentinel check read vessel:mv-aurora
  sentinel check update manifest:4711 --user 0197... -o json
  sentinel check read sensitive_data:4711 --justification "The auditor asks."`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.ready {
				return cobra.NoArgs(cmd, args)
			}
			if len(args) != 2 {
				return errors.New("say what is asked, such as: sentinel check read vessel:mv-aurora")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			if o.ready {
				return ready(ctx, &o.remote)
			}
			return check(ctx, cmd.OutOrStdout(), o, args[0], args[1])
		},
	}
	o.flags(cmd, "ask")
	o.questionFlags(cmd)
	cmd.Flags().StringVar(&o.justification, "justification", "", "why it should be allowed: opens an access request if an approval is needed")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text for people, json for programs")
	cmd.Flags().BoolVar(&o.ready, "ready", false, "ask only whether the server is ready")
	return cmd
}

// questionFlags adds what a question has beside its arguments.
func (o *checkOptions) questionFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.user, "user", "", "the subject's id (default: the token's own account)")
	cmd.Flags().StringVar(&o.attributes, "attributes", "", "what is known of the resource, a JSON object")
	cmd.Flags().StringVar(&o.context, "context", "", "the context of the request, a JSON object")
}

func ready(ctx context.Context, r *remote) error {
	base, err := r.base()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health/ready", http.NoBody)
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r.unanswered(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server at %s is not ready (status %d)", r.server, resp.StatusCode)
	}
	return nil
}

// answer is what the check route gives back.
type answer struct {
	Data struct {
		Allowed      bool   `json:"allowed"`
		ReasonCode   string `json:"reason_code"`
		Reason       string `json:"reason"`
		Revision     string `json:"revision"`
		MatchedRoles []struct {
			Path string `json:"path"`
		} `json:"matched_roles"`
		Obligations       []json.RawMessage `json:"obligations"`
		RequiresApproval  bool              `json:"requires_approval"`
		ApprovalChainID   string            `json:"approval_chain_id"`
		ApprovalRequestID string            `json:"approval_request_id"`
		ApprovalLevels    []struct {
			Level        int             `json:"level"`
			Approvers    json.RawMessage `json:"approvers"`
			TimeoutHours int             `json:"timeout_hours"`
		} `json:"approval_levels"`
		FieldPermissions map[string]map[string]string `json:"field_permissions"`
	} `json:"data"`
	Error *refusal `json:"error"`
}

// ask sends a question about a subject to a route, and returns the body of the
// answer.
func (o *checkOptions) ask(ctx context.Context, route, action, target string) ([]byte, error) {
	if o.output != "text" && o.output != "json" {
		return nil, fmt.Errorf("--output %q: must be text or json", o.output)
	}
	body, err := question(*o, action, target)
	if err != nil {
		return nil, err
	}
	return o.call(ctx, http.MethodPost, route, body)
}

func check(ctx context.Context, out io.Writer, o checkOptions, action, target string) error {
	raw, err := o.ask(ctx, "/permissions/check", action, target)
	if err != nil {
		return err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%s does not answer like Sentinel: %w", o.server, err)
	}
	return show(out, o, &a, raw)
}

func show(out io.Writer, o checkOptions, a *answer, raw []byte) error {
	if o.output == "json" {
		if _, err := fmt.Fprintln(out, string(bytes.TrimSpace(raw))); err != nil {
			return err
		}
	}
	if a.Error != nil {
		return a.Error
	}
	if o.output == "text" {
		word := "DENIED"
		if a.Data.Allowed {
			word = "ALLOWED"
		}
		fmt.Fprintf(out, "%s (%s)\n", word, a.Data.ReasonCode)
		if a.Data.Reason != "" {
			fmt.Fprintln(out, a.Data.Reason)
		}
		for _, r := range a.Data.MatchedRoles {
			fmt.Fprintln(out, "  by", r.Path)
		}
		showRest(out, a)
	}
	if !a.Data.Allowed {
		return errDenied
	}
	return nil
}

// showRest prints what an answer says beside yes or no, a line each.
func showRest(out io.Writer, a *answer) {
	d := &a.Data
	for _, o := range d.Obligations {
		fmt.Fprintf(out, "  obligation %s\n", o)
	}
	if d.ApprovalChainID != "" {
		fmt.Fprintln(out, "  approval chain", d.ApprovalChainID)
		for _, l := range d.ApprovalLevels {
			fmt.Fprintf(out, "    level %d, within %d h: %s\n", l.Level, l.TimeoutHours, l.Approvers)
		}
	}
	switch {
	case d.ApprovalRequestID != "":
		fmt.Fprintln(out, "  access request", d.ApprovalRequestID)
	case d.RequiresApproval:
		fmt.Fprintln(out, "  nobody has been asked yet: ask again with --justification")
	}
	for _, tier := range slices.Sorted(maps.Keys(d.FieldPermissions)) {
		for _, field := range slices.Sorted(maps.Keys(d.FieldPermissions[tier])) {
			fmt.Fprintf(out, "  field %s.%s: %s\n", tier, field, d.FieldPermissions[tier][field])
		}
	}
}

func question(o checkOptions, action, target string) ([]byte, error) {
	typ, id, named := strings.Cut(target, ":")
	if named && id == "" {
		return nil, fmt.Errorf("%s names no %s: give an id after the colon, or ask about the type as %s", target, typ, typ)
	}
	resource := map[string]any{"type": typ}
	if id != "" {
		resource["id"] = id
	}
	body := map[string]any{"resource": resource, "action": action}
	if o.user != "" {
		body["user_id"] = o.user
	}
	if o.justification != "" {
		body["justification"] = o.justification
	}
	for _, m := range []struct {
		flag, text string
		into       map[string]any
		name       string
		example    string
	}{
		{"--attributes", o.attributes, resource, "attributes", attributesExample},
		{"--context", o.context, body, "context", contextExample},
	} {
		if m.text == "" {
			continue
		}
		if !json.Valid([]byte(m.text)) || !strings.HasPrefix(strings.TrimSpace(m.text), "{") {
			return nil, fmt.Errorf("%s: must be a JSON object, such as %s", m.flag, m.example)
		}
		m.into[m.name] = json.RawMessage(m.text)
	}
	return json.Marshal(body)
}
