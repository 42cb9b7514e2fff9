package sandbox

import "strings"

// What the tests of the reports look at.
var (
	Paths           = documented + strings.ReplaceAll(live, "\t", ",") // one a line, with its metric set
	MetricSets      = metricSets
	DurationMetrics = durationMetrics
	Additive        = additive
)

// Nodes returns how many places the tree of reports has.
func Nodes() int { return len(reportTree().nodes) }
