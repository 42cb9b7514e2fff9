package settings

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmu-gateway/pkg/cmu"
)

var zones = cmp.Comparer(func(a, b *time.Location) bool {
	return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
})

func defaults() Settings {
	production, _ := cmu.LookupEnvironment("production")
	return Settings{
		Environment: "production", AuthURL: production.AuthURL, ReportsURL: production.ReportsURL,
		StatementSecret: "cmu-gateway/statement", CredentialsSecret: "cmu-gateway/credentials", TokenSecret: "cmu-gateway/token",
		Table: "cmu-gateway", RowLimit: 10_000, SettleMargin: 12 * time.Hour,
		FreshMinute: 15 * time.Second, FreshHour: 15 * time.Minute, FreshDay: 45 * time.Minute, FreshMonth: 12 * time.Hour,
		FreshLevel: 6 * time.Hour, FreshSettled: 720 * time.Hour, StaleWindow: 24 * time.Hour, StaleIfError: 168 * time.Hour,
		FetchParallel: 4, Memory: 64 << 20, Disk: 1 << 30, AdobeTimeout: time.Minute, RegisterInterval: 24 * time.Hour, ResponseMode: Buffered,
	}
}

func TestFromEnv(t *testing.T) {
	device := base64.StdEncoding.EncodeToString([]byte(`{"model":"m"}`))
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		environ []string
		want    func(*Settings)
	}{
		{"nothing set", nil, func(*Settings) {}},
		{"empty is unset", []string{"CMU_UNKNOWN=", "CMU_ENVIRONMENT=", "CMU_ROW_LIMIT=", "CMU_REPORT_ZONE=", "CMU_PURGE=", "CMU_AUTH_URL="}, func(*Settings) {}},
		{"another's variables", []string{"HOME=/", "CMU=1", "=C:=", "junk"}, func(*Settings) {}},
		{"environment", []string{"CMU_ENVIRONMENT=prequal-staging"}, func(s *Settings) {
			e, _ := cmu.LookupEnvironment("prequal-staging")
			s.Environment, s.AuthURL, s.ReportsURL = "prequal-staging", e.AuthURL, e.ReportsURL
		}},
		{"plain http, allowed", []string{"CMU_AUTH_URL=http://proxy", "CMU_REPORTS_URL=http://proxy/v2", "CMU_ALLOW_HTTP=true"}, func(s *Settings) {
			s.AuthURL, s.ReportsURL, s.AllowHTTP = "http://proxy", "http://proxy/v2", true
		}},
		{"auth alone", []string{"CMU_AUTH_URL=http://127.0.0.1:9000/"}, func(s *Settings) { s.AuthURL = "http://127.0.0.1:9000" }},
		{"reports alone", []string{"CMU_REPORTS_URL=https://cm-reports.adobeprimetime.com/v2"}, func(s *Settings) {
			s.ReportsURL = "https://cm-reports.adobeprimetime.com/v2"
		}},
		{"names", []string{"CMU_STATEMENT_SECRET=a", "CMU_CREDENTIALS_SECRET=b", "CMU_TOKEN_SECRET=arn:aws:secretsmanager:us-east-1:1:secret:c-x",
			"CMU_TABLE=d", "CMU_REFRESH_FUNCTION=e", "CMU_REGISTER_FUNCTION=f"}, func(s *Settings) {
			s.StatementSecret, s.CredentialsSecret, s.TokenSecret = "a", "b", "arn:aws:secretsmanager:us-east-1:1:secret:c-x"
			s.Table, s.RefreshFunction, s.RegisterFunction = "d", "e", "f"
		}},
		{"register's", []string{"CMU_REDIRECT_URI=https://www.adobe.com", "CMU_DEVICE_INFO=" + device, "CMU_REGISTER_INTERVAL=1h"}, func(s *Settings) {
			s.RedirectURI, s.DeviceInfo, s.RegisterInterval = "https://www.adobe.com", device, time.Hour
		}},
		{"zone keeps the margin", []string{"CMU_REPORT_ZONE=America/Los_Angeles"}, func(s *Settings) { s.ReportZone = zone }},
		{"margin beside a zone", []string{"CMU_REPORT_ZONE=America/Los_Angeles", "CMU_SETTLE_MARGIN=1h"}, func(s *Settings) {
			s.ReportZone, s.SettleMargin = zone, time.Hour
		}},
		{"freshness", []string{"CMU_FRESH_MINUTE=1s", "CMU_FRESH_HOUR=2s", "CMU_FRESH_DAY=3s", "CMU_FRESH_MONTH=4s", "CMU_FRESH_LEVEL=5s",
			"CMU_FRESH_SETTLED=6s", "CMU_STALE_WINDOW=0", "CMU_STALE_IF_ERROR=8s"}, func(s *Settings) {
			s.FreshMinute, s.FreshHour, s.FreshDay, s.FreshMonth = time.Second, 2*time.Second, 3*time.Second, 4*time.Second
			s.FreshLevel, s.FreshSettled, s.StaleWindow, s.StaleIfError = 5*time.Second, 6*time.Second, 0, 8*time.Second
		}},
		{"fetching", []string{"CMU_ROW_LIMIT=1", "CMU_FETCH_PARALLEL=64", "CMU_ADOBE_TIMEOUT=90s", "CMU_MEMORY=256MB", "CMU_DISK=2 GiB", "CMU_PURGE=true"}, func(s *Settings) {
			s.RowLimit, s.FetchParallel, s.AdobeTimeout, s.Memory, s.Disk, s.Purge = 1, 64, 90*time.Second, 256e6, 2<<30, true
		}},
		{"the last counts", []string{"CMU_ROW_LIMIT=1", "CMU_ROW_LIMIT=2"}, func(s *Settings) { s.RowLimit = 2 }},
		{"the last counts, empty too", []string{"CMU_ROW_LIMIT=x", "CMU_ROW_LIMIT=", "CMU_UNKNOWN=x", "CMU_UNKNOWN="}, func(*Settings) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := defaults()
			test.want(&want)
			got, err := FromEnv(test.environ)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, zones); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromEnvReadsNothingElse(t *testing.T) {
	t.Setenv("CMU_ROW_LIMIT", "7")
	for _, environ := range [][]string{nil, {}, {"A=b"}} {
		if s, err := FromEnv(environ); err != nil || s.RowLimit != 10_000 {
			t.Errorf("FromEnv(%q).RowLimit = %d, %v", environ, s.RowLimit, err)
		}
	}
}

// Each problem names its variable and, somewhere, what is allowed.
func TestProblems(t *testing.T) {
	tests := []struct{ variable, value, want string }{
		{"CMU_ENVIRONMENT", "prod", `"prod" is none of production, `},
		{"CMU_ENVIRONMENT", "Production", "prequal-staging"},
		{"CMU_AUTH_URL", "sp.auth.adobe.com", "want http or https"},
		{"CMU_AUTH_URL", "ftp://host", "want http or https"},
		{"CMU_AUTH_URL", "https://", "without a host"},
		{"CMU_AUTH_URL", "https://:443/x", "without a host"},
		{"CMU_AUTH_URL", "https://u:hidden@host", "with credentials"},
		{"CMU_AUTH_URL", "https://u:hidden@host:x", "not a URL"},
		{"CMU_AUTH_URL", "http://adobe.example", "want https, or CMU_ALLOW_HTTP=true"},
		{"CMU_REPORTS_URL", "http://192.0.2.1:8090/cmu/v2", "want https, or CMU_ALLOW_HTTP=true"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2?limit=1", "want none"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2?", "want none"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2#x", "want none"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2#", "want none"},
		{"CMU_REDIRECT_URI", "www.adobe.com", "absolute URI"},
		{"CMU_REDIRECT_URI", "https://www.adobe.com#x", "without a fragment"},
		{"CMU_DEVICE_INFO", "{}", "want the base64 of a JSON object"},
		{"CMU_DEVICE_INFO", base64.StdEncoding.EncodeToString([]byte("null")), "base64 of a JSON object"},
		{"CMU_DEVICE_INFO", base64.StdEncoding.EncodeToString([]byte("[1]")), "base64 of a JSON object"},
		{"CMU_DEVICE_INFO", "eyJtb2Rl\nbCI6Im0ifQ==", "in one line"},
		{"CMU_TABLE", "my table", "want a name or an ARN"},
		{"CMU_TOKEN_SECRET", "a\n", "want a name or an ARN"},
		{"CMU_REFRESH_FUNCTION", strings.Repeat("x", 171), "longer than 170 bytes"},
		{"CMU_ROW_LIMIT", "many", `"many" is not a whole number, between 1 and 1000000000`},
		{"CMU_ROW_LIMIT", "0", "0 is not between 1 and 1000000000"},
		{"CMU_ROW_LIMIT", "1000000001", "between 1 and"},
		{"CMU_FETCH_PARALLEL", "65", "between 1 and 64"},
		{"CMU_REPORT_ZONE", "PST8PDT7", "IANA time zone"},
		{"CMU_REPORT_ZONE", "Local", "IANA time zone"},
		{"CMU_REPORT_ZONE", "../etc/passwd", "IANA time zone"},
		{"CMU_SETTLE_MARGIN", "-1h", "between 0s and"},
		{"CMU_FRESH_MINUTE", "0s", "between 1s and"},
		{"CMU_FRESH_HOUR", "15", "not a duration"},
		{"CMU_FRESH_DAY", "1d", "duration such as 15s, 45m or 12h, between 1s and "},
		{"CMU_STALE_WINDOW", "-1s", "between 0s and"},
		{"CMU_MEMORY", "64M", "number of bytes such as"},
		{"CMU_MEMORY", "9223372036854775807GiB", "number of bytes such as"},
		{"CMU_MEMORY", "-1", "number of bytes such as"},
		{"CMU_MEMORY", "1kB", "1000 is not between 1MiB and 1048576MiB"},
		{"CMU_DISK", "15MiB", "15MiB is not between 16MiB and 1048576MiB"},
		{"CMU_ADOBE_TIMEOUT", "16m", "between 1s and 15m0s"},
		{"CMU_REGISTER_INTERVAL", "1s", "between 1m0s and"},
		{"CMU_PURGE", "on", `"on" is not true or false`},
		{"CMU_FRESH_DAYS", "hidden", "there is no such variable; did you mean CMU_FRESH_DAY?"},
		{"CMU_STALE_ERROR", "1h", "did you mean CMU_STALE_IF_ERROR?"},
		{"CMU_fresh_day", "1h", "did you mean CMU_FRESH_DAY?"},
		{"CMU_", "x", "cmu help environment"},
		{"CMU_STORAGE_CLASS", "x", "there is no such variable; cmu help environment and docs/settings.md list"},
	}
	for _, test := range tests {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			_, err := FromEnv([]string{test.variable + "=" + test.value})
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if !strings.HasPrefix(text, test.variable+": ") || strings.Contains(text, "\n") {
				t.Errorf("%q is not the one problem of %s", text, test.variable)
			}
			if !strings.Contains(text, test.want) {
				t.Errorf("%q lacks %q", text, test.want)
			}
			if strings.Contains(text, "hidden") || len(text) > 400 {
				t.Errorf("%q tells too much", text)
			}
		})
	}
}

// Known variables come in the order of the table, unknown ones after them by name.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := FromEnv([]string{"CMU_ZONE=x", "CMU_ENVIRONMENT=x", "CMU_PURGE=x", "CMU_CACHE=x", "CMU_ROW_LIMIT=x", "CMU_REPORTS_URL=x", "CMU_MEMORY=x"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not joined", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		got = append(got, err.(*Error).Variable)
	}
	want := []string{"CMU_ENVIRONMENT", "CMU_REPORTS_URL", "CMU_ROW_LIMIT", "CMU_MEMORY", "CMU_PURGE", "CMU_CACHE", "CMU_ZONE"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A name may hold whatever a process can be started with: the error stays one short line.
func TestUnknownNameIsQuoted(t *testing.T) {
	_, err := FromEnv([]string{"CMU_\x1b[2J\n" + strings.Repeat("x", 1<<20) + "=1"})
	if err == nil || len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %.400q", err)
	}
}

// Every variable has the field of its name, every field its variable, and a text that it does not take.
func TestEveryFieldIsRead(t *testing.T) {
	fields := map[string]bool{}
	for f := range reflect.TypeFor[Settings]().Fields() {
		fields[strings.ToUpper(f.Name)] = true
	}
	for _, v := range Variables() {
		field := fieldName(v)
		if !fields[field] {
			t.Errorf("%s has no field, or is not the first", v.Name)
		}
		delete(fields, field)
		if _, err := FromEnv([]string{v.Name + "=\x01 \x02"}); err == nil || !strings.HasPrefix(err.Error(), v.Name+": ") {
			t.Errorf("%s=junk: %v", v.Name, err)
		}
		if v.Where == 0 || v.Meaning == "" || v.Allowed == "" {
			t.Errorf("%s lacks where it counts, what it means or what is allowed", v.Name)
		}
	}
	for field := range fields {
		t.Errorf("no variable sets %s", field)
	}
}

// fieldName returns the name of v's field in capitals.
func fieldName(v Variable) string {
	return strings.ReplaceAll(strings.TrimPrefix(v.Name, prefix), "_", "")
}
