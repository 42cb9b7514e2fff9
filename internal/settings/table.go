package settings

import (
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Variable is one variable of the environment. Its Allowed tells what it may hold.
type Variable struct {
	Name    string
	Default string // what holds when it is not set, as it would be set; empty: what Meaning says
	Where   Where
	Meaning string // a line for people
	value
}

// Where is a set of the programs that a variable counts in. Others accept it and ignore it.
type Where uint8

const (
	Laptop   Where = 1 << iota // cmu
	Register                   // the register function
	Refresh                    // the refresh function
	Query                      // the query function
	Archive                    // the archive function

	access = Laptop | Register | Refresh
	face   = Laptop | Query
	report = Laptop | Query | Archive
	lambda = Register | Refresh | Query | Archive
)

// Variables returns all variables there are, in the order in which people read them.
func Variables() []Variable { return table(new(Settings)) }

const (
	day = 24 * time.Hour
	// maxAge is past the 25 months for which Adobe keeps data, and far from where sums of durations overflow.
	maxAge = 5 * 365 * day
)

// table is where all that is said about a variable is said. What is read goes to s.
func table(s *Settings) []Variable {
	environments := cmu.EnvironmentNames()
	return []Variable{
		{"CMU_ENVIRONMENT", "production", Laptop | lambda, "Adobe's environment: " + strings.Join(environments, ", "), oneOf(&s.Environment, environments)},
		{"CMU_AUTH_URL", "", access, "base of registration and tokens, instead of the environment's", base(&s.AuthURL)},
		{"CMU_REPORTS_URL", "", report, "base of reports with its path prefix, instead of the environment's", base(&s.ReportsURL)},
		{"CMU_ALLOW_HTTP", "false", Laptop | lambda, "true: statement, client secret and token may go over plain http to other machines", truth(&s.AllowHTTP)},
		{"CMU_REDIRECT_URI", "", Laptop | Register, "redirect_uri to register with; none: not sent", uri(&s.RedirectURI)},
		{"CMU_DEVICE_INFO", "", access, "X-Device-Info of registration and token, base64 of a JSON object; none: not sent", object(&s.DeviceInfo)},

		{"CMU_STATEMENT_SECRET", "cmu-gateway/statement", Register, "secret with the software statement", name(&s.StatementSecret, 2048)},
		{"CMU_CREDENTIALS_SECRET", "cmu-gateway/credentials", Register | Refresh, "secret with the client credentials", name(&s.CredentialsSecret, 2048)},
		{"CMU_TOKEN_SECRET", "cmu-gateway/token", Refresh | Query | Archive, "secret with the access token", name(&s.TokenSecret, 2048)},
		{"CMU_TABLE", "cmu-gateway", lambda, "DynamoDB table", name(&s.Table, 1024)},
		{"CMU_REFRESH_FUNCTION", "", Register | Query | Archive, "function to invoke when a token is needed; none: the next scheduled run gets it", name(&s.RefreshFunction, 170)},
		{"CMU_REGISTER_FUNCTION", "", Refresh, "function to invoke when credentials are needed; none: refresh registers", name(&s.RegisterFunction, 170)},

		{"CMU_ROW_LIMIT", "10000", report, "rows that one call to Adobe asks for at most; a range with as many is halved and asked again", whole(&s.RowLimit, 1, cmu.MaxLimit)},
		{"CMU_REPORT_ZONE", "", report, "IANA zone of Adobe's calendar, such as America/Los_Angeles; none: not known", zone(&s.ReportZone)},
		{"CMU_SETTLE_MARGIN", "12h", report, "how long past its end in UTC and two recomputations a period may still change", duration(&s.SettleMargin, 0, 31*day)},
		{"CMU_FRESH_MINUTE", "15s", report, "how long rows by minute are fresh while they may change", duration(&s.FreshMinute, time.Second, maxAge)},
		{"CMU_FRESH_HOUR", "15m", report, "the same by hour", duration(&s.FreshHour, time.Second, maxAge)},
		{"CMU_FRESH_DAY", "45m", report, "the same by day", duration(&s.FreshDay, time.Second, maxAge)},
		{"CMU_FRESH_MONTH", "12h", report, "the same by month and year, and without time", duration(&s.FreshMonth, time.Second, maxAge)},
		{"CMU_FRESH_LEVEL", "6h", report, "the same by activity or concurrency level", duration(&s.FreshLevel, time.Second, maxAge)},
		{"CMU_FRESH_SETTLED", "720h", report, "how long rows are fresh that should not change any more", duration(&s.FreshSettled, time.Second, maxAge)},
		{"CMU_STALE_WINDOW", "24h", report, "how long past that a row is still served while it is refreshed; 0s: never", duration(&s.StaleWindow, 0, maxAge)},
		{"CMU_STALE_IF_ERROR", "168h", report, "how long while Adobe cannot be had; 0s: never", duration(&s.StaleIfError, 0, maxAge)},

		{"CMU_KEEP", "false", report, "true: settled rows are kept when Adobe drops them after 25 months, and go on being served", truth(&s.Keep)},

		{"CMU_FETCH_PARALLEL", "4", report, "report calls to Adobe at once, and as many again that last while others wait", whole(&s.FetchParallel, 1, 64)},
		{"CMU_FETCH_TOTAL", "0", Query | Archive, "report calls to Adobe at once of all instances together; 0: no bound", whole(&s.FetchTotal, 0, 1000)},
		{"CMU_MEMORY", "64MiB", report, "memory for answers and blocks that are kept, and for those under way", bytes(&s.Memory, 1<<20, 1<<40)},
		{"CMU_DISK", "1GiB", Laptop, "disk for the file that keeps rows", bytes(&s.Disk, 16<<20, 1<<40)},
		{"CMU_ADOBE_TIMEOUT", "60s", Laptop | lambda, "time for one call to Adobe", duration(&s.AdobeTimeout, time.Second, 15*time.Minute)},
		{"CMU_REGISTER_INTERVAL", "24h", access, "least time between two registrations that nobody asked for", duration(&s.RegisterInterval, time.Minute, maxAge)},
		{"CMU_RESPONSE_MODE", Buffered, Query, "how answers go out: whole, or as they are made; API Gateway must be told the same", oneOf(&s.ResponseMode, []string{Buffered, Streaming})},
		{"CMU_BASIC_AUTH", "false", Query, "true: callers may send the key as password of HTTP Basic; API Gateway must be told the same", truth(&s.BasicAuth)},
		{"CMU_PURGE", "false", face, "true: DELETE of reports is served", truth(&s.Purge)},
		{"CMU_ALLOWED_ORIGINS", "", face, "origins whose pages may read reports in a browser (CORS); none: no page may", origins(&s.AllowedOrigins)},
		{"CMU_WARM", "", report, "reports to keep fresh before anybody asks, with spaces between them; also those to archive where none are named for it", windowed(&s.Warm)},
		{"CMU_ARCHIVE", "", Archive, "bucket that reports are archived in", bucket(&s.Archive)},
		{"CMU_ARCHIVE_REPORTS", "", Laptop | Archive, "reports to archive, with spaces between them", reportList(&s.ArchiveReports)},
		{"CMU_KEY", "", Laptop, "key that every caller of cmu serve must send in the header x-api-key, or as password of HTTP Basic; none: no key is asked", key(&s.Key)},
	}
}
