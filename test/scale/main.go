// Command scale walks a day of viewers over the instances of a deployment, on a simulated clock, and prints what that asks of Adobe and of
// the table, and how long viewers wait: scale [-seed N] [-rate N]. The report cache is the gateway's own; the table is one in memory that
// counts units, Adobe the simulated one. The same seed prints the same.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"
)

// size is a load, and how it is met.
type size struct {
	rate  float64 // requests a second, over a day
	warm  bool    // the list is kept warm
	fleet int     // all of so many instances begin at once at noon, as on a deployment; zero: none do
}

func main() {
	seed := flag.Uint64("seed", 1, "of who asks when for what")
	only := flag.Float64("rate", 0, "walk this rate alone, in requests a second")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // what is told is the table
	sizes := []size{{rate: 10}, {rate: 10, warm: true}, {rate: 1000}, {rate: 1000, warm: true}, {rate: 1000, fleet: 1000}, {rate: 100_000}}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "requests/s\tkept warm\tinstances\tcold starts\trequests\tfrom memory\tcalls to Adobe\tread units\twrite units\tp50\tp99\tp99.99\tslowest\tread units of the hottest report within a minute")
	for _, s := range sizes {
		if *only != 0 && *only != s.rate {
			continue
		}
		d, err := walk(s, *seed)
		if err != nil {
			fmt.Fprintln(os.Stderr, "scale:", err)
			os.Exit(1)
		}
		fmt.Fprintf(out, "%.0f\t%v\t%d\t%d\t%.0f\t%.4f %%\t%d\t%.0f\t%.0f\t%v\t%v\t%v\t%v\t%.0f\n", s.rate, s.warm, d.most, d.colds, d.requests,
			100*d.memory/d.requests, d.calls, d.table.reads, d.table.writes, d.waits.share(0.5), d.waits.share(0.99), d.waits.share(0.9999),
			d.waits.share(1), d.table.hottest())
		out.Flush() // the larger ones take minutes
	}
}

// waits is how many waited how long, by milliseconds.
type waits map[int64]float64

func (w waits) add(d time.Duration, n float64) { w[d.Milliseconds()] += n }

// share returns how long that part of all waited at most.
func (w waits) share(part float64) time.Duration {
	var all, sofar float64
	var longest int64
	for ms, n := range w {
		all += n
		longest = max(longest, ms)
	}
	for ms := int64(0); ms < longest; ms++ {
		if sofar += w[ms]; sofar >= part*all {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return time.Duration(longest) * time.Millisecond
}
