package mail

import (
	"context"
	"slices"
	"sync"
	"time"
)

// mailboxSize is how many messages a [Mailbox] keeps.
const mailboxSize = 200

// Stored is a message in a [Mailbox].
type Stored struct {
	Message
	SentAt time.Time
}

// Mailbox is a [Sender] for development: it keeps the newest 200 messages in
// memory, for whoever may read them, and forgets the others.
type Mailbox struct {
	now  func() time.Time
	mu   sync.Mutex
	kept []Stored
}

// NewMailbox makes an empty one.
func NewMailbox(now func() time.Time) *Mailbox { return &Mailbox{now: now} }

// Send implements [Sender].
func (b *Mailbox) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) == mailboxSize {
		b.kept = slices.Delete(b.kept, 0, 1)
	}
	b.kept = append(b.kept, Stored{Message: m, SentAt: b.now().UTC()})
	return nil
}

// List returns the messages kept, newest first.
func (b *Mailbox) List() []Stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.kept)
	slices.Reverse(list)
	return list
}
