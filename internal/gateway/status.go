package gateway

import (
	"context"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/pkg/cmu"
)

// Status is the document of GET /status. Its names are stable. Times that are not known are left out; counts are since the process
// began. It holds no secret.
type Status struct {
	Service       string         `json:"service"`
	Version       string         `json:"version"`
	Instance      string         `json:"instance,omitempty"`
	Simulated     bool           `json:"simulated"` // Adobe is a simulated one: rows are made up
	UptimeSeconds int64          `json:"uptime_seconds"`
	Calendar      CalendarStatus `json:"calendar"`
	CooldownUntil time.Time      `json:"cooldown_until,omitzero"` // Adobe asked for a pause until then
	// SettledUntil is up to where rows are final, in civil time, by the grain of reports.
	SettledUntil map[string]cmu.Bound `json:"settled_until"`
	Stored       StoredStatus         `json:"stored"`
	Answers      AnswersStatus        `json:"answers"`
	AdobeCalls   AdobeCallsStatus     `json:"adobe_calls"`
	WarmUp       *WarmUpStatus        `json:"warm_up,omitempty"` // nil: nothing is kept warm
	Access       *access.Status       `json:"access,omitempty"`  // nil: not known here
	// Problems are sentences about what could not be found out, of which the log has the causes, and about access that is lost or will be.
	Problems []string `json:"problems"`
}

// CalendarStatus tells whether reports may be sliced by calendar period, and why.
type CalendarStatus struct {
	Proven       bool      `json:"proven"`
	EndInclusive bool      `json:"end_inclusive"` // Adobe's answers hold the period that begins at end
	CheckedAt    time.Time `json:"checked_at,omitzero"`
	Evidence     string    `json:"evidence"`
}

// StoredStatus is what the store holds.
type StoredStatus struct {
	Items       int64 `json:"items"`
	Bytes       int64 `json:"bytes"`
	Approximate bool  `json:"approximate"` // the numbers may be hours old
}

// AnswersStatus counts answers by where they came from.
type AnswersStatus struct {
	Memory int64 `json:"memory"`
	Store  int64 `json:"store"`
	Stale  int64 `json:"stale"`
	Adobe  int64 `json:"adobe"`
}

// AdobeCallsStatus counts report calls to Adobe.
type AdobeCallsStatus struct {
	Total  int64 `json:"total"`
	Failed int64 `json:"failed"`
}

// WarmUpStatus tells of the reports that are kept fresh though nobody asks.
type WarmUpStatus struct {
	Reports  int       `json:"reports"`            // on the list
	Fresh    int       `json:"fresh"`              // of them, when they were looked at
	Asked    int64     `json:"asked"`              // answers that Adobe was asked for
	Failed   int64     `json:"failed"`             // that could not be had
	LookedAt time.Time `json:"looked_at,omitzero"` // the last time
}

// Status finds out what the service knows of itself. What could not be found out is named in it, and no reason to fail.
func (g Gateway) Status(ctx context.Context) Status {
	g = g.filled()
	doc := Status{Service: cacheName, Version: g.Version, Instance: g.Instance, Problems: []string{},
		UptimeSeconds: wholeSeconds(g.Now().Sub(g.Started))}
	s, err := g.Reports.Status(ctx)
	if err != nil {
		g.Log.WarnContext(ctx, "the state of the store cannot be read", "error", err)
		doc.Problems = append(doc.Problems, "The state of the store cannot be read in full.")
	}
	doc.Simulated = g.madeUp() // which may have been read of the store just now
	doc.Calendar = CalendarStatus{s.Calendar.Proven, s.Calendar.Inclusive, s.Calendar.At, s.Calendar.Evidence}
	doc.CooldownUntil, doc.SettledUntil = s.Cooldown, s.SettledUntil
	if s.Zone != "" {
		doc.Problems = append(doc.Problems, s.Zone)
	}
	doc.Stored = StoredStatus(s.Stored)
	doc.Answers = AnswersStatus{s.MemoryHits, s.StoreHits, s.StaleHits, s.Misses}
	doc.AdobeCalls = AdobeCallsStatus{s.Calls, s.Failures}
	if g.WarmUp != nil {
		known := WarmUpStatus(g.WarmUp.Status())
		doc.WarmUp = &known
	}
	if g.Access != nil {
		known, err := g.Access(ctx)
		if err != nil {
			g.Log.WarnContext(ctx, "the state of access cannot be read", "error", err)
			doc.Problems = append(doc.Problems, "The state of the access to Adobe cannot be read in full.")
		}
		doc.Access = &known
		doc.Problems = append(doc.Problems, known.Problems...)
	}
	return doc
}
