package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalNames(t *testing.T) {
	answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	status := func(address, host string) (int, string) {
		local := localNames(answers, &net.TCPAddr{IP: net.ParseIP(address), Port: 8080})
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/status", nil)
		r.Host = host
		local.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, host := range []string{"localhost", "localhost:8080", "LocalHost.", "a.b.localhost:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080",
		"192.0.2.1:80"} {
		if got, text := status("127.0.0.1", host); got != http.StatusNoContent {
			t.Errorf("%s: %d %s", host, got, text)
		}
	}
	for _, host := range []string{"", "evil.example", "evil.example:8080", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example", "127.1",
		"2130706433", "[evil.example]:80", "a:b:c", ".", strings.Repeat("x", 10_000)} {
		for _, address := range []string{"127.0.0.1", "::1"} {
			if got, text := status(address, host); got != http.StatusMisdirectedRequest || !strings.Contains(text, "localhost and to IP addresses") ||
				len(text) > 300 {
				t.Errorf("%.99s: %d %s", host, got, text)
			}
		}
		if got, _ := status("0.0.0.0", host); got != http.StatusNoContent {
			t.Errorf("%.99s on an address open to all: %d", host, got)
		}
	}
}
