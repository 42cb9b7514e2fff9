package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Behaviour is how a Sandbox answers where Adobe is silent or contradicts itself, and how it fails. The zero value is what
// Adobe documents, without throttling of reports and without faults. The doc tags are its documentation.
type Behaviour struct {
	LatencyMS int64 `json:"latency_ms" doc:"what every call of the three endpoints takes at least, in milliseconds"`

	RegisterStatus     int      `json:"register_status" doc:"success status of register, 200 to 299; 0: 201"`
	IssuedAtSeconds    bool     `json:"issued_at_seconds" doc:"client_id_issued_at in seconds, not milliseconds"`
	ClientLifeSeconds  int64    `json:"client_life_seconds" doc:"clients registered from now on expire, and say so in client_secret_expires_at; 0: never, and no such field"`
	SecretNeverExpires bool     `json:"secret_never_expires" doc:"clients that never expire carry client_secret_expires_at: 0"`
	Scopes             []string `json:"scopes" doc:"scopes granted to clients and tokens; null: Adobe's sample and the two of the reports"`
	IgnoreScopes       bool     `json:"ignore_scopes" doc:"reports are served without a cmu scope"`
	RequireRedirectURI bool     `json:"require_redirect_uri" doc:"register without redirect_uri: invalid_redirect_uri"`
	RequireDeviceInfo  bool     `json:"require_device_info" doc:"register and token without X-Device-Info: invalid_request"`
	RefuseStatements   string   `json:"refuse_statements" doc:"error code for every good statement, such as unapproved_software_statement; empty: accepted"`
	TokenStatus        int      `json:"token_status" doc:"success status of token, 200 to 299; 0: 201"`
	TokenErrorStatus   int      `json:"token_error_status" doc:"status of token errors: 400 or 401; 0: 400"`
	TokenLifeSeconds   int64    `json:"token_life_seconds" doc:"life of tokens issued from now on; 0: 21600"`
	TokenExpiresIn     string   `json:"token_expires_in" doc:"expires_in as this JSON text, such as 21600.0; \"absent\": left out; empty: whole seconds"`
	TokenBehindSeconds int64    `json:"token_behind_seconds" doc:"created_at is this much before Date"`
	AuthMediaType      string   `json:"auth_media_type" doc:"media type of register and token answers; empty: application/json;charset=utf-8"`
	AuthMark           bool     `json:"auth_mark" doc:"register and token answers begin with a byte order mark"`
	UnauthorizedClient bool     `json:"unauthorized_client" doc:"every good client gets unauthorized_client for a token"`
	NoThrottle         bool     `json:"no_throttle" doc:"no rate limit on /o/client/ (else 1 request a second, burst 10, per X-Forwarded-For or address)"`

	ReportsPerMinute int    `json:"reports_per_minute" doc:"reports past this many a minute get 429 with an empty body and Expires; 0: no limit"`
	MaxCells         int64  `json:"max_cells" doc:"a selection estimated at more rows than this is too wide; 0: 5000000"`
	DefaultLimit     int    `json:"default_limit" doc:"row limit of reports that name none; 0: 1000"`
	MaxLimit         int    `json:"max_limit" doc:"the bound that limit_mode acts on; 0: 1000000"`
	LimitMode        string `json:"limit_mode" doc:"a limit over max_limit is: \"\" honoured, \"clamp\" lowered and reported so, \"clamp_silently\" lowered but reported as asked, \"refuse\" a 400"`

	EndInclusive     string  `json:"end_inclusive" doc:"the period that begins at end is: \"\" left out, \"whole\" all there, \"partial\" there with its first minute"`
	WindowShiftHours float64 `json:"window_shift_hours" doc:"start and end are read this many hours later than the rows' calendar, as if in another zone"`
	Zone             string  `json:"zone" doc:"IANA name of the zone of the rows' calendar; an hour that the clock repeats is one row; empty: UTC"`
	MonthsFromZero   bool    `json:"months_from_zero" doc:"month runs from 0 to 11 in rows"`
	DaysFromZero     bool    `json:"days_from_zero" doc:"day runs from 0 to 30 in rows"`
	Shuffle          bool    `json:"shuffle" doc:"JSON, XML and HTML rows come in a mixed order, always the same for a request (by 10000 rows at a time)"`
	JSONNumbers      bool    `json:"json_numbers" doc:"metrics and time dimensions are JSON numbers, not strings"`
	LinkPrefix       string  `json:"link_prefix" doc:"what links begin with; empty: /cmu/v2"`
	InstantRecompute bool    `json:"instant_recompute" doc:"reports hold data up to now, not up to Adobe's last recomputation"`

	Restatements []Restatement `json:"restatements" doc:"days whose rows were computed anew: {\"day\": \"2026-07-04\", \"version\": 1}; each version has other values"`
	Faults       []Fault       `json:"faults" doc:"calls that fail: {\"on\", \"kind\", \"status\", \"body\", \"headers\", \"shape\", \"after\", \"count\", \"of\", \"probability\"}; the first that is due takes the call"`

	location *time.Location
}

// Restatement gives a day other values than it had.
type Restatement struct {
	// Day is the day in the rows' calendar, as 2026-07-04.
	Day string `json:"day"`
	// Version is 1 or more. Zero is how the day was first.
	Version int `json:"version"`

	from, to time.Time
}

// maxBehaviour bounds the JSON form of a Behaviour.
const maxBehaviour = 1 << 20

// The values that RefuseStatements, LimitMode and EndInclusive take.
var (
	refusals   = []string{"", "invalid_request", "invalid_redirect_uri", "invalid_software_statement", "unapproved_software_statement"}
	limitModes = []string{"", "clamp", "clamp_silently", "refuse"}
	endModes   = []string{"", "whole", "partial"}
)

// absent is a TokenExpiresIn.
const absent = "absent"

// check judges b and fills in what follows from it.
func (b *Behaviour) check() error {
	var err error
	if b.location, err = time.LoadLocation(b.Zone); err != nil {
		return fmt.Errorf("zone: %q is not an IANA zone", b.Zone)
	}
	for _, n := range []struct {
		name     string
		status   int
		low, top int
	}{
		{"register_status", b.RegisterStatus, 200, 299}, {"token_status", b.TokenStatus, 200, 299},
		{"token_error_status", b.TokenErrorStatus, 400, 401},
	} {
		if n.status != 0 && (n.status < n.low || n.status > n.top) {
			return fmt.Errorf("%s: want 0 or %d to %d, not %d", n.name, n.low, n.top, n.status)
		}
	}
	if min(b.LatencyMS, b.ClientLifeSeconds, b.TokenLifeSeconds, b.MaxCells,
		int64(b.DefaultLimit), int64(b.MaxLimit), int64(b.ReportsPerMinute)) < 0 {
		return errors.New("latencies, lives, limits and bounds are not negative")
	}
	if !(math.Abs(b.WindowShiftHours) <= 48) { // not a number is not within either
		return errors.New("window_shift_hours: want -48 to 48")
	}
	if text := b.TokenExpiresIn; text != "" && text != absent && !json.Valid([]byte(text)) {
		return fmt.Errorf("token_expires_in: want a JSON text or %q", absent)
	}
	if !slices.Contains(refusals, b.RefuseStatements) {
		return fmt.Errorf("refuse_statements: want one of %q", refusals)
	}
	if !slices.Contains(limitModes, b.LimitMode) {
		return fmt.Errorf("limit_mode: want one of %q", limitModes)
	}
	if !slices.Contains(endModes, b.EndInclusive) {
		return fmt.Errorf("end_inclusive: want one of %q", endModes)
	}
	if b.LinkPrefix != "" && !strings.HasPrefix(b.LinkPrefix, "/") && !strings.Contains(b.LinkPrefix, "://") {
		return errors.New("link_prefix: want a path such as /v2, or a URL")
	}
	b.Restatements = slices.Clone(b.Restatements)
	for i := range b.Restatements {
		r := &b.Restatements[i]
		day, err := time.Parse("2006-01-02", r.Day)
		if err != nil || r.Version < 0 {
			return errors.New("restatements: want a day such as 2026-07-04 and a version from 0")
		}
		c := cmu.Civil(day.UnixMilli())
		r.from, r.to = instant(c, b.location), instant(cmu.Day.Step(c, 1), b.location)
	}
	b.Faults = slices.Clone(b.Faults)
	for i := range b.Faults {
		if err := b.Faults[i].check(); err != nil {
			return fmt.Errorf("faults: %w", err)
		}
	}
	b.Scopes = slices.Clone(b.Scopes)
	return nil
}

func (b *Behaviour) scopes() []string {
	if b.Scopes == nil {
		return defaultScopes
	}
	return b.Scopes
}

// Behaviour returns the present behaviour. Faults that were used up are gone from it.
func (s *Sandbox) Behaviour() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behaviour.copy()
}

func (b *Behaviour) copy() Behaviour {
	c := *b
	c.Scopes, c.Restatements, c.Faults = slices.Clone(b.Scopes), slices.Clone(b.Restatements), slices.Clone(b.Faults)
	return c
}

// Set replaces the whole behaviour. The error says which field is wrong; nothing is changed then.
func (s *Sandbox) Set(b Behaviour) error {
	return s.Change(func(present *Behaviour) { *present = b })
}

// Change lets f change the present behaviour. The error says which field is wrong; nothing is changed then.
func (s *Sandbox) Change(f func(*Behaviour)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behaviour.copy()
	f(&b)
	b = b.copy() // f may keep what it put in
	if err := b.check(); err != nil {
		return err
	}
	s.behaviour, s.inMinute = b, 0
	return nil
}

// serveBehaviour shows (GET), replaces (PUT) or changes (PATCH) the behaviour.
func (s *Sandbox) serveBehaviour(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut, http.MethodPatch:
		if err := s.order(r.Body, r.Method == http.MethodPatch); err != nil {
			plain(w, http.StatusBadRequest, err.Error()+"\n")
			return
		}
	default:
		w.Header().Set("Allow", "GET, PUT, PATCH")
		plain(w, http.StatusMethodNotAllowed, "Method not allowed: GET, PUT or PATCH\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(s.Behaviour())
}

// order sets the behaviour that a JSON text gives, or with patch the fields that it gives.
func (s *Sandbox) order(body io.Reader, patch bool) error {
	text, err := io.ReadAll(io.LimitReader(body, maxBehaviour))
	if err != nil {
		return fmt.Errorf("reading the behaviour: %w", err)
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return fmt.Errorf("want a JSON object: %w", err)
	}
	for name := range given {
		if !slices.Contains(behaviourFields(), name) {
			return fmt.Errorf("unknown field %q; the fields are: %s", name, strings.Join(behaviourFields(), ", "))
		}
	}
	var wrong error
	err = s.Change(func(b *Behaviour) {
		fields := map[string]json.RawMessage{}
		if patch {
			present, _ := json.Marshal(b) // plain data
			_ = json.Unmarshal(present, &fields)
		}
		maps.Copy(fields, given)
		merged, _ := json.Marshal(fields) // made of valid JSON
		var next Behaviour
		d := json.NewDecoder(bytes.NewReader(merged))
		d.DisallowUnknownFields()
		if wrong = d.Decode(&next); wrong == nil {
			*b = next
		}
	})
	return cmp.Or(wrong, err)
}

func behaviourFields() []string {
	var names []string
	for f := range reflect.TypeFor[Behaviour]().Fields() {
		if name := f.Tag.Get("json"); name != "" {
			names = append(names, name)
		}
	}
	return names
}
