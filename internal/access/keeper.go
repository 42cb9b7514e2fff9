// Package access keeps the client credentials and the access token valid. What to do is decided by pure functions of a
// state and an instant; what is done is done by one process at a time, under a lease, after a second look.
//
// A Keeper registers and refreshes and needs all three secrets. Tokens hands the token to those who ask Adobe for reports: it
// holds neither the software statement nor the client secret.
package access

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// KeeperOptions say what a Keeper works with. Client, Secrets, Leases, Notes and the names are required; every other field's zero
// value is documented.
type KeeperOptions struct {
	Client  *cmu.Client
	Secrets secrets.Store
	Leases  store.Leases // make one process at a time write
	Notes   store.Notes  // tell other processes what happened

	// The names of the three secrets. The refresh function has no access to the statement, the register function none to
	// the token: a name is used only when its secret is needed.
	StatementName, CredentialsName, TokenName string

	// RegisterInterval is the shortest time between two registrations that replace credentials and that nobody forced; zero
	// is 24 hours. The first registration, for want of credentials, does not count.
	RegisterInterval time.Duration
	// AskRegister makes credentials be registered elsewhere, such as by another function, and may return before that is done. Nil:
	// Refresh registers in this process.
	AskRegister func(ctx context.Context, reason string) error
	// Holder names this process in leases, for people who look at them; a random part is added for every call. Empty: that alone.
	Holder string

	Now func() time.Time // the clock; nil is clock.Wall
	Log *slog.Logger     // gets the events; nil is slog.Default at the time of NewKeeper
}

// Keeper writes the credentials and the token. It may be used by many goroutines at once.
type Keeper struct {
	o KeeperOptions
	// unstored are credentials that could not be stored: as long as this process lives, they need not be lost.
	unstored atomic.Pointer[credentials]

	mu sync.Mutex // guards latest and news
	// latest is the token that this process got last, nil at first. It is used here as soon as Adobe has given it.
	latest *obtained
	news   chan struct{} // closed when there is another latest

	// atWork counts, by lease, the calls of this process that hold it.
	atWork map[string]*atomic.Int32
}

// NewKeeper returns a Keeper. It reads and calls nothing yet.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.RegisterInterval <= 0 {
		o.RegisterInterval = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = clock.Wall
	}
	o.Log = cmp.Or(o.Log, slog.Default())
	return &Keeper{o: o, news: make(chan struct{}), atWork: map[string]*atomic.Int32{leaseRegister: {}, leaseRefresh: {}}}
}

func (k *Keeper) now() time.Time { return k.o.Now() }
