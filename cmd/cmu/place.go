package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
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

// choosePlace tells which Adobe is meant. configured says that a variable or a statement names one; registered whether there are
// client credentials at a place.
func choosePlace(s settings.Settings, configured bool, seed uint64, registered func(place) bool) place {
	byName := place{name: hostName(s)}
	if configured || registered(byName) {
		return byName
	}
	if seed == defaultSeed {
		return place{"sandbox", true, seed}
	}
	return place{"sandbox-" + strconv.FormatUint(seed, 10), true, seed}
}

// configures reports whether the environment names an Adobe.
func configures(environ []string) bool {
	for _, pair := range environ {
		switch name, value, _ := strings.Cut(pair, "="); name {
		case "CMU_ENVIRONMENT", "CMU_AUTH_URL", "CMU_REPORTS_URL":
			if value != "" {
				return true
			}
		}
	}
	return false
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
