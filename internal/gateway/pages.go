package gateway

import (
	"net/http"
	"strings"
	"time"
)

// indexOffers are the media types of the front page.
var indexOffers = []*media{medias[0], medias[1], medias[6]}

// index shows the service and its links.
func (h *handler) index(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Vary"] = []string{"Accept"}
	m, ok := accepted(r.Header["Accept"], indexOffers)
	if !ok {
		h.problem(w, r, problem{Status: http.StatusNotAcceptable, Code: "not_acceptable",
			Detail: "There is no such format. Accept may name application/json, application/hal+json or text/html."})
		return
	}
	base := h.BasePath(r.Context())
	if m.format == formatHTML {
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("Content-Type", m.header[0])
		header.Set("Cache-Control", "no-store")
		w.Write(h.indexPage(base))
		return
	}
	type link struct {
		Href  string `json:"href"`
		Title string `json:"title"`
	}
	writeJSON(w, struct {
		Links   map[string]link `json:"_links"`
		Service string          `json:"service"`
		Version string          `json:"version"`
	}{map[string]link{
		"self":         {base + "/", "this page"},
		"reports":      {base + reportsPath, "the root of the usage reports"},
		"status":       {base + "/status", "what the service knows of itself"},
		"service-desc": {base + "/openapi.json", "the API's description, OpenAPI 3.1"},
	}, cacheName, h.Version})
}

// statusDocument is what status shows. Its names are stable. Times that are not known are left out; counts are since the
// process began.
type statusDocument struct {
	Service       string          `json:"service"`
	Version       string          `json:"version"`
	Instance      string          `json:"instance,omitempty"`
	UptimeSeconds int64           `json:"uptime_seconds"`
	Calendar      calendarStatus  `json:"calendar"`
	CooldownUntil time.Time       `json:"cooldown_until,omitzero"`
	Stored        storedStatus    `json:"stored"`
	Answers       answersStatus   `json:"answers"`
	AdobeCalls    adobeCallStatus `json:"adobe_calls"`
	Access        any             `json:"access,omitempty"`
	// Problems are sentences about what could not be found out; the log has the causes.
	Problems []string `json:"problems"`
}

// calendarStatus tells whether reports may be cut by calendar period, and why.
type calendarStatus struct {
	Proven       bool      `json:"proven"`
	EndInclusive bool      `json:"end_inclusive"`
	CheckedAt    time.Time `json:"checked_at,omitzero"`
	Evidence     string    `json:"evidence"`
}

type storedStatus struct {
	Items       int64 `json:"items"`
	Bytes       int64 `json:"bytes"`
	Approximate bool  `json:"approximate"` // the numbers may be hours old
}

// answersStatus counts answers by where they came from.
type answersStatus struct {
	Memory int64 `json:"memory"`
	Store  int64 `json:"store"`
	Stale  int64 `json:"stale"`
	Adobe  int64 `json:"adobe"`
}

type adobeCallStatus struct {
	Total  int64 `json:"total"`
	Failed int64 `json:"failed"`
}

// status shows what the service knows of itself. What could not be found out is named, and no reason to fail.
func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	doc := statusDocument{Service: cacheName, Version: h.Version, Instance: h.Instance, UptimeSeconds: wholeSeconds(h.Now().Sub(h.started)), Problems: []string{}}
	s, err := h.Reports.Status(ctx)
	if err != nil {
		h.Log.WarnContext(ctx, "the state of the store cannot be read", "error", err)
		doc.Problems = append(doc.Problems, "The state of the store cannot be read in full.")
	}
	doc.Calendar = calendarStatus{s.Calendar.Proven, s.Calendar.Inclusive, s.Calendar.At, s.Calendar.Evidence}
	doc.CooldownUntil = s.Cooldown
	doc.Stored = storedStatus(s.Stored)
	doc.Answers = answersStatus{s.MemoryHits, s.StoreHits, s.StaleHits, s.Misses}
	doc.AdobeCalls = adobeCallStatus{s.Calls, s.Failures}
	if h.Access != nil {
		if doc.Access, err = h.Access(ctx); err != nil {
			h.Log.WarnContext(ctx, "the state of access cannot be read", "error", err)
			doc.Problems = append(doc.Problems, "The state of the access to Adobe cannot be read in full.")
		}
	}
	writeJSON(w, doc)
}

// openAPI sends the API's description, for the base path at hand.
func (h *handler) openAPI(w http.ResponseWriter, r *http.Request) {
	server := h.BasePath(r.Context())
	if server == "" {
		server = "/"
	}
	fill := strings.NewReplacer(`"{base}"`, string(quote(nil, server)), `"{version}"`, string(quote(nil, h.Version)))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, max-age=300")
	_, _ = w.Write([]byte(fill.Replace(openAPIText)))
}
