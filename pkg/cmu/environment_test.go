package cmu

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestNewClient(t *testing.T) {
	const auth, reports = "https://sp.auth.adobe.com", "https://mgmt.auth.adobe.com/cmu/v2"
	for _, c := range []struct {
		e             Environment
		auth, reports string
	}{
		{Environment{Name: "production"}, auth, reports},
		{Environment{Name: "production", ReportsURL: "http://localhost:8080/v2/"}, auth, "http://localhost:8080/v2"},
		{Environment{Name: "production", AuthURL: "https://a.example"}, "https://a.example", reports},
		{Environment{AuthURL: "https://a.example//", ReportsURL: "https://[::1]:8443/cmu/v2"}, "https://a.example", "https://[::1]:8443/cmu/v2"},
		{Environment{Name: "mine", AuthURL: "https://a.example", ReportsURL: "https://b.example"}, "https://a.example", "https://b.example"},
	} {
		if client, err := NewClient(c.e); err != nil || client.AuthURL != c.auth || client.ReportsURL != c.reports {
			t.Errorf("%+v: %+v, %v", c.e, client, err)
		}
	}
	for _, name := range EnvironmentNames() {
		if _, err := NewClient(Environment{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		e    Environment
		says string
	}{
		{Environment{}, `environment "" is none of production, `},
		{Environment{Name: "prod", AuthURL: auth}, `environment "prod" is none of production, `},
	} {
		if client, err := NewClient(c.e); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %+v, %v", c.e, client, err)
		}
	}
}

// A base URL that is wrong is named, by NewClient and by the calls of a literal Client, and nothing is called.
func TestBaseURLs(t *testing.T) {
	for base, says := range map[string]string{
		"adobe.com/cmu": `scheme ""`, "localhost:8080": `scheme "localhost"`, "ftp://adobe.com": `scheme "ftp"`, "https:///cmu": "no host", "https://:80": "no host",
		"https://u:s3cret@adobe.com": "a user name or password", "https://adobe.com?a=b": "a query", "https://adobe.com/?": "a query", "https://adobe.com#f": "a fragment",
		"https://s3cret\x7f": "not a URL", "": "empty",
	} {
		good := Environment{AuthURL: "https://adobe.com", ReportsURL: "https://adobe.com"}
		badAuth, badReports := good, good
		badAuth.AuthURL, badReports.ReportsURL = base, base
		calls := transport(func(*http.Request) (*http.Response, error) {
			t.Errorf("%q was called", base)
			return nil, errors.New("called")
		})
		client := &Client{AuthURL: base, ReportsURL: base, Transport: calls}
		_, registered := client.Register(t.Context(), Statement{Text: "text"})
		_, got := client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"})
		_, reported := client.Report(t.Context(), "t0ken", Request{}, "")
		errs := map[string]error{"AuthURL register": registered, "AuthURL token": got, "ReportsURL report": reported}
		if base != "" {
			_, errs["AuthURL new"] = NewClient(badAuth)
			_, errs["ReportsURL new"] = NewClient(badReports)
		}
		for what, err := range errs {
			field, _, _ := strings.Cut(what, " ")
			if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "such as https://") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q, %s: %v", base, what, err)
			}
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNoContext(t *testing.T) {
	client, err := NewClient(Environment{Name: "production"})
	if err != nil {
		t.Fatal(err)
	}
	var none context.Context
	_, registered := client.Register(none, Statement{Text: "text"})
	_, got := client.Token(none, Credentials{})
	_, reported := client.Report(none, "t0ken", Request{}, "")
	for what, err := range map[string]error{"register": registered, "token": got, "report": reported} {
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "nil Context") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Secrets go in the clear to this machine alone, unless the caller says so. No redirect is followed, so none leads to plain http.
func TestPlainHTTP(t *testing.T) {
	for base, want := range map[string]bool{
		"https://sp.auth.adobe.com": false, "https://192.0.2.1": false, "http://127.0.0.1:8090": false, "http://127.9.8.7": false,
		"http://localhost": false, "http://LOCALHOST:1/x": false, "http://[::1]:8090": false, "http://[::ffff:127.0.0.1]": false,
		"http://sp.auth.adobe.com": true, "http://192.0.2.1": true, "http://[2001:db8::1]": true, "http://10.0.0.1:8090/cmu/v2": true,
		"http://localhost.": true, "http://a.localhost": true, "http://localhost.example.com": true, "http://127.0.0.1.example.com": true,
		"http://127.1": true, "http://2130706433": true, "http://0x7f.1": true, "http://0.0.0.0:8090": true, "http://[::]:8090": true, "http://[::1%25lo]": true,
		"HTTP://example.com": true,
	} {
		if got := PlainHTTP(base); got != want {
			t.Errorf("%s: %v", base, got)
		}
	}
	asked := 0
	client := &Client{AuthURL: "http://adobe.example", ReportsURL: "http://adobe.example/cmu/v2", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked++
		return nil, errors.New("no such host")
	})}
	calls := func() (errs []error) {
		_, err := client.Register(t.Context(), Statement{Text: "x"})
		errs = append(errs, err)
		_, err = client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"})
		errs = append(errs, err)
		_, err = client.Report(t.Context(), "t0ken", Request{}, "")
		return append(errs, err)
	}
	for _, err := range calls() {
		if err == nil || !strings.Contains(err.Error(), "plain http to another machine") {
			t.Errorf("%v", err)
		}
	}
	client.AllowHTTP = true
	for _, err := range calls() {
		if err == nil || strings.Contains(err.Error(), "plain http") || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("allowed: %v", err)
		}
	}
	if asked != 3 {
		t.Errorf("%d calls", asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
