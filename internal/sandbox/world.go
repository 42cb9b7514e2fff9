package sandbox

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// The metrics that add up, by index: sessionMetrics, durationMetrics, streamMetrics.
var (
	sessionMetrics = []string{"active-sessions", "started-sessions", "completed-sessions", "failed-attempts", "dismissed-sessions",
		"killed-sessions"}
	durationMetrics = []string{"duration_0-15", "duration_15-30", "duration_30-60", "duration_60-120", "duration_2h-4h",
		"duration_4h-8h", "duration_8h-16h", "duration_16h-1d", "duration_1d-3d", "duration_3d-7d", "duration_1w-1m",
		"duration_over-1m"}
	streamMetrics = []string{"bstreams-15", "bstreams-30", "bstreams-45", "bstreams-60", "bstreams-75", "bstreams-90",
		"bstreams-105", "bstreams-120"}
	additive = slices.Concat(sessionMetrics, durationMetrics, streamMetrics)
)

const additiveMetrics = 26

// ratios are the additive metrics' parts of the active sessions. All but the first are below one, and taken of the whole
// number of active sessions: so nothing else happens where no session is active.
var ratios = [additiveMetrics]float64{
	1, .85, .73, .04, .05, .015,
	.16, .11, .13, .14, .1, .05, .02, .008, .003, .001, .0005, .0001,
	.8, .66, .55, .46, .38, .31, .25, .2,
}

// The dimensions of a cell, by index.
var cellDimensions = []string{"tenant", "mvpd", "channel", "platform", "application-id", "application"}

// cell is the finest thing that has sessions: one tenant, MVPD, channel, platform and application.
type cell struct {
	values   [6]string // by cellDimensions
	tenant   int
	weights  [rhythms]float64 // of the tenant's load
	low, top float64          // sessions before the cell began and after it ended
	ratios   [additiveMetrics]float64
	phases   [additiveMetrics]float64
}

// sessions returns the active sessions of c before an instant, not yet a whole number, given the tenant's load there.
func (c *cell) sessions(load *[rhythms]float64) float64 {
	s := float64(c.weights[0]*load[0]) + float64(c.weights[1]*load[1])
	s += float64(c.weights[2]*load[2]) + float64(c.weights[3]*load[3])
	return min(max(s, c.low), c.top)
}

// share is one value of a dimension that divides users, and the part of them that it has.
type share struct {
	value string
	part  float64
}

// levels are the dimensions that divide users. Their values never add up, as a user reaches several.
var levels = map[string][]share{
	"concurrency-level": {{"1", .9}, {"2", .21}, {"3", .1}, {"4", .045}, {"5", .018}, {"6", .007}},
	"activity-level":    {{"1", .3}, {"2", .28}, {"3", .22}, {"4", .13}, {"5", .07}},
	"duration":          {{"120", .2}, {"15", .3}, {"30", .27}, {"60", .23}},
	"occurrences":       {{"1", .5}, {"2", .25}, {"3", .15}, {"5", .1}},
}

// world is all that reports are about.
type world struct {
	seed    uint64
	tenants []string // the own one first
	cells   []cell
	loads   []*load // by tenant
}

// tenantPlan is what a tenant is made of.
type tenantPlan struct {
	name        string
	daily       float64 // sessions a day at the start of the span
	silentEvery uint64
	mvpds       []string
	channels    []string
	apps        []appPlan
}

type appPlan struct {
	name      string
	platforms []string
	ends      time.Time // zero: never
}

// lateMVPD starts in the middle of the history, and one application of the own tenant ends in it.
const lateMVPD = "Fubo"

var (
	lateStart = time.Date(2025, 11, 17, 5, 0, 0, 0, time.UTC)
	kidsEnd   = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
)

// platformRhythms say how much of each rhythm a platform follows.
var platformRhythms = map[string][rhythms]float64{
	"iOS":      {.2, .5, .1, .2},
	"Android":  {.25, .45, .1, .2},
	"Web":      {.1, .6, .1, .2},
	"Roku":     {.6, .05, .25, .1},
	"Fire TV":  {.65, .05, .2, .1},
	"Apple TV": {.55, .1, .25, .1},
}

func plans(own string) []tenantPlan {
	all := []tenantPlan{
		{
			name: own, daily: 60_000,
			mvpds:    []string{"Comcast_SSO", "DTV", "Charter_Direct", "Cox", "Dish", "Verizon", "YouTubeTV", "ATT", "Télé Québec", lateMVPD},
			channels: []string{own + " One", own + " Sports", "東京チャンネル", "Unknown"},
			apps: []appPlan{
				{name: own + " Go", platforms: []string{"iOS", "Android", "Apple TV"}},
				{name: own + " TV", platforms: []string{"Roku", "Fire TV", "Apple TV"}},
				{name: own + " Web", platforms: []string{"Web"}},
				{name: own + ` "Live", 24/7`, platforms: []string{"iOS", "Android"}},
				{name: own + " Kids", platforms: []string{"iOS"}, ends: kidsEnd},
			},
		}, {
			name: "GLOBEX", daily: 20_000,
			mvpds:    []string{"Comcast_SSO", "DTV", "Dish", "Cox", "Rogers", "Télé Québec"},
			channels: []string{"Globex 1", "Globex & Friends", "Unknown"},
			apps: []appPlan{
				{name: "Globex Now", platforms: []string{"iOS", "Android", "Web"}},
				{name: "Globex Big Screen", platforms: []string{"Roku", "Fire TV"}},
			},
		}, {
			name: "INITECH", daily: 250, silentEvery: 23,
			mvpds:    []string{"Cox", "Dish", "Verizon"},
			channels: []string{"Initech", "Unknown"},
			apps:     []appPlan{{name: "Initech Player", platforms: []string{"Web", "Android"}}},
		},
	}
	others := slices.DeleteFunc(all[1:], func(p tenantPlan) bool { return p.name == own })
	return all[:1+len(others)]
}

// worlds are the ones made last. Making one takes some milliseconds and a megabyte, and they never change.
var worlds = struct {
	sync.Mutex
	made map[worldKey]*world
}{made: map[worldKey]*world{}}

type worldKey struct {
	seed uint64
	own  string
}

func newWorld(seed uint64, own string) *world {
	worlds.Lock()
	defer worlds.Unlock()
	key := worldKey{seed, own}
	if w, ok := worlds.made[key]; ok {
		return w
	}
	w := &world{seed: seed}
	for i, p := range plans(own) {
		w.tenants = append(w.tenants, p.name)
		w.loads = append(w.loads, newLoad(mixText(seed, p.name), p.daily, p.silentEvery))
		w.addCells(i, p)
	}
	if len(worlds.made) >= 4 {
		clear(worlds.made)
	}
	worlds.made[key] = w
	return w
}

// addCells makes a cell of every MVPD, channel, application and platform of the tenant, with shares that fall from the first
// to the last.
func (w *world) addCells(tenant int, p tenantPlan) {
	first := len(w.cells)
	total := 0.0
	for im, mvpd := range p.mvpds {
		for ic, channel := range p.channels {
			for ia, app := range p.apps {
				for ip, platform := range app.platforms {
					id := applicationID(mixText(w.seed, p.name+app.name))
					c := cell{values: [6]string{p.name, mvpd, channel, platform, id, app.name}, tenant: tenant}
					h := mixText(w.seed, p.name+"/"+mvpd+"/"+channel+"/"+platform+"/"+app.name)
					weight := math.Pow(.75, float64(im)) * math.Pow(.6, float64(ic)) * math.Pow(.7, float64(ia+ip))
					weight *= .6 + .8*unit(h)
					total += weight
					for k, part := range platformRhythms[platform] {
						c.weights[k] = weight * part
					}
					for m := range ratios {
						c.phases[m] = unit(mix(h, 1, uint64(m)))
						c.ratios[m] = min(.99, ratios[m]*(.85+.3*unit(mix(h, 2, uint64(m)))))
					}
					w.cells = append(w.cells, c)
				}
			}
		}
	}
	for i := first; i < len(w.cells); i++ {
		c := &w.cells[i]
		for k := range c.weights {
			c.weights[k] /= total
		}
		c.top = math.Inf(1)
		if c.values[1] == lateMVPD {
			c.low = w.sessionsAt(c, lateStart)
		}
		for _, a := range p.apps {
			if a.name == c.values[5] && !a.ends.IsZero() {
				c.top = w.sessionsAt(c, a.ends)
			}
		}
		c.top = max(c.top, c.low)
	}
}

func (w *world) sessionsAt(c *cell, t time.Time) float64 {
	at := w.loads[c.tenant].at(t.UnixMilli())
	free := *c
	free.low, free.top = 0, math.Inf(1)
	return free.sessions(&at)
}

func applicationID(h uint64) string {
	g := mix(h, 9)
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(h), uint16(h>>32), h>>52, g>>52, g&0xffffffffffff)
}

// distinct returns how many users n sessions of a period come from: fewer than one each, the more so the more there are. It
// does not add up, and depends on nothing but the sessions counted and the period.
func (w *world) distinct(n int64, period uint64) int64 {
	if n <= 1 {
		return n
	}
	users := math.Pow(float64(n), .88) * (.93 + .07*unit(mix(w.seed, 3, period, uint64(n))))
	return min(n, max(1, int64(users)))
}
