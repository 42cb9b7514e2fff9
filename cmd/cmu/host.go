package main

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// hostRule tells which hosts a gateway at an address answers to: those names, localhost and IP addresses. A web page can make its own
// host name lead to this machine (DNS rebinding), and would read here what it likes; it cannot have one of these. Without
// names an address that is open to all answers to any: nil.
func hostRule(at net.Addr, names []string) func(host string) bool {
	if !loopback(at) && len(names) == 0 {
		return nil
	}
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	return func(host string) bool { return localName(host) || known[bareHost(host)] }
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
