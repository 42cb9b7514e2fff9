package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store/storetest"
)

// Nothing but absence leads to a registration.
func TestSecretsThatCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		for _, cause := range []error{secrets.ErrDenied, secrets.ErrThrottled, secretstest.ErrFault} {
			k := w.keeper(func(o *KeeperOptions) { o.Secrets = failing{w.secrets, credentialsName, cause} })
			if _, err := tell(k.Register(background, RegisterOptions{Force: true, Reason: "test"})); !errors.Is(err, cause) {
				t.Errorf("Register: %v, want %v", err, cause)
			}
			if r, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cause) || r.Fingerprint != w.storedToken().fingerprint() {
				t.Errorf("Refresh: %+v, %v, want %v", r, err, cause)
			}
			k = w.keeper(func(o *KeeperOptions) { o.Secrets = failing{w.secrets, tokenName, cause} })
			if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cause) {
				t.Errorf("Refresh without the token: %v, want %v", err, cause)
			}
		}
		k := w.keeper()
		for _, text := range []string{"nonsense", "{}", `{"client_id":"a"}`, `{"version":2,"client_id":"a","client_secret":"b"}`, `["client_secret"]`} {
			w.put(credentialsName, text)
			for range 2 {
				if _, err := tell(k.Register(background, RegisterOptions{})); !errors.Is(err, errUnreadable) || !strings.Contains(err.Error(), credentialsName) {
					t.Errorf("Register with %s: %v", text, err)
				}
				if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, errUnreadable) {
					t.Errorf("Refresh with %s: %v", text, err)
				}
			}
		}
		w.counts(1, 1)
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "the credentials were spoilt"}))
		w.counts(2, 1)
		w.put(tokenName, `{"version":2}`)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("an unreadable token: %+v", r)
		}
		w.counts(2, 2)
	})
}

// failing is a secrets.Store in which one cannot be read.
type failing struct {
	secrets.Store
	name  string
	cause error
}

func (f failing) Read(ctx context.Context, name string) ([]byte, error) {
	if name == f.name {
		return nil, fmt.Errorf("%s: %w", name, f.cause)
	}
	return f.Store.Read(ctx, name)
}

// Passing faults of the stores, at every odd call of a kind, cost time and nothing else.
func TestPassingFaults(t *testing.T) {
	for _, fault := range []int{1, 2} { // failed, failed but written
		inWorld(t, func(t *testing.T, w *world) {
			calls := map[string]int{}
			faultOf := func(call string) int {
				calls[call]++
				return calls[call] % 2 * fault
			}
			shared := &storetest.Faulty{Store: w.store, Hook: func(op string) storetest.Fault { return storetest.Fault(faultOf(op)) }}
			k := w.keeper(func(o *KeeperOptions) {
				o.Secrets = &secretstest.Faulty{Store: w.secrets, Hook: func(op, name string) secretstest.Fault {
					return secretstest.Fault(faultOf(op + name))
				}}
				o.Leases, o.Notes = shared, shared
			})
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.counts(1, 1)
			w.wantAccess()
			time.Sleep(5 * time.Hour)
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.counts(1, 2)
			if w.store.held() != 0 {
				t.Error("a lease is still held")
			}
		})
	}
}
