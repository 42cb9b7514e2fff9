// Package gateway is the HTTP face: the reports under Adobe's own URLs in five formats, with the headers that caches and people
// go by, and the service's own pages.
//
// Source: RFC 9110, RFC 9111, RFC 9211, RFC 9457; Adobe, Concurrency Monitoring usage API.
package gateway

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/catalog"
	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/version"
	"cmu-gateway/internal/warm"
	"cmu-gateway/pkg/cmu"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/semaphore"
)

// Gateway says what the handler is made of. Only Reports is required.
type Gateway struct {
	Reports *reports.Service
	// Access returns what status shows of the access to Adobe. With an error it returns what it could find out. Nil: nothing is
	// shown.
	Access func(context.Context) (access.Status, error)
	// WarmUp keeps reports fresh, for status. Nil: nothing does.
	WarmUp *warm.Keeper
	// Simulated says that Adobe is a simulated one: every answer says that its rows are made up. Otherwise that is learnt of Adobe's answers.
	Simulated bool
	// Purge allows DELETE, which forgets what is kept of a report.
	Purge bool
	// BasePath returns the path under which callers see the handler's root, escaped, without a slash at its end. Nil: none.
	BasePath func(context.Context) string
	// Caller names who asks, for the log: nothing secret. Nil, or empty: nobody is named.
	Caller func(context.Context) string
	// Host tells whether a request for a host, as it is in its header, is answered. Nil: any is.
	Host func(host string) bool
	// Origins are those whose pages may read answers in a browser, such as https://dashboards.example; "*": all. Empty: none.
	Origins []string
	// Key is what callers must send in the header x-api-key, or as password of HTTP Basic. Empty: nothing. KeyInFront says that what stands in front asks for
	// such a key in the header, BasicAuth that it takes it as that password, too.
	Key                   cmu.Secret
	KeyInFront, BasicAuth bool
	// BodyLimit returns the size of the largest body that can be sent, in bytes as written; not ok: any. Nil: any.
	BodyLimit func(context.Context) (limit int, ok bool)
	// Version is shown in status and the API's description. Empty: version.String().
	Version string
	Now     func() time.Time // nil: clock.Wall
	Log     *slog.Logger     // nil: slog.Default
	// Instance tells this process from others in status. Empty: not shown.
	Instance string
	// Started is when the process began, for status. Zero: when Handler or Status is called.
	Started time.Time

	memory int64 // for bodies to send again, in bytes; zero: defaultBodies
}

// defaultBodies is what is kept of bodies unless said otherwise.
const defaultBodies = 16 << 20

// filled returns g with every optional field set.
func (g Gateway) filled() Gateway {
	if g.Now == nil {
		g.Now = clock.Wall
	}
	if g.Log == nil {
		g.Log = slog.Default()
	}
	if g.BasePath == nil {
		g.BasePath = func(context.Context) string { return "" }
	}
	if g.BodyLimit == nil {
		g.BodyLimit = func(context.Context) (int, bool) { return 0, false }
	}
	if g.memory == 0 {
		g.memory = defaultBodies
	}
	if g.Version == "" {
		g.Version = version.String()
	}
	if g.Started.IsZero() {
		g.Started = g.Now()
	}
	return g
}

// Handler returns the handler. The Gateway is copied: changes to it afterwards do nothing.
func (g Gateway) Handler() http.Handler {
	g = g.filled()
	h := &handler{
		Gateway: g, methods: []string{http.MethodGet, http.MethodHead},
		door:        newDoor(&g),
		spools:      semaphore.NewWeighted(spoolMemory),
		description: sync.OnceValue(func() string { return describe(g.Version, g.Key != "" || g.KeyInFront, g.Purge) }),
		release:     strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(g.Version))), 36),
	}
	h.varyReport, h.varyPage = h.door.vary("Accept, Accept-Encoding"), h.door.vary("Accept")
	if g.Purge {
		h.methods = append(h.methods, http.MethodDelete)
	}
	h.bodies = otter.Must(&otter.Options[bodyKey, *representation]{
		MaximumWeight: uint64(g.memory),
		Weigher:       func(k bodyKey, r *representation) uint32 { return uint32(min(r.weight(), 1<<31)) },
	})
	return h
}

type handler struct {
	Gateway
	methods []string // allowed on reports
	release string   // tells versions apart
	door    door
	// The API's description, but for its server.
	description func() string
	// The Vary of reports and of pages.
	varyReport, varyPage []string
	bodies               *otter.Cache[bodyKey, *representation]
	trees                catalog.Trees // what answers told of the reports
	spools               *semaphore.Weighted
}

// reportsPath is where the reports stand, as at Adobe.
const reportsPath = "/cmu/v2"

// maxPath bounds the paths of pages, as pkg/cmu bounds those of reports.
const maxPath = 2 << 10

// pages are the routes beside the reports.
var pages = map[string]func(*handler, http.ResponseWriter, *http.Request){
	"/":             (*handler).index,
	"/status":       (*handler).status,
	"/catalog":      (*handler).catalog,
	"/openapi.json": (*handler).openAPI,
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := &line{ResponseWriter: w, began: h.Now()}
	h.route(l, r)
	l.write(h, r)
}

func (h *handler) route(w *line, r *http.Request) {
	w.Header()["X-Content-Type-Options"] = nosniff
	if h.madeUp() {
		w.Header()[cmu.HeaderSimulated] = simulated
	}
	if !h.open(w, r) {
		return
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	if below, ok := strings.CutPrefix(path, reportsPath); ok && (below == "" || below[0] == '/') {
		switch {
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			h.report(w, r, below)
		case r.Method == http.MethodDelete && h.Purge:
			h.purge(w, r, below)
		default:
			h.notAllowed(w, r, h.methods)
		}
		return
	}
	if len(path) > maxPath {
		h.problem(w, r, problem{Status: http.StatusRequestURITooLong, Code: "too_long", Detail: fmt.Sprintf("The request is too long: the path has over %d bytes.", maxPath)})
		return
	}
	if below, ok := strings.CutPrefix(path, assetsPath); ok {
		h.asset(w, r, below)
		return
	}
	page, ok := pages[path]
	switch {
	case ok && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		page(h, w, r)
	case ok:
		h.notAllowed(w, r, []string{http.MethodGet, http.MethodHead})
	case path == "/favicon.ico":
		w.WriteHeader(http.StatusNotFound)
	default:
		base := h.BasePath(r.Context())
		h.problem(w, r, problem{Status: http.StatusNotFound, Code: "no_such_route", Detail: "There is nothing here. Reports are below " +
			base + reportsPath + "/, and there are " + base + "/, " + base + "/catalog, " + base + "/status and " + base + "/openapi.json."})
	}
}

var nosniff = []string{"nosniff"}

// report answers a request for a report. Below is the escaped path below the reports base.
func (h *handler) report(w *line, r *http.Request, below string) {
	ctx, header := r.Context(), w.Header()
	header["Vary"] = h.varyReport
	asked, err := h.Reports.Parse(below, r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, reports.FromAdobe, err)
		return
	}
	media, ok := choose(asked.Format, r.Header["Accept"])
	if !ok {
		h.problem(w, r, problem{Status: http.StatusNotAcceptable, Code: "not_acceptable", Detail: "There is no such format. " +
			"An extension or format= may be json, csv, xml, ndjson or html; Accept may name " + mediaTypes() + "."})
		return
	}
	d := directives(r.Header)
	d.OnlyIfCached = d.OnlyIfCached || inPassing(ctx)
	answer, source, err := h.Reports.Get(ctx, asked, d)
	if err != nil {
		h.fail(w, r, source, err)
		return
	}
	// For metric filters: how often Adobe is spared, and which answers are incomplete. The report is escaped as in a URL, and bounded.
	w.answer = []slog.Attr{slog.String("source", source.String()), slog.Bool("incomplete", answer.Incomplete && asked.Limit == 0),
		slog.Int("rows", answer.Rows), slog.String("report", asked.Report())}
	if source != reports.FromMemory {
		h.learn(answer)
	}
	if answer.Simulated {
		header[cmu.HeaderSimulated] = simulated
	}
	now := h.Now()
	header["Cache-Status"] = []string{cacheStatus(answer, source, d, now)}
	header["Cache-Control"] = []string{cacheControl(answer)}
	header["Age"] = []string{age(answer, now)}
	if until := answer.SettledUntil.String(); until != "" {
		header[headerSettledUntil] = []string{until}
	}
	h.represent(w, r, &document{
		Answer: answer, asked: asked, media: media, base: h.BasePath(ctx) + reportsPath,
		simulated: h.Simulated || answer.Simulated, gzip: compressed(answer, r.Header["Accept-Encoding"]), stale: source == reports.Stale,
	})
}

// headerIncomplete is a Boolean of RFC 9651 with a sentence as parameter. It is absent rather than false.
const headerIncomplete = "Cmu-Incomplete"

// headerBeforeHorizon is a List of RFC 9651: a Boolean for each part of the window that Adobe no longer had in whole when it was asked, and that
// was not kept before, with parameters from and until. It is absent where there is none. In a DELETE, ?1 has what Adobe no longer has deleted too.
const headerBeforeHorizon = "Cmu-Before-Horizon"

// headerSettledUntil is the civil time up to where rows are final.
const headerSettledUntil = "Cmu-Settled-Until"

// purge forgets what is kept of a report, whatever the window: blocks are shared by windows.
func (h *handler) purge(w http.ResponseWriter, r *http.Request, below string) {
	asked, err := cmu.Parse(below, r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, reports.FromAdobe, err)
		return
	}
	if !asked.Start.IsZero() || !asked.End.IsZero() || asked.Limit > 0 {
		h.problem(w, r, problem{Status: http.StatusBadRequest, Code: "bad_request",
			Detail: "The request is not valid: all windows of a report are forgotten; leave out start, end and limit."})
		return
	}
	if tags := r.Header["If-Match"]; tags != nil && !matches(tags, "", true) {
		h.problem(w, r, problem{Status: http.StatusPreconditionFailed, Code: "precondition_failed", Detail: "All windows of a report are forgotten, " +
			"whatever they hold, and a tag in If-Match names one of them: only * can match."})
		return
	}
	history := r.Header.Get(headerBeforeHorizon) == "?1"
	purged, err := h.Reports.Purge(r.Context(), asked, history)
	if err != nil {
		h.Log.ErrorContext(r.Context(), "purge failed", "report", asked.Report(), "deleted", purged.Deleted, "error", err)
		h.problem(w, r, problem{Status: http.StatusServiceUnavailable, Code: "store_unavailable", RetryAfter: storePause,
			Detail: "The store failed before all was deleted. Try again."})
		return
	}
	h.bodies.InvalidateAll()
	h.Log.InfoContext(r.Context(), "purged", "event", "purged", "report", asked.Report(), "deleted", purged.Deleted, "kept", purged.Kept, "history", history)
	sendJSON(w, purged)
}
