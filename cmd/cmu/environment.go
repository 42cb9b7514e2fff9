package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"cmu-gateway/internal/settings"
)

// helpEnvironment tells the variables that count on one machine. The others name things in AWS.
func helpEnvironment(w io.Writer) {
	fmt.Fprint(w, `Which Adobe is asked:

  CMU_ENVIRONMENT, CMU_AUTH_URL or CMU_REPORTS_URL set, or --statement given: the one they name.
  A whole report URL at a host of Adobe's: the one that is there.
  Nothing given, and the data folder holds a registration at Adobe's production: that.
  --sandbox, or nothing given and a cmu serve began so with the data folder, and no other Adobe was ever named there: a
  simulated one, whose rows are made up. cmu serve begins with it where the data folder holds nothing else.
  Otherwise it is an error, which says what to do.

Credentials and answers of each are kept in a folder of its own below the data folder (--data), and never mix.

Variables. Times are written 15s, 45m or 720h, sizes 67108864, 64MiB or 256MB:

`)
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, v := range settings.Variables() {
		if v.Where&settings.Laptop == 0 {
			continue
		}
		text := v.Meaning
		if v.Default != "" {
			text += " (default " + v.Default + ")"
		}
		fmt.Fprintf(tab, "  %s\t%s\n", v.Name, text)
	}
	tab.Flush()
	fmt.Fprint(w, `
An empty variable counts as unset. Those that count in AWS alone are accepted and ignored, so that one file may serve both;
docs/settings.md lists them. Any other variable that begins with CMU_ is an error.
`)
}
