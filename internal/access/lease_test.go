package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

// Any number of processes that start at once make one registration and one token.
func TestStorm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var renewed, registered atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			k := w.keeper()
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(background, time.Minute)
				defer cancel()
				if i%2 == 0 {
					if r := must[RegisterResult](t)(k.Register(ctx, RegisterOptions{})); r.Outcome == Registered {
						registered.Add(1)
					}
				}
				if r := must[RefreshResult](t)(k.Refresh(ctx, RefreshOptions{})); r.Outcome == Renewed {
					renewed.Add(1)
				}
			})
		}
		wg.Wait()
		w.counts(1, 1)
		if renewed.Load() != 1 || registered.Load() > 1 {
			t.Errorf("%d say that they renewed the token, %d that they registered", renewed.Load(), registered.Load())
		}
		w.wantAccess()
	})
}

// A storm while Adobe is down is a handful of calls, and everybody is told when to come again.
func TestStormWhileDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(7 * time.Hour)
		w.setDown(func(string) error { return errDown })
		before := w.calls["/o/client/token"]
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(background, 30*time.Second)
				defer cancel()
				_, err := tell(w.keeper().Refresh(ctx, RefreshOptions{}))
				if err == nil || ctx.Err() != nil {
					t.Errorf("Refresh: %v, after %v", err, ctx.Err())
				}
			})
		}
		wg.Wait()
		if calls := w.calls["/o/client/token"] - before; calls > 8 {
			t.Errorf("%d calls", calls)
		}
		w.setDown(nil)
		time.Sleep(time.Minute)
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.wantAccess()
	})
}

// Who waits in vain for another process is told so in time.
func TestHeldForLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(7 * time.Hour)
		if err := w.store.Acquire(background, leaseRefresh, "another", now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(background, 20*time.Second)
		defer cancel()
		_, err := tell(w.keeper().Refresh(ctx, RefreshOptions{}))
		if !errors.Is(err, ErrNoAccess) || ctx.Err() != nil {
			t.Errorf("%v, after %v", err, ctx.Err())
		}
		time.Sleep(time.Hour)
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.counts(1, 2)
	})
}

// A lease outlives the longest call, and is one call's alone.
func TestLeaseLife(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 70 * time.Second, 5 * time.Second: 15 * time.Second} {
		k := NewKeeper(KeeperOptions{Client: &cmu.Client{Timeout: timeout}, Holder: "process"})
		if l := k.newLease(leaseRefresh, beyondCall); l.life != want {
			t.Errorf("%s: %s, want %s", timeout, l.life, want)
		} else if !strings.HasPrefix(l.holder, "process/") || l.holder == k.newLease(leaseRefresh, beyondCall).holder {
			t.Errorf("holder %s", l.holder)
		}
	}
}

// Without the store of leases a token is renewed when it has to be, and nothing is registered.
func TestNoLeases(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		down := &storetest.Faulty{Store: w.store, Hook: func(string) storetest.Fault { return storetest.Failed }}
		k := w.keeper(func(o *KeeperOptions) { o.Leases, o.Notes = down, down })
		time.Sleep(5 * time.Hour)
		if r, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, storetest.ErrFault) || r.Outcome == Renewed {
			t.Errorf("in good time: %+v, %v", r, err)
		}
		time.Sleep(55 * time.Minute)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("at the last moment: %+v", r)
		}
		w.counts(1, 2)
		time.Sleep(7 * time.Hour)
		w.adobe.RevokeClients()
		if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cmu.ErrInvalidClient) {
			t.Errorf("revoked: %v", err)
		}
		w.counts(1, 2)
	})
}

// When a process ends in the middle of a registration, the next one says that it waits, until when, and registers by itself.
func TestRegisterAfterCrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dead := w.keeper(func(o *KeeperOptions) {
			o.Client = &cmu.Client{AuthURL: w.client.AuthURL, Now: now, Transport: mortalTransport{&mortal{left: 1}, w}}
		})
		func() {
			defer func() { _ = recover() }()
			_, _ = dead.Register(background, RegisterOptions{})
		}()
		// The deferred release ran, as it does not after a kill.
		if err := w.store.Acquire(background, leaseRegister, "dead", now().Add(dead.newLease(leaseRegister, beyondRegistration).life)); err != nil {
			t.Fatal(err)
		}
		k, start := w.keeper(), now()
		var told []string
		waits := func(message string) { told = append(told, message) }
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Waits: waits}))
		if waited := now().Sub(start); waited < time.Minute || waited > 95*time.Second {
			t.Errorf("registered after %s", waited)
		}
		want := "another process is registering: this one goes on when that is done, at 00:01:30 UTC at the latest"
		if len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
		ctx, cancel := context.WithTimeout(background, 10*time.Second)
		defer cancel()
		if err := w.store.Acquire(background, leaseRegister, "another", now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		_, err := tell(w.keeper().Register(ctx, RegisterOptions{Force: true, Reason: "test"}))
		if err == nil || !strings.HasPrefix(err.Error(), "register: another process is registering, until 2026-03-01T01:01:") || !errors.As(err, new(*store.HeldError)) {
			t.Errorf("%v", err)
		}
		w.counts(2, 0) // the dead one's answer is lost
	})
}

// However slowly the calls fail, nobody else may register while credentials are being stored.
func TestLeaseOutlastsStoring(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.setDown(func(string) error { time.Sleep(59 * time.Second); return nil })
		first := now()
		k := w.keeper(func(o *KeeperOptions) { o.Secrets = hanging{w.secrets, 150 * time.Second, first} })
		done := make(chan struct{})
		go func() {
			defer close(done)
			must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		}()
		time.Sleep(time.Second)
		for running := true; running; {
			select {
			case <-done:
				running = false
			case <-time.After(time.Second):
				w.store.mu.Lock()
				until := w.store.leases[leaseRegister].until
				w.store.mu.Unlock()
				if !until.IsZero() && until.Sub(now()) < 10*time.Second {
					t.Errorf("%s after the start the lease lasts only %s", now().Sub(first), until.Sub(now()))
				}
			}
		}
		w.counts(1, 0)
	})
}

// hanging does not answer writes until so long after start.
type hanging struct {
	secrets.Store
	wait  time.Duration
	start time.Time
}

func (h hanging) Write(ctx context.Context, name, id string, value []byte) error {
	if now().Sub(h.start) < h.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.Write(ctx, name, id, value)
}
