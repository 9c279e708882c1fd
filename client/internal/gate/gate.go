// Package gate decides about requests to an application for the middleware of
// each framework. It knows no framework: what it needs of a request it is told,
// and it returns what to answer.
package gate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/client"
)

// defaultTimeout bounds a decision, with all its tries.
const defaultTimeout = 3 * time.Second

// maxToken is longer than any token of Sentinel's, in bytes.
const maxToken = 16384

// notEvaluated is the reason code of a question that could not be asked,
// unfulfilled that of an answer with an obligation that the application does not
// know.
const (
	notEvaluated = "not_evaluated"
	unfulfilled  = "obligation_not_handled"
)

var (
	typePattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	actionPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,99}$`)
	tokenPattern  = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`) // RFC 6750, 2.1
	idPattern     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// Gate asks a server about requests.
type Gate struct {
	client  *client.Client
	timeout time.Duration
	// named is set if the application says who the subject is.
	named bool
	// handles reports whether the application does what an obligation says.
	handles func(client.Obligation) bool
}

// New makes a gate. timeout is 3 s if zero; without handles the application
// knows no obligations. It fails if the client cannot ask what the gate has to.
func New(c *client.Client, named bool, timeout time.Duration, handles func(client.Obligation) bool) (*Gate, error) {
	if c == nil {
		return nil, errors.New("a guard needs a client: see client.New")
	}
	if named && !c.HasKey() {
		return nil, errors.New("a guard with a Subject asks about others, so its client needs the Key of a service account with execute on api/decisions")
	}
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	if handles == nil {
		handles = func(client.Obligation) bool { return false }
	}
	return &Gate{client: c, timeout: timeout, named: named, handles: handles}, nil
}

// CheckRoute says what is wrong with what a route declares, so that a mistake
// shows when the application starts.
func (g *Gate) CheckRoute(action, typ string, hasValue bool, attributes int) error {
	switch {
	case !actionPattern.MatchString(action):
		return fmt.Errorf("action %q must start with a letter and hold only letters, digits and _ . : - (at most 100 characters)", action)
	case !typePattern.MatchString(typ):
		return fmt.Errorf("resource type %q must be a lower-case identifier of at most 100 characters, such as invoice or sales_order", typ)
	case !hasValue:
		return errors.New("say where the id of the resource is in the request, or NoID for a question about the type")
	case attributes > 1:
		return errors.New("give at most one function for the attributes")
	case attributes == 1 && !g.named:
		return errors.New("attributes are believed of enforcement points alone: set Subject, and the client's Key, or leave them out")
	}
	return nil
}

// Request is what a gate must know of a request.
type Request struct {
	// Authorization holds every value of that header.
	Authorization []string
	// RequestID is the X-Request-ID of the request, if it has one.
	RequestID string
	Action    string
	Type      string
	// Subject gives the subject's id; nil if the token of the request is the
	// subject's.
	Subject func() (string, error)
	// Tenant gives the id of the tenant that the resource is in; nil for that of
	// the account that asks.
	Tenant func() (string, error)
	// ID gives the id of the resource.
	ID func() (string, error)
	// Attributes give what is known of the resource; nil for nothing.
	Attributes func() (map[string]any, error)
}

// Refusal is the answer to a request that may not go on.
type Refusal struct {
	Status int
	Header map[string]string
	// Body is the error envelope of Sentinel's API, in JSON.
	Body []byte
}

// Judge returns the decision by which the request may go on, or what to answer
// instead. Whatever is in doubt may not.
func (g *Gate) Judge(ctx context.Context, r *Request) (client.Decision, *Refusal) {
	d, refusal := g.ask(ctx, r)
	if refusal != nil {
		return client.Decision{}, refusal
	}
	for _, o := range d.Obligations {
		if !g.handles(o) {
			return client.Decision{}, r.demanding(&d, o)
		}
	}
	return d, nil
}

// ask returns the decision that allows a request, or what to answer.
func (g *Gate) ask(ctx context.Context, r *Request) (none client.Decision, _ *Refusal) {
	if !idPattern.MatchString(r.RequestID) {
		r.RequestID = newID()
	}
	ctx, cancel := context.WithTimeout(client.WithRequestID(ctx, r.RequestID), g.timeout)
	defer cancel()
	q := client.Question{Action: r.Action, Type: r.Type}
	var err error
	if g.named {
		if q.UserID, err = r.Subject(); err != nil || q.UserID == "" || q.UserID == client.Self {
			return none, r.anonymous("AUTHENTICATION_REQUIRED", "Log in.")
		}
	} else {
		token, ok := bearer(r.Authorization)
		if !ok {
			return none, r.anonymous("AUTHENTICATION_REQUIRED", "Log in and send the access token.")
		}
		ctx, q.UserID = client.WithToken(ctx, token), client.Self
	}
	if r.Tenant != nil {
		tenant, err := r.Tenant()
		if err != nil || tenant == "" {
			return none, r.denied(notEvaluated, "")
		}
		ctx = client.WithTenant(ctx, tenant)
	}
	if q.ID, err = r.ID(); err != nil || !utf8.ValidString(q.ID) {
		return none, r.denied(notEvaluated, "")
	}
	if r.Attributes != nil {
		if q.Attributes, err = r.Attributes(); err != nil {
			return none, r.denied(notEvaluated, "")
		}
	}
	decision, err := g.client.Check(ctx, q)
	switch {
	case err != nil:
		return none, g.failed(r, err)
	case decision.RequiresApproval && !decision.Allowed:
		return none, r.unapproved(&decision)
	case !decision.Allowed:
		return none, r.denied(decision.ReasonCode, decision.ID.String())
	}
	return decision, nil
}

// failed answers where there is no decision.
func (g *Gate) failed(r *Request, err error) *Refusal {
	var e *client.Error
	if !errors.As(err, &e) {
		return r.unavailable()
	}
	switch {
	case e.Status == http.StatusBadRequest: // an id that no resource can have
		return r.denied(notEvaluated, "")
	case g.named && e.Status == http.StatusNotFound:
		return r.denied("subject_unknown", "")
	case g.named: // the application's own account is at fault, not the caller
		return r.unavailable()
	case e.Status == http.StatusUnauthorized && e.Code != "":
		return r.anonymous(e.Code, e.Message)
	case (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound) && e.Code != "": // a token that may not ask, or not there
		return r.denied(notEvaluated, "")
	}
	return r.unavailable()
}

func (r *Request) anonymous(code, message string) *Refusal {
	f := r.refusal(http.StatusUnauthorized, code, message, nil)
	f.Header["WWW-Authenticate"] = "Bearer"
	return f
}

func (r *Request) denied(reason, decision string) *Refusal {
	details := map[string]any{"reason_code": reason}
	if decision != "" {
		details["decision_id"] = decision
	}
	return r.refusal(http.StatusForbidden, "PERMISSION_DENIED", "You may not "+r.Action+" this "+r.Type+".", details)
}

// unapproved answers what an approval would allow.
func (r *Request) unapproved(d *client.Decision) *Refusal {
	details := map[string]any{"reason_code": d.ReasonCode, "decision_id": d.ID.String(), "approval_chain_id": d.ApprovalChainID.String()}
	message := "You may not " + r.Action + " this " + r.Type + " without an approval. Ask for one."
	if d.ApprovalRequestID != uuid.Nil {
		details["approval_request_id"] = d.ApprovalRequestID.String()
		message = "You may not " + r.Action + " this " + r.Type + " before it is approved. Your request waits."
	}
	return r.refusal(http.StatusForbidden, "APPROVAL_REQUIRED", message, details)
}

// demanding answers what the application cannot do all of.
func (r *Request) demanding(d *client.Decision, o client.Obligation) *Refusal {
	details := map[string]any{"reason_code": unfulfilled, "decision_id": d.ID.String(), "obligation_type": o.Type()}
	return r.refusal(http.StatusForbidden, "PERMISSION_DENIED", "You may not "+r.Action+" this "+r.Type+" here: this application cannot do what is demanded with it.", details)
}

func (r *Request) unavailable() *Refusal {
	f := r.refusal(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "Who may do this cannot be decided at the moment. Try again later.", nil)
	f.Header["Retry-After"] = "1"
	return f
}

func (r *Request) refusal(status int, code, message string, details map[string]any) *Refusal {
	if details == nil {
		details = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{
		"error": map[string]any{"code": code, "message": message, "details": details},
		"meta":  map[string]any{"request_id": r.RequestID, "timestamp": time.Now().UTC()},
	})
	if err != nil {
		body = nil // the status says enough
	}
	return &Refusal{Status: status, Body: body, Header: map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-ID": r.RequestID,
	}}
}

// bearer returns the one token of a request. Two headers are none: what is
// behind may read the other.
func bearer(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	return token, strings.EqualFold(scheme, "Bearer") && len(token) <= maxToken && tokenPattern.MatchString(token)
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
