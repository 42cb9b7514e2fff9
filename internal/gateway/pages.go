package gateway

import (
	"net/http"
	"strings"
)

// indexOffers are the media types of the front page.
var indexOffers = []*media{medias[0], medias[1], medias[6]}

// index shows the service and its links.
func (h *handler) index(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Vary"] = h.varyPage
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
	sendJSON(w, struct {
		Links   map[string]link `json:"_links"`
		Service string          `json:"service"`
		Version string          `json:"version"`
		// Simulated is left out where false.
		Simulated bool `json:"simulated,omitempty"`
	}{map[string]link{
		"self":         {base + "/", "this page"},
		"reports":      {base + reportsPath, "the root of the usage reports"},
		"status":       {base + "/status", "what the service knows of itself"},
		"service-desc": {base + "/openapi.json", "the API's description, OpenAPI 3.0"},
	}, cacheName, h.Version, h.madeUp()})
}

// status shows what the service knows of itself. What could not be found out is named, and no reason to fail.
func (h *handler) status(w http.ResponseWriter, r *http.Request) { sendJSON(w, h.Status(r.Context())) }

// openAPI sends the API's description, for the base path at hand.
func (h *handler) openAPI(w http.ResponseWriter, r *http.Request) {
	server := h.BasePath(r.Context())
	if server == "" {
		server = "/"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, max-age=300")
	_, _ = w.Write([]byte(strings.ReplaceAll(h.description(), `"{base}"`, string(quote(nil, server)))))
}
