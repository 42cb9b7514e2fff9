// Package settings reads the gateway's environment, once, into a Settings. All problems are reported together, each by the
// name of its variable, what is wrong with it and what is allowed.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // CMU_REPORT_ZONE must be known where the system has no zone files

	"github.com/caarlos0/env/v11"

	"cmu-gateway/pkg/cmu"
)

// Settings is what the environment says, with defaults filled in. FromEnv makes it; its zero value is of no use. An empty
// variable counts as unset. Durations are written as in Go: 15s, 45m, 720h.
type Settings struct {
	// Environment is Adobe's: production, prequal-production, staging or prequal-staging.
	Environment string `env:"CMU_ENVIRONMENT" envDefault:"production"`
	// AuthURL is the base of registration and tokens, ReportsURL that of reports. Each is the environment's unless its
	// variable overrides it: an absolute http or https address without credentials, query or fragment. Plain http is for
	// a simulated Adobe on the same machine: over it, secrets travel in the clear. Neither ends in a slash.
	AuthURL    string `env:"CMU_AUTH_URL"`
	ReportsURL string `env:"CMU_REPORTS_URL"`
	// RedirectURI is sent on registration unless empty.
	RedirectURI string `env:"CMU_REDIRECT_URI"`
	// DeviceInfo is the X-Device-Info header, base64 of a JSON object, sent on registration and token unless empty.
	DeviceInfo string `env:"CMU_DEVICE_INFO"`

	// The names or ARNs of the three secrets.
	StatementSecret   string `env:"CMU_STATEMENT_SECRET" envDefault:"cmu-gateway/statement"`
	CredentialsSecret string `env:"CMU_CREDENTIALS_SECRET" envDefault:"cmu-gateway/credentials"`
	TokenSecret       string `env:"CMU_TOKEN_SECRET" envDefault:"cmu-gateway/token"`
	// Table is the name or ARN of the DynamoDB table that holds blocks and leases.
	Table string `env:"CMU_TABLE" envDefault:"cmu-gateway"`

	// RowLimit is the limit that the gateway's own calls to Adobe name, 1 to 1,000,000,000.
	RowLimit int `env:"CMU_ROW_LIMIT" envDefault:"10000"`
	// ReportZone is the IANA zone of Adobe's calendar. It is nil when not known.
	ReportZone *time.Location `env:"CMU_REPORT_ZONE"`
	// SettleMargin is how long past its end and one recompute interval a period is still held to be unsettled, for want of
	// a known zone: 12h by default, zero by default when ReportZone is given.
	SettleMargin time.Duration `env:"CMU_SETTLE_MARGIN" envDefault:"12h"`

	// How long rows stay fresh, by grain: FreshMonth is also that of years, FreshLevel that of level reports whatever
	// their grain, FreshSettled that of periods which are settled. At least 1s each.
	FreshMinute  time.Duration `env:"CMU_FRESH_MINUTE" envDefault:"15s"`
	FreshHour    time.Duration `env:"CMU_FRESH_HOUR" envDefault:"15m"`
	FreshDay     time.Duration `env:"CMU_FRESH_DAY" envDefault:"45m"`
	FreshMonth   time.Duration `env:"CMU_FRESH_MONTH" envDefault:"12h"`
	FreshLevel   time.Duration `env:"CMU_FRESH_LEVEL" envDefault:"6h"`
	FreshSettled time.Duration `env:"CMU_FRESH_SETTLED" envDefault:"720h"`
	// StaleWindow is how long past its freshness a copy may still be served while it is refreshed, StaleIfError how long
	// while Adobe cannot be had. Zero is never.
	StaleWindow  time.Duration `env:"CMU_STALE_WINDOW" envDefault:"24h"`
	StaleIfError time.Duration `env:"CMU_STALE_IF_ERROR" envDefault:"168h"`

	// FetchParallel is how many report calls to Adobe may run at once, 1 to 64.
	FetchParallel int `env:"CMU_FETCH_PARALLEL" envDefault:"4"`
	// Memory bounds the answers kept in memory, in bytes: a plain number, or one with kB, MB, GB, KiB, MiB or GiB.
	Memory Bytes `env:"CMU_MEMORY" envDefault:"64MiB"`
	// AdobeTimeout bounds one call to Adobe, 1s to 15m.
	AdobeTimeout time.Duration `env:"CMU_ADOBE_TIMEOUT" envDefault:"60s"`
	// RegisterInterval is the shortest time between two registrations that nobody asked for, at least 1m.
	RegisterInterval time.Duration `env:"CMU_REGISTER_INTERVAL" envDefault:"24h"`

	// The names or ARNs of the functions to invoke when a token or credentials are needed; empty: none.
	RefreshFunction  string `env:"CMU_REFRESH_FUNCTION"`
	RegisterFunction string `env:"CMU_REGISTER_FUNCTION"`
	// Purge says whether DELETE on report routes is served: off unless set.
	Purge bool `env:"CMU_PURGE"`
}

// Error is one variable that does not hold what it must. FromEnv joins all that it finds.
type Error struct{ Variable, Problem string }

func (e *Error) Error() string { return e.Variable + ": " + e.Problem }

// FromEnv reads environ, pairs of the form NAME=value as os.Environ returns them, the last of a name counting. The error
// joins one *Error for each variable at fault; the Settings are then of no use.
func FromEnv(environ []string) (Settings, error) {
	set := env.ToMap(environ)
	maps.DeleteFunc(set, func(_, value string) bool { return value == "" })
	if _, given := set["CMU_SETTLE_MARGIN"]; !given && set["CMU_REPORT_ZONE"] != "" {
		set["CMU_SETTLE_MARGIN"] = "0s"
	}
	var s Settings
	err := env.ParseWithOptions(&s, env.Options{Environment: set, FuncMap: parsers})
	errs := byVariable(err)
	for _, rule := range rules(&s) {
		broken := slices.IndexFunc(errs, func(err error) bool {
			e, ok := errors.AsType[*Error](err)
			return ok && e.Variable == rule.variable
		})
		if broken >= 0 {
			if rule.allowed != "" {
				errs[broken] = &Error{rule.variable, errs[broken].(*Error).Problem + ", " + rule.allowed}
			}
			continue
		}
		if err := rule.check(); err != nil {
			errs = append(errs, &Error{rule.variable, err.Error()})
		}
	}
	return s, errors.Join(errs...)
}

// byVariable turns the errors of the env package, which name struct fields, into ones that name variables.
func byVariable(err error) (errs []error) {
	if err == nil {
		return nil
	}
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []error{err}
	}
	for _, err := range all.Errors {
		if p, ok := errors.AsType[env.ParseError](err); ok {
			field, _ := reflect.TypeFor[Settings]().FieldByName(p.Name)
			err = &Error{field.Tag.Get("env"), p.Err.Error()}
		}
		errs = append(errs, err)
	}
	return errs
}

type rule struct {
	variable string
	check    func() error
	allowed  string // "between LOW and HIGH" for a range, else empty
}

// rules judges what types alone do not, and resolves the hosts.
func rules(s *Settings) []rule {
	hosts, known := cmu.LookupEnvironment(s.Environment)
	return []rule{
		{"CMU_ENVIRONMENT", func() error {
			if !known {
				return fmt.Errorf("%q is none of %s", s.Environment, strings.Join(cmu.EnvironmentNames(), ", "))
			}
			return nil
		}, ""},
		{"CMU_AUTH_URL", base(&s.AuthURL, hosts.AuthURL), ""},
		{"CMU_REPORTS_URL", base(&s.ReportsURL, hosts.ReportsURL), ""},
		{"CMU_REDIRECT_URI", func() error { return checkRedirect(s.RedirectURI) }, ""},
		{"CMU_DEVICE_INFO", func() error { return checkDeviceInfo(s.DeviceInfo) }, ""},
		{"CMU_STATEMENT_SECRET", name(s.StatementSecret, 2048), ""},
		{"CMU_CREDENTIALS_SECRET", name(s.CredentialsSecret, 2048), ""},
		{"CMU_TOKEN_SECRET", name(s.TokenSecret, 2048), ""},
		{"CMU_TABLE", name(s.Table, 1024), ""},
		{"CMU_REFRESH_FUNCTION", name(s.RefreshFunction, 170), ""},
		{"CMU_REGISTER_FUNCTION", name(s.RegisterFunction, 170), ""},
		between("CMU_ROW_LIMIT", s.RowLimit, 1, cmu.MaxLimit),
		between("CMU_FETCH_PARALLEL", s.FetchParallel, 1, 64),
		between("CMU_MEMORY", s.Memory, 1<<20, 1<<40),
		between("CMU_SETTLE_MARGIN", s.SettleMargin, 0, 31*day),
		between("CMU_FRESH_MINUTE", s.FreshMinute, time.Second, maxAge),
		between("CMU_FRESH_HOUR", s.FreshHour, time.Second, maxAge),
		between("CMU_FRESH_DAY", s.FreshDay, time.Second, maxAge),
		between("CMU_FRESH_MONTH", s.FreshMonth, time.Second, maxAge),
		between("CMU_FRESH_LEVEL", s.FreshLevel, time.Second, maxAge),
		between("CMU_FRESH_SETTLED", s.FreshSettled, time.Second, maxAge),
		between("CMU_STALE_WINDOW", s.StaleWindow, 0, maxAge),
		between("CMU_STALE_IF_ERROR", s.StaleIfError, 0, maxAge),
		between("CMU_ADOBE_TIMEOUT", s.AdobeTimeout, time.Second, 15*time.Minute),
		between("CMU_REGISTER_INTERVAL", s.RegisterInterval, time.Minute, maxAge),
	}
}

const (
	day = 24 * time.Hour
	// maxAge is past the 25 months for which Adobe keeps data, and far from where sums of durations overflow.
	maxAge = 5 * 365 * day
)
