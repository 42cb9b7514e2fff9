// Package settings reads the gateway's environment, once, into a Settings. One table holds every variable; all problems are
// reported together, each by the name of its variable, what is wrong with it and what is allowed.
package settings

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/internal/nearest"
	"cmu-gateway/pkg/cmu"
)

// Settings is what the environment says, with defaults filled in: those of the table of Variables. FromEnv makes it; its zero
// value is of no use.
type Settings struct {
	// Environment is Adobe's: one of cmu.EnvironmentNames.
	Environment string
	// AuthURL is the base of registration and tokens, ReportsURL that of reports: the environment's, or what is set instead.
	// Plain http is for a simulated Adobe on the same machine: over it, secrets travel in the clear. Neither ends in a slash.
	AuthURL, ReportsURL string
	// AllowHTTP says that they may do so to other machines.
	AllowHTTP bool
	// RedirectURI is sent on registration unless empty.
	RedirectURI string
	// DeviceInfo is the X-Device-Info header, base64 of a JSON object, sent on registration and token unless empty.
	DeviceInfo string

	// The names or ARNs of the three secrets.
	StatementSecret, CredentialsSecret, TokenSecret string
	// Table is the name or ARN of the DynamoDB table that holds blocks, leases and notes.
	Table string

	// RowLimit is the limit that the gateway's own calls to Adobe name.
	RowLimit int
	// ReportZone is the IANA zone of Adobe's calendar. It is nil when not known.
	ReportZone *time.Location
	// SettleMargin is how long past its end, in UTC, and two recompute intervals a period is still held to be unsettled.
	SettleMargin time.Duration

	// How long rows stay fresh, by grain: FreshMonth is also that of years and of reports without time, FreshLevel that of
	// level reports whatever their grain, FreshSettled that of periods which are settled.
	FreshMinute, FreshHour, FreshDay, FreshMonth, FreshLevel, FreshSettled time.Duration
	// StaleWindow is how long past its freshness a copy may still be served while it is refreshed, StaleIfError how long
	// while Adobe cannot be had. Zero is never.
	StaleWindow, StaleIfError time.Duration

	// Keep says whether settled rows are kept when Adobe drops them.
	Keep bool

	// FetchParallel is how many report calls to Adobe may run at once, FetchTotal how many of all instances together; zero: any.
	FetchParallel, FetchTotal int
	// Memory bounds the answers kept in memory, Disk the file of a laptop's store.
	Memory, Disk Bytes
	// AdobeTimeout bounds one call to Adobe.
	AdobeTimeout time.Duration
	// RegisterInterval is the shortest time between two registrations that nobody asked for.
	RegisterInterval time.Duration

	// The names or ARNs of the functions to invoke when a token or credentials are needed; empty: none.
	RefreshFunction, RegisterFunction string
	// Warm are reports with windows relative to now, as plan.Policy.ParseRequest reads them, that are kept fresh though nobody asks.
	Warm Reports
	// Archive is the place of the archive function, s3://BUCKET or s3://BUCKET/PREFIX; ArchiveReports are the reports that it keeps, and
	// those that cmu archive keeps where none are named: see Archived.
	Archive        string
	ArchiveReports Reports
	// ResponseMode is how the query function answers: Buffered or Streaming.
	ResponseMode string
	// BasicAuth says that API Gateway takes the key as password of HTTP Basic, too, and asks the query function for it.
	BasicAuth bool
	// Purge says whether DELETE on report routes is served.
	Purge bool
	// AllowedOrigins are those whose pages may read reports in a browser; "*" stands for all.
	AllowedOrigins Origins
	// Key is what callers must send; empty: nothing.
	Key cmu.Secret
}

// The values of ResponseMode.
const (
	Buffered  = "buffered"
	Streaming = "streaming"
)

// Error is one variable that does not hold what it must, or that there is not. FromEnv joins all that it finds.
type Error struct{ Variable, Problem string }

func (e *Error) Error() string { return e.Variable + ": " + e.Problem }

const prefix = "CMU_"

// FromEnv reads environ, pairs of the form NAME=value as os.Environ returns them, the last of a name counting. A variable that
// is empty counts as unset, whatever its name; one of the table that is of no use to this process is judged like the others and
// otherwise ignored, so that several may share an environment. The error joins one *Error for each variable at fault, among
// them those that begin with CMU_ and are not in the table; the Settings are then of no use.
func FromEnv(environ []string) (Settings, error) {
	set := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(strings.ToUpper(name), prefix) {
			set[name] = value
		}
	}
	maps.DeleteFunc(set, func(_, value string) bool { return value == "" })

	var s Settings
	var errs []error
	all := table(&s)
	for _, v := range all {
		text := cmp.Or(set[v.Name], v.Default)
		delete(set, v.Name)
		if text == "" {
			continue
		}
		if err := v.read(text); err != nil {
			errs = append(errs, &Error{v.Name, err.Error()})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		errs = append(errs, unknown(name, all))
	}

	for _, base := range []struct{ name, url string }{{"CMU_AUTH_URL", s.AuthURL}, {"CMU_REPORTS_URL", s.ReportsURL}} {
		if !s.AllowHTTP && cmu.PlainHTTP(base.url) {
			errs = append(errs, &Error{base.name, "plain http to another machine, where secrets can be read on the way; want https, or CMU_ALLOW_HTTP=true"})
		}
	}
	hosts, _ := cmu.LookupEnvironment(s.Environment)
	s.AuthURL, s.ReportsURL = cmp.Or(s.AuthURL, hosts.AuthURL), cmp.Or(s.ReportsURL, hosts.ReportsURL)
	return s, errors.Join(errs...)
}

// unknown tells what a variable that there is not may have been meant to be.
func unknown(name string, all []Variable) *Error {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = v.Name[len(prefix):]
	}
	problem := "there is no such variable; cmu help environment and docs/settings.md list those that there are"
	if near := nearest.Name(strings.ToUpper(name[len(prefix):]), names); near != "" {
		problem = "there is no such variable; did you mean " + prefix + near + "?"
	}
	quoted := strconv.Quote(bounded(name))
	return &Error{quoted[1 : len(quoted)-1], problem}
}
