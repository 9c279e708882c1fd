package httpapi

import (
	"sync"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

const (
	// mostLarge is how many bodies above [Config.BodyLimit] are in memory at once,
	// and mostLargeOfOne how many of them accounts of one tenant send: what is
	// made of such a body takes many times its size.
	mostLarge      = 8
	mostLargeOfOne = 2
)

// room counts the calls that have a large body.
type room struct {
	mu  sync.Mutex
	all int
	of  map[uuid.UUID]int
}

// enter refuses one more than there is room for; leave ends what it began. Who
// is refused waits, not the server: a body that comes slowly would block all
// others.
func (r *room) enter(tenant uuid.UUID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= mostLarge || r.of[tenant] >= mostLargeOfOne {
		return fault.New(fault.Unavailable, "Other large bodies are being read. Send this one again in a minute.")
	}
	if r.of == nil {
		r.of = map[uuid.UUID]int{}
	}
	r.all++
	r.of[tenant]++
	return nil
}

func (r *room) leave(tenant uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.of[tenant]--; r.of[tenant] == 0 {
		delete(r.of, tenant)
	}
}

// isLarge reports whether a body is, or may turn out to be, above limit.
func isLarge(fctx *fasthttp.RequestCtx, limit int) bool {
	declared := fctx.Request.Header.ContentLength()
	return declared > limit || declared == -1 || len(fctx.Request.Header.ContentEncoding()) > 0
}
