package reports

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// job is one thing to know: the rows of a report over whole periods, or the rows of one exact request.
type job struct {
	req    cmu.Request // what Adobe is asked; of a job over periods without its window
	report store.Report
	order  *order
	pace   pace
	exact  bool
	want   span
	only   span   // of an exact job: the periods whose rows are wanted; empty: all
	first  string // the names of the first and last block
	last   string
	// loaded tells that what the store holds has just been put into memory.
	loaded bool
}

func (p Policy) newJob(r cmu.Request) *job {
	r.Format = ""
	return &job{req: r, report: store.Report(r.Report()), order: newOrder(r), pace: p.of(r)}
}

// exactJob asks for r as it is.
func (p Policy) exactJob(r cmu.Request) *job {
	j := p.newJob(r)
	j.exact, j.want = true, exactSpan
	sum := sha256.Sum256([]byte(r.Canonical()))
	j.first = "x" + base64.RawURLEncoding.EncodeToString(sum[:12])
	j.last = j.first
	return j
}

// edgeJob asks for the part of one period that lies in edge.
func (p Policy) edgeJob(r cmu.Request, edge span) *job {
	r.Start, r.End = cmu.BoundAt(edge.From), cmu.BoundAt(edge.To)
	j := p.exactJob(r)
	j.only = span{j.pace.grain.Floor(edge.From), j.pace.grain.Ceil(edge.To)}
	return j
}

// periodsJob asks for the rows of r's report over whole periods.
func (p Policy) periodsJob(r cmu.Request, s span) *job {
	r.Start, r.End = cmu.Bound{}, cmu.Bound{}
	j := p.newJob(r)
	j.want = s
	starts := blockStarts(j.pace.grain, s)
	j.first, j.last = blockName(starts[0]), blockName(starts[len(starts)-1])
	return j
}

// ask returns the request to Adobe for the rows of s.
func (j *job) ask(s span) cmu.Request {
	r := j.req
	if !j.exact {
		r.Start, r.End = cmu.BoundAt(s.From), cmu.BoundAt(s.To)
	}
	return r
}

// settled returns the instant before which the job's rows will not change any more, if fetched at a time.
func (j *job) settled(at time.Time) cmu.Civil {
	if !j.exact {
		return j.pace.settled(at)
	}
	_, started := j.req.Start.Civil()
	end, ended := j.req.End.Civil()
	if started && ended && j.pace.grain != cmu.NoGrain && end <= j.pace.settled(at) {
		return exactSpan.To
	}
	return exactSpan.From
}

// splittable returns the window of r in civil time if its rows can be told apart by calendar period: the path has a
// grain, the window is in civil time and not left to Adobe, no limit is given, and no filter is on a time dimension.
func splittable(r cmu.Request, p Policy, now time.Time) (s span, ok bool) {
	grain, ok := r.Grain()
	from, started := r.Start.Civil()
	if !ok || !started || r.Limit > 0 || slices.ContainsFunc(r.Filters, func(f cmu.Filter) bool {
		return cmu.TimeDimension(f.Dimension) != cmu.NoGrain
	}) {
		return span{}, false
	}
	to, ended := r.End.Civil()
	if r.End.IsZero() {
		to, ended = grain.Ceil(p.latest(now)), true
	}
	s = span{from, to}
	unit := blockUnit(grain)
	return s, ended && !s.empty() && periods(unit, span{unit.Floor(from), unit.Ceil(to)}) <= maxBlocks
}

// maxBlocks bounds the blocks of one window: 25 months of hours, 33 days of minutes.
const maxBlocks = 800

// leaseName names the lease under which the job's rows are fetched.
func (j *job) leaseName() string {
	sum := sha256.Sum256([]byte(j.report))
	name := "fetch/" + base64.RawURLEncoding.EncodeToString(sum[:12])
	if j.exact {
		name += "/" + strings.TrimPrefix(j.first, "x")
	}
	return name
}
