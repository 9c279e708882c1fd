package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func explainCommand() *cobra.Command {
	var (
		o      checkOptions
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "explain ACTION TYPE[:ID]",
		Short: "Ask a running server why somebody may do something or not, and what would change it",
		Long: `Ask a running server why somebody may do something or not, and what would change it.

The exit status is 0 if it is allowed, 1 if not or if the question failed. The
token comes from --token or SENTINEL_TOKEN. What is shown is what its account may
see: all of it needs execute on api/decisions and read on api/permissions.`,
		Example: `  sentinel explain read vessel:mv-aurora
  sentinel explain update manifest:4711 --user 0197... --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("say what is asked, such as: sentinel explain read vessel:mv-aurora")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			if asJSON {
				o.output = "json"
			}
			return explain(ctx, cmd.OutOrStdout(), o, args[0], args[1])
		},
	}
	o.flags(cmd, "ask")
	o.questionFlags(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text for people, json for programs")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --output json")
	return cmd
}

func explain(ctx context.Context, out io.Writer, o checkOptions, action, target string) error {
	raw, err := o.ask(ctx, "/permissions/explain", action, target)
	if err != nil {
		return err
	}
	data, err := o.opened(raw)
	if err != nil {
		return err
	}
	var x explanation
	if err := o.decode(data, &x); err != nil {
		return err
	}
	if o.output == "json" {
		_, err = fmt.Fprintln(out, string(bytes.TrimSpace(raw)))
	} else {
		_, err = io.WriteString(out, x.text())
	}
	if err == nil && !x.Answer.Allowed {
		err = errDenied
	}
	return err
}

// explanation is what the explain route gives back, as far as it is printed.
type explanation struct {
	Answer struct {
		Allowed    bool   `json:"allowed"`
		ReasonCode string `json:"reason_code"`
		Reason     string `json:"reason"`
	} `json:"answer"`
	Trimmed bool       `json:"trimmed"`
	Missing []string   `json:"missing_permissions"`
	Summary string     `json:"summary"`
	Subject string     `json:"subject_id"`
	Until   *time.Time `json:"until"`
	Steps   []struct {
		Step    string `json:"step"`
		Outcome string `json:"outcome"`
		Detail  string `json:"detail"`
	} `json:"steps"`
	Roles       []holding    `json:"roles"`
	Groups      []holding    `json:"groups"`
	NotCounting []held       `json:"not_counting"`
	Permissions []considered `json:"permissions"`
	Others      struct {
		Type     int `json:"other_type"`
		Action   int `json:"other_action"`
		Resource int `json:"other_resource"`
		Matching int `json:"matching"`
	} `json:"others"`
	Policies []rule `json:"policies"`
	Approval *struct {
		Chains []gate `json:"chains"`
	} `json:"approval"`
	Changes  []way    `json:"changes"`
	Complete bool     `json:"complete"`
	Cut      []string `json:"cut"`
}

// holding is a role or group that the subject has.
type holding struct {
	Name    string `json:"name"`
	Decided bool   `json:"decided"`
	Paths   []struct {
		Path      string     `json:"path"`
		ExpiresAt *time.Time `json:"expires_at"`
	} `json:"paths"`
	Cut bool `json:"cut"`
}

// held is a role or group that the subject is given and does not have.
type held struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	ID     string `json:"id"`
	Detail string `json:"detail"`
}

// considered is a permission with what came of it.
type considered struct {
	Name       string   `json:"name"`
	Effect     string   `json:"effect"`
	Actions    []string `json:"actions"`
	Resource   string   `json:"resource"`
	Roles      []string `json:"roles"`
	Counts     bool     `json:"counts"`
	Why        string   `json:"why"`
	Detail     string   `json:"detail"`
	Conditions *judged  `json:"conditions"`
}

// judged is a part of a condition with what came of it.
type judged struct {
	Operator string    `json:"operator"`
	Path     string    `json:"path"`
	Found    *value    `json:"found"`
	Wanted   []value   `json:"wanted"`
	Truth    string    `json:"truth"`
	Decides  bool      `json:"decides"`
	Parts    []*judged `json:"parts"`
}

type value struct {
	Value  json.RawMessage `json:"value"`
	Kind   string          `json:"kind"`
	Ref    string          `json:"ref"`
	Cut    bool            `json:"cut"`
	Hidden bool            `json:"hidden"`
}

// rule is a policy that applies, with what it said.
type rule struct {
	Policy  string `json:"policy"`
	Silent  bool   `json:"silent"`
	Denials []struct {
		Reason string `json:"reason"`
	} `json:"denials"`
	Obligations  []json.RawMessage `json:"obligations"`
	Chains       []string          `json:"require_approval"`
	Restrictions []string          `json:"restrict_fields"`
	Allows       bool              `json:"allows"`
	Failed       bool              `json:"failed"`
	Error        string            `json:"error"`
}

// gate is an approval chain that matches or is required.
type gate struct {
	Name     string     `json:"name"`
	Mode     string     `json:"mode"`
	Applies  bool       `json:"applies"`
	Required bool       `json:"required_by_policy"`
	Needed   bool       `json:"needed"`
	Open     bool       `json:"open"`
	Approved string     `json:"approved_request_id"`
	Until    *time.Time `json:"until"`
	Pending  string     `json:"pending_request_id"`
	Auto     *judged    `json:"auto_approve_conditions"`
}

// way is a set of changes that together change the answer.
type way struct {
	Together []changed `json:"together"`
	Summary  string    `json:"summary"`
	Verified bool      `json:"verified"`
}

type changed struct {
	Kind      string `json:"kind"`
	Summary   string `json:"summary"`
	RoleID    string `json:"role_id"`
	GroupID   string `json:"group_id"`
	NodeID    string `json:"node_id"`
	State     string `json:"state"`
	Target    string `json:"target"`
	RequestID string `json:"request_id"`
	Request   *struct {
		Method string          `json:"method"`
		Path   string          `json:"path"`
		Body   json.RawMessage `json:"body"`
	} `json:"request"`
}

// call is the call of the API that makes a change, "" where there is none as
// simple.
func (c *changed) call(subject string) string {
	const api = " /api/v1"
	switch {
	case c.Request != nil:
		return fmt.Sprintf("%s %s %s", c.Request.Method, c.Request.Path, bytes.TrimSpace(c.Request.Body))
	case c.Kind == "assign_role" && c.RoleID != "":
		return fmt.Sprintf(`POST%s/users/%s/roles {"role_id":%q}`, api, subject, c.RoleID)
	case c.Kind == "remove_role" && c.RoleID != "":
		return fmt.Sprintf("DELETE%s/users/%s/roles/%s", api, subject, c.RoleID)
	case c.Kind == "leave_group" && c.GroupID != "":
		return fmt.Sprintf("DELETE%s/groups/%s/users/%s", api, c.GroupID, subject)
	case c.Kind == "workflow_state" && c.NodeID != "" && c.State != "":
		return fmt.Sprintf(`PATCH%s/resources/%s {"workflow_config":{"state":%q}}`, api, c.NodeID, c.State)
	case c.Kind == "revoke_approval" && c.RequestID != "":
		return fmt.Sprintf("POST%s/access-requests/%s/revoke", api, c.RequestID)
	case c.Kind == "approval" && c.RequestID != "":
		return fmt.Sprintf("POST%s/access-requests/%s/approve", api, c.RequestID)
	default:
		return ""
	}
}
