package access

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

// dice fail a share of calls, the same ones for a seed.
type dice struct {
	mu sync.Mutex
	*rand.Rand
}

func (d *dice) below(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Float64() < p
}

// Thirty days of refreshes every five minutes by processes whose clocks are up to three minutes wrong, while everything fails now
// and then: the token is good at every instant, Adobe is hardly asked more often than it must be, and there is one client.
func TestThirtyDays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		d := &dice{Rand: rand.New(rand.NewPCG(1, 2))}
		faulty := &secretstest.Faulty{Store: w.secrets, Hook: func(op, _ string) secretstest.Fault {
			switch {
			case op == "Write" && d.below(0.01):
				return secretstest.FailedButWritten
			case d.below(0.005):
				return secretstest.Failed
			}
			return secretstest.None
		}}
		shared := &storetest.Faulty{Store: w.store, Hook: func(string) storetest.Fault {
			switch {
			case d.below(0.01):
				return storetest.FailedButWritten
			case d.below(0.01):
				return storetest.Failed
			}
			return storetest.None
		}}
		w.setDown(func(string) error {
			if now().Hour()%10 == 5 {
				return errDown
			}
			return nil
		})
		if err := w.adobe.Change(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "token", Kind: "status", Status: http.StatusBadGateway, Probability: 0.02}}
		}); err != nil {
			t.Fatal(err)
		}
		var keepers []*Keeper
		for _, skew := range []time.Duration{0, 3 * time.Minute, -3 * time.Minute} {
			keepers = append(keepers, w.keeper(func(o *KeeperOptions) {
				o.Now = func() time.Time { return now().Add(skew) }
				o.Client = &cmu.Client{AuthURL: w.client.AuthURL, Transport: w, Now: o.Now}
				o.Secrets, o.Leases, o.Notes = faulty, shared, shared
			}))
		}
		var failed int
		const days = 30
		for tick := range days * 24 * 12 {
			if _, err := keepers[d.IntN(3)].Refresh(ctx, RefreshOptions{}); err != nil {
				failed++
			}
			for range 5 {
				if !usable(w.storedToken(), "", now()) {
					t.Fatalf("tick %d, %s: no valid token", tick, now())
				}
				time.Sleep(time.Minute)
			}
			if tick%6 == 0 && now().Hour()%10 != 5 {
				if err := w.accepted(); err != nil {
					t.Fatalf("%s: %v", now(), err)
				}
			}
		}
		c := w.adobe.Counts()
		least := int64(days * 24 / 4) // six hours of life, renewed at a third
		t.Logf("%d tokens issued, %d calls of %d reached Adobe, %d refreshes of %d failed, %d writes", c.Issued, c.Token, w.calls["/o/client/token"], failed,
			days*24*12, w.secrets.writes)
		if c.Registered != 1 {
			t.Errorf("%d registrations", c.Registered)
		}
		if float64(c.Token) > 1.2*float64(least) {
			t.Errorf("%d calls for a token reached Adobe, %d would do", c.Token, least)
		}
		if all := w.calls["/o/client/token"]; float64(all) > 2.5*float64(least) {
			t.Errorf("%d calls for a token were made, %d would do", all, least)
		}
	})
}

// A laptop: the loop that runs beside the server, for a week with a night's sleep and failures in it.
func TestRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.setDown(func(string) error {
			if now().Hour() == 5 {
				return io.ErrUnexpectedEOF
			}
			return nil
		})
		for range 2 { // two processes on one data folder
			go func() {
				defer func() { done <- struct{}{} }()
				w.keeper().Run(ctx, 0)
			}()
		}
		time.Sleep(time.Minute)
		for range 7 * 24 {
			if !usable(w.storedToken(), "", now()) {
				t.Fatalf("%s: no valid token", now())
			}
			time.Sleep(time.Hour)
		}
		cancel()
		<-done
		<-done
		if c := w.adobe.Counts(); c.Registered != 1 || c.Issued > 7*24/4*12/10 {
			t.Errorf("%d registrations and %d tokens", c.Registered, c.Issued)
		}
	})
}
