package archive

import (
	"time"

	"cmu-gateway/internal/plan"
)

// verdict is what becomes of rows that were found.
type verdict uint8

const (
	write   verdict = iota // they are written
	keep                   // what is kept is as good, or better
	refuse                 // what is kept is not replaced, and somebody must look
	forever                // Adobe drops the month: what is kept stays for ever
)

// judge decides whether what was found of a month replaces what is kept of it; nil: nothing is. Rows are written anew only if they
// differ, or once more when they have become final or complete, or the file is of a release that did not tell their forms. Nothing is lost by it: what is complete is never replaced by what is
// not, nor rows by none, nor a licence's rows by another's. reason says in a clause why a month is refused.
func judge(month plan.Span, kept *Label, found Label, now time.Time) (v verdict, reason string) {
	if month.From <= plan.Horizon(now) {
		return forever, ""
	}
	if kept == nil {
		return write, ""
	}
	better := found.Report != "" && kept.Report == "" || found.Complete && !kept.Complete || found.settles(month) && !kept.settles(month)
	switch {
	case kept.Simulated != found.Simulated:
		return refuse, "the one is of a simulated Adobe, the other is not"
	case kept.Licence != "" && found.Licence != "" && kept.Licence != found.Licence:
		return refuse, "it was archived under another licence"
	case !found.Fetched.After(kept.Fetched):
		return keep, ""
	case kept.Complete && !found.Complete:
		return refuse, "rows are missing of what Adobe gives now"
	case kept.Rows > 0 && found.Rows == 0:
		return refuse, "Adobe gives no rows any more"
	case kept.Digest == found.Digest && !better:
		return keep, ""
	}
	return write, ""
}
