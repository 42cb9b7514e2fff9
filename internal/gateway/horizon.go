package gateway

import (
	"fmt"
	"strings"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
)

// maxGaps bounds the parts that are told one by one; the last of them stands for the rest.
const maxGaps = 16

// gaps are the parts of an answer's window that Adobe no longer had in whole, and that were not kept.
func gaps(a *reports.Answer) []plan.Span {
	all := a.BeforeHorizon
	if len(all) <= maxGaps {
		return all
	}
	few := append([]plan.Span(nil), all[:maxGaps]...)
	few[maxGaps-1].To = all[len(all)-1].To
	return few
}

// beforeHorizon returns the header of an answer; empty: it has none.
func beforeHorizon(a *reports.Answer) string {
	var parts []string
	for _, s := range gaps(a) {
		parts = append(parts, fmt.Sprintf(`?1; from="%s"; until="%s"`, s.From, s.To))
	}
	return strings.Join(parts, ", ")
}

// BeforeHorizon says in a clause what of an answer's window Adobe no longer has; it is empty if there is nothing.
func BeforeHorizon(a *reports.Answer) string {
	var parts []string
	for _, s := range gaps(a) {
		parts = append(parts, fmt.Sprintf("from %s to %s", s.From, s.To))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Adobe no longer has all of what was " + strings.Join(parts, ", ") + ", and it was not kept: no rows there is not “no usage”"
}
