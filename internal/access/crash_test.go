package access

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// mortal ends a process before or after one of its calls to the secrets, the store or Adobe: from then on it does nothing.
type mortal struct {
	mu   sync.Mutex
	left int // calls and returns from calls until it ends
	at   string
}

type death struct{}

func (m *mortal) step(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left--; m.left < 0 {
		if m.at == "" {
			m.at = what
		}
		panic(death{})
	}
}

func (m *mortal) around(what string) func() {
	m.step("before " + what)
	return func() { m.step("after " + what) }
}

type mortalSecrets struct {
	*mortal
	secrets.Store
}

func (m mortalSecrets) Read(ctx context.Context, name string) ([]byte, error) {
	defer m.around("Read " + name)()
	return m.Store.Read(ctx, name)
}

func (m mortalSecrets) Write(ctx context.Context, name, id string, value []byte) error {
	defer m.around("Write " + name)()
	return m.Store.Write(ctx, name, id, value)
}

func (m mortalSecrets) Check(ctx context.Context, name string) error {
	defer m.around("Check " + name)()
	return m.Store.Check(ctx, name)
}

type mortalStore struct {
	*mortal
	store.Store
}

func (m mortalStore) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	defer m.around("Acquire " + lease)()
	return m.Store.Acquire(ctx, lease, holder, until)
}

func (m mortalStore) Release(ctx context.Context, lease, holder string) error {
	defer m.around("Release " + lease)()
	return m.Store.Release(ctx, lease, holder)
}

func (m mortalStore) Notes(ctx context.Context) (map[string]store.Note, error) {
	defer m.around("Notes")()
	return m.Store.Notes(ctx)
}

func (m mortalStore) PutNote(ctx context.Context, name string, n store.Note) error {
	defer m.around("PutNote " + name)()
	return m.Store.PutNote(ctx, name, n)
}

func (m mortalStore) DeleteNote(ctx context.Context, name string) error {
	defer m.around("DeleteNote " + name)()
	return m.Store.DeleteNote(ctx, name)
}

type mortalTransport struct {
	*mortal
	http.RoundTripper
}

func (m mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer m.around("call " + r.URL.Path)()
	return m.RoundTripper.RoundTrip(r)
}

// untilDeath runs f with a keeper that ends after so many steps, and returns where it ended, or "" if it did not.
func (w *world) untilDeath(steps int, f func(k *Keeper)) (at string) {
	m := &mortal{left: steps}
	k := w.keeper(func(o *KeeperOptions) {
		o.Secrets, o.Leases, o.Notes = mortalSecrets{m, w.secrets}, mortalStore{m, w.store}, mortalStore{m, w.store}
		o.Client = &cmu.Client{AuthURL: w.client.AuthURL, Transport: mortalTransport{m, w}, Now: now}
	})
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(death); !ok {
				panic(r)
			}
			at = m.at
		}
	}()
	f(k)
	return ""
}

// A process that ends at any moment loses nothing that was stored, and the next one goes on: no second registration if the
// first one's answer was stored, no token lost, no lease held beyond its time.
func TestCrash(t *testing.T) {
	t.Parallel()
	refresh := func(k *Keeper) { _, _ = tell(k.Refresh(background, RefreshOptions{})) }
	for _, test := range []struct {
		name    string
		prepare func(w *world)
		run     func(k *Keeper)
		clients int64 // that there are after a run without a crash
		tokens  int64
		token   bool // a token that Adobe accepts is there all the time
	}{
		{"first start", func(*world) {}, refresh, 1, 1, false},
		{"renewal", func(w *world) {
			w.ready()
			time.Sleep(5 * time.Hour)
		}, refresh, 1, 2, true},
		{"revoked client", func(w *world) {
			w.ready()
			time.Sleep(4 * time.Hour)
			w.adobe.RevokeClients()
		}, refresh, 2, 2, true},
		{"rotation", func(w *world) { w.ready() }, func(k *Keeper) {
			if _, err := tell(k.Register(background, RegisterOptions{Force: true, Reason: "rotation"})); err == nil {
				refresh(k)
			}
		}, 2, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			places := map[string]bool{}
			for steps := 0; ; steps++ {
				ended := false
				inWorld(t, func(t *testing.T, w *world) {
					test.prepare(w)
					before, err := readCredentials(background, w.secrets, credentialsName)
					if err != nil {
						t.Fatal(err)
					}
					at := w.untilDeath(steps, test.run)
					if at == "" {
						ended = true
						w.counts(test.clients, test.tokens)
						return
					}
					places[at] = true
					if test.token {
						w.wantAccess()
					}
					after, err := readCredentials(background, w.secrets, credentialsName)
					if err != nil {
						t.Fatal(err)
					}
					registered := w.adobe.Counts().Registered
					stored := after != nil && (before == nil || before.ClientID != after.ClientID)
					want := registered
					if !stored && test.name != "rotation" { // a rotation is not begun again by itself
						want += test.clients - 1
						if before == nil {
							want++
						}
					}
					start := now()
					for {
						_, err := tell(w.keeper().Refresh(background, RefreshOptions{}))
						if test.token {
							w.wantAccess()
						}
						if err == nil && now().Before(w.storedToken().ExpiresAt.Add(-3*time.Hour)) {
							break
						}
						if now().Sub(start) > 3*time.Minute {
							t.Fatalf("step %d, %s: no new token three minutes later: %v", steps, at, err)
						}
						time.Sleep(time.Second)
					}
					w.wantAccess()
					if c := w.adobe.Counts(); c.Registered != want {
						t.Errorf("step %d, %s: %d clients, want %d", steps, at, c.Registered, want)
					}
					for name, l := range w.store.leases {
						if l.until.After(start.Add(91 * time.Second)) {
							t.Errorf("step %d, %s: lease %s is held for %s", steps, at, name, l.until.Sub(start))
						}
					}
				})
				if ended || t.Failed() {
					break
				}
			}
			if len(places) < 10 {
				t.Errorf("only %d places to end at: %v", len(places), places)
			}
			fmt.Fprintln(&said, places)
		})
	}
}
