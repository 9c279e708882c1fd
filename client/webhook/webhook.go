// Package webhook is for programs that a Sentinel server calls when something
// happens. [Verify] tells its calls from those of others, and from old ones that
// are sent again; [Event] is what they say.
//
// An event can come more than once, and in another order than it happened:
// keep the [Event.ID] of those that were dealt with.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a call.
const (
	// SignatureHeader is what [Verify] takes.
	SignatureHeader = "X-Sentinel-Signature"
	// EventHeader has the event's name.
	EventHeader = "X-Sentinel-Event"
	// DeliveryHeader has the id of the delivery, as in the list of deliveries.
	DeliveryHeader = "X-Sentinel-Delivery"
)

// Window is how far the time of a call may be from this machine's.
const Window = 5 * time.Minute

var (
	// ErrSignature says that the call is not from whoever knows the secret, or
	// that its body was changed.
	ErrSignature = errors.New("the signature is not that of this body and secret")
	// ErrTime says that the call is genuine and was not made just now: it is sent
	// again, or one of the two clocks is wrong.
	ErrTime = errors.New("the call was not made within the last five minutes")
)

// mostParts bounds the header.
const mostParts = 16

// Verify reports whether a call is from a server that knows the secret and was
// made within [Window] of now. header is the value of [SignatureHeader], body
// the bytes of the body as they came. It fails with [ErrSignature] or [ErrTime].
//
// The header is "t=<unix seconds>,v1=<hex>", where v1 is HMAC-SHA-256 of
// "<t>.<body>" with the secret as it was shown. Of several v1 one has to fit;
// other parts mean nothing.
func Verify(secret, header string, body []byte, now time.Time) error {
	if secret == "" {
		return ErrSignature
	}
	stamp, signatures, ok := parse(header)
	if !ok {
		return ErrSignature
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	sum := mac.Sum(nil)
	genuine := false
	for _, s := range signatures {
		genuine = hmac.Equal(s, sum) || genuine
	}
	if !genuine {
		return ErrSignature
	}
	// Ten digits, or a few more for a while to come: it cannot overflow.
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return ErrSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Window || age < -Window {
		return ErrTime
	}
	return nil
}

// parse takes a header apart.
func parse(header string) (stamp string, signatures [][]byte, ok bool) {
	const maxDigits = 12
	parts := strings.Split(header, ",")
	if len(parts) > mostParts {
		return "", nil, false
	}
	for _, part := range parts {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			if stamp != "" || value == "" || len(value) > maxDigits || strings.Trim(value, "0123456789") != "" {
				return "", nil, false
			}
			stamp = value
		case "v1":
			raw, err := hex.DecodeString(value)
			if err != nil || len(raw) != sha256.Size {
				return "", nil, false
			}
			signatures = append(signatures, raw)
		}
	}
	return stamp, signatures, stamp != "" && signatures != nil
}

// Event is the body of a call. It holds ids: what they stand for is asked of the
// API.
type Event struct {
	// ID is the event's, that of the record in the audit log: the same whenever it
	// is delivered again.
	ID        string    `json:"id"`
	Event     string    `json:"event"`
	CreatedAt time.Time `json:"created_at"`
	TenantID  string    `json:"tenant_id"`
	Data      struct {
		// Action is as the audit log has it, such as "user.create".
		Action string `json:"action"`
		Actor  struct {
			// ID is empty where the server itself did it.
			ID string `json:"id"`
			// Type is user, service_account or system.
			Type string `json:"type"`
		} `json:"actor"`
		Resource struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"resource"`
		// Result is success, failure or denied.
		Result    string `json:"result"`
		RequestID string `json:"request_id"`
	} `json:"data"`
}
