// Package catalog holds what is known of the reports: the metrics and what they mean, and the tree of paths as far as Adobe's links
// told of it.
package catalog

import "strings"

// Metric is a column of numbers.
type Metric struct {
	Name    string `json:"name"`
	Title   string `json:"title"`   // for people
	Meaning string `json:"meaning"` // a sentence
	// Distinct tells that users are counted once in each row, so that rows never add up: not over time, not over values of a
	// dimension.
	Distinct bool `json:"distinct"`
}

// Metrics are those that Adobe's documentation names and those that were met beside them. The page, the README and the API's
// description have their meanings from here. Source: Adobe, Concurrency Monitoring usage reports; the last eight are not documented.
var Metrics = []Metric{
	{"active-users", "Active users", "Distinct user accounts that began at least one streaming session in the period.", true},
	{"active-sessions", "Active sessions", "Streaming sessions that reported activity in the period, without attempts that were denied.", false},
	{"started-sessions", "Started sessions", "Streaming sessions that began in the period.", false},
	{"completed-sessions", "Completed sessions", "Streaming sessions that ended in the period, by the viewer or by a timeout.", false},
	{"failed-attempts", "Failed attempts", "Attempts to begin a session that were denied.", false},
	{"dismissed-sessions", "Dismissed sessions", "Sessions that a policy ended while they played, as under FIFO or last-one-wins policies.", false},
	{"killed-sessions", "Killed sessions", "Sessions that were killed by request, so that a new one could begin.", false},
	{"duration_0-15", "Lasted under 15 min", "Sessions that lasted under 15 minutes.", false},
	{"duration_15-30", "Lasted 15 to 30 min", "Sessions that lasted 15 to 30 minutes.", false},
	{"duration_30-60", "Lasted 30 to 60 min", "Sessions that lasted 30 to 60 minutes.", false},
	{"duration_60-120", "Lasted 1 to 2 h", "Sessions that lasted one to two hours.", false},
	{"duration_2h-4h", "Lasted 2 to 4 h", "Sessions that lasted two to four hours.", false},
	{"duration_4h-8h", "Lasted 4 to 8 h", "Sessions that lasted four to eight hours.", false},
	{"duration_8h-16h", "Lasted 8 to 16 h", "Sessions that lasted eight to sixteen hours.", false},
	{"duration_16h-1d", "Lasted 16 h to 1 day", "Sessions that lasted sixteen hours to a day.", false},
	{"duration_1d-3d", "Lasted 1 to 3 days", "Sessions that lasted one to three days.", false},
	{"duration_3d-7d", "Lasted 3 to 7 days", "Sessions that lasted three to seven days.", false},
	{"duration_1w-1m", "Lasted 1 week to 1 month", "Sessions that lasted a week to a month.", false},
	{"duration_over-1m", "Lasted over 1 month", "Sessions that lasted over a month.", false},
	{"users", "Users who reached a level", "Distinct users who reached a level of concurrency or activity; who reached several counts in each.", true},
	{"bstreams-15", "Streams, 15", "Not documented by Adobe: by its name, streams counted by the length of 15 minutes.", false},
	{"bstreams-30", "Streams, 30", "Not documented by Adobe: by its name, streams counted by the length of 30 minutes.", false},
	{"bstreams-45", "Streams, 45", "Not documented by Adobe: by its name, streams counted by the length of 45 minutes.", false},
	{"bstreams-60", "Streams, 60", "Not documented by Adobe: by its name, streams counted by the length of 60 minutes.", false},
	{"bstreams-75", "Streams, 75", "Not documented by Adobe: by its name, streams counted by the length of 75 minutes.", false},
	{"bstreams-90", "Streams, 90", "Not documented by Adobe: by its name, streams counted by the length of 90 minutes.", false},
	{"bstreams-105", "Streams, 105", "Not documented by Adobe: by its name, streams counted by the length of 105 minutes.", false},
	{"bstreams-120", "Streams, 120", "Not documented by Adobe: by its name, streams counted by the length of 120 minutes.", false},
}

// Table is the metrics as a table of Markdown, as docs/metrics.md has it.
func Table() string {
	var b strings.Builder
	b.WriteString("| metric | means | adds up |\n|---|---|---|\n")
	for _, m := range Metrics {
		adds := "yes"
		if m.Distinct {
			adds = "**never**"
		}
		b.WriteString("| `" + m.Name + "` | " + m.Meaning + " | " + adds + " |\n")
	}
	return b.String()
}
