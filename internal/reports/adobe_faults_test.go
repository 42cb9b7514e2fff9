package reports

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

func fault(f sandbox.Fault) func(*sandbox.Behaviour) {
	return func(b *sandbox.Behaviour) { f.On = "report"; b.Faults = []sandbox.Fault{f} }
}

func none(b *sandbox.Behaviour) { b.Faults = nil }

func TestAFailedCallIsMadeOnceMore(t *testing.T) {
	for _, kind := range []sandbox.Fault{{Kind: "status", Status: 500, Count: 1}, {Kind: "cut", Count: 1}, {Kind: "truncated", Count: 1}, {Kind: "lost", Count: 1}, {Kind: "broken_gzip", Count: 1}} {
		r := newRig(t)
		r.prove()
		r.behave(fault(kind))
		r.same(daily)
	}
}

func TestNothingOfAFailedFetchIsKept(t *testing.T) {
	for _, kind := range []sandbox.Fault{{Kind: "status", Status: 502}, {Kind: "cut", After: 3000}, {Kind: "truncated", After: 3000}, {Kind: "broken_gzip"}} {
		r := newRig(t)
		r.prove()
		r.behave(fault(kind))
		if a, _, err := r.Get(t.Context(), request(t, daily), Directives{}); err == nil {
			t.Errorf("%s: %d rows", kind.Kind, a.Rows)
		}
		r.behave(none)
		r.clock.Add(longestPause)
		if source := r.same(daily); source != FromAdobe {
			t.Errorf("%s: afterwards from %v", kind.Kind, source)
		}
	}
}

func TestTokenRefusedInMidLife(t *testing.T) {
	r := newRig(t)
	r.prove()
	asked := 0
	r.token = func(context.Context) (upstream.Token, error) { return upstream.Token{Value: "expired"}, nil }
	r.refused = func(context.Context, cmu.Secret) (upstream.Token, error) { asked++; return *r.current.Load(), nil }
	r.same(daily)
	if asked != 1 {
		t.Errorf("asked %d times for another token", asked)
	}
	r.refused = func(context.Context, cmu.Secret) (upstream.Token, error) {
		return upstream.Token{Value: "also expired"}, nil
	}
	var u *UnavailableError
	if _, _, err := r.Get(t.Context(), request(t, "year?start=2025"), Directives{}); !errors.As(err, &u) || strings.Contains(fmt.Sprint(err, u.Cause), "expired") {
		t.Errorf("no good token: %v", err)
	}
}
