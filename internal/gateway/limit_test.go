package gateway

import (
	"fmt"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"
)

// A limit that all rows fit into leaves none out, however the limit is heeded; one that is less does.
func TestLimitThatEqualsTheCount(t *testing.T) {
	const target = "/cmu/v2/year/month/day?start=2026-06-01&end=2026-06-08"
	for name, behave := range map[string]func(*sandbox.Behaviour){
		"heeded": func(*sandbox.Behaviour) {}, "more is refused": func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 8, "refuse" },
	} {
		r := newRig(t)
		count := len(decodeHAL(t, r.ok(target).body).Report)
		r.adobe.Behave(behave)
		for limit := 1; limit <= count+1 && (name == "heeded" || limit <= 8); limit++ {
			got := r.ok(fmt.Sprintf("%s&limit=%d&format=json", target, limit))
			h := decodeHAL(t, got.body)
			incomplete := got.Header.Get(headerIncomplete)
			if len(h.Report) != min(limit, count) || (incomplete != "") != (limit < count) || !strings.Contains(h.Links.Self.Href+"&", fmt.Sprintf("limit=%d&", limit)) {
				t.Errorf("%s: %d of %d rows, limit %d: %q, %s", name, len(h.Report), count, limit, incomplete, h.Links.Self.Href)
			}
			if limit < count && !strings.Contains(incomplete, fmt.Sprintf("past the limit of %d are missing", limit)) {
				t.Error(incomplete)
			}
			name := r.ok(fmt.Sprintf("%s&limit=%d&format=csv", target, limit)).Header.Get("Content-Disposition")
			if strings.Contains(name, "_incomplete") != (limit < count) {
				t.Errorf("limit %d of %d: %s", limit, count, name)
			}
		}
	}
}
