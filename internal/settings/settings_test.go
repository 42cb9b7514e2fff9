package settings

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
		FetchParallel: 4, Memory: 64 << 20, AdobeTimeout: time.Minute, RegisterInterval: 24 * time.Hour,
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
		{"empty is unset", []string{"CMU_ENVIRONMENT=", "CMU_ROW_LIMIT=", "CMU_REPORT_ZONE=", "CMU_PURGE=", "CMU_AUTH_URL="}, func(*Settings) {}},
		{"another's variables", []string{"HOME=/", "CMU=1", "=C:=", "junk"}, func(*Settings) {}},
		{"environment", []string{"CMU_ENVIRONMENT=prequal-staging"}, func(s *Settings) {
			e, _ := cmu.LookupEnvironment("prequal-staging")
			s.Environment, s.AuthURL, s.ReportsURL = "prequal-staging", e.AuthURL, e.ReportsURL
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
		{"zone drops the margin", []string{"CMU_REPORT_ZONE=America/Los_Angeles"}, func(s *Settings) { s.ReportZone, s.SettleMargin = zone, 0 }},
		{"margin beside a zone", []string{"CMU_REPORT_ZONE=America/Los_Angeles", "CMU_SETTLE_MARGIN=1h"}, func(s *Settings) {
			s.ReportZone, s.SettleMargin = zone, time.Hour
		}},
		{"freshness", []string{"CMU_FRESH_MINUTE=1s", "CMU_FRESH_HOUR=2s", "CMU_FRESH_DAY=3s", "CMU_FRESH_MONTH=4s", "CMU_FRESH_LEVEL=5s",
			"CMU_FRESH_SETTLED=6s", "CMU_STALE_WINDOW=0", "CMU_STALE_IF_ERROR=8s"}, func(s *Settings) {
			s.FreshMinute, s.FreshHour, s.FreshDay, s.FreshMonth = time.Second, 2*time.Second, 3*time.Second, 4*time.Second
			s.FreshLevel, s.FreshSettled, s.StaleWindow, s.StaleIfError = 5*time.Second, 6*time.Second, 0, 8*time.Second
		}},
		{"fetching", []string{"CMU_ROW_LIMIT=1", "CMU_FETCH_PARALLEL=64", "CMU_ADOBE_TIMEOUT=90s", "CMU_MEMORY=256MB", "CMU_PURGE=true"}, func(s *Settings) {
			s.RowLimit, s.FetchParallel, s.AdobeTimeout, s.Memory, s.Purge = 1, 64, 90*time.Second, 256e6, true
		}},
		{"the last counts", []string{"CMU_ROW_LIMIT=1", "CMU_ROW_LIMIT=2"}, func(s *Settings) { s.RowLimit = 2 }},
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
		{"CMU_REPORTS_URL", "https://host/cmu/v2?limit=1", "want none"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2?", "want none"},
		{"CMU_REPORTS_URL", "https://host/cmu/v2#x", "want none"},
		{"CMU_REDIRECT_URI", "www.adobe.com", "absolute URI"},
		{"CMU_REDIRECT_URI", "https://www.adobe.com#x", "without a fragment"},
		{"CMU_DEVICE_INFO", "{}", "want the base64 of a JSON object"},
		{"CMU_DEVICE_INFO", base64.StdEncoding.EncodeToString([]byte("null")), "base64 of a JSON object"},
		{"CMU_DEVICE_INFO", base64.StdEncoding.EncodeToString([]byte("[1]")), "base64 of a JSON object"},
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
		{"CMU_ADOBE_TIMEOUT", "16m", "between 1s and 15m0s"},
		{"CMU_REGISTER_INTERVAL", "1s", "between 1m0s and"},
		{"CMU_PURGE", "on", `"on" is not true or false`},
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

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := FromEnv([]string{"CMU_ENVIRONMENT=x", "CMU_ROW_LIMIT=x", "CMU_PURGE=x", "CMU_REPORTS_URL=x", "CMU_MEMORY=x"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not joined", err)
	}
	got := map[string]bool{}
	for _, err := range joined.Unwrap() {
		got[err.(*Error).Variable] = true
	}
	want := map[string]bool{"CMU_ENVIRONMENT": true, "CMU_ROW_LIMIT": true, "CMU_PURGE": true, "CMU_REPORTS_URL": true, "CMU_MEMORY": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every variable that can be wrong has a rule or a type that says so.
func TestEveryFieldIsJudged(t *testing.T) {
	for f := range reflect.TypeFor[Settings]().Fields() {
		variable, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if _, err := FromEnv([]string{variable + "=\x01 \x02"}); err == nil || !strings.HasPrefix(err.Error(), variable+": ") {
			t.Errorf("%s=junk: %v", variable, err)
		}
	}
}

func TestBytesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<20).Draw(t, "n")
		unit := rapid.SampledFrom(units).Draw(t, "unit")
		b, err := parseBytes(fmt.Sprint(n, unit.suffix))
		if err != nil || int64(b) != n*unit.size {
			t.Fatalf("parseBytes(%d%s) = %d, %v", n, unit.suffix, b, err)
		}
		if again, err := parseBytes(b.String()); err != nil || again != b {
			t.Fatalf("parseBytes(%q) = %d, %v; want %d", b.String(), again, err, b)
		}
	})
}
