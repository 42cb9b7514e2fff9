package main

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// hostRule tells which hosts a gateway at an address answers to: those names, localhost and IP addresses. A web page can make its own
// host name lead to this machine (DNS rebinding), and would read here what it likes; it cannot have one of these. An address that is
// open to others answers to names without a dot as well, such as the machine's own: no page of the web has such a name.
func hostRule(at net.Addr, names []string) func(host string) bool {
	open := !loopback(at)
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	return func(host string) bool {
		name := bareHost(host)
		return localName(host) || known[name] || open && !strings.Contains(name, ".") && hostPattern.MatchString(name)
	}
}

// answering lets h answer to the hosts of a rule alone.
func answering(rule func(host string) bool, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !rule(r.Host) {
			http.Error(w, "This address answers to localhost and to IP addresses, not to that host name.", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// localName judges the Host of a request. Source: RFC 6761 section 6.3.
func localName(host string) bool {
	name := bareHost(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// bareHost is the name in a Host: without a port, in lower case, without a dot at its end.
func bareHost(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host // without a port
		if inner, ok := strings.CutPrefix(host, "["); ok {
			name = strings.TrimSuffix(inner, "]")
		}
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

var hostPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// hostNames are the names of --host.
type hostNames []string

func (n *hostNames) String() string { return strings.Join(*n, " ") }

// Set adds a name.
func (n *hostNames) Set(text string) error {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if len(name) > 253 || !hostPattern.MatchString(name) {
		return usagef("%.100q is not a host name such as reports.example.com, without scheme, port and path", text)
	}
	*n = append(*n, name)
	return nil
}
