package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/internal/warm"
	"cmu-gateway/pkg/cmu"
)

// asked is what viewers look at, each half as often as the one before.
var asked = []string{
	"tenant/year/month/day?start=-35d", "tenant/year/month/day/hour?start=-8d", "tenant/year/month/day/mvpd?start=-35d",
	"tenant/year/month/day/mvpd?start=-1y", "year/month/day/tenant/platform/application-id?start=-35d", "tenant/year/month?start=-2y",
	"tenant/year/month/day/application-id?start=-35d", "year/month/day/activity-level?start=-35d",
}

// How long it takes, as measured (test/cost/measured.json, test/stack): an answer from memory and from the table, a call to Adobe, and the
// start of an instance.
const (
	fromMemory = 5 * time.Millisecond
	fromStore  = 20 * time.Millisecond
	adobeCall  = 860 * time.Millisecond
	coldStart  = 300 * time.Millisecond
)

const (
	dayLong   = 24 * time.Hour
	step      = time.Minute
	scheduled = 5 * time.Minute // the schedule WarmUp of template.yaml
	headroom  = 1.3             // of instances over what the load keeps busy: it comes in bursts
	swing     = 0.8             // how far the load of noon and of midnight lie from the day's mean
)

// policy is that of the settings' defaults.
var policy = plan.Policy{
	Minute: 15 * time.Second, Hour: 15 * time.Minute, Day: 45 * time.Minute, Month: 12 * time.Hour, Level: 6 * time.Hour,
	Settled: 720 * time.Hour, Stale: 24 * time.Hour, StaleIfError: 168 * time.Hour, Margin: 12 * time.Hour,
}

// day is a day under way, and what it came to.
type day struct {
	size
	random *rand.Rand
	at     time.Time
	table  *table
	adobe  *sandbox.Sandbox
	client *cmu.Client
	token  cmu.Token

	most, colds      int
	requests, memory float64
	calls            int64
	waits            waits
}

// instance is a Lambda sandbox: frozen between requests, with a memory of its own.
type instance struct {
	service *reports.Service
	ends    time.Time
	began   bool
	fresh   []time.Time // until when each answer in its memory is
	after   []func(context.Context)
}

// walk lets a day of viewers come.
func walk(s size, seed uint64) (*day, error) {
	d := &day{size: s, random: rand.New(rand.NewPCG(seed, uint64(s.rate))), at: time.Date(2026, 7, 21, 0, 0, 0, 0, time.UTC), waits: waits{}}
	d.table = newTable(d.now)
	d.adobe = sandbox.New(sandbox.Options{Seed: 7, Now: d.now, TokenLife: 10 * dayLong})
	if err := d.adobe.Change(func(b *sandbox.Behaviour) { b.NoThrottle = true }); err != nil {
		return nil, err
	}
	if err := d.login(); err != nil {
		return nil, err
	}
	before := d.adobe.Counts().Report
	warmer := d.begin()
	keeper := warm.New(warm.Options{Reports: asked, Service: warmer.service, Policy: policy, Now: d.now, Sleep: d.sleep, Log: slog.Default()})
	var fleet []*instance
	for began := d.at; d.at.Before(began.Add(dayLong)); d.at = d.at.Add(step) {
		since := d.at.Sub(began)
		if d.warm && since%scheduled == 0 {
			keeper.Round(context.Background())
			warmer.rest()
		}
		rate := d.rate * (1 - swing*math.Cos(2*math.Pi*since.Hours()/24))
		n := max(2, int(math.Ceil(rate*fromMemory.Seconds()*headroom)))
		if d.fleet > 0 && since == dayLong/2 {
			fleet, n = nil, d.fleet
		}
		fleet = slices.DeleteFunc(fleet, func(i *instance) bool { return i.ends.Before(d.at) })
		for len(fleet) < n {
			fleet = append(fleet, d.begin())
		}
		clear(fleet[n:])
		fleet = fleet[:n]
		d.most = max(d.most, n)
		if err := d.minute(fleet, rate); err != nil {
			return nil, err
		}
	}
	d.calls = d.adobe.Counts().Report - before
	return d, nil
}

// minute has viewers come for a minute, to instances by chance.
func (d *day) minute(fleet []*instance, rate float64) error {
	weight := 0.0
	for r := range asked {
		weight += math.Pow(2, -float64(r))
	}
	begin := d.at
	for _, i := range fleet {
		for r := range asked {
			n := d.poisson(rate * step.Seconds() / float64(len(fleet)) * math.Pow(2, -float64(r)) / weight)
			if n == 0 {
				continue
			}
			d.requests += n
			if i.fresh[r].After(begin.Add(step)) {
				d.memory += n
				d.waits.add(fromMemory, n)
				continue
			}
			if err := d.ask(i, r, n, rate*math.Pow(2, -float64(r))/weight); err != nil {
				return fmt.Errorf("%s at %v: %w", asked[r], d.at, err)
			}
		}
	}
	return nil
}

// ask has the first of n viewers answered by the report cache, and the others of the minute from what it then has in memory.
func (d *day) ask(i *instance, r int, n, rate float64) error {
	calls := d.adobe.Counts().Report
	path, query, _ := strings.Cut(asked[r], "?")
	request, err := i.service.Parse(path, query)
	if err != nil {
		return err
	}
	answer, source, err := i.service.Get(context.Background(), request, reports.Directives{})
	if err != nil {
		return err
	}
	i.fresh[r] = answer.Fresh
	wait := fromMemory
	switch source {
	case reports.FromStore, reports.Stale:
		wait = fromStore
	case reports.FromAdobe:
		wait = fromStore + adobeCall*time.Duration(max(1, (d.adobe.Counts().Report-calls+3)/4))
		// Who comes meanwhile, to any instance, waits for what is left of it.
		others := rate * wait.Seconds()
		d.requests += others
		d.waits.add(wait/2, others)
	case reports.FromMemory:
		d.memory++
	}
	if !i.began {
		i.began = true
		wait += coldStart
	}
	d.memory += n - 1
	d.waits.add(wait, 1)
	d.waits.add(fromMemory, n-1)
	i.rest()
	return nil
}

// begin starts an instance, which lives for some hours.
func (d *day) begin() *instance {
	d.colds++
	i := &instance{ends: d.at.Add(time.Duration(60+d.random.IntN(120)) * time.Minute), fresh: make([]time.Time, len(asked))}
	token := func(context.Context) (upstream.Token, error) { return upstream.Token{Value: d.token.Value}, nil }
	i.service = reports.New(reports.Options{
		Client: d.client, Store: d.table, Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 4 << 20, Token: token,
		Refused: func(ctx context.Context, _ cmu.Secret) (upstream.Token, error) { return token(ctx) },
		After:   func(work func(context.Context)) bool { i.after = append(i.after, work); return true },
		Now:     d.now, Sleep: d.sleep, Log: slog.Default(),
	})
	return i
}

// rest does the work after an answer, before the instance is frozen.
func (i *instance) rest() {
	for len(i.after) > 0 {
		work := i.after[0]
		i.after = i.after[1:]
		work(context.Background())
	}
}

func (d *day) now() time.Time { return d.at }

// sleep never waits: nobody has what others wait for.
func (d *day) sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// poisson is how many of so many on average come.
func (d *day) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*d.random.NormFloat64()))
	}
	n := 0.0
	for p := d.random.Float64(); p > math.Exp(-mean); n++ {
		p *= d.random.Float64()
	}
	return n
}

func (d *day) login() error {
	d.client = &cmu.Client{
		AuthURL: "http://127.0.0.1", ReportsURL: "http://127.0.0.1" + sandbox.ReportsPath, AllowHTTP: true, Transport: &inProcess{handler: d.adobe}, Now: d.now,
	}
	statement, err := cmu.ParseStatement([]byte(d.adobe.Statement()))
	if err != nil {
		return err
	}
	credentials, err := d.client.Register(context.Background(), statement)
	if err == nil {
		d.token, err = d.client.Token(context.Background(), credentials)
	}
	return err
}

// inProcess is the way to a handler in this process.
type inProcess struct {
	handler http.Handler
	mu      sync.Mutex
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	out := httptest.NewRecorder()
	p.handler.ServeHTTP(out, r)
	res := out.Result()
	res.Request = r
	res.Body = io.NopCloser(out.Body)
	return res, nil
}
