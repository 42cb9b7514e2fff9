package gateway

import "strings"

// HeaderSimulated is on every answer of a gateway over a simulated Adobe, and absent elsewhere. It is a Boolean of RFC 9651.
const HeaderSimulated = "Cmu-Simulated"

var simulated = []string{"?1"}

// simulatedFile changes the names in a Content-Disposition, which hold no quotes: who keeps the file has no headers any more.
var simulatedFile = strings.NewReplacer(`filename="`, `filename="simulated_`, `UTF-8''`, `UTF-8''simulated_`)

// banner says on a page that what it shows is made up.
func (p page) banner(simulated bool) {
	if simulated {
		p.warn("These numbers are made up: they come from a simulated Adobe.")
	}
}
