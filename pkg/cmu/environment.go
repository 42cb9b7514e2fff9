package cmu

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Environment is one of Adobe's installations, or whatever stands in for one.
type Environment struct {
	// Name is one of EnvironmentNames; anything will do where both URLs are given.
	Name string
	// AuthURL is the authorization server, for client registration and tokens, such as https://sp.auth.adobe.com.
	AuthURL string
	// ReportsURL is the reports base with its path prefix, such as https://mgmt.auth.adobe.com/cmu/v2.
	ReportsURL string
}

// environments holds Adobe's installations. The reports hosts other than production's are those of the sister API.
var environments = []Environment{
	{"production", "https://sp.auth.adobe.com", "https://mgmt.auth.adobe.com/cmu/v2"},
	{"prequal-production", "https://sp-prequal.auth.adobe.com", "https://mgmt-prequal.auth.adobe.com/cmu/v2"},
	{"staging", "https://sp.auth-staging.adobe.com", "https://mgmt.auth-staging.adobe.com/cmu/v2"},
	{"prequal-staging", "https://sp-prequal.auth-staging.adobe.com", "https://mgmt-prequal.auth-staging.adobe.com/cmu/v2"},
}

// LookupEnvironment returns Adobe's installation of that name; ok is false if there is none. Adobe documents the reports URL of
// production alone: the others are those of its sister API.
//
// Source: Adobe, Dynamic Client Registration API; Adobe, Concurrency Monitoring usage API, overview.
func LookupEnvironment(name string) (e Environment, ok bool) {
	for _, e := range environments {
		if e.Name == name {
			return e, true
		}
	}
	return Environment{}, false
}

// EnvironmentNames returns the names that LookupEnvironment knows: production, prequal-production, staging and prequal-staging.
func EnvironmentNames() []string {
	names := make([]string, len(environments))
	for i, e := range environments {
		names[i] = e.Name
	}
	return names
}

// PlainHTTP reports whether what is sent to a base URL can be read on the way: it is plain http, and its host is not surely this
// machine. That is localhost, and any loopback address; other names that may mean it (localhost., x.localhost, 127.1) are asked of DNS or
// of a proxy.
func PlainHTTP(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return !strings.EqualFold(u.Hostname(), "localhost") && (ip == nil || !ip.IsLoopback())
}

// base returns a base URL that a call may go to with a secret, without a slash at its end.
func (c *Client) base(field, base string) (string, error) {
	checked, err := checkBase(field, base)
	if err == nil && !c.AllowHTTP && PlainHTTP(checked) {
		err = fmt.Errorf("%s: it is plain http to another machine, where secrets can be read on the way; want https, or AllowHTTP", field)
	}
	return checked, err
}

// checkBase returns a base URL without a slash at its end. The error does not quote the URL, which may hold a password.
func checkBase(field, base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case base == "":
		err = errors.New("it is empty")
	case err != nil:
		err = errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		err = fmt.Errorf("it has the scheme %q", bounded(u.Scheme))
	case u.Hostname() == "":
		err = errors.New("it names no host")
	case u.User != nil:
		err = errors.New("it holds a user name or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		err = errors.New("it has a query or a fragment")
	default:
		return strings.TrimRight(base, "/"), nil
	}
	return "", fmt.Errorf("%s: %w; want an http or https URL of a host and optionally a path, such as %s", field, err, map[string]string{
		"AuthURL": environments[0].AuthURL, "ReportsURL": environments[0].ReportsURL,
	}[field])
}
