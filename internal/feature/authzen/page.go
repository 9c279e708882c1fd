package authzen

import (
	"fmt"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Page says which part of an answer is wanted.
type Page struct {
	_          struct{}       `additionalProperties:"true"`
	Token      string         `json:"token,omitempty" doc:"The next_token of the page before. Everything else is as it was then; limit can be left out."`
	Limit      *int           `json:"limit,omitempty" minimum:"0" doc:"The most results wanted. Default 50; above 1,000 it is 1,000. With 0 there is only a token."`
	Properties httpapi.Object `json:"properties,omitempty" doc:"None is known here. Like all else they are as they were on the page before."`
}

// PageAnswer says where the answer goes on.
type PageAnswer struct {
	NextToken string `json:"next_token" doc:"Empty at the end. A page may have fewer results than were wanted, or none, and not be the last."`
	Count     int    `json:"count"`
}

// Results are a part of an answer.
type Results[T any] struct {
	Page    PageAnswer     `json:"page"`
	Context *SearchContext `json:"context,omitempty"`
	Results []T            `json:"results"`
}

// SearchContext is what there is to say beside the results.
type SearchContext struct {
	DependsOn    []string  `json:"depends_on,omitempty" doc:"Attributes that conditions read and the question lacks: with them the answer may be another."`
	NotEvaluated int       `json:"not_evaluated,omitempty" doc:"How many answers could not be made, by failures of policies. They are not among the results."`
	Patterns     []Pattern `json:"patterns,omitempty" doc:"Resources that are not registered and so cannot be listed, but may be allowed. On the first page."`
	PatternsCut  bool      `json:"patterns_cut,omitempty" doc:"There are more patterns than are listed."`
}

// Pattern is a set of resources that are not registered.
type Pattern struct {
	Type        string   `json:"type" doc:"* is every type."`
	Pattern     string   `json:"pattern" doc:"Of the ids. * is every id."`
	Conditional bool     `json:"conditional" doc:"It depends on more than the question says; otherwise every such resource evaluates to true."`
	Because     []string `json:"because,omitempty" doc:"On what it depends."`
}

// part is the part of an answer that is asked for.
type part struct {
	cursor *asking.Cursor
	limit  int
	// after is where it begins, "" for the first.
	after string
}

// part reads a page of a question, which is all that it depends on. Its tokens
// hold the limit too: AuthZEN has it stay as it was.
func (p *Page) part(question ...any) (*part, error) {
	cursor, err := asking.NewCursor(append(question, p.Properties)...)
	if err != nil {
		return nil, err
	}
	out := &part{cursor: cursor, limit: defaultLimit}
	if p.Limit != nil {
		out.limit = min(*p.Limit, maxLimit)
	}
	position, err := cursor.Position(p.Token, "page.token")
	if err != nil || position == "" {
		return out, err
	}
	before := 0
	limit, after, _ := strings.Cut(position, " ")
	if _, err := fmt.Sscan(limit, &before); err != nil || before < 0 || before > maxLimit {
		return nil, badToken()
	}
	out.after = after
	if before > 0 { // the page that was asked for with 0 was none
		if p.Limit != nil && out.limit != before {
			return nil, fault.InvalidAt("page.limit", "must be %d, as on the page before, or be left out", before)
		}
		out.limit = before
	}
	return out, nil
}

func badToken() error {
	return fault.InvalidAt("page.token", "must be the token of the page before, with the question that it was given for")
}

// reply is the answer with what was found, which goes on after next.
func reply[T any](p *part, found []T, next string, c *SearchContext) *httpapi.Reply[Results[T]] {
	if found == nil {
		found = []T{}
	}
	out := Results[T]{Page: PageAnswer{Count: len(found)}, Context: c, Results: found}
	if next != "" || p.limit == 0 {
		out.Page.NextToken = p.cursor.Token(fmt.Sprintf("%d %s", p.limit, next))
	}
	return &httpapi.Reply[Results[T]]{Body: out}
}
