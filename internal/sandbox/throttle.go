package sandbox

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// The authorization server's rate limit per device address.
//
// Source: Adobe, Pass Authentication throttling mechanism.
const (
	throttleRate  = 1 // a second
	throttleBurst = 10
)

// throttle is a token bucket per address.
type throttle struct {
	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (b bucket) filled(now time.Time) float64 {
	return min(throttleBurst, b.tokens+max(0, now.Sub(b.at).Seconds())*throttleRate)
}

// allow takes one token of the address's bucket, if there is one.
func (t *throttle) allow(address string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buckets) >= 10_000 {
		for a, b := range t.buckets {
			if b.filled(now) >= throttleBurst {
				delete(t.buckets, a)
			}
		}
	}
	if t.buckets == nil {
		t.buckets = map[string]bucket{}
	}
	b, known := t.buckets[address]
	tokens := float64(throttleBurst)
	if known {
		tokens = b.filled(now)
	}
	ok := tokens >= 1
	if ok {
		tokens--
	}
	t.buckets[address] = bucket{tokens, now}
	return ok
}

// deviceAddress is what the authorization server counts calls by.
func deviceAddress(r *http.Request) string {
	if f := r.Header.Get("X-Forwarded-For"); f != "" {
		return f
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
