package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"cmu-gateway/internal/explorer"
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
		header.Set("Cache-Control", "no-cache")
		h.sendPage(w, explorer.Page(base, h.madeUp()))
		return
	}
	type link struct {
		Href  string `json:"href"`
		Title string `json:"title"`
	}
	doc := struct {
		Links   map[string]link `json:"_links"`
		Service string          `json:"service"`
		// Version and Simulated are for those who have the key, if there is one.
		Version   string `json:"version,omitempty"`
		Simulated bool   `json:"simulated,omitempty"`
	}{Links: map[string]link{
		"self":         {base + "/", "this page"},
		"reports":      {base + reportsPath, "the root of the usage reports"},
		"catalog":      {base + "/catalog", "the reports that are known, and what their metrics mean"},
		"status":       {base + "/status", "what the service knows of itself"},
		"service-desc": {base + "/openapi.json", "the API's description, OpenAPI 3.0"},
	}, Service: cacheName}
	if !h.door.keyed || h.door.knows(r.Header[headerKey]) || h.door.knowsPassword(r) {
		doc.Version, doc.Simulated = h.Version, h.madeUp()
	}
	sendJSON(w, doc)
}

// status shows what the service knows of itself. What could not be found out is named, and no reason to fail.
func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	w.Header()["Vary"] = h.varyPage
	doc := h.Status(r.Context())
	if m, ok := accepted(r.Header["Accept"], indexOffers); ok && m.format == formatHTML {
		h.sendPage(w, statusPage(h.BasePath(r.Context()), &doc, h.Now()))
		return
	}
	sendJSON(w, doc)
}

// sendPage sends a page for people.
func (h *handler) sendPage(w http.ResponseWriter, body []byte) {
	header := w.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Type", "text/html; charset=utf-8")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

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
