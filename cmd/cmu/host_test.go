package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalNames(t *testing.T) {
	rule := func(address string, names ...string) func(string) bool {
		return hostRule(&net.TCPAddr{IP: net.ParseIP(address), Port: 8080}, names)
	}
	for _, host := range []string{"localhost", "localhost:8080", "LocalHost.", "a.b.localhost:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080",
		"192.0.2.1:80"} {
		if !rule("127.0.0.1")(host) || !rule("0.0.0.0", "reports.example")(host) {
			t.Errorf("%s is not answered", host)
		}
	}
	for _, host := range []string{"", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "127.1",
		"[evil.example]:80", "a:b:c", ".", strings.Repeat("x", 10_000), "reports.example.evil", "xreports.example"} {
		for _, address := range []string{"127.0.0.1", "::1", "0.0.0.0"} {
			if rule(address, "reports.example")(host) {
				t.Errorf("%.99s at %s is answered", host, address)
			}
		}
	}
	for _, host := range []string{"reports.example", "Reports.Example.:443", "other:80"} {
		if named := rule("127.0.0.1", "reports.example", "other"); !named(host) || rule("127.0.0.1")(host) {
			t.Errorf("%s: with its name %v", host, named(host))
		}
	}
	for _, host := range []string{"gateway", "gateway:8080", "MyMac.", "my_host"} {
		if !rule("0.0.0.0")(host) || !rule("::", "reports.example")(host) || rule("127.0.0.1")(host) {
			t.Errorf("%s: wrong", host)
		}
	}
	if rule("127.0.0.1", "reports.example")("evillocalhost") {
		t.Error("evillocalhost is answered")
	}
	for _, host := range []string{"", "evil.example", "127.1", "a b", "gateway.example"} {
		if rule("0.0.0.0")(host) {
			t.Errorf("%s is answered at an address that is open", host)
		}
	}
}

func TestHostNames(t *testing.T) {
	var names hostNames
	for _, text := range []string{"Reports.Example.", "a", "my_host.internal", "xn--bcher-kva.example"} {
		if err := names.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if names.String() != "reports.example a my_host.internal xn--bcher-kva.example" {
		t.Error(names)
	}
	for _, text := range []string{"", "https://a", "a:80", "a/b", "*.a", "a..b", "-a", "a b", strings.Repeat("a.", 200) + "a", "bücher.example"} {
		if err := names.Set(text); err == nil || !strings.Contains(err.Error(), "is not a host name") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A proxy may take the base path off, or leave it.
func TestBasePath(t *testing.T) {
	for text, want := range map[string]string{"": "", "/": "", "/reports": "/reports", "/a/b/": "/a/b"} {
		if got, err := parseBasePath(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"reports", "https://a/b", "/a//b", "/a/../b", "/a b", "/a?b", "/.", "/%41"} {
		if got, err := parseBasePath(text); err == nil {
			t.Errorf("%s: %s", text, got)
		}
	}
	h := below("/a/b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(r.URL.EscapedPath() + "?" + r.URL.RawQuery))
	}))
	for target, want := range map[string]string{
		"/a/b/cmu/v2/x%2Fy/%C3%A9?a=b": "/cmu/v2/x%2Fy/%C3%A9?a=b", "/cmu/v2/x%2Fy": "/cmu/v2/x%2Fy?", "/a/b": "?", "/a/b/": "/?", "/a/bc": "/a/bc?", "/a/b/a/b/x": "/a/b/x?",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Body.String() != want {
			t.Errorf("%s: %s, want %s", target, w.Body, want)
		}
	}
}
