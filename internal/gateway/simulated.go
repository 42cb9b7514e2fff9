package gateway

import "strings"

// simulated is the value of cmu.HeaderSimulated, a Boolean of RFC 9651.
var simulated = []string{"?1"}

// madeUp reports whether the gateway stands over a simulated Adobe: it was told so, or Adobe's answers said so.
func (g *Gateway) madeUp() bool { return g.Simulated || g.Reports.Simulated() }

// simulatedFile changes the names in a Content-Disposition, which hold no quotes: who keeps the file has no headers any more.
var simulatedFile = strings.NewReplacer(`filename="`, `filename="simulated_`, `UTF-8''`, `UTF-8''simulated_`)

// banner says on a page that what it shows is made up.
func (p page) banner(simulated bool) {
	if simulated {
		p.warn("These numbers are made up: they come from a simulated Adobe.")
	}
}
