package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cmu-gateway/internal/settings"
	"cmu-gateway/pkg/cmu"
)

// place is one Adobe, and the name of the folder for what is kept of it.
type place struct {
	name      string
	simulated bool
	seed      uint64 // of the simulated one
}

const defaultSeed = 1

// meant is what a command line says of the Adobe that is meant.
type meant struct {
	statement bool   // a software statement is given, which no simulated Adobe takes but its own
	sandbox   bool   // the simulated one is asked for
	serve     bool   // a cmu serve, which is in front of the simulated one where nothing speaks against it
	host      string // of the report's URL; empty: none
	seed      uint64 // of the simulated one
}

// kept is what lies in a data folder.
type kept struct {
	data       string
	registered []string        // places with client credentials or a software statement
	used       []string        // all other places that were worked with; none of both is a simulated one
	served     map[string]bool // simulated ones that a cmu serve made
}

// choosePlace tells which Adobe is meant, and its settings. named is the variable that names one, empty: none. Made-up rows are
// for those alone who ask for them, or who had cmu serve begin with them and never named another Adobe.
func choosePlace(s settings.Settings, named string, m meant, k kept) (place, settings.Settings, error) {
	if m.host != "" {
		e, known := environmentAt(m.host)
		switch own := named != "" && hostOf(s.ReportsURL) == m.host; {
		case own, !known && !adobeHost(m.host):
		case m.sandbox:
			return place{}, s, usagef("the report URL is at %s, which is Adobe's own: leave out --sandbox, or give the path alone", m.host)
		case named != "":
			return place{}, s, usagef("the report URL is at %s, and %s names another Adobe: change the one or the other", m.host, named)
		case !known:
			return place{}, s, usagef("the report URL is at %s, which is none of Adobe's environments that are known: name its base by CMU_REPORTS_URL", m.host)
		default:
			named, s.Environment, s.AuthURL, s.ReportsURL = "the report URL", e.Name, e.AuthURL, e.ReportsURL
		}
	}
	byName, simulated := place{name: hostName(s)}, sandboxPlace(m.seed)
	switch {
	case m.sandbox && named != "":
		return place{}, s, usagef("--sandbox is the simulated Adobe, and %s names another: unset that, or leave out --sandbox", named)
	case m.sandbox && m.statement:
		return place{}, s, usagef("--sandbox is the simulated Adobe, which has a software statement of its own: leave out the one or the other")
	case m.sandbox:
		return simulated, s, nil
	case named != "", m.statement, slices.Contains(k.registered, byName.name):
		return byName, s, nil
	case len(k.registered) > 0:
		return place{}, s, k.unnamed("holds a registration at", k.registered)
	case slices.Contains(k.used, byName.name):
		return byName, s, nil
	case len(k.used) > 0:
		return place{}, s, k.unnamed("was used with", k.used)
	case m.host != "" && !thisMachine(m.host):
		return place{}, s, usagef("the report URL is at %s, and no Adobe is configured here: %s", m.host, askSandbox)
	case m.serve, k.served[simulated.name]:
		return simulated, s, nil
	}
	return place{}, s, usagef("no Adobe is configured, and the data folder %s holds no registration: register with cmu register --statement FILE, "+
		"a software statement from the TVE Dashboard, or name the Adobe that is meant by CMU_ENVIRONMENT. %s", k.data, askSandbox)
}

const askSandbox = "For made-up rows of the simulated Adobe add --sandbox"

// unnamed says that the data folder belongs to Adobes of which none is named.
func (k kept) unnamed(how string, places []string) error {
	var names, ways []string
	for _, name := range places {
		if _, ok := cmu.LookupEnvironment(name); ok {
			names, ways = append(names, "Adobe's "+name), append(ways, "CMU_ENVIRONMENT="+name)
		} else {
			names, ways = append(names, name), append(ways, "CMU_AUTH_URL and CMU_REPORTS_URL as then")
		}
	}
	slices.Sort(ways)
	return usagef("no Adobe is configured, and the data folder %s %s %s: name the one that is meant by %s. %s", k.data, how,
		strings.Join(names, ", "), strings.Join(slices.Compact(ways), " or "), askSandbox)
}

func sandboxPlace(seed uint64) place {
	if seed == defaultSeed {
		return place{sandboxName, true, seed}
	}
	return place{sandboxName + "-" + strconv.FormatUint(seed, 10), true, seed}
}

const sandboxName = "sandbox"

// Names of places: those of simulated ones, and those that hostName makes for hosts that are no environment's.
var (
	simulatedPlaces = regexp.MustCompile(`^` + sandboxName + `(-\d+)?$`)
	hostPlaces      = regexp.MustCompile(`^.+-[0-9a-f]{8}$`)
)

// served is the file that a cmu serve in front of a simulated Adobe leaves in its folder.
const served = "made-by-serve"

// look tells what lies in a data folder; one that does not exist is empty.
func look(data string) (kept, error) {
	k := kept{data: data, served: map[string]bool{}}
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	for _, e := range entries {
		name := e.Name()
		has := func(file ...string) bool {
			_, err := os.Stat(filepath.Join(append([]string{data, name}, file...)...))
			return err == nil
		}
		switch _, environment := cmu.LookupEnvironment(name); {
		case !e.IsDir():
		case simulatedPlaces.MatchString(name):
			k.served[name] = has(served)
		case !environment && !hostPlaces.MatchString(name):
		case has("secrets", credentialsName), has("secrets", statementName):
			k.registered = append(k.registered, name)
		default:
			k.used = append(k.used, name)
		}
	}
	return k, nil
}

// names returns the first variable that names an Adobe, or nothing.
func names(environ []string) (variable string) {
	for _, pair := range environ {
		switch name, value, _ := strings.Cut(pair, "="); name {
		case "CMU_ENVIRONMENT", "CMU_AUTH_URL", "CMU_REPORTS_URL":
			if variable == "" && value != "" {
				variable = name
			}
		}
	}
	return variable
}

// environmentAt returns Adobe's environment whose reports or registrations are at a host.
func environmentAt(host string) (e cmu.Environment, ok bool) {
	for _, name := range cmu.EnvironmentNames() {
		if e, _ := cmu.LookupEnvironment(name); hostOf(e.ReportsURL) == host || hostOf(e.AuthURL) == host {
			return e, true
		}
	}
	return e, false
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return bare(u.Hostname())
}

// bare is the host's name as names are compared: DNS knows neither case nor the dot at the end.
func bare(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// adobeHost reports whether a host is one of Adobe's own.
func adobeHost(host string) bool {
	for _, domain := range []string{"adobe.com", "adobe.io", "adobeprimetime.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// thisMachine reports whether a host is this machine.
func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hostName is the environment's name, or one that stands for hosts that are not an environment's.
func hostName(s settings.Settings) string {
	for _, name := range cmu.EnvironmentNames() {
		if e, _ := cmu.LookupEnvironment(name); e.AuthURL == s.AuthURL && e.ReportsURL == s.ReportsURL {
			return name
		}
	}
	host := "adobe"
	if u, err := url.Parse(s.ReportsURL); err == nil {
		host = strings.Map(func(r rune) rune {
			if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
				return r
			}
			return '_'
		}, strings.ToLower(u.Host))
	}
	sum := sha256.Sum256([]byte(s.AuthURL + "\n" + s.ReportsURL))
	return host + "-" + hex.EncodeToString(sum[:4])
}
