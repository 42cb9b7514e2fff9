package main

import (
	"flag"
	"io"
	"strings"
	"testing"

	"cmu-gateway/internal/settings"
)

func TestChoosePlace(t *testing.T) {
	const own = "CMU_AUTH_URL=http://10.0.0.1:8090"
	for _, test := range []struct {
		name       string
		environ    string
		statement  bool
		registered string
		seed       uint64
		want       string // the beginning of the name
		simulated  bool
	}{
		{"nothing", "", false, "", defaultSeed, "sandbox", true},
		{"another seed", "", false, "", 7, "sandbox-7", true},
		{"a statement", "", true, "", defaultSeed, "production", false},
		{"registered before", "", false, "production", defaultSeed, "production", false},
		{"registered elsewhere", "", false, "staging", defaultSeed, "sandbox", true},
		{"an environment", "CMU_ENVIRONMENT=staging", false, "", defaultSeed, "staging", false},
		{"an empty environment", "CMU_ENVIRONMENT=", false, "", defaultSeed, "sandbox", true},
		{"own hosts", "CMU_REPORTS_URL=http://127.0.0.1:8090/cmu/v2", false, "", defaultSeed, "127.0.0.1_8090-", false},
		{"half of own hosts", own, false, "", defaultSeed, "mgmt.auth.adobe.com-", false},
		{"production by its hosts", "CMU_AUTH_URL=https://sp.auth.adobe.com/", false, "", defaultSeed, "production", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			environ := strings.Fields(test.environ)
			s, err := settings.FromEnv(environ)
			if err != nil {
				t.Fatal(err)
			}
			got := choosePlace(s, test.statement || configures(environ), test.seed, func(p place) bool { return p.name == test.registered })
			exact := !strings.HasSuffix(test.want, "-")
			if got.simulated != test.simulated || exact && got.name != test.want || !strings.HasPrefix(got.name, test.want) {
				t.Errorf("got %+v, want %s, simulated %v", got, test.want, test.simulated)
			}
		})
	}
	one, _ := settings.FromEnv([]string{own})
	two, _ := settings.FromEnv([]string{own + "/other"})
	if hostName(one) == hostName(two) {
		t.Errorf("two Adobes share the folder %s", hostName(one))
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
