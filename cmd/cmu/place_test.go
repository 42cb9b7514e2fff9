package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cmu-gateway/internal/settings"
	"cmu-gateway/pkg/cmu"
)

// Made-up rows are for those who ask for them, or who began with them and never named another Adobe.
func TestMadeUpRowsAreNeverTakenForReal(t *testing.T) {
	const own, other = "CMU_AUTH_URL=http://127.0.0.1:8090", "127.0.0.1_8090-0123abcd"
	demo := kept{served: map[string]bool{"sandbox": true}}
	with := func(k kept, registered ...string) kept {
		k.registered = registered
		return k
	}
	used := func(k kept, used ...string) kept {
		k.used = used
		return k
	}
	for _, test := range []struct {
		name    string
		environ string
		meant   meant
		kept    kept
		want    string // the beginning of the place's name, or what the error says
	}{
		{"nothing", "", meant{}, kept{}, "!register with cmu register --statement FILE"},
		{"nothing, --sandbox", "", meant{sandbox: true}, kept{}, "sandbox"},
		{"nothing, cmu serve", "", meant{serve: true}, kept{}, "sandbox"},
		{"after the demo", "", meant{}, demo, "sandbox"},
		{"after the demo, another seed", "", meant{seed: 7}, demo, "!add --sandbox"},
		{"another seed", "", meant{seed: 7, sandbox: true}, kept{}, "sandbox-7"},
		{"a statement", "", meant{statement: true}, demo, "production"},
		{"a statement and --sandbox", "", meant{statement: true, sandbox: true}, kept{}, "!statement of its own"},
		{"a statement was given once", "", meant{}, used(demo, "production"), "production"},
		{"a statement was given once, cmu serve", "", meant{serve: true}, used(demo, "production"), "production"},
		{"a statement was given once, --sandbox", "", meant{sandbox: true}, used(demo, "production"), "sandbox"},
		{"registered", "", meant{}, with(demo, "production", "staging"), "production"},
		{"registered elsewhere", "", meant{}, with(demo, "staging"), "!Adobe's staging: name the one that is meant by CMU_ENVIRONMENT=staging."},
		{"registered elsewhere, cmu serve", "", meant{serve: true}, with(kept{}, "staging"), "!CMU_ENVIRONMENT=staging"},
		{"registered elsewhere, lost here", "", meant{}, used(with(demo, "staging"), "production"), "!CMU_ENVIRONMENT=staging"},
		{"registered at own hosts", "", meant{}, with(demo, other), "!" + other + ": name the one that is meant by CMU_AUTH_URL and CMU_REPORTS_URL as then"},
		{"another environment was used", "", meant{}, used(demo, "staging"), "!was used with Adobe's staging"},
		{"another environment was used, cmu serve", "", meant{serve: true}, used(kept{}, "staging"), "!was used with Adobe's staging"},
		{"registered, --sandbox", "", meant{sandbox: true}, with(kept{}, "production"), "sandbox"},
		{"an environment", "CMU_ENVIRONMENT=staging", meant{}, demo, "staging"},
		{"an environment and --sandbox", "CMU_ENVIRONMENT=staging", meant{sandbox: true}, demo, "!CMU_ENVIRONMENT names another"},
		{"own hosts and --sandbox", own, meant{sandbox: true}, demo, "!CMU_AUTH_URL names another"},
		{"an empty environment", "CMU_ENVIRONMENT=", meant{}, kept{}, "!no Adobe is configured"},
		{"own hosts", "CMU_REPORTS_URL=http://127.0.0.1:8090/cmu/v2", meant{}, demo, "127.0.0.1_8090-"},
		{"half of own hosts", own, meant{}, demo, "mgmt.auth.adobe.com-"},
		{"production by its hosts", "CMU_AUTH_URL=https://sp.auth.adobe.com/", meant{}, demo, "production"},
		{"a URL at production", "", meant{host: "mgmt.auth.adobe.com"}, demo, "production"},
		{"a URL at staging", "", meant{host: "mgmt.auth-staging.adobe.com"}, with(demo, "production"), "staging"},
		{"a URL at production and --sandbox", "", meant{host: "mgmt.auth.adobe.com", sandbox: true}, demo, "!leave out --sandbox"},
		{"a URL at another host of Adobe's", "", meant{host: "cm-reports.adobeprimetime.com"}, demo, "!none of Adobe's environments"},
		{"a URL at another host of Adobe's, named", "CMU_REPORTS_URL=https://cm-reports.adobeprimetime.com/v2",
			meant{host: "cm-reports.adobeprimetime.com"}, demo, "cm-reports.adobeprimetime.com-"},
		{"a URL at production, the environment elsewhere", "CMU_ENVIRONMENT=staging", meant{host: "mgmt.auth.adobe.com"}, demo, "!CMU_ENVIRONMENT names another"},
		{"a URL at production, own hosts", "CMU_REPORTS_URL=http://127.0.0.1:8090/cmu/v2", meant{host: "mgmt.auth.adobe.com"}, demo, "!CMU_REPORTS_URL names another"},
		{"a URL here", "", meant{host: "127.0.0.1"}, demo, "sandbox"},
		{"a URL elsewhere", "", meant{host: "a1b2.execute-api.us-east-1.amazonaws.com"}, demo, "!is at a1b2.execute-api"},
		{"a URL elsewhere, registered", "", meant{host: "a1b2.execute-api.us-east-1.amazonaws.com"}, with(demo, "production"), "production"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environ := strings.Fields(test.environ)
			s, err := settings.FromEnv(environ)
			if err != nil {
				t.Fatal(err)
			}
			if test.meant.seed == 0 {
				test.meant.seed = defaultSeed
			}
			got, s, err := choosePlace(s, names(environ), test.meant, test.kept)
			if text, fails := strings.CutPrefix(test.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), text) || !errors.As(err, new(usageError)) {
					t.Errorf("got %+v, %v, want %q", got, err, text)
				}
				return
			}
			exact := !strings.HasSuffix(test.want, "-")
			if err != nil || got.simulated != strings.HasPrefix(test.want, "sandbox") || exact && got.name != test.want || !strings.HasPrefix(got.name, test.want) {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
			if e, ok := cmu.LookupEnvironment(got.name); ok && (s.Environment != e.Name && s.AuthURL == "" || s.ReportsURL != e.ReportsURL) {
				t.Errorf("%s is asked at %s", got.name, s.ReportsURL)
			}
		})
	}
	one, _ := settings.FromEnv([]string{own})
	two, _ := settings.FromEnv([]string{own + "/other"})
	if hostName(one) == hostName(two) {
		t.Errorf("two Adobes share the folder %s", hostName(one))
	}
}

// What lies in a data folder is told apart by the names of the folders that it holds.
func TestLook(t *testing.T) {
	data := t.TempDir()
	for _, file := range []string{
		"production/secrets/credentials", "staging/reports.db", "prequal-staging/secrets/statement", "127.0.0.1_8090-0123abcd/reports.db",
		"sandbox/" + served, "sandbox/secrets/credentials", "sandbox-12345678/secrets/credentials", "src/secrets/credentials",
	} {
		path := filepath.Join(data, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "prequal-production"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := look(data)
	want := kept{data, []string{"prequal-staging", "production"}, []string{"127.0.0.1_8090-0123abcd", "staging"},
		map[string]bool{"sandbox": true, "sandbox-12345678": false}}
	if err != nil || !reflect.DeepEqual(k, want) {
		t.Errorf("got %+v, %v, want %+v", k, err, want)
	}
	if k, err := look(filepath.Join(data, "nowhere")); err != nil || len(k.registered) > 0 {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestReportURL(t *testing.T) {
	for _, test := range []struct{ text, host, path, query string }{
		{"tenant/year", "", "tenant/year", ""},
		{"/tenant/year?a=b", "", "tenant/year", "a=b"},
		{"/cmu/v2/tenant", "", "tenant", ""},
		{"tenant/year.csv", "", "tenant/year.csv", ""},
		{"https://mgmt.auth.adobe.com/cmu/v2/tenant?a=b#c", "mgmt.auth.adobe.com", "tenant", "a=b"},
		{"HTTPS://MGMT.auth.Adobe.com.:443/cmu/v2/tenant", "mgmt.auth.adobe.com", "tenant", ""},
		{"mgmt.auth.adobe.com/cmu/v2/tenant", "mgmt.auth.adobe.com", "tenant", ""},
		{"//mgmt.auth.adobe.com/cmu/v2/tenant", "mgmt.auth.adobe.com", "tenant", ""},
		{"https//mgmt.auth.adobe.com/cmu/v2/tenant", "mgmt.auth.adobe.com", "tenant", ""},
		{"https://user@mgmt.auth.adobe.com/cmu/v2/tenant", "mgmt.auth.adobe.com", "tenant", ""},
		{"localhost:8080/cmu/v2/tenant", "localhost", "tenant", ""},
		{"http://[::1]:8080/prod/cmu/v2/tenant", "::1", "tenant", ""},
	} {
		host, path, query, err := splitReport(test.text)
		if err != nil || host != test.host || path != test.path || query != test.query {
			t.Errorf("%s: %q, %q, %q, %v", test.text, host, path, query, err)
		}
	}
	for _, text := range []string{"ftp://mgmt.auth.adobe.com/cmu/v2/tenant", "https:///cmu/v2/tenant", "https://[::1/cmu/v2/tenant"} {
		if host, _, _, err := splitReport(text); err == nil {
			t.Errorf("%s: %s", text, host)
		}
	}
}

func TestRequest(t *testing.T) {
	for _, test := range []struct {
		args string // after the command, with blanks between
		want string // canonical, or how the error begins
	}{
		{"tenant/year", "/tenant/year"},
		{"/tenant/year/", "/tenant/year"},
		{"/cmu/v2/tenant/year?start=2026", "/tenant/year?start=2026-01-01"},
		{"/v2/tenant", "/tenant"},
		{"https://mgmt.auth.adobe.com/cmu/v2/tenant/year.csv?limit=5&access_token=x", "/tenant/year?limit=5"},
		{"http://127.0.0.1:8080/prod/cmu/v2/tenant", "/tenant"},
		{"/cmu/v2", ""},
		{"tenant --filter mvpd=A&B --filter mvpd!=C --filter platform --metrics b,a", "/tenant?mvpd=A%26B&mvpd!=C&platform&metrics=b,a"},
		{"tenant?mvpd=A --filter mvpd=B", "/tenant?mvpd=A&mvpd=B"},
		{"tenant/tenant", `the report is not valid: path: dimension "tenant" stands twice`},
		{"tenant --filter =x", "invalid value"},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		var q queryFlags
		q.define(fs)
		args := strings.Fields(test.args)
		err := fs.Parse(args[1:])
		if err == nil {
			r, requestErr := q.request(args[0])
			if err = requestErr; err == nil && r.Canonical() == test.want {
				continue
			} else if err == nil {
				t.Errorf("%s: got %s, want %s", test.args, r.Canonical(), test.want)
				continue
			}
		}
		if !strings.HasPrefix(err.Error(), test.want) || test.want == "" {
			t.Errorf("%s: got %v, want %s", test.args, err, test.want)
		}
	}
}
