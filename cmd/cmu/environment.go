package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"cmu-gateway/internal/settings"
	"cmu-gateway/pkg/cmu"
)

// variables tells what those variables of the settings mean that count on one machine. The others name things in AWS.
var variables = []struct{ name, text string }{
	{"CMU_ENVIRONMENT", "Adobe's environment: " + strings.Join(cmu.EnvironmentNames(), ", ")},
	{"CMU_AUTH_URL", "base of registration and tokens, instead of the environment's"},
	{"CMU_REPORTS_URL", "base of reports with its path prefix, instead of the environment's"},
	{"CMU_REDIRECT_URI", "redirect_uri to register with; none: not sent"},
	{"CMU_DEVICE_INFO", "X-Device-Info of registration and token, base64 of a JSON object; none: not sent"},
	{"CMU_ROW_LIMIT", "rows that one call to Adobe asks for at most; a range with as many is halved and asked again"},
	{"CMU_REPORT_ZONE", "IANA zone of Adobe's calendar, such as America/Los_Angeles; none: not known"},
	{"CMU_SETTLE_MARGIN", "how long past its end and one recomputation a period may still change; with a known zone 0s"},
	{"CMU_FRESH_MINUTE", "how long rows by minute are fresh while they may change"},
	{"CMU_FRESH_HOUR", "the same by hour"},
	{"CMU_FRESH_DAY", "the same by day"},
	{"CMU_FRESH_MONTH", "the same by month and year"},
	{"CMU_FRESH_LEVEL", "the same by activity or concurrency level"},
	{"CMU_FRESH_SETTLED", "how long rows are fresh that should not change any more"},
	{"CMU_STALE_WINDOW", "how long past that a row is still served while it is refreshed"},
	{"CMU_STALE_IF_ERROR", "how long while Adobe cannot be had"},
	{"CMU_FETCH_PARALLEL", "report calls to Adobe at once"},
	{"CMU_MEMORY", "memory for answers, such as 64MiB or 256MB"},
	{"CMU_ADOBE_TIMEOUT", "time for one call to Adobe"},
	{"CMU_REGISTER_INTERVAL", "least time between two registrations that nobody asked for"},
	{"CMU_PURGE", "true: cmu serve takes DELETE of reports"},
}

func helpEnvironment(w io.Writer) {
	fmt.Fprint(w, `Which Adobe is asked:

  CMU_ENVIRONMENT, CMU_AUTH_URL or CMU_REPORTS_URL set, or --statement given: the one they name.
  Nothing given, and this machine is registered at Adobe's production: that.
  Nothing given otherwise: a simulated one, with made-up rows.

Credentials and answers of each are kept in a folder of its own below the data folder (--data), and never mix.

Variables, which the Lambda functions read as well:

`)
	defaults := map[string]string{}
	for f := range reflect.TypeFor[settings.Settings]().Fields() {
		defaults[f.Tag.Get("env")] = f.Tag.Get("envDefault")
	}
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, v := range variables {
		text := v.text
		if d := defaults[v.name]; d != "" {
			text += " (default " + d + ")"
		}
		fmt.Fprintf(tab, "  %s\t%s\n", v.name, text)
	}
	tab.Flush()
}
