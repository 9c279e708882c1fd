package httpapi

import (
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// headGrace is how long a connection without a request may still begin one when
// the server stops. It is cut to half of the shutdown timeout where that is less.
const headGrace = time.Second

// connections knows which connections have no request in hand: new ones, idle
// ones, and those whose request has not arrived up to the end of its head.
// fasthttp counts a new connection as busy before its first byte and would wait
// for it.
type connections struct {
	mu      sync.Mutex
	waiting map[net.Conn]bool
	// ended says that waiting connections are no longer wanted.
	ended bool
}

// state is told by fasthttp what becomes of a connection.
func (c *connections) state(conn net.Conn, state fasthttp.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case fasthttp.StateNew, fasthttp.StateIdle:
		if c.ended {
			_ = conn.Close()
			return
		}
		if c.waiting == nil {
			c.waiting = map[net.Conn]bool{}
		}
		c.waiting[conn] = true
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		delete(c.waiting, conn)
	case fasthttp.StateActive: // says nothing: a new connection is that at once
	}
}

// begin takes a connection whose request is there off those that wait. It
// returns false if the connection was closed meanwhile: the request must not be
// carried out, since nobody would hear of it.
func (c *connections) begin(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waits := c.waiting[conn]
	delete(c.waiting, conn)
	return waits || !c.ended
}

// end closes the connections that wait, and those that come.
func (c *connections) end() {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting, c.ended = nil, true
	c.mu.Unlock()
	for conn := range waiting {
		_ = conn.Close()
	}
}
