package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// localNames lets through, on a loopback address, what was sent to localhost or to an IP address. A web page can make its own
// host name lead to this machine (DNS rebinding), and would read here what it likes; it cannot have one of these names.
func localNames(h http.Handler, at net.Addr) http.Handler {
	if !loopback(at) {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localName(r.Host) {
			http.Error(w, fmt.Sprintf("This address answers to localhost and to IP addresses, not to the host name %.100q.", r.Host),
				http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// localName judges the Host of a request. Source: RFC 6761 section 6.3.
func localName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host // without a port
		if inner, ok := strings.CutPrefix(host, "["); ok {
			name = strings.TrimSuffix(inner, "]")
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
