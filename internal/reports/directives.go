package reports

import (
	"time"

	"cmu-gateway/internal/plan"
)

// Directives are what a caller asks of the cache (RFC 9111 section 5.2.1). The zero value asks nothing.
type Directives struct {
	// NoCache asks for rows that are as new as the floor of ten seconds allows; MaxAge, unless zero, for rows no older than it. Both
	// are about rows that may still change.
	NoCache bool
	MaxAge  time.Duration
	// OnlyIfCached asks for no call to Adobe.
	OnlyIfCached bool
	// Fresh asks for no stale rows, not even while Adobe cannot be had, and holds settled rows to MaxAge as well.
	Fresh bool
	// Background says that nobody waits for the answer: who asks for somebody comes first, and it is not counted among answers.
	Background bool
}

// floor protects Adobe from callers who want everything new.
const floor = 10 * time.Second

// maxAge is the oldest that rows may be; zero is no bound.
func (d Directives) maxAge() time.Duration {
	switch {
	case d.NoCache:
		return floor
	case d.MaxAge > 0:
		return max(d.MaxAge, floor)
	}
	return 0
}

func (d Directives) demand(p plan.Policy) plan.Demand {
	demand := plan.Demand{MaxAge: d.maxAge(), Stale: p.Stale}
	if d.Fresh {
		demand.Stale, demand.MaxSettledAge = 0, demand.MaxAge
	}
	return demand
}

// Source says where an answer came from.
type Source uint8

// The sources. Stale answers come from what is kept, and are renewed after.
const (
	FromMemory Source = iota
	FromStore
	FromAdobe
	Stale
)

// String returns the source in a word.
func (s Source) String() string {
	return [...]string{FromMemory: "memory", FromStore: "store", FromAdobe: "adobe", Stale: "stale"}[s]
}
