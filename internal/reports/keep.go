package reports

import (
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/plan"
)

const (
	// keepPeriods is how long a block is stored after it was last written; then its rows are asked for again.
	keepPeriods = 400 * 24 * time.Hour
	// keepBarren is the same where a report has no rows: one call learns that of a whole window.
	keepBarren = 48 * time.Hour
)

// life is how long a block of the piece is stored: periods for as long as anybody may ask for them, an exact answer for as long as it
// may be served. It is barren where nothing that is known of the report around it is a row.
func (p *piece) life(b *block, barren bool) time.Duration {
	fresh := p.pace.OpenLife()
	switch {
	case p.grid.Divided() && barren:
		return keepBarren
	case p.grid.Divided():
		return keepPeriods
	case b.coverage[0].Settled:
		fresh = p.pace.Policy.Settled
	}
	return fresh + max(p.pace.Policy.Stale, p.pace.Policy.StaleIfError)
}

// lasts reports whether a block of the piece has no end: what is settled is kept until Adobe drops it, and from then on.
func (p *piece) lasts(b *block) bool {
	return p.pace.Policy.Keep && p.grid.Divided() && slices.ContainsFunc(b.coverage, func(k plan.Known) bool { return k.Settled && !k.Past })
}

// What one fetch may store. The rest is in memory only.
const (
	storeBytes  = 64 << 20 // about 600 MB of JSON
	storeBarren = 64       // blocks, of a report without rows
)

// budgetOfStore is what one fetch has stored so far.
type budgetOfStore struct{ bytes, barren int }

// within returns those of the blocks that may still be stored, and counts them. The latest in time go first, as most questions are
// about them.
func (s *budgetOfStore) within(blocks []*block, barren bool) (few []*block) {
	blocks = slices.SortedFunc(slices.Values(blocks), func(a, b *block) int { return strings.Compare(b.name, a.name) })
	for _, b := range blocks {
		size := b.size()
		if s.bytes+size > storeBytes || barren && s.barren == storeBarren {
			continue
		}
		if s.bytes += size; barren {
			s.barren++
		}
		few = append(few, b)
	}
	return few
}
