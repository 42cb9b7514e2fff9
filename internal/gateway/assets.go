package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"cmu-gateway/internal/explorer"
)

// assetsPath is below what the files of pages stand, as HASH/NAME.
const assetsPath = "/assets/"

// asset sends a file of the pages. Under the hash of this release it never changes; under that of another, as while releases are
// exchanged, the present one does.
func (h *handler) asset(w http.ResponseWriter, r *http.Request, below string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.notAllowed(w, r, []string{http.MethodGet, http.MethodHead})
		return
	}
	hash, name, _ := strings.Cut(below, "/")
	body, mediaType, ok := explorer.Asset(name)
	if !ok {
		h.problem(w, r, problem{Status: http.StatusNotFound, Code: "no_such_route", Detail: "There is no such file."})
		return
	}
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Security-Policy", pagePolicy)
	header["Vary"] = h.door.vary("Accept-Encoding")
	header.Set("Cache-Control", "no-cache")
	if hash == explorer.Hash() {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if gzip, only := encodings(r.Header["Accept-Encoding"]); gzip || only {
		header.Set("Content-Encoding", "gzip")
	} else if plain, err := explorer.Plain(body); err == nil {
		body = plain
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
