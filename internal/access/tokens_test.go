package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
)

// tokens returns Tokens that refresh in this process and that cannot read the other secrets, with the options that change sets.
func (w *world) tokens(change ...func(*TokensOptions)) *Tokens {
	k := w.keeper()
	tokenOnly := failing{failing{w.secrets, statementName, secrets.ErrDenied}, credentialsName, secrets.ErrDenied}
	o := TokensOptions{
		Secrets: tokenOnly, Name: tokenName, Notes: w.store, Now: now, Log: w.log,
		AskRefresh: func(ctx context.Context, refused string) error {
			_, err := tell(k.Refresh(ctx, RefreshOptions{Refused: refused}))
			return err
		},
	}
	for _, f := range change {
		f(&o)
	}
	return NewTokens(o)
}

// use does what the report cache does: get a token, use it, and on 401 say so and use another.
func (w *world) use(tokens *Tokens) error {
	got, err := tell(tokens.Token(background))
	if err == nil && w.accepts(got.Value) != nil {
		got, err = tell(tokens.Refused(background, got.Value))
	}
	if err == nil {
		if err = w.accepts(got.Value); err == nil {
			tokens.Accepted(background, got.Value)
		}
	}
	return err
}

func TestTokens(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		reads := &counting{Store: w.secrets}
		tokens := w.tokens(func(o *TokensOptions) { o.Secrets = reads })
		if err := w.use(tokens); err != nil { // nothing is there yet: it is made
			t.Fatal(err)
		}
		reads.n.Store(0)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 100 {
					if _, err := tokens.Token(background); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if reads.n.Load() != 0 {
			t.Errorf("%d reads of a token that is in memory", reads.n.Load())
		}
		for range 2 * 24 * 60 * 6 { // a request every ten seconds
			got, err := tokens.Token(background)
			if err != nil {
				t.Fatal(err)
			}
			if now().Minute() == 0 && w.accepts(got.Value) != nil {
				t.Fatal("the token is not accepted")
			}
			time.Sleep(10 * time.Second)
		}
		if c := w.adobe.Counts(); c.Issued > 10 || c.Registered != 1 {
			t.Errorf("%d tokens, %d registrations", c.Issued, c.Registered)
		}
		if n := reads.n.Load(); n > 40 {
			t.Errorf("%d reads in two days", n)
		}
	})
}

type counting struct {
	secrets.Store
	n atomic.Int32
}

func (c *counting) Read(ctx context.Context, name string) ([]byte, error) {
	c.n.Add(1)
	time.Sleep(20 * time.Millisecond)
	return c.Store.Read(ctx, name)
}

// A token revoked in mid-life heals at once, with one call to Adobe for any number of callers in any number of processes.
func TestRevokedToken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(time.Hour)
		var processes []*Tokens
		for range 5 {
			processes = append(processes, w.tokens())
			if err := w.use(processes[len(processes)-1]); err != nil {
				t.Fatal(err)
			}
		}
		w.adobe.RevokeTokens()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := w.use(processes[i%5]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.counts(1, 2)
	})
}

// Where the refresh is another function's, callers are told to come again, and are served when they do.
func TestRevokedTokenElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		var asked atomic.Int32
		tokens := w.tokens(func(o *TokensOptions) {
			o.AskRefresh = func(_ context.Context, refused string) error {
				asked.Add(1)
				go func() {
					time.Sleep(50 * time.Millisecond)
					_, _ = tell(k.Refresh(background, RefreshOptions{Refused: refused}))
				}()
				return nil
			}
		})
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		w.adobe.RevokeTokens()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				var refused *NoAccessError
				if err := w.use(tokens); !errors.Is(err, ErrNoAccess) || !errors.As(err, &refused) || refused.RetryAfter < time.Second {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		time.Sleep(5 * time.Second)
		if err := w.use(tokens); err != nil {
			t.Error(err)
		}
		w.counts(1, 2)
	})
}

// Adobe's reports refuse every token: new ones do not help, so they are not made by the hundred.
func TestAllTokensRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		tokens := w.tokens()
		w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 401}} })
		for range 2 * 60 * 60 {
			_ = w.use(tokens)
			time.Sleep(time.Second)
		}
		if c := w.adobe.Counts(); c.Issued > 20 || c.Registered != 1 {
			t.Errorf("%d tokens in two hours, %d registrations", c.Issued, c.Registered)
		}
		w.change(func(b *sandbox.Behaviour) { b.Faults = nil })
		time.Sleep(2 * time.Minute)
		if err := w.use(tokens); err != nil {
			t.Errorf("after it has passed: %v", err)
		}
	})
}

// What cannot be read is said, and the token in memory serves as long as it is valid.
func TestTokensThatCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		fault := &secretstest.Faulty{Store: w.secrets}
		asked := 0
		tokens := w.tokens(func(o *TokensOptions) {
			o.Secrets, o.AskRefresh = fault, func(context.Context, string) error { asked++; return nil }
		})
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		fault.Hook = func(string, string) secretstest.Fault { return secretstest.Failed }
		time.Sleep(6*time.Hour - 10*time.Second - now().Sub(epochStart))
		if err := w.use(tokens); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := w.use(tokens); !errors.Is(err, ErrNoAccess) || !errors.Is(err, secretstest.ErrFault) {
			t.Errorf("%v", err)
		}
		if asked != 0 {
			t.Errorf("asked %d times", asked)
		}
		fault.Hook = nil
		time.Sleep(time.Minute)
		if err := w.use(tokens); !errors.Is(err, ErrNoAccess) {
			t.Errorf("%v", err)
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		w.put(tokenName, "nonsense")
		time.Sleep(time.Minute)
		if err := w.use(tokens); !errors.Is(err, ErrNoAccess) {
			t.Errorf("%v", err)
		}
	})
}

// A caller that gives up does not take the look away from the others.
func TestTokensCancelled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tokens := w.tokens()
		ctx, cancel := context.WithCancel(background)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := tell(tokens.Token(ctx)); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		wg.Go(func() {
			time.Sleep(10 * time.Millisecond)
			must[Token](t)(tokens.Token(background))
		})
		time.Sleep(20 * time.Millisecond)
		cancel()
		wg.Wait()
		w.counts(1, 1)
	})
}
