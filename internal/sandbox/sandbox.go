// Package sandbox is a simulated Adobe: client registration, access tokens and Concurrency Monitoring usage reports as one
// in-process http.Handler. It holds no state that a restart would miss: statements, credentials and tokens issued by one
// Sandbox are good at any other with the same seed, and every report row is computed from the seed and the clock.
//
// It behaves as Adobe documents, and where Adobe is silent every answer that clients have met can be chosen: see Behaviour.
package sandbox

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/pkg/cmu"
)

// Options are what a Sandbox is made with. The zero value is a working one.
type Options struct {
	// Seed chooses the data and the credentials. Zero is a seed like any other.
	Seed uint64
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Latency is what every call of the three endpoints takes at least, cut to milliseconds. Zero: none. It can be changed by Behaviour.
	Latency time.Duration
	// TokenLife is how long an access token is good, rounded up to seconds. Zero: six hours. It can be changed by Behaviour.
	TokenLife time.Duration
	// Tenant is the name of the tenant that the software statement belongs to. Empty: ACME.
	Tenant string
}

// Sandbox is a simulated Adobe. Make one with New. It is safe for concurrent use.
type Sandbox struct {
	now    func() time.Time
	secret []byte // what the seed signs client secrets with
	boot   string // names this process in the identifiers that it issues
	tree   *tree
	world  *world
	counts counts

	throttle throttle
	clients  ledger
	tokens   ledger

	mu        sync.Mutex
	behaviour Behaviour
	draws     uint64    // how many fault probabilities were drawn
	minute    time.Time // when the current minute of the report limit began
	inMinute  int
}

// New returns a Sandbox.
func New(o Options) *Sandbox {
	s := &Sandbox{now: o.Now, tree: reportTree()}
	if s.now == nil {
		s.now = time.Now
	}
	var seed, boot [8]byte
	binary.BigEndian.PutUint64(seed[:], o.Seed)
	key := sha256.Sum256(append([]byte("cmu sandbox "), seed[:]...))
	s.secret = key[:]
	_, _ = rand.Read(boot[:]) // never fails
	s.boot = hex.EncodeToString(boot[:])
	s.world = newWorld(o.Seed, cmp.Or(o.Tenant, "ACME"))
	s.behaviour = Behaviour{
		LatencyMS:        o.Latency.Milliseconds(),
		TokenLifeSeconds: int64((o.TokenLife + time.Second - 1) / time.Second),
		location:         time.UTC,
	}
	return s
}

// Counts are numbers of calls since the start or the last reset. Calls are counted when they arrive, whatever the answer.
type Counts struct {
	Register   int64 `json:"register"`   // calls of the registration endpoint
	Registered int64 `json:"registered"` // clients issued, the ones whose answer was lost included
	Token      int64 `json:"token"`      // calls of the token endpoint
	Issued     int64 `json:"issued"`     // access tokens issued, the ones whose answer was lost included
	Report     int64 `json:"report"`     // calls of the report endpoint
	Served     int64 `json:"served"`     // reports answered with status 200
	Rows       int64 `json:"rows"`       // report rows sent
	Refused    int64 `json:"refused"`    // report calls answered with 401 or 403
	Throttled  int64 `json:"throttled"`  // calls of any endpoint answered with 429 by a rate limit
	Faults     int64 `json:"faults"`     // faults injected
}

type counts struct {
	register, registered, token, issued, report, served, rows, refused, throttled, faults atomic.Int64
}

// Counts returns the numbers of calls so far.
func (s *Sandbox) Counts() Counts {
	c := &s.counts
	return Counts{
		Register: c.register.Load(), Registered: c.registered.Load(), Token: c.token.Load(), Issued: c.issued.Load(),
		Report: c.report.Load(), Served: c.served.Load(), Rows: c.rows.Load(), Refused: c.refused.Load(),
		Throttled: c.throttled.Load(), Faults: c.faults.Load(),
	}
}

// ResetCounts sets all counts to zero.
func (s *Sandbox) ResetCounts() {
	c := &s.counts
	for _, n := range []*atomic.Int64{&c.register, &c.registered, &c.token, &c.issued, &c.report, &c.served, &c.rows,
		&c.refused, &c.throttled, &c.faults} {
		n.Store(0)
	}
}

// ReportsPath is where the reports stand. They answer below /v2 as well, with links that begin with this.
const ReportsPath = "/cmu/v2"

var simulated = []string{"?1"}

// ServeHTTP answers as Adobe's authorization server below /o/client/, as its reports server below ReportsPath and /v2, and
// takes orders below /_sandbox/.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header()[cmu.HeaderSimulated] = simulated
	path := r.URL.EscapedPath()
	switch {
	case path == "/o/client/register":
		s.counts.register.Add(1)
		s.call(w, r, "register", s.serveRegister)
	case path == "/o/client/token":
		s.counts.token.Add(1)
		s.call(w, r, "token", s.serveToken)
	case path == "/_sandbox" || strings.HasPrefix(path, "/_sandbox/"):
		s.serveControl(w, r)
	default:
		below, ok := cutBase(path, ReportsPath)
		if !ok {
			below, ok = cutBase(path, "/v2")
		}
		if !ok {
			plain(w, http.StatusNotFound, "Not found: reports are below "+ReportsPath+", the sandbox's own pages below /_sandbox/")
			return
		}
		s.counts.report.Add(1)
		s.call(w, r, "report", func(w http.ResponseWriter, r *http.Request) { s.serveReport(w, r, below) })
	}
}

func cutBase(path, base string) (below string, ok bool) {
	below, ok = strings.CutPrefix(path, base)
	return below, ok && (below == "" || below[0] == '/')
}

// call serves one call of an endpoint with its latency and its fault, if one is due.
func (s *Sandbox) call(w http.ResponseWriter, r *http.Request, endpoint string, serve http.HandlerFunc) {
	if ms := s.Behaviour().LatencyMS; ms > 0 {
		if clock.Sleep(r.Context(), time.Duration(ms)*time.Millisecond) != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if f, due := s.takeFault(endpoint, r.URL.RequestURI()); due {
		s.counts.faults.Add(1)
		f.serve(w, r, serve)
		return
	}
	serve(w, r)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func (s *Sandbox) sign(text string) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}
